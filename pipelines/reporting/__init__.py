"""The kit that reports are made with: blocks, pages, charts, provenance.

It knows evidence, a gate's decision, tables, charts and provenance. What the report of a product
says with them stands in its domain: `pipelines.mlops.release_report`, `pipelines.aiops.report`.
"""
