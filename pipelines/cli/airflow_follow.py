"""Follow a run in the project's Airflow on the terminal."""

import time
from collections.abc import Callable
from typing import Any

from rich.console import Console

from pipelines.cli.airflow_api import DONE, AirflowApi, TaskState

_ENDED = {"success", "failed", "upstream_failed", "skipped"}
_ASKING = "awaiting_input"
_TAIL = 25


WAITING = "waiting"
"""State of a run whose question nobody here can answer."""


def follow(
    api: AirflowApi,
    dag: str,
    run: str,
    console: Console,
    answer: Callable[[str], bool] | None = None,
) -> str:
    """Print every task once when it ends; return the run's last state, or `WAITING`.

    Parameters
    ----------
    answer
        Called once with each task that waits for an answer; says whether it gave one.
    """
    told: set[str] = set()
    asked: set[str] = set()
    while True:
        state = api.run_state(dag, run)
        for task in api.tasks(dag, run):
            if task.label not in told and task.seconds is not None and task.state in _ENDED:
                told.add(task.label)
                console.print(_line(api, dag, run, task), highlight=False, markup=False)
            if answer is not None and task.state == _ASKING and task.name not in asked:
                asked.add(task.name)
                if not answer(task.name):
                    return WAITING
        if state in DONE:
            return state
        time.sleep(0.7)


def _line(api: AirflowApi, dag: str, run: str, task: TaskState) -> str:
    how = task.state
    if how == "success" and task.map_index < 0:
        how = _status(api.xcom(dag, run, task.name)) or how
    return f"  {task.label:<22} {how:<10} {task.seconds or 0:7.1f} s"


def _status(result: Any) -> str:
    """How DVC came by a stage's outs: ran, cached or unchanged; empty for other tasks."""
    return str(result.get("status", "")) if isinstance(result, dict) else ""


def explain_failure(api: AirflowApi, dag: str, run: str, console: Console) -> None:
    """Print the last lines of what failed tasks logged."""
    for task in api.tasks(dag, run):
        if task.state == "failed":
            console.rule(f"last lines of the log of {task.label}")
            for line in api.log(dag, run, task)[-_TAIL:]:
                console.print(line, markup=False, highlight=False)
