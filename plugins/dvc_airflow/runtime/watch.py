"""What one process that runs a run's stages tells the tasks that report them: files of a workspace.

The driver of a watched run (`dvc_airflow.runtime.watched`) writes, the stages' tasks read:

- ``plan.json``: which task reports which stages, when the run of them began, whether it ended;
- a log a task: what its stages print, and nothing else;
- an outcome a task, once it is known and the task's result is in Airflow's database; files are
  replaced in one step, so a reader never sees half of one;
- a wish a task to end its stage, from whoever stopped the task.

They lie in the workspace, in a folder that git and DVC ignore. Opening a workspace anew removes
them. Each attempt to run the stages has a place of its own there: the process of an earlier one,
which Airflow stops some seconds after somebody cleared its task, can't tell anything in the name of
the next, and a wish meant for the earlier one ends no stage of the next. Standard library only: the
triggerer reads this too.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

DONE: Final = "done"
FAILED: Final = "failed"
BLOCKED: Final = "blocked"
"""A stage above failed, so this one cannot run."""

_FOLDER: Final = "dvc-airflow-watch"
_PLAN: Final = "plan.json"


def begin(project: Path, tasks: Mapping[str, list[str]]) -> Path:
    """Forget what an earlier attempt told, and say that the stages are about to run.

    Parameters
    ----------
    project : Path
        The DVC project in the workspace.
    tasks : mapping
        Id of each task that reports to the addresses of its stages.

    Returns
    -------
    Path
        The attempt's own place, which the functions below take.
    """
    shutil.rmtree(_folder(project), ignore_errors=True)
    place = _folder(project) / uuid.uuid4().hex
    place.mkdir(parents=True)
    plan = {"began": time.time(), "ended": None, "pid": os.getpid(), "place": place.name}
    _write(_folder(project) / _PLAN, plan | {"tasks": dict(tasks)})
    return place


def end(place: Path) -> None:
    """Say that nothing will be told any more; nothing happens if another attempt began since."""
    file = place.parent / _PLAN
    plan = _read(file)
    if plan is not None and plan["place"] == place.name:
        _write(file, plan | {"ended": time.time()})


def read_plan(project: Path) -> dict[str, Any] | None:
    """Return the plan: ``began`` and ``ended`` (seconds since 1970), ``pid`` and ``tasks``."""
    return _read(_folder(project) / _PLAN)


def place_of(project: Path, plan: Mapping[str, Any]) -> Path:
    """Return the place of the attempt that a plan is of."""
    return _folder(project) / str(plan["place"])


def is_going_on(plan: Mapping[str, Any]) -> bool:
    """Whether the process that runs the stages is at it; one that was killed told no end."""
    if plan["ended"] is not None:
        return False
    try:
        os.kill(int(plan["pid"]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def note_outcome(place: Path, task_id: str, state: str, **facts: Any) -> None:
    """Note how a task's stages ended, for the task that runs them all.

    Parameters
    ----------
    place, task_id
        Whose.
    state : str
        `DONE`, with ``results``; `FAILED`, with ``failure``; or `BLOCKED`, with ``above``.
    facts
        What belongs to it.
    """
    _write(_path(place, task_id, "told"), {"state": state, **facts})


def read_told(place: Path, task_id: str) -> dict[str, Any] | None:
    """Return what was noted of a task and isn't published yet."""
    return _read(_path(place, task_id, "told"))


def publish(place: Path, task_id: str) -> None:
    """Show the task how its stages ended, now that its result is where its readers look."""
    _path(place, task_id, "told").replace(_path(place, task_id, "json"))


def read_outcome(place: Path, task_id: str) -> dict[str, Any] | None:
    """Return how a task's stages ended; None while that isn't known."""
    return _read(_path(place, task_id, "json"))


def log_file(place: Path, task_id: str) -> Path:
    """Return the file that holds what a task's stages print."""
    return _path(place, task_id, "log")


def ask_to_stop(place: Path, task_id: str) -> None:
    """Ask for an end of a task's stages; they don't start any more, or are killed."""
    with contextlib.suppress(FileNotFoundError):  # another attempt began
        _path(place, task_id, "stop").touch()


def is_asked_to_stop(place: Path, task_id: str) -> bool:
    """Whether somebody stopped the task."""
    return _path(place, task_id, "stop").exists()


def _folder(project: Path) -> Path:
    return project / ".dvc" / "tmp" / _FOLDER


def _path(place: Path, task_id: str, suffix: str) -> Path:
    name = hashlib.sha256(task_id.encode()).hexdigest()[:32]
    return place / f"{name}.{suffix}"


def _write(path: Path, value: Mapping[str, Any]) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    temporary.write_text(json.dumps(value), encoding="utf-8")
    temporary.replace(path)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
