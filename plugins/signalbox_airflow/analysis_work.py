"""What the tasks do; imported when they run, so that reading the DAGs stays cheap.

Jobs run in the project's folder, as ``dvc repro`` runs the stages of the same names, so that both
read the same paths and write the same bytes.
"""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from pipelines.aiops.lake.window import Window, result_dir, window_of, windows_in
from pipelines.aiops.params import AiopsParams, load_aiops_params
from pipelines.core.errors import SignalboxError
from signalbox_airflow.parsing import time_of

OLD = timedelta(days=1)
MOST_WINDOWS = 500
"""Windows that one run of ``incidents`` takes up; Airflow maps at most 1,024 tasks by default."""


@contextlib.contextmanager
def project_params(project: Path) -> Iterator[AiopsParams]:
    """Be in the project's folder; what is wrong with data or settings is not tried again."""
    with contextlib.chdir(project):
        try:
            yield load_aiops_params()
        except SignalboxError as error:
            raise AirflowFailException(str(error)) from None


def find_window(project: Path, start: datetime | None, end: datetime | None) -> str | None:
    """Name of the window of a run; None as long as its telemetry may not have come yet.

    Parameters
    ----------
    start, end
        The run's data interval; without one (or with one of no length) params decide.

    Raises
    ------
    AirflowSkipException
        If there is no lake, or nothing at all in it on the window's days.
    """
    with project_params(project) as params:
        settings = params.analysis
        if not Path(settings.lake).is_dir():
            raise AirflowSkipException(
                f"{settings.lake}: no such lake (aiops.analysis.lake), so there is nothing to do"
            )
        if start is None or end is None or end <= start:
            return window_of(settings).name
        window = Window(start, end)
        delay = timedelta(minutes=settings.delay_minutes)
        if datetime.now(UTC) < window.end + delay:
            print(f"{window.name}: waits until {window.end + delay:%Y-%m-%d %H:%M} UTC")
            return None
        if not _has_telemetry(Path(settings.lake), window):
            raise AirflowSkipException(f"no telemetry of {window.name} in {settings.lake}")
        return window.name


def asked_window(start: str | None, end: str | None) -> tuple[datetime, datetime] | None:
    """Return the times that the form of a run names; None if it names none.

    Raises
    ------
    AirflowFailException
        If it names one of them alone, or the end isn't after the start.
    """
    if not start and not end:
        return None
    if not start or not end:
        raise AirflowFailException("give both start and end of the window, or neither")
    first, last = time_of(start), time_of(end)
    if last <= first:
        raise AirflowFailException(f"the window's end {end} isn't after its start {start}")
    return first.replace(microsecond=0), last.replace(microsecond=0)


def _has_telemetry(lake: Path, window: Window) -> bool:
    """Whether the lake has rows of any table on the window's days.

    A window in which only some sources are silent is looked at: silence is a finding.
    """
    from pipelines.aiops.lake.contract import SIGNALS, TABLES
    from pipelines.aiops.lake.days import days_of

    first, last = window.start.date(), window.last_day
    tables = (*TABLES.values(), *SIGNALS.values())
    return any(first <= day <= last for table in tables for day in days_of(lake, table))


def run_stage_step(project: Path, stage: str, step: str, window: str, *arguments: Any) -> Any:
    """Call a step of a stage for a window: ``pipelines.aiops.<stage>.<step>``."""
    from importlib import import_module

    function = getattr(import_module(f"pipelines.aiops.{stage}"), step)
    with project_params(project) as params:
        at = Window.parse(window)
        return function(params, at, result_dir(Path(params.analysis.results), at), *arguments)


def metric_groups(project: Path, window: str) -> list[str]:
    """Parts that the work on a window's metrics is cut into; none without metrics."""
    from pipelines.aiops import metric_anomalies

    with project_params(project) as params:
        found = metric_anomalies.partitions_of(params, Window.parse(window))
        print(f"{window}: {len(found)} partitions" if found else f"{window}: no metrics")
        return found


def map_partitions(project: Path, window: str) -> list[str]:
    """Names of the partitions that a window is mapped in."""
    from pipelines.aiops import map_services

    with project_params(project) as params:
        return [part.name for part in map_services.partitions_of(params, Window.parse(window))]


def summarise_findings(project: Path, window: str) -> dict[str, Any]:
    """Say what was found in a window's metrics and logs."""
    from pipelines.aiops.lake.findings import read_findings
    from pipelines.aiops.params.artifacts import LOG_ANOMALIES, METRIC_ANOMALIES

    with project_params(project) as params:
        directory = result_dir(Path(params.analysis.results), Window.parse(window))
        files = [read_findings(directory / path) for path in (METRIC_ANOMALIES, LOG_ANOMALIES)]
    counts = {file.signal: len(file.findings) for file in files}
    print(f"{window}: " + ", ".join(f"{n:,} findings in {what}s" for what, n in counts.items()))
    return {"window": window, "place": str(directory), "findings": counts}


def pending_windows(project: Path) -> list[str]:
    """Windows whose incidents are missing or out of date, or that have no pages, by time."""
    from pipelines.aiops import group_incidents
    from pipelines.aiops.params.artifacts import INCIDENTS, INCIDENTS_HTML

    with project_params(project) as params:
        results = Path(params.analysis.results)
        directories = {window: result_dir(results, window) for window in windows_in(results)}
        unread = {
            window for window, directory in directories.items()
            if (directory / INCIDENTS).is_file() and not (directory / INCIDENTS_HTML).is_file()
        }  # fmt: skip
        found = [window.name for window in sorted({*group_incidents.pending(params), *unread})]
    left = len(found) - MOST_WINDOWS
    print(f"{len(found)} windows to group" if found else "the incidents of all windows are there")
    if left > 0:
        print(f"{left} of them are left to the next run")
    return found[:MOST_WINDOWS]


def group(project: Path, window: str) -> None:
    """Make a window's incidents."""
    from pipelines.aiops import group_incidents
    from pipelines.aiops.params.artifacts import INCIDENTS_HTML

    with project_params(project) as params:
        at = Window.parse(window)
        directory = result_dir(Path(params.analysis.results), at)
        # Gone before incidents change: if the page isn't made again, the window is pending.
        (directory / INCIDENTS_HTML).unlink(missing_ok=True)
        group_incidents.run(params, at, directory, group_incidents.earlier_directories(params, at))


def report(project: Path, window: str) -> dict[str, str]:
    """Write a window's pages; say where they are shown."""
    from airflow.sdk.configuration import conf

    from pipelines.aiops import report_incidents
    from signalbox_airflow.analysis_pages import address

    with project_params(project) as params:
        directory = result_dir(Path(params.analysis.results), Window.parse(window))
        path = report_incidents.run(directory, params.report_incidents)
    url = conf.get("api", "base_url", fallback="").rstrip("/") + address(window)
    print(f"report: {path}\nread it at {url}")
    return {"report": str(path), "url": url}


def post(project: Path, window: str) -> list[dict[str, Any]]:
    """Send a window's incidents on, as ``aiops.group_incidents.post`` says.

    Nobody is told of a window that ended long ago: a backfill must not wake people.
    """
    from pipelines.aiops import group_incidents

    at = Window.parse(window)
    if datetime.now(UTC) - at.end > OLD:
        print(f"{window} ended more than a day ago; to send it: signalbox incidents post")
        return []
    with project_params(project) as params:
        sent = group_incidents.post(params, result_dir(Path(params.analysis.results), at))
    messages = [
        {key: message[key] for key in ("url", "incident", "dry_run", "status")} for message in sent
    ]
    print("\n".join(map(str, messages)) or "nothing to send")
    return messages
