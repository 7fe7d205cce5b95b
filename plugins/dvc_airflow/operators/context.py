"""What the operators take from Airflow's context."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from dvc_airflow.runtime.errors import WorkspaceError
from dvc_airflow.runtime.git import resolve_commit
from dvc_airflow.runtime.run_key import RunKey
from dvc_airflow.runtime.workspace import Workspace


def run_key_of(context: Any, group: str | None) -> RunKey:
    """Which run this is."""
    return RunKey(str(context["ti"].dag_id), str(context["run_id"]), group)


def workspace_of(context: Any, task_id: str) -> Workspace:
    """Return the workspace that the run's first task made."""
    found = context["ti"].xcom_pull(task_ids=task_id)
    if not found:
        msg = f"this run has no workspace: task {task_id!r} did not succeed; clear it"
        raise WorkspaceError(msg)
    return Workspace(**found)


def pull_results(context: Any, task_ids: list[str]) -> dict[str, dict[str, Any]]:
    """Return what finished stage tasks returned, by task id."""
    found: dict[str, dict[str, Any]] = {}
    for task_id in task_ids:
        value = context["ti"].xcom_pull(task_ids=task_id)
        if value:
            found[task_id] = value
    return found


def log_other_commit(log: logging.Logger, project: Path, workspace: Workspace) -> None:
    """Say so if this worker's clone is at another commit than the one where the run was opened.

    The stages run at the run's own commit all the same; the DAG file, and whatever else is read
    from the clone itself, may differ.
    """
    here = resolve_commit(project, "HEAD")
    # A bundle or an image has no .git to compare with.
    if None not in (here, workspace.head) and here != workspace.head:
        log.warning(
            "%s on this worker is at commit %s; the DAG's run was opened at commit %s. Stages run "
            "at the run's commit %s, but DAG files and settings here may be of another version: "
            "update this clone",
            project,
            here,
            workspace.head,
            workspace.commit,
        )
