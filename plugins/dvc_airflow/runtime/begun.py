"""Runs that began and aren't over, found by their workspaces.

A run that is saved isn't over: Airflow still has to close it, and tasks after ours (an approval may
wait for days) belong to it. An import error of its DAG file would stop it for good, since Airflow's
scheduler looks at no run of such a DAG. So Airflow is asked; where it can't be, time has to do.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from dvc_airflow.runtime.facts import facts_path, read_facts
from dvc_airflow.runtime.run_key import RunKey
from dvc_airflow.runtime.workspace import (
    Workspace,
    lock_file,
    not_in_use,
    over_file,
    read_marker,
)

Ended = Callable[[str, Sequence[str]], set[str] | None]
"""Tells for a DAG and ids of its runs whose tasks have all ended; None if that can't be known."""

_FORGOTTEN: Final = 24 * 3600.0
"""Seconds: a run that nothing worked for in that time ended without saying so."""
_UNKNOWN: Final = 600.0
"""Seconds that a saved run is taken for one that isn't over, where Airflow can't be asked."""
GRACE: Final = 60.0
"""Seconds from the end of a run's tasks until it is over: its scheduler has to close it first."""


def begun_run(workspaces: Path, key: RunKey) -> Workspace | None:
    """Return the workspace of a run that began on this machine, finished or not."""
    return read_marker(key.workspace(workspaces))


def open_runs(workspaces: Path, dag_id: str, group: str | None, ended: Ended) -> list[Workspace]:
    """Return the workspaces of a DAG's runs that began and aren't over yet, newest first.

    Parameters
    ----------
    workspaces : Path
        The directory of all workspaces.
    dag_id, group
        Which DAG, and which group in it if there are several.
    ended : callable
        Asks Airflow. It is asked once, and of no run that is known to be over.
    """
    folder = RunKey(dag_id, "", group).folder(workspaces)
    try:
        entries = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError:
        return []
    found: list[tuple[float, Workspace]] = []
    unknown: list[Workspace] = []
    for path in entries:
        workspace = read_marker(path) if path.is_dir() else None
        if workspace is None or (workspace.dag_id, workspace.group) != (dag_id, group):
            continue
        noted = _modified(over_file(workspace.key, workspaces))
        # What was cleared since, or opened anew, goes on.
        if noted < _last_work(workspace, workspaces):
            unknown.append(workspace)
        elif time.time() - noted < GRACE:
            found.append((_modified(path), workspace))
    over = ended(dag_id, [workspace.run_id for workspace in unknown]) if unknown else set()
    for workspace in unknown:
        if over is None:
            goes_on = _seems_to_go_on(workspace, workspaces)
        else:
            goes_on = workspace.run_id not in over or _is_in_grace(workspace, workspaces)
        if goes_on:
            found.append((_modified(workspace.key.workspace(workspaces)), workspace))
    found.sort(key=lambda pair: pair[0], reverse=True)
    return [workspace for _, workspace in found]


def _is_in_grace(workspace: Workspace, workspaces: Path) -> bool:
    """Note that a run's tasks have ended; the grace counts from there."""
    try:
        over_file(workspace.key, workspaces).touch()
    except OSError:  # one who may only read here counts from the last work
        return time.time() - _last_work(workspace, workspaces) < GRACE
    return True


def _seems_to_go_on(workspace: Workspace, workspaces: Path) -> bool:
    lock = lock_file(workspace.key, workspaces)
    age = time.time() - _last_work(workspace, workspaces)
    facts = facts_path(workspace.key, workspaces)
    if read_facts(facts).get("state", "open") != "open":
        return min(age, time.time() - _modified(facts)) < _UNKNOWN
    if age < _FORGOTTEN:
        return True
    if not lock.exists():  # looking at it would make it, and so make the run young again
        return False
    with not_in_use(lock) as free:
        return not free


def _last_work(workspace: Workspace, workspaces: Path) -> float:
    key = workspace.key
    return max(_modified(lock_file(key, workspaces)), _modified(key.workspace(workspaces)))


def _modified(path: Path) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0
