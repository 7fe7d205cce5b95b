"""What the operators take from Airflow's context.

Whoever may start a run may also write its XComs over Airflow's API. So what comes from them is
held to what this run's tasks can have said, before it becomes an argument of git or a path.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from dvc_airflow.runtime.errors import WorkspaceError
from dvc_airflow.runtime.git import resolve_commit
from dvc_airflow.runtime.overrides import split_key
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
    try:
        workspace = Workspace(**found)
    except TypeError as error:
        raise _not_ours(task_id, str(error)) from None
    run = (str(context["ti"].dag_id), str(context["run_id"]))
    if (workspace.dag_id, workspace.run_id) != run:
        raise _not_ours(task_id, "it names another run")
    if not _COMMIT.fullmatch(str(workspace.commit)):
        raise _not_ours(task_id, "its commit is no hash")
    if not all(_is_inside(split_key(key)[0]) for key in workspace.overrides):
        raise _not_ours(task_id, "it overrides parameters of a file outside the project")
    return workspace


def pull_results(context: Any, task_ids: list[str]) -> dict[str, dict[str, Any]]:
    """Return what finished stage tasks returned, by task id."""
    found: dict[str, dict[str, Any]] = {}
    for task_id in task_ids:
        value = context["ti"].xcom_pull(task_ids=task_id)
        if value:
            _require_result(task_id, value)
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


_COMMIT: Final = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_LOCK_FILE: Final = "dvc.lock"
_TEXTS: Final = ("stage", "lock_file", "lock_name", "lock")


def _require_result(task_id: str, value: Any) -> None:
    """Stop unless a task's XCom has the form of what a stage's task returns."""
    stages = value.get("stages") if isinstance(value, Mapping) else None
    if not isinstance(stages, list):
        raise _not_ours(task_id, "it lists no stages")
    for stage in stages:
        if not isinstance(stage, Mapping) or not all(
            isinstance(stage.get(key), str) for key in _TEXTS
        ):
            raise _not_ours(task_id, "a stage has no entry of dvc.lock")
        file = str(stage["lock_file"])
        # An import has no entry in a lock file: its own .dvc file is what it changes.
        known = PurePosixPath(file).name == _LOCK_FILE or (
            file.endswith(".dvc") and not stage["lock"]
        )
        if not known or not _is_inside(file):
            raise _not_ours(task_id, f"{file!r} is no {_LOCK_FILE} of the project")


def _is_inside(file: str) -> bool:
    path = PurePosixPath(file)
    return not path.is_absolute() and not {"..", ".git"} & set(path.parts)


def _not_ours(task_id: str, why: str) -> WorkspaceError:
    return WorkspaceError(
        f"the XCom of task {task_id!r} isn't what that task returns ({why}): somebody wrote it; "
        "clear the task"
    )
