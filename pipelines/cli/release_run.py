"""Run release DAGs in the project's Airflow, follow them, bring results into the work tree.

After them, or if asked for, ``incidents``: not released, so without gate and approval.
"""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.aiops.params.renamed import RENAMED
from pipelines.cli.airflow_api import WAITING, AirflowApi, explain_failure, follow
from pipelines.cli.airflow_stack import PROJECT, Stack, running, started
from pipelines.cli.incidents_run import PRODUCT as INCIDENTS
from pipelines.cli.incidents_run import run_incidents
from pipelines.cli.release_answers import TASKS, answer_question, outcome_lines, saved_run
from pipelines.core.artifacts import evidence_of
from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import read_evidence
from pipelines.core.settings import new_name, renamed_text
from pipelines.release.config import load_section
from pipelines.release.ledger import Ledger
from pipelines.release.lifecycle.candidate import RUNS
from pipelines.release.products import registered, section_of
from pipelines.release.registry.read import ProductParams, RegistryParams, load_product

_MARKS = {
    "pass": "✓ pass",
    "fail": "✗ fail",
    "inconclusive": "? inconclusive",
    "not_applicable": "– n/a",
}
_STYLES = {"pass": "green", "fail": "bold red", "inconclusive": "yellow"}
_DECISIONS = {"approve": "bold green", "review": "bold yellow", "reject": "bold red"}
_SIGNS = {"at_least": "≥", "at_most": "≤", "not_worse_than_released": "loss ≤"}


def run_releases(console: Console, products: Sequence[str], params: dict[str, Any]) -> None:
    """Run products' DAGs one after the other; show each gate's checks and the report's path.

    Parameters
    ----------
    products
        Names in the registry, which are those of their DAGs, or ``incidents``; none = all of them.
    params
        DVC parameters to override, dotted key → value; a DAG gets those that its stages read.

    Raises
    ------
    SignalboxError
        If there is no such product, Airflow cannot start, a DAG doesn't import, or a run fails.
    """
    known = load_section(PROJECT, "registry", RegistryParams).products
    every = [*known, INCIDENTS]
    unknown = [name for name in products if name not in every]
    if unknown:
        raise SignalboxError(
            f"release.yaml: registry.products has no {', '.join(unknown)}; there are "
            f"{', '.join(every)}"
        )
    if params and list(products) == [INCIDENTS]:
        raise SignalboxError(f"{INCIDENTS} takes no --param; change params.yaml")
    _refuse_renamed(params)
    _refuse_unknown(params, [name for name in products or every if name != INCIDENTS])
    with _stack(console) as stack:
        for name in products or every:
            console.rule(name)
            if name == INCIDENTS:
                run_incidents(console, AirflowApi(stack.address), stack.address, PROJECT)
                continue
            _run(console, stack, name, known[name], own_params(name, params))


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
    console: Console, stack: Stack, dag: str, product: ProductParams, params: dict[str, Any]
) -> None:
    api = AirflowApi(stack.address)
    api.wait_for_dag(dag)
    run = api.trigger(dag, params)
    url = f"{stack.address}/dags/{dag}/runs/{run}"
    console.print(f"run {run} started; watch it at\n{url}", soft_wrap=True)
    _to_the_end(console, api, dag, run)
    name = saved_run(Ledger.of(PROJECT).entries(), dag, run)
    if not name:
        raise SignalboxError(f"run {run} ended, but the ledger has no saved run of it")
    _apply(console, f"{RUNS}/{name}")
    show_decision(console, product)
    _print_outcome(console, dag, run)


def answer_waiting(
    console: Console, product: str, run: str | None, *, approve: bool, reason: str
) -> None:
    """Answer the question of a run that waits, and follow the run to its end.

    Raises
    ------
    SignalboxError
        If no run of the product waits, or several do and none was named; if Airflow doesn't take
        the answer; if the run fails.
    """
    load_product(PROJECT, product)
    with _stack(console) as stack:
        api = AirflowApi(stack.address)
        api.wait_for_dag(product)
        waiting = {
            found: task
            for found, task in api.waiting(product).items()
            if task in TASKS and run in (None, found)
        }
        if len(waiting) != 1:
            known = ", ".join(waiting) or "none"
            hint = "; name one with --run" if waiting else ""
            raise SignalboxError(
                f"{product}: {'several runs wait' if waiting else 'no run waits'} for an answer "
                f"(waiting: {known}){hint}"
            )
        [(found, task)] = waiting.items()
        api.answer(product, found, task, approve=approve, reason=reason or None)
        _to_the_end(console, api, product, found, answered=task)
        _print_outcome(console, product, found)


def _to_the_end(
    console: Console, api: AirflowApi, dag: str, run: str, answered: str | None = None
) -> None:
    """Follow a run, answer what it asks if that can be done here; a failure is an error."""

    def answer(task: str) -> bool:
        return task == answered or answer_question(console, api, dag, run, task)

    state = follow(api, dag, run, console, answer)
    if state not in ("success", WAITING):
        explain_failure(api, dag, run, console)
        raise SignalboxError(f"run {run} {state}; see the log above")


def _print_outcome(console: Console, dag: str, run: str) -> None:
    for line in outcome_lines(PROJECT, dag, run):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


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


def show_decision(console: Console, product: ProductParams) -> None:
    """Print the gate's checks as a table, the decision, and where the report lies."""
    details = read_evidence(PROJECT / evidence_of(product.gate)).details
    table = Table(title="Gate", title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("check", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("interval", justify="right", no_wrap=True)
    table.add_column("demand", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    policy = {check["id"]: check for check in details["policy"]}
    for judged in details["checks"]:
        table.add_row(*_row(judged, policy[judged["id"]]))
    console.print(table)
    decision = str(details["decision"])
    because = ", ".join(details["because"])
    console.print(f"decision: [{_DECISIONS[decision]}]{decision}[/]", highlight=False)
    if because:
        console.print(f"because:  {because}", highlight=False, soft_wrap=True)
    console.print(f"report:   {product.report or 'none'}", highlight=False)


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
