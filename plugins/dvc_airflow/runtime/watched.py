"""Runs all stages of a run in one process and tells of each by itself (see `watch`)."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from dvc.repo import Repo

from dvc_airflow.runtime import reaper, watch
from dvc_airflow.runtime.worker import StageFailedError, explain, run_stage

_LOOK_SECONDS: Final = 0.5


def run_watched(repo: Repo, request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Run the stages, task by task; one that fails stops only what reads from it.

    Parameters
    ----------
    repo : Repo
        The workspace's.
    request : mapping
        See `dvc_airflow.runtime.protocol.Request`; ``watch`` lists the tasks in the order to run
        them, ``place`` is where it is told.

    Returns
    -------
    list of dict
        Results of the stages that are up to date.
    """
    place = Path(request["place"])
    results: list[dict[str, Any]] = []
    bad: set[str] = set()
    with _two_outputs() as tell:
        for task in request["watch"]:
            above = sorted(bad & set(task["upstream"]))
            if above:
                watch.note_outcome(place, task["task"], watch.BLOCKED, above=above)
                tell(f"{task['task']}: not run, for {', '.join(above)} did not succeed")
                bad.add(task["task"])
                continue
            if watch.is_asked_to_stop(place, task["task"]):
                bad.add(task["task"])
                tell(f"{task['task']}: not run, for its task was stopped")
                continue
            failure = _run_task(repo, place, task, request, results)
            if failure:
                bad.add(task["task"])
            tell(f"{task['task']}: {failure or 'up to date'}")
    return results


def _run_task(
    repo: Repo,
    place: Path,
    task: Mapping[str, Any],
    request: Mapping[str, Any],
    results: list[dict[str, Any]],
) -> str | None:
    """Run one task's stages and note the outcome; return why it failed."""
    own: list[dict[str, Any]] = []
    log = watch.log_file(place, task["task"])
    with _output_to(log), _environment(task["env"]):
        for address in task["stages"]:
            with _stopped_when_asked(place, task, float(request["grace"])) as reason:
                failure = _failure_of(repo, address, {**request, "force": task["force"]}, own)
            if failure is None:
                continue
            if reason:
                failure |= {"reason": reason[0]}
            watch.note_outcome(
                place, task["task"], watch.FAILED, failure=failure, stopped=bool(reason)
            )
            return str(failure["reason"])
    watch.note_outcome(place, task["task"], watch.DONE, results=own)
    results += own
    return None


def _failure_of(
    repo: Repo, address: str, request: dict[str, Any], results: list[dict[str, Any]]
) -> dict[str, Any] | None:
    """Run a stage, and add its result; or return what went wrong."""
    try:
        results.append(run_stage(repo, address, request))
    except StageFailedError as exc:
        return dict(exc.answer)
    except Exception as exc:
        return {"stage": address, "reason": explain(exc), "command": None, "exit_code": None}
    return None


@contextlib.contextmanager
def _stopped_when_asked(place: Path, task: Mapping[str, Any], grace: float) -> Iterator[list[str]]:
    """Kill a stage's processes when its time is over, or its task was stopped; says why."""
    over = threading.Event()
    reason: list[str] = []
    timeout = task["timeout"]

    def look() -> None:
        waited = 0.0
        while not over.wait(_LOOK_SECONDS):
            waited += _LOOK_SECONDS
            if watch.is_asked_to_stop(place, task["task"]):
                reason.append("its task was stopped")
            elif timeout is not None and waited >= timeout:
                reason.append(f"it took longer than its execution_timeout of {timeout:g} s")
            if reason:
                reaper.kill_descendants(os.getpid(), grace)
                return

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield reason
    finally:
        over.set()
        thread.join()


@contextlib.contextmanager
def _two_outputs() -> Iterator[Callable[[str], None]]:
    """Give a way to the producer's own log while standard output belongs to a stage's."""
    own = os.dup(1)
    try:
        yield lambda line: _write_all(own, f"{line}\n".encode("utf-8", "backslashreplace"))
    finally:
        os.close(own)


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


@contextlib.contextmanager
def _output_to(path: Path) -> Iterator[None]:
    """Lead standard output and error, also those of child processes, into a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    before = os.dup(1), os.dup(2)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.dup2(file, 1)
        os.dup2(file, 2)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, old in enumerate(before, start=1):
            os.dup2(old, number)
            os.close(old)
        os.close(file)


@contextlib.contextmanager
def _environment(extra: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(extra)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
