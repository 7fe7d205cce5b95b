"""Airflow's own failures as telemetry: one JSON line each in ``telemetry/airflow/<day>.jsonl``.

A task (also a try that will be repeated) or run that fails writes a line; its next success writes
another, which ends the alert. Successes after successes write nothing: `OPEN` has a file for each
task or DAG that failed last, which says whose it is. The source ``airflow`` makes alerts of the
lines. Whatever goes wrong here is logged and never reaches Airflow.
"""

import hashlib
import json
import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pluggy import HookimplMarker

FOLDER = Path("telemetry", "airflow")
"""Relative to the project."""
OPEN = "open"
ERROR_LIMIT = 500
"""Characters; a line must stay short enough for one atomic write."""

_SERIES = ("what", "dag_id", "task_id", "map_index")

hookimpl = HookimplMarker("airflow")
log = logging.getLogger(__name__)


class TelemetryListener:
    """Writes failures, and the successes that follow them.

    Parameters
    ----------
    find_project
        Returns the top directory of a DAG's project; called when there is something to write.
    """

    def __init__(self, find_project: Callable[[str], Path]) -> None:
        self._find_project = find_project

    @hookimpl
    def on_task_instance_failed(self, task_instance: Any, error: Any) -> None:
        """Record that a try of a task failed."""
        self._safely("failed", _task, task_instance, error)

    @hookimpl
    def on_task_instance_success(self, task_instance: Any) -> None:
        """Record that a task recovered."""
        self._safely("success", _task, task_instance, None)

    @hookimpl
    def on_dag_run_failed(self, dag_run: Any, msg: str) -> None:
        """Record that a run failed."""
        self._safely("failed", _run, dag_run, msg)

    @hookimpl
    def on_dag_run_success(self, dag_run: Any) -> None:
        """Record that a DAG recovered, and those of its tasks whose success nobody is told of.

        Airflow calls no listener for a task that ends in the triggerer, as stages of watched runs
        do; no task that failed for good is in a run that succeeded.
        """
        self._safely("success", _run, dag_run, None)
        try:
            folder = self._find_project(str(dag_run.dag_id)) / FOLDER
            for what in open_tasks(folder, str(dag_run.dag_id)):
                told = {**what, "run_id": dag_run.run_id, "try_number": None, "error": None}
                record("success", told, datetime.now(UTC), folder)
        except Exception:
            log.exception("telemetry of Airflow could not be written")

    def _safely(self, state: str, describe: Any, subject: Any, error: Any) -> None:
        try:
            folder = self._find_project(str(subject.dag_id)) / FOLDER
            record(state, describe(subject, error), datetime.now(UTC), folder)
        except Exception:  # a listener that raises would disturb the task it watches
            log.exception("telemetry of Airflow could not be written")


def record(state: str, what: dict[str, Any], now: datetime, folder: Path) -> None:
    """Write a line if there is something to tell.

    The line is written before the mark changes: a crash in between tells something twice, which the
    source takes once, and never loses it.
    """
    series = "\0".join(str(what.get(key)) for key in _SERIES)
    mark = folder / OPEN / hashlib.sha256(series.encode()).hexdigest()[:32]
    if state == "success" and not mark.exists():
        return
    mark.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps({"at": now.isoformat(), "state": state, **what}, ensure_ascii=False) + "\n"
    handle = os.open(
        folder / f"{now:%Y-%m-%d}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644
    )
    try:
        os.write(handle, line.encode("utf-8", "backslashreplace"))
    finally:
        os.close(handle)
    if state == "failed":
        known = {key: what.get(key) for key in _SERIES}
        mark.write_text(json.dumps(known), encoding="utf-8")
    else:
        mark.unlink(missing_ok=True)


def open_tasks(folder: Path, dag_id: str) -> list[dict[str, Any]]:
    """Return the tasks of a DAG that failed last, by the keys of a series."""
    found = []
    for mark in sorted((folder / OPEN).glob("*")):
        try:
            what = json.loads(mark.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # taken away meanwhile; or of a version that wrote nothing
            continue
        if what.get("what") == "task" and what.get("dag_id") == dag_id:
            found.append(what)
    return found


def _task(task: Any, error: Any) -> dict[str, Any]:
    index = getattr(task, "map_index", -1)
    return {
        "what": "task", "dag_id": task.dag_id, "task_id": task.task_id,
        "map_index": index if isinstance(index, int) and index >= 0 else None,
        "run_id": task.run_id, "try_number": getattr(task, "try_number", None),
        "error": _short(error),
    }  # fmt: skip


def _run(run: Any, message: Any) -> dict[str, Any]:
    return {"what": "run", "dag_id": run.dag_id, "run_id": run.run_id, "error": _short(message)}


def _short(error: Any) -> str | None:
    if error is None or error == "":
        return None
    text = f"{type(error).__name__}: {error}" if isinstance(error, BaseException) else str(error)
    return text if len(text) <= ERROR_LIMIT else f"{text[:ERROR_LIMIT]}…"
