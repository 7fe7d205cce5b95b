"""Section ``aiops.analysis`` of ``params.yaml``: what the detectors look at."""

from typing import Annotated

from pydantic import Field

from pipelines.aiops import artifacts
from pipelines.base.params.model import Name, PositiveInt, Section, Unset


class AnalysisParams(Section):
    """What ``metric_anomalies``, ``log_anomalies``, ``map_services``, ``group_incidents`` share.

    Attributes
    ----------
    lake
        Folder of the lake; absolute, or relative to the project. A run in Airflow has a work tree
        of its own: name a lake that git doesn't track by an absolute path.
    until
        End of the window, UTC; null = end of the latest complete day in the lake (of the latest
        complete hour if `hours` is not a number of whole days).
    hours
        Length of the window.
    results
        Folder in which DAGs keep each window's results.
    state
        Folder for what detectors remember from day to day; it may be removed at any time.
    schedule
        When the DAGs ``telemetry_anomalies`` and ``service_map`` run; a window is the time between
        two runs.
    delay_minutes
        DAGs wait so long after a window's end: what is collected until then belongs to it.
    parts
        Pieces that the work on metrics is spread over; results don't depend on it.
    memory_mb
        Limit of the engine.
    """

    lake: Name = artifacts.SIMULATED.as_posix()
    until: Unset[Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}$")]] = None
    hours: Annotated[int, Field(ge=1, le=24 * 31)] = 24
    results: Name = artifacts.RESULTS.as_posix()
    state: Name = artifacts.STATE.as_posix()
    schedule: Name = "@hourly"
    delay_minutes: Annotated[int, Field(ge=0, le=24 * 60)] = 20
    parts: Annotated[int, Field(ge=1, le=1000)] = 8
    memory_mb: PositiveInt = 2048
