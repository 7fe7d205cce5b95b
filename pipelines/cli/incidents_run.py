"""Run anomalies, service map and incidents in the project's Airflow, for the window of params."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from pipelines.cli.airflow_api import DONE, AirflowApi, explain_failure, follow
from pipelines.cli.console import analysis_params, print_lines
from pipelines.core.errors import SignalboxError

if TYPE_CHECKING:
    from pipelines.aiops.incidents.model import IncidentsFile
    from pipelines.aiops.lake.window import Window
    from pipelines.aiops.params import AiopsParams

PRODUCT = "incidents"
"""What ``signalbox run`` calls it: the last of the DAGs."""
FIRST = ("telemetry_anomalies", "service_map")
_PATIENCE = 60
"""Seconds in which Airflow must start the DAG that follows."""
_SHOWN = 10


def run_incidents(console: Console, api: AirflowApi, address: str, project: Path) -> None:
    """Analyse the window of params, wait for its incidents, show them and where the pages are.

    Raises
    ------
    SignalboxError
        If there is no telemetry to look at, or a run fails.
    """
    from pipelines.aiops.lake.window import window_of

    params = analysis_params(project)
    window = window_of(params.analysis)
    console.print(f"window {window.name}", highlight=False)
    for dag in (*FIRST, PRODUCT):
        api.wait_for_dag(dag)
    begun = datetime.now(UTC)
    api.unpause(PRODUCT)
    runs = {dag: api.trigger(dag, {}) for dag in FIRST}
    for dag, run in runs.items():
        console.print(f"{dag}: {address}/dags/{dag}/runs/{run}", soft_wrap=True)
        _succeeded(console, api, dag, run, follow(api, dag, run, console))
    console.print(f"{PRODUCT}: {address}/dags/{PRODUCT}", soft_wrap=True)
    _wait(console, api, params, window, begun)
    _show(params, window)


def _wait(
    console: Console, api: AirflowApi, params: "AiopsParams", window: "Window", begun: datetime
) -> None:
    """Wait until the runs that follow have made the window's incidents and pages."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        runs = api.runs_since(PRODUCT, begun)
        for run, state in runs.items():
            if state == "failed":
                _succeeded(console, api, PRODUCT, run, state)
        if any(state not in DONE for state in runs.values()):
            deadline = time.monotonic() + _PATIENCE
        elif _is_done(params, window):
            return
        if time.monotonic() > deadline:
            raise SignalboxError(
                f"DAG {PRODUCT} did not make the incidents of {window.name}; look at its runs, and "
                "whether another window is meant (aiops.analysis)"
            )
        time.sleep(1)


def _is_done(params: "AiopsParams", window: "Window") -> bool:
    from pipelines.aiops.group_incidents import pending
    from pipelines.aiops.params.artifacts import INCIDENTS_HTML

    return (_directory_of(params, window) / INCIDENTS_HTML).is_file() and not pending(
        params, [window]
    )


def _succeeded(console: Console, api: AirflowApi, dag: str, run: str, state: str) -> None:
    if state != "success":
        explain_failure(api, dag, run, console)
        raise SignalboxError(f"run {run} of {dag} {state}; see the log above")


def _directory_of(params: "AiopsParams", window: "Window") -> Path:
    from pipelines.aiops.lake.window import result_dir

    return result_dir(Path(params.analysis.results), window)


def _show(params: "AiopsParams", window: "Window") -> None:
    from pipelines.aiops.incidents.model import read_incidents
    from pipelines.aiops.params.artifacts import INCIDENTS, INCIDENTS_HTML

    directory = _directory_of(params, window)
    page = directory / INCIDENTS_HTML
    here = Path.cwd()
    print_lines(outcome_lines(read_incidents(directory / INCIDENTS)))
    print_lines([f"report:   {page.relative_to(here) if page.is_relative_to(here) else page}"])


def outcome_lines(reported: "IncidentsFile") -> list[str]:
    """Say what was found in a window, the worst incidents first as on the page.

    Parameters
    ----------
    told
        Content of ``incidents.json``.
    """
    from pipelines.aiops.report.incidents.links import worst_first

    counts = reported.counts["findings"]
    lines = ["findings: " + ", ".join(f"{n:,} {signal}" for signal, n in counts.items())]
    found = worst_first(reported.incidents, reported.findings.get)
    lines.append(f"incidents: {len(found):,}" + (", the worst first" if len(found) > 1 else ""))
    for incident in found[:_SHOWN]:
        cause = incident.causes[0].service if incident.causes else "unknown"
        lines.append(f"  {incident.id}  {incident.title}; first suspect: {cause}")
    if len(found) > _SHOWN:
        lines.append(f"  and {len(found) - _SHOWN:,} more: signalbox incidents list")
    return lines
