"""Remove old workspaces; what they made stays in git and in the DVC cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dvc_airflow.runtime.run_key import RunKey
from dvc_airflow.runtime.workspace import not_in_use, read_marker, remove_workspace


def prune_workspaces(
    workspaces: Path, key: RunKey, keep: int, is_running: Callable[[str], bool]
) -> list[str]:
    """Remove the oldest workspaces of a DAG.

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
    return removed


def _is_workspace(workspace: Path, own: Path) -> bool:
    return workspace.is_dir() and workspace != own and not workspace.name.startswith(".")
