"""What happens when a task runs: workspaces, child processes, DVC. No Airflow in here."""
