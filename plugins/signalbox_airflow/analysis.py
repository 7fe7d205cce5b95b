"""What is needed while Airflow reads the DAGs: assets, the schedule of params.yaml, first task."""

from pathlib import Path
from typing import Any

from airflow.sdk import Asset, CronDataIntervalTimetable, Param, task

from signalbox_airflow.parsing import asset


def anomalies_ready(project: Path) -> Asset:
    """Return the asset an event on which says: a window's anomalies are there."""
    return asset(project, "telemetry_anomalies")


def service_map_ready(project: Path) -> Asset:
    """Return the asset an event on which says: a window's service map is there."""
    return asset(project, "service_map")


WINDOW_FORM = {
    name: Param(
        None,
        type=["null", "string"],
        format="date-time",
        title=f"{name.capitalize()} of the window",
        description="Give both or neither; empty = the run's own data interval, and for a run "
        "without one the window of params.yaml (aiops.analysis).",
    )
    for name in ("start", "end")
}
"""Fields of the form of a DAG that analyses a window."""

_LONGEST_WAIT = 2 * 86_400
"""Seconds; `delay_minutes` is at most a day."""


def timetable(project: Path) -> CronDataIntervalTimetable:
    """Schedule ``aiops.analysis.schedule``; a window is the time between two runs.

    Only this key is looked at: params.yaml is checked as a whole when a task runs.
    """
    import yaml

    path = project / "params.yaml"
    try:
        settings = yaml.load(path.read_bytes(), yaml.CSafeLoader)
        schedule = (settings.get("aiops") or {}).get("analysis", {}).get("schedule", "@hourly")
    except (yaml.YAMLError, AttributeError) as error:
        raise ValueError(f"{path}: not readable: {error}") from None
    if not isinstance(schedule, str) or schedule in {"@once", "@continuous"}:
        raise ValueError(
            f"{path}: aiops.analysis.schedule: {schedule!r}: use a cron expression, in quotes, or "
            "@hourly or @daily"
        )
    return CronDataIntervalTimetable(schedule, timezone="UTC")


def window_task(project: Path) -> Any:
    """Make the task that says which window is meant; later tasks get its name."""

    @task.sensor(
        task_id="window",
        mode="reschedule",
        poke_interval=60,
        timeout=_LONGEST_WAIT,
        doc_md="The run's data interval, once telemetry of it had time to be ingested "
        "(aiops.analysis.delay_minutes). A run without one takes the window of params.yaml. "
        "Without any telemetry there is nothing to do: all else is skipped.",
    )
    def window(
        params: dict[str, Any], data_interval_start: Any = None, data_interval_end: Any = None
    ) -> Any:
        from airflow.sdk import PokeReturnValue

        from signalbox_airflow.analysis_work import asked_window, find_window
        from signalbox_airflow.notes import ending_noted

        with ending_noted():
            asked = asked_window(params["start"], params["end"])
            name = find_window(project, *(asked or (data_interval_start, data_interval_end)))
        return PokeReturnValue(is_done=name is not None, xcom_value=name)

    return window()
