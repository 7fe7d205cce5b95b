"""One module a DAG: what is drawn for a project whose DAG file calls it.

Airflow reads them again and again, so they import nothing that it can spare.
"""
