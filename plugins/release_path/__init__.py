"""Airflow's side of the release path: what a DAG does with a gate's verdict."""

from release_path.tasks import release_tasks

__all__ = ["release_tasks"]
