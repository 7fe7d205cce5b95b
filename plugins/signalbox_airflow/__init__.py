"""What of Signalbox lives inside Airflow: tasks of the DAGs, pages, the listener."""
