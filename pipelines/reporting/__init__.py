"""The kit that reports are made with: blocks, pages, charts, provenance.

The general layer (this package and ``charts/``) knows evidence, a gate's decision, tables, charts
and provenance. What a model's release says with them is in ``model_release/``; other kinds of
release bring their own chapters.
"""
