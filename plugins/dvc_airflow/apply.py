"""Bring a saved run into the working tree, as ``dvc exp apply`` does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

from dvc_airflow.errors import ApplyError
from dvc_airflow.graph import Graph, Stage, load_graph
from dvc_airflow.graph.build import is_url
from dvc_airflow.graph.walk import DVC_DIR
from dvc_airflow.graph.yaml_marks import load_marked
from dvc_airflow.runtime.git import AS_COMMITTED, git, git_or_none, resolve_commit
from dvc_airflow.runtime.process import child_environment
from dvc_airflow.runtime.repository import (
    fetch_missing,
    fetch_ref,
    repository_of,
    require_repository,
    shown_remote,
)
from dvc_airflow.runtime.run_key import FAILED, RUNS
from dvc_airflow.runtime.snapshot import SNAPSHOT_TITLE
from dvc_airflow.runtime.untracked import below, join, path_in_repository

_SUBMODULE: Final = "160000"


def apply_run(
    project: str | os.PathLike[str],
    ref: str,
    *,
    force: bool = False,
    besides: Collection[str] = (),
) -> list[str]:
    """Put the files of a run into the working tree, then its data.

    Those are the files that the run changed (dvc.lock, overridden parameters, metrics and other
    outputs kept in git) and those that were uncommitted when it began; afterwards ``dvc checkout``
    fetches the run's outputs from the cache. Neither HEAD nor the index changes.

    Parameters
    ----------
    project : path
        The DVC project.
    ref : str
        ``refs/runs/<dag>/<run>``, the same without ``refs/runs/``, or a commit.
    force : bool
        Overwrite files that were changed since the run started, and bring the run's versions of
        code that is another one by now.
    besides : collection of str
        Files of the project that may be another version here than the run read: what follows a
        run, such as a release, changed them. They stay as they are.

    Returns
    -------
    list of str
        The run's files, relative to the repository.

    Raises
    ------
    ApplyError
        If there is no such run, user changes would be lost, what the run's stages read is not what
        lies here, or data of the run is not in the cache; names the files.
    """
    root = require_repository(Path(project))
    commit = _find(root, ref)
    base = git(root, "rev-parse", f"{commit}^")
    run = _Run(root, Path(project), commit, base)
    files = run.files()
    spared = {*files, *(run.location(path) for path in besides)}
    others = [path for path in run.read_or_made() if path not in spared and not run.is_here(path)]
    if others and not force:
        msg = (
            f"the working tree has another version of {', '.join(others)} than the run, so its "
            f"results would not belong to what lies here. 'git switch --detach {base[:10]}' goes "
            "to where it began; force it, to put the run's versions here; or, for a file that a "
            "release wrote after the run, say --besides FILE"
        )
        raise ApplyError(msg)
    files = sorted({*files, *others})
    if not force:
        _refuse_loss(run, [path for path in files if not run.is_here(path)])
    for path in files:
        if not run.is_here(path):
            _write(root, commit, path)
    _dvc_checkout(Path(project), force=force)
    _refuse_missing_data(run)
    return files


class _Run:
    """A saved run, looked at from a working tree."""

    def __init__(self, root: Path, project: Path, commit: str, base: str) -> None:
        self.root = root
        self.project = project
        self.commit = commit
        self.base = base
        self.home = below(project, root)
        self.graph = _graph_of(root, self.home, commit)

    def files(self) -> list[str]:
        """Return what the run changed, and what was uncommitted when it began."""
        found = set(_changed_files(self.root, self.base, self.commit))
        title = git(self.root, "show", "--no-patch", "--format=%s", self.base)
        if title.startswith(SNAPSHOT_TITLE):
            found |= set(_changed_files(self.root, f"{self.base}^", self.base))
        return sorted(found)

    def read_or_made(self) -> list[str]:
        """Return files in git that the pipeline consists of, that stages read or that they make."""
        exact = {self.location(source.file) for source in self.graph.sources}
        folders = set()
        for stage in self.graph:
            paths = [dep.path for dep in stage.deps] + [out.path for out in stage.outs]
            folders |= {self.location(path) for path in paths}
            named = [stage.file, _lock_file(stage), *stage.params, *(f for f, _ in stage.used)]
            exact |= {self.location(path) for path in named}
        listed = git(self.root, "ls-tree", "-r", "-z", self.commit, strip=False).split("\0")
        entries = [entry.partition("\t") for entry in listed if entry]
        return [
            path
            for head, _, path in entries
            if not head.startswith(_SUBMODULE)
            and (path in exact or any(_within(path, folder) for folder in folders if folder))
        ]

    def location(self, path: str) -> str | None:
        return path_in_repository(path, self.home, self.root)

    def made_again(self) -> set[str]:
        """Return outputs kept in git of which the run's start had none: not yet added, made anew.

        A snapshot leaves them out unless they look like configuration; overwriting them is what
        running the stage here would do.
        """
        outs = [out for stage in self.graph for out in stage.outs if not out.cache]
        paths = {self.location(out.path) for out in outs}
        return {path for path in paths if path and _hash(self.root, self.base, path) is None}

    def is_here(self, path: str) -> bool:
        """Whether the working tree has the run's version of a file."""
        return _hash_in_tree(self.root, path) == _hash(self.root, self.commit, path)

    def missing_data(self) -> list[str]:
        """Return outputs of stages that the run ran which are not in the working tree."""
        before, after = (
            {
                (file, name): entry
                for file in {_lock_file(stage) for stage in self.graph}
                for name, entry in _lock_entries(self.root, commit, join(self.home, file)).items()
            }
            for commit in (self.base, self.commit)
        )
        ran = {key for key, entry in after.items() if before.get(key) != entry}
        return [
            out.path
            for stage in self.graph
            if (_lock_file(stage), stage.name) in ran
            for out in stage.outs
            if not is_url(out.path) and not os.path.lexists(self.project / out.path)
        ]


def _graph_of(root: Path, home: str, commit: str) -> Graph:
    with tempfile.TemporaryDirectory(prefix="dvc-airflow-") as folder:
        env = {"GIT_INDEX_FILE": os.path.join(folder, "index")}
        tree = Path(folder, "tree")
        git(root, "read-tree", commit, env=env)
        git(root, "checkout-index", "--all", f"--prefix={tree}/", env=env)
        (tree / home / DVC_DIR).mkdir(parents=True, exist_ok=True)
        return load_graph(tree / home)


def _lock_entries(root: Path, commit: str, file: str) -> dict[str, Any]:
    text = git_or_none(root, "show", f"{commit}:{file}")
    data = load_marked(text, file).data if text else {}
    stages = data.get("stages") if isinstance(data, dict) else None
    return stages if isinstance(stages, dict) else {}


def _lock_file(stage: Stage) -> str:
    return os.path.splitext(stage.file)[0] + ".lock"


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _find(root: Path, ref: str) -> str:
    for candidate in (ref, f"{RUNS}/{ref}", f"{FAILED}/{ref}"):
        commit = resolve_commit(root, candidate)
        if commit is not None:
            return commit
    repository = repository_of(root)
    names = [ref] if ref.startswith("refs/") else [f"{RUNS}/{ref}", f"{FAILED}/{ref}"]
    for name in names:
        commit = fetch_ref(repository, name)
        if commit is not None:
            return commit
    if re.fullmatch("[0-9a-f]{40}", ref) and fetch_missing(repository, ref):
        return ref
    known = git(root, "for-each-ref", "--format=%(refname)", RUNS).splitlines()
    shown = "; there is: " + ", ".join(known[-5:]) if known else "; no run was saved yet"
    remote = f", nor at its git remote {shown_remote(repository)}" if repository.remote else ""
    msg = f"there is no saved run {ref!r} in {root}{remote}{shown}"
    raise ApplyError(msg)


def _changed_files(root: Path, base: str, commit: str) -> list[str]:
    names = git(
        root, "diff-tree", "-r", "--name-only", "-z", "--no-renames", base, commit, strip=False
    )
    return [name for name in names.split("\0") if name]


def _refuse_loss(run: _Run, paths: list[str]) -> None:
    """Refuse to overwrite a file unless git has what lies there, or the run's stages made it."""
    again = run.made_again()
    lost = [path for path in paths if path not in again and not _is_kept(run, path)]
    if lost:
        msg = (
            f"this would overwrite your changes in {', '.join(lost)}; commit or undo them "
            "first, or force it"
        )
        raise ApplyError(msg)


def _is_kept(run: _Run, path: str) -> bool:
    if (run.root / path).is_dir() and not (run.root / path).is_symlink():
        return False
    found = _hash_in_tree(run.root, path)
    known = (_hash(run.root, where, path) for where in (run.base, run.commit, "HEAD", ""))
    return found is None or found in known


def _refuse_missing_data(run: _Run) -> None:
    missing = run.missing_data()
    if missing:
        msg = (
            f"the run's files are in place, but {', '.join(missing)} is not in the cache; "
            "'dvc pull' fetches it if a remote has it, otherwise 'dvc repro' makes it again"
        )
        raise ApplyError(msg)


def _hash(root: Path, commit: str, path: str) -> str | None:
    return git_or_none(root, "rev-parse", "--verify", "--quiet", f"{commit}:{path}")


def _hash_in_tree(root: Path, path: str) -> str | None:
    file = root / path
    if file.is_symlink():
        return git(root, "hash-object", "--stdin", stdin=os.readlink(file))
    return git(root, "hash-object", "--", path) if file.is_file() else None


def _write(root: Path, commit: str, path: str) -> None:
    if _hash(root, commit, path) is None:
        (root / path).unlink(missing_ok=True)
        return
    source = f"--source={commit}"
    git(root, "--literal-pathspecs", "restore", source, "--worktree", "--", path,
        settings=AS_COMMITTED)  # fmt: skip


def _dvc_checkout(project: Path, *, force: bool) -> None:
    flags = ["--allow-missing", *(["--force"] if force else [])]
    command = [sys.executable, "-m", "dvc", "checkout", *flags]
    done = subprocess.run(
        command,
        cwd=project,
        env=child_environment({}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        msg = f"the run's files are in place, but 'dvc checkout' failed: {done.stderr.strip()}"
        raise ApplyError(msg)
