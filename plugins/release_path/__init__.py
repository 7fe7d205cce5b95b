"""Airflow's side of the release path: what a DAG does with a gate's verdict."""

from release_path.verdict import verdict_tasks

__all__ = ["verdict_tasks"]
