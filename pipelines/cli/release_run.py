"""Run release DAGs in the project's Airflow, follow them, bring results into the work tree.

After them, or if asked for, ``incidents``: not released, so without gate and approval.
"""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.aiops.params.renamed import RENAMED
from pipelines.cli.airflow_api import DONE, WAITING, AirflowApi, explain_failure, follow
from pipelines.cli.airflow_stack import PROJECT, Stack, has_dag, running, started
from pipelines.cli.console import analysis_params, print_lines
from pipelines.cli.release_answers import TASKS, answer_question, outcome_lines, saved_run
from pipelines.core.artifacts import evidence_of
from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import read_evidence
from pipelines.core.project import dag_id
from pipelines.core.settings import new_name, renamed_text
from pipelines.release.config import load_section
from pipelines.release.ledger import Ledger
from pipelines.release.lifecycle.candidate import RUNS
from pipelines.release.products import registered, section_of
from pipelines.release.registry.read import ProductParams, RegistryParams, load_product

if TYPE_CHECKING:
    from pipelines.aiops.incidents.model import IncidentsFile
    from pipelines.aiops.lake.window import Window
    from pipelines.aiops.params import AiopsParams

INCIDENTS = "incidents"
"""What ``signalbox run`` calls the last of the DAGs, which releases nothing."""

_MARKS = {
    "pass": "✓ pass",
    "fail": "✗ fail",
    "inconclusive": "? inconclusive",
    "not_applicable": "– n/a",
}
_STYLES = {"pass": "green", "fail": "bold red", "inconclusive": "yellow"}
_DECISIONS = {"approve": "bold green", "review": "bold yellow", "reject": "bold red"}
_SIGNS = {"at_least": "≥", "at_most": "≤", "not_worse_than_released": "loss ≤"}


class ProductRun(TypedDict):
    """What a run came to.

    `saved` is the name of the saved run; `decision`, `because` (ids of checks) and `outcome`
    (sentences on approval and release) are empty for incidents, `incidents` is null for others.
    """

    product: str
    run: str
    url: str
    saved: str
    decision: str
    because: list[str]
    outcome: list[str]
    report: str
    incidents: int | None


def run_releases(
    console: Console, products: Sequence[str], params: dict[str, Any]
) -> list[ProductRun]:
    """Run products' DAGs one after the other; show each gate's checks and the report's path.

    Parameters
    ----------
    products
        Names in the registry, which are those of their DAGs, or ``incidents``; none = all of them.
    params
        DVC parameters to override, dotted key → value; a DAG gets those that its stages read.

    Returns
    -------
    list of ProductRun
        In the order in which they ran.

    Raises
    ------
    SignalboxError
        If there is no such product, Airflow cannot start, a DAG doesn't import, or a run fails.
    """
    known = load_section(PROJECT, "registry", RegistryParams).products
    every = [name for name in (*known, INCIDENTS) if has_dag(name)]
    unknown = [name for name in products if name not in (*known, INCIDENTS)]
    if unknown:
        raise SignalboxError(
            f"release.yaml: registry.products has no {', '.join(unknown)}; there are "
            f"{', '.join((*known, INCIDENTS))}"
        )
    if lacking := [name for name in products if name not in every]:
        raise SignalboxError(
            f"{PROJECT / 'dags'} has no {lacking[0]}.py: this project has no such DAG; signalbox "
            "init adds one"
        )
    if params and list(products) == [INCIDENTS]:
        raise SignalboxError(f"{INCIDENTS} takes no --param; change params.yaml")
    _refuse_renamed(params)
    _refuse_unknown(params, [name for name in products or every if name != INCIDENTS])
    done = []
    with _stack(console) as stack:
        for name in products or every:
            console.rule(name)
            if name == INCIDENTS:
                api = AirflowApi(stack.address)
                done.append(run_incidents(console, api, stack.address, PROJECT))
            else:
                done.append(_run(console, stack, name, known[name], own_params(name, params)))
    return done


def _refuse_renamed(params: Mapping[str, Any]) -> None:
    """Refuse old names before Airflow is started for them."""
    for key in params:
        if new := new_name(key, RENAMED):
            raise SignalboxError(f"--param {renamed_text(key, new)}")


def _refuse_unknown(params: Mapping[str, Any], products: Sequence[str]) -> None:
    """Refuse what is no parameter, or one that no product of this run takes, before it starts."""
    if not params:
        return
    checks = [word for key in params for word in ("--check", key)]
    command = [sys.executable, "-m", "dvc_airflow", "--project", str(PROJECT), "params", *checks]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        told = done.stderr.strip().splitlines() or ["python -m dvc_airflow params failed"]
        raise SignalboxError(f"--param: {told[-1].removeprefix('error: ')}")
    taken = {key for name in products for key in own_params(name, dict(params))}
    for key in params:
        if key not in taken:
            raise SignalboxError(
                f"--param {key!r} is a parameter of no product of this run ({', '.join(products)})"
            )


def own_params(product: str, params: dict[str, Any]) -> dict[str, Any]:
    """Return the overrides that are a product's: its DAG's form has no others."""
    known = registered().get(product)
    section = known.section if known else ""
    return {key: value for key, value in params.items() if section_of(key) == section}


def _run(
    console: Console, stack: Stack, name: str, product: ProductParams, params: dict[str, Any]
) -> ProductRun:
    api = AirflowApi(stack.address)
    dag = dag_id(PROJECT, name)
    api.wait_for_dag(dag)
    run = api.trigger(dag, params)
    url = f"{stack.address}/dags/{dag}/runs/{run}"
    console.print(f"run {run} started; watch it at\n{url}", soft_wrap=True)
    _to_the_end(console, api, name, run)
    saved = saved_run(Ledger.of(PROJECT).entries(), dag, run)
    if not saved:
        raise SignalboxError(f"run {run} ended, but the ledger has no saved run of it")
    _apply(console, f"{RUNS}/{saved}")
    decision, because = show_decision(console, product)
    return ProductRun(
        product=name,
        run=run,
        url=url,
        saved=saved,
        decision=decision,
        because=because,
        outcome=_print_outcome(console, name, run),
        report=product.report or "",
        incidents=None,
    )


class Answered(TypedDict):
    """What an answer came to: `task` asked; `outcome` has sentences on approval and release."""

    product: str
    run: str
    task: str
    approved: bool
    outcome: list[str]


def answer_waiting(
    console: Console, product: str, run: str | None, *, approve: bool, reason: str
) -> Answered:
    """Answer the question of a run that waits, and follow the run to its end.

    Returns
    -------
    Answered

    Raises
    ------
    SignalboxError
        If no run of the product waits, or several do and none was named; if Airflow doesn't take
        the answer; if the run fails.
    """
    load_product(PROJECT, product)
    with _stack(console) as stack:
        api = AirflowApi(stack.address)
        dag = dag_id(PROJECT, product)
        api.wait_for_dag(dag)
        waiting = {found: task for found, task in api.waiting(dag).items() if task in TASKS}
        known = ", ".join(waiting) or "none"
        if run is not None and run not in waiting:
            raise SignalboxError(
                f"{product}: no run waits for an answer as {run!r} (waiting: {known})"
            )
        waiting = {found: task for found, task in waiting.items() if run in (None, found)}
        if len(waiting) != 1:
            hint = "; name one with --run" if waiting else ""
            raise SignalboxError(
                f"{product}: {'several runs wait' if waiting else 'no run waits'} for an answer "
                f"(waiting: {known}){hint}"
            )
        [(found, task)] = waiting.items()
        api.answer(dag, found, task, approve=approve, reason=reason or None)
        _to_the_end(console, api, product, found, answered=task)
        return Answered(
            product=product,
            run=found,
            task=task,
            approved=approve,
            outcome=_print_outcome(console, product, found),
        )


def _to_the_end(
    console: Console, api: AirflowApi, product: str, run: str, answered: str | None = None
) -> None:
    """Follow a run, answer what it asks if that can be done here; a failure is an error."""
    dag = dag_id(PROJECT, product)

    def answer(task: str) -> bool:
        return task == answered or answer_question(console, api, product, run, task)

    state = follow(api, dag, run, console, answer)
    if state not in ("success", WAITING):
        explain_failure(api, dag, run, console)
        raise SignalboxError(f"run {run} {state}; see the log above")


def _print_outcome(console: Console, product: str, run: str) -> list[str]:
    lines = outcome_lines(PROJECT, product, run)
    print_lines(lines, console=console)
    return lines


@contextmanager
def _stack(console: Console) -> Iterator[Stack]:
    """Use the Airflow that runs already, or start one for this run."""
    stack = running()
    if stack is not None:
        console.print(f"using the Airflow that runs at {stack.address}")
        yield stack
        return
    console.print("starting Airflow (API server, scheduler, DAG processor, triggerer) …")
    clock = time.monotonic()
    with started() as stack:
        console.print(f"Airflow is up after {time.monotonic() - clock:.0f} s")
        yield stack


def _apply(console: Console, ref: str) -> None:
    """Bring ``dvc.lock``, metrics and outs of the run into the work tree."""
    command = [sys.executable, "-m", "dvc_airflow", "apply", ref]
    for product in registered().values():  # a release of this very run may have written them
        command += ["--besides", product.pointer]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode:
        text = (done.stderr or done.stdout).strip()
        raise SignalboxError(f"run saved as {ref}, but it cannot be applied here: {text}")
    console.print(f"run saved as {ref}\nand applied to the work tree", soft_wrap=True)


def show_decision(console: Console, product: ProductParams) -> tuple[str, list[str]]:
    """Print the gate's checks as a table, the decision, and where the report lies.

    Returns
    -------
    tuple of (str, list of str)
        The decision, and ids of the checks that led to it.
    """
    details = read_evidence(PROJECT / evidence_of(product.gate)).details
    table = Table(title="Gate", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("check", overflow="fold")  # a long id takes two lines; no figure is cut
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("interval", justify="right", no_wrap=True)
    table.add_column("demand", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    policy = {check["id"]: check for check in details["policy"]}
    for judged in details["checks"]:
        table.add_row(*_row(judged, policy[judged["id"]]))
    console.print(table)
    decision = str(details["decision"])
    because = [str(check) for check in details["because"]]
    console.print(f"decision: [{_DECISIONS[decision]}]{decision}[/]", highlight=False)
    lines = [f"because:  {', '.join(because)}"] if because else []
    print_lines([*lines, f"report:   {product.report or 'none'}"], console=console)
    return decision, because


def _row(judged: dict[str, Any], check: dict[str, Any]) -> list[str]:
    """Cells of one check."""
    figure = judged["figure"] or {}
    low, high = figure.get("low"), figure.get("high")
    verdict = str(judged["verdict"])
    style = _STYLES.get(verdict, "dim")
    return [
        escape(check["id"]),
        _number(figure.get("value")),
        f"{_number(low)} – {_number(high)}" if low is not None else "",
        f"{_SIGNS[check['compare']]} {check['threshold']:g}",
        f"[{style}]{_MARKS[verdict]}[/]",
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


_FIRST = ("telemetry_anomalies", "service_map")
_PATIENCE_SECONDS = 60
"""Seconds in which Airflow must start the DAG that follows."""
_SHOWN = 10


def run_incidents(console: Console, api: AirflowApi, address: str, project: Path) -> ProductRun:
    """Analyse the window of params, wait for its incidents, show them and where the pages are.

    Returns
    -------
    ProductRun

    Raises
    ------
    SignalboxError
        If there is no telemetry to look at, or a run fails.
    """
    from pipelines.aiops.lake.window import window_of

    params = analysis_params(project)
    window = window_of(params.analysis)
    console.print(f"window {window.name}", highlight=False)
    incidents, *first = (dag_id(project, name) for name in (INCIDENTS, *_FIRST))
    for dag in (*first, incidents):
        api.wait_for_dag(dag)
    begun = datetime.now(UTC)
    api.unpause(incidents)
    runs = {dag: api.trigger(dag, {}) for dag in first}
    for dag, run in runs.items():
        console.print(f"{dag}: {address}/dags/{dag}/runs/{run}", soft_wrap=True)
        _succeeded(console, api, dag, run, follow(api, dag, run, console))
    console.print(f"{incidents}: {address}/dags/{incidents}", soft_wrap=True)
    run = _wait_for_incidents(console, api, params, window, begun)
    count, report = _show(console, params, window)
    return ProductRun(
        product=INCIDENTS,
        run=run,
        url=f"{address}/dags/{incidents}/runs/{run}" if run else f"{address}/dags/{incidents}",
        saved="",
        decision="",
        because=[],
        outcome=[],
        report=report,
        incidents=count,
    )


def _wait_for_incidents(
    console: Console, api: AirflowApi, params: "AiopsParams", window: "Window", begun: datetime
) -> str:
    """Wait until the runs that follow have made the window's incidents and pages.

    Returns
    -------
    str
        Id of the last run; empty where an earlier one had made them.
    """
    dag = dag_id(PROJECT, INCIDENTS)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        runs = api.runs_since(dag, begun)
        for run, state in runs.items():
            if state == "failed":
                _succeeded(console, api, dag, run, state)
        if any(state not in DONE for state in runs.values()):
            deadline = time.monotonic() + _PATIENCE_SECONDS
        elif _is_done(params, window):
            return max(runs, default="")
        if time.monotonic() > deadline:
            raise SignalboxError(
                f"DAG {dag} did not make the incidents of {window.name}; look at its runs, "
                "and whether another window is meant (aiops.analysis)"
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


def _show(console: Console, params: "AiopsParams", window: "Window") -> tuple[int, str]:
    """Print what was found; return the number of incidents and the page's path."""
    from pipelines.aiops.incidents.model import read_incidents
    from pipelines.aiops.params.artifacts import INCIDENTS as INCIDENTS_FILE
    from pipelines.aiops.params.artifacts import INCIDENTS_HTML

    directory = _directory_of(params, window)
    page = directory / INCIDENTS_HTML
    here = Path.cwd()
    reported = read_incidents(directory / INCIDENTS_FILE)
    report = str(page.relative_to(here) if page.is_relative_to(here) else page)
    print_lines([*incident_lines(reported), f"report:   {report}"], console=console)
    return len(reported.incidents), report


def incident_lines(reported: "IncidentsFile") -> list[str]:
    """Say what was found in a window, the worst incidents first as on the page.

    Parameters
    ----------
    reported
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
