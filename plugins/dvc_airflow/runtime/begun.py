"""Runs that began and aren't finished, found by their workspaces."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

from dvc_airflow.runtime.facts import facts_path, read_facts
from dvc_airflow.runtime.run_key import RunKey
from dvc_airflow.runtime.workspace import Workspace, lock_file, not_in_use, read_marker

_FORGOTTEN: Final = 24 * 3600.0
"""Seconds: a run that nothing worked for in that time ended without saying so."""


def begun_run(workspaces: Path, key: RunKey) -> Workspace | None:
    """Return the workspace of a run that began on this machine, finished or not."""
    return read_marker(key.workspace(workspaces))


def open_runs(workspaces: Path, dag_id: str, group: str | None) -> list[Workspace]:
    """Return the workspaces of a DAG's runs that began and weren't saved yet, newest first.

    Parameters
    ----------
    workspaces : Path
        The directory of all workspaces.
    dag_id, group
        Which DAG, and which group in it if there are several.
    """
    folder = RunKey(dag_id, "", group).folder(workspaces)
    try:
        entries = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError:
        return []
    found = []
    for path in entries:
        workspace = read_marker(path) if path.is_dir() else None
        if workspace is None or (workspace.dag_id, workspace.group) != (dag_id, group):
            continue
        state = read_facts(facts_path(workspace.key, workspaces)).get("state", "open")
        if state == "open" and _is_active(lock_file(workspace.key, workspaces), path):
            found.append((path.stat().st_mtime, workspace))
    found.sort(key=lambda pair: pair[0], reverse=True)
    return [workspace for _, workspace in found]


def _is_active(lock: Path, workspace: Path) -> bool:
    last = max(_modified(lock), _modified(workspace))
    if time.time() - last < _FORGOTTEN:
        return True
    if not lock.exists():  # looking at it would make it, and so make the run young again
        return False
    with not_in_use(lock) as free:
        return not free


def _modified(path: Path) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0
