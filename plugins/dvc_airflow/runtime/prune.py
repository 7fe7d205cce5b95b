"""Remove old workspaces; what they made stays in git and in the DVC cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dvc_airflow.runtime.facts import read_facts
from dvc_airflow.runtime.git import git
from dvc_airflow.runtime.publish import forget
from dvc_airflow.runtime.repository import Repository, pack_objects
from dvc_airflow.runtime.run_key import OPEN, RunKey
from dvc_airflow.runtime.workspace import not_in_use, read_marker, remove_workspace


def prune_workspaces(
    workspaces: Path,
    key: RunKey,
    keep: int,
    is_running: Callable[[str], bool],
    repository: Repository | None = None,
    *,
    shared: bool = False,
) -> list[str]:
    """Remove the oldest workspaces of a DAG, and refs of runs that were opened and never saved.

    Parameters
    ----------
    workspaces : Path
        The workspaces directory.
    key : RunKey
        The run that asks; its own workspace always stays.
    keep : int
        How many to keep, this run's included.
    is_running : callable
        Tells for a run id whether that run is still going on; such workspaces stay and
        do not count.
    repository : Repository, optional
        Where runs are kept. ``refs/open-runs`` of runs that are over and have no workspace any
        more are deleted there.
    shared : bool
        Whether they are deleted at the git remote too.

    Returns
    -------
    list of str
        Names of the removed workspaces.
    """
    own = key.workspace(workspaces)
    others = [
        workspace for workspace in key.folder(workspaces).iterdir() if _is_workspace(workspace, own)
    ]
    others.sort(key=lambda workspace: workspace.stat().st_mtime, reverse=True)
    removed: list[str] = []
    kept = 1
    for workspace in others:
        marker = read_marker(workspace)
        if marker is not None and is_running(marker.run_id):
            continue
        if kept < keep:
            kept += 1
            continue
        with not_in_use(workspace.with_name(f".{workspace.name}.lock")) as free:
            if free:
                remove_workspace(workspace)
                removed.append(workspace.name)
    if repository is not None:
        _forget_open_runs(workspaces, key, is_running, repository, shared=shared)
        pack_objects(repository)
    return removed


def _forget_open_runs(
    workspaces: Path,
    key: RunKey,
    is_running: Callable[[str], bool],
    repository: Repository,
    *,
    shared: bool,
) -> None:
    folder = key.folder(workspaces)
    listed = git(
        repository.store, "for-each-ref", "--format=%(refname)", f"{OPEN}/{folder.name}/"
    ).splitlines()
    for ref in listed:
        name = ref.rpartition("/")[2]
        # What was opened on another machine has no facts here; that machine deletes it.
        run_id = read_facts(folder / f"{name}.json").get("run_id")
        if name != key.name and run_id and not (folder / name).exists() and not is_running(run_id):
            forget(repository, ref, shared=shared)


def _is_workspace(workspace: Path, own: Path) -> bool:
    return workspace.is_dir() and workspace != own and not workspace.name.startswith(".")
