"""What the DAGs telemetry_anomalies, service_map and incidents share; cheap to import."""

from analysis_dags.parsing import FOUND, MAPPED, timetable, window_task

__all__ = ["FOUND", "MAPPED", "timetable", "window_task"]
