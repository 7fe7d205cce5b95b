"""Keep a run: one git commit on top of the commit it was made from, under a ref."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc_airflow.graph import Graph, load_graph
from dvc_airflow.runtime import run_key
from dvc_airflow.runtime.collect import collect_results
from dvc_airflow.runtime.errors import GitError
from dvc_airflow.runtime.git import AS_COMMITTED, git, git_or_none, identity, resolve_commit
from dvc_airflow.runtime.lockfile import collect_entries, write_lockfile
from dvc_airflow.runtime.objects import copy_objects
from dvc_airflow.runtime.repository import fetch_ref, repository_of, require_repository
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
    log: Callable[[str], None] = lambda line: None,
) -> SavedRun:
    """Commit what a run made, and store the commit in the project's repository.

    The workspace need not be the one where the stages ran: what it lacks of what they made and git
    keeps is restored first, and held against the hashes in the results.

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
    log : callable, optional
        Takes lines for the task's log.

    Raises
    ------
    WorkspaceError
        If what a stage of a complete run made is not to be had. An earlier save stays as it is.
    """
    path = Path(workspace.path)
    store = store_of(git_root, workspace)
    results = collect_results(store, workspace, list(results), complete=complete, log=log)
    graph = load_graph(path)
    for file, entries in collect_entries(results).items():
        pipeline = os.path.splitext(file)[0] + ".yaml"
        order = [stage.name for stage in graph if stage.file == pipeline]
        write_lockfile(path / file, entries, order)
    _order_ignored(graph, workspace)
    commit = _commit(workspace, _files_to_add(graph, path, results), complete)
    kind = run_key.RUNS if complete else run_key.FAILED
    ref = workspace.key.ref(kind)
    # The clone borrows the repository's objects; this brings its own few back.
    copy_objects(Path(workspace.root), store, commit, known=[workspace.commit])
    git(store, "update-ref", ref, commit)
    # The saved commit stands on the run's first one: nothing else need hold that.
    done = (run_key.FAILED, run_key.OPEN) if complete else (run_key.OPEN,)
    for kind in done:
        git_or_none(store, "update-ref", "-d", workspace.key.ref(kind))
    return SavedRun(ref, commit, complete)


def store_of(git_root: Path, workspace: Workspace) -> Path:
    """Return the repository that keeps a workspace's run: the one that it borrows from."""
    try:
        listed = Path(workspace.root, ".git", "objects", "info", "alternates").read_text("utf-8")
        home = Path(listed.splitlines()[0]).parent
        return home.parent if home.name == ".git" else home
    except (OSError, IndexError):
        return git_root


def _order_ignored(graph: Graph, workspace: Workspace) -> None:
    """Put what the run added to .gitignore files into the order of dvc.yaml.

    DVC appends a line as a stage ends, and that order differs from host to host.
    """
    by_file: dict[str, list[str]] = {}
    for stage in graph:
        for out in stage.outs:
            folder, name = os.path.split(out.path)
            by_file.setdefault(os.path.join(folder, ".gitignore"), []).append(f"/{name}")
    for file, order in by_file.items():
        path = Path(workspace.path, file)
        if os.path.isabs(file) or file.startswith("..") or not path.is_file():
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        committed = git_or_none(workspace.path, "show", f"{workspace.commit}:./{file}")
        known = len((committed or "").splitlines())
        position_of = {name: number for number, name in reversed(list(enumerate(order)))}
        added = sorted(lines[known:], key=lambda line: position_of.get(line, len(order)))
        if lines[:known] == (committed or "").splitlines() and added != lines[known:]:
            path.write_text("".join(f"{line}\n" for line in lines[:known] + added), "utf-8")


def _files_to_add(graph: Graph, path: Path, results: Sequence[Mapping[str, Any]]) -> list[str]:
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
    # With the bytes as they are, which dvc.lock has the hashes of.
    git(root, "add", "--update", "--", ".", settings=AS_COMMITTED)
    listed = "".join(f"{name}\0" for name in files)
    ignored = set(_ignored(path, listed)) if files else set()
    addable = [name for name in files if name not in ignored]
    if addable:
        git(path, "--literal-pathspecs", "add", "--", *addable, settings=AS_COMMITTED)
    tree = git(root, "write-tree")
    # The plumbing command: it signs nothing, runs no hook and leaves the message as it is.
    command = ("commit-tree", tree, "-p", workspace.commit, "-F", "-")
    commit = git(root, *command, env=identity(root), stdin=_message(workspace, complete) + "\n")
    git(root, "update-ref", "--no-deref", "HEAD", commit)
    return commit


def _ignored(path: str, listed: str) -> list[str]:
    try:
        found = git(path, "check-ignore", "-z", "--stdin", stdin=listed, strip=False)
    except GitError:
        return []  # git check-ignore also ends with 1 if there is none
    return found.split("\0")


def _message(workspace: Workspace, complete: bool) -> str:
    title = f"{'Run' if complete else 'Failed run'} {workspace.dag_id} {workspace.run_id}"
    lines = [f"{key} = {json.dumps(value)}" for key, value in sorted(workspace.overrides.items())]
    body = ["", "Parameters:", *lines] if lines else []
    trailers = ["", f"Dag-Id: {workspace.dag_id}", f"Run-Id: {workspace.run_id}"]
    return "\n".join([title, *body, *trailers])


_OVERRIDE = re.compile(r"^(\S+) = (.*)$", re.MULTILINE)


def read_saved(git_root: Path, key: RunKey) -> SavedRun | None:
    """Return a run that was kept complete, from git alone; None if there is none.

    One that another host saved is fetched from the git remote. Unlike what tasks hand on in
    XComs, this isn't Airflow's to change.
    """
    ref = key.ref(run_key.RUNS)
    commit = resolve_commit(git_root, ref)
    if commit is None:
        commit = fetch_ref(repository_of(require_repository(git_root)), ref)
    return None if commit is None else SavedRun(ref, commit, complete=True)


def read_overrides(git_root: Path, commit: str) -> dict[str, Any]:
    """Return the parameters that a saved run's commit says were changed for it."""
    message = git(git_root, "show", "--no-patch", "--format=%B", commit)
    body = message.partition("\nParameters:\n")[2].partition("\n\n")[0]
    return {key: json.loads(value) for key, value in _OVERRIDE.findall(body)}
