"""Keep a run: one git commit on top of the commit it was made from, under a ref."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc_airflow.graph import Graph, load_graph
from dvc_airflow.runtime import run_key
from dvc_airflow.runtime.errors import GitError
from dvc_airflow.runtime.git import git, git_or_none, identity, resolve_commit
from dvc_airflow.runtime.lockfile import collect_entries, write_lockfile
from dvc_airflow.runtime.run_key import RunKey
from dvc_airflow.runtime.workspace import Workspace


@dataclass(frozen=True)
class SavedRun:
    """Where a run was kept.

    Attributes
    ----------
    ref : str
        ``refs/runs/…`` for a complete run, ``refs/failed-runs/…`` for one that failed.
    commit : str
        The commit it points to.
    """

    ref: str
    commit: str
    complete: bool


def save_run(
    git_root: Path,
    workspace: Workspace,
    results: Iterable[Mapping[str, Any]],
    *,
    complete: bool,
) -> SavedRun:
    """Commit what a run made, and store the commit in the project's repository.

    Parameters
    ----------
    git_root : Path
        The project's repository.
    workspace : Workspace
        The run's workspace.
    results : iterable of mapping
        What the run's stages reported.
    complete : bool
        Whether everything succeeded. What a failed run made is kept as well (the next
        run need not repeat it, and one can look at it), under ``refs/failed-runs`` so
        that nobody takes it for a good one.
    """
    results = list(results)
    path = Path(workspace.path)
    graph = load_graph(path)
    for file, entries in collect_entries(results).items():
        pipeline = os.path.splitext(file)[0] + ".yaml"
        order = [stage.name for stage in graph if stage.file == pipeline]
        write_lockfile(path / file, entries, order)
    commit = _commit(workspace, _files_to_add(graph, path, results), complete)
    kind = run_key.RUNS if complete else run_key.FAILED
    ref = workspace.key.ref(kind)
    # The clone borrows the project's objects; this brings its own few back.
    git(git_root, "fetch", "--quiet", "--no-tags", workspace.root, f"+{commit}:{ref}")
    if complete:
        git_or_none(git_root, "update-ref", "-d", workspace.key.ref(run_key.FAILED))
        git_or_none(git_root, "update-ref", "-d", workspace.key.ref(run_key.OPEN))
    return SavedRun(ref, commit, complete)


def _files_to_add(graph: Graph, path: Path, results: list[Mapping[str, Any]]) -> list[str]:
    """Return new files that belong to the run: lock files, .gitignore, outputs kept in git."""
    ran = {result["stage"] for result in results}
    wanted: set[str] = {str(result["lock_file"]) for result in results}
    for address in ran & graph.stages.keys():
        for out in graph.stages[address].outs:
            wanted.add(os.path.join(os.path.dirname(out.path), ".gitignore"))
            if not out.cache:
                wanted.add(out.path)
    return sorted(name for name in wanted if (path / name).exists() and not os.path.isabs(name))


def _commit(workspace: Workspace, files: list[str], complete: bool) -> str:
    root, path = workspace.root, workspace.path
    # Start from the run's commit each time: saving again (a retry, a cleared task)
    # replaces the earlier save instead of piling up on it.
    git(root, "reset", "--quiet", "--soft", workspace.commit)
    git(root, "add", "--update", "--", ".")
    # "-z": without it git puts names with other letters than ASCII into quotes
    listed = "".join(f"{name}\0" for name in files)
    ignored = set(_ignored(path, listed).split("\0")) if files else set()
    addable = [name for name in files if name not in ignored]
    if addable:
        git(path, "add", "--", *addable)
    env = identity(root)
    git(
        root,
        "commit",
        "--quiet",
        "--allow-empty",
        "--no-verify",
        "-m",
        _message(workspace, complete),
        env=env,
    )
    return git(root, "rev-parse", "HEAD")


def _ignored(path: str, listed: str) -> str:
    try:
        return git(path, "check-ignore", "-z", "--stdin", stdin=listed, strip=False)
    except GitError:
        return ""  # it also ends with 1 if nothing is ignored


def _message(workspace: Workspace, complete: bool) -> str:
    title = f"{'Run' if complete else 'Failed run'} {workspace.dag_id} {workspace.run_id}"
    lines = [f"{key} = {json.dumps(value)}" for key, value in sorted(workspace.overrides.items())]
    body = ["", "Parameters:", *lines] if lines else []
    trailers = ["", f"Dag-Id: {workspace.dag_id}", f"Run-Id: {workspace.run_id}"]
    return "\n".join([title, *body, *trailers])


_OVERRIDE = re.compile(r"^(\S+) = (.*)$", re.MULTILINE)


def read_saved(git_root: Path, key: RunKey) -> SavedRun | None:
    """Return a run that was kept complete, from git alone; None if there is none.

    Unlike what tasks hand on in XComs, this isn't Airflow's to change.
    """
    ref = key.ref(run_key.RUNS)
    commit = resolve_commit(git_root, ref)
    return None if commit is None else SavedRun(ref, commit, complete=True)


def read_overrides(git_root: Path, commit: str) -> dict[str, Any]:
    """Return the parameters that a saved run's commit says were changed for it."""
    message = git(git_root, "show", "--no-patch", "--format=%B", commit)
    body = message.partition("\nParameters:\n")[2].partition("\n\n")[0]
    return {key: json.loads(value) for key, value in _OVERRIDE.findall(body)}
