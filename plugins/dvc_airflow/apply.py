"""Bring a saved run into the working tree, as ``dvc exp apply`` does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from dvc_airflow.errors import ApplyError
from dvc_airflow.graph import load_graph
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
from dvc_airflow.runtime.untracked import below, path_in_repository


def apply_run(project: str | os.PathLike[str], ref: str, *, force: bool = False) -> list[str]:
    """Put the files that a run changed into the working tree, then its data.

    That is dvc.lock, overridden parameters, metrics and other outputs kept in git;
    afterwards ``dvc checkout`` fetches the run's outputs from the cache. Outputs of stages
    that the run did not have stay away if they never were in this cache. Neither HEAD nor
    the index changes.

    Parameters
    ----------
    project : path
        The DVC project.
    ref : str
        ``refs/runs/<dag>/<run>``, the same without ``refs/runs/``, or a commit.
    force : bool
        Overwrite files that were changed since the run started.

    Returns
    -------
    list of str
        The files that were written or removed, relative to the repository.

    Raises
    ------
    ApplyError
        If there is no such run, or user changes would be lost.
    """
    root = require_repository(Path(project))
    commit = _find(root, ref)
    base = git(root, "rev-parse", f"{commit}^")
    changed = _changed_files(root, base, commit)
    if not force:
        _refuse_loss(
            root, base, commit, sorted({*changed} - _made_again(Path(project), root, base))
        )
    for path in changed:
        _write(root, commit, path)
    _dvc_checkout(Path(project), force=force)
    return changed


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


def _made_again(project: Path, root: Path, base: str) -> set[str]:
    """Return outputs kept in git of which the run's commit had none: not yet added, made anew.

    A snapshot leaves them out unless they look like configuration; overwriting them is what
    running the stage here would do.
    """
    home = below(project, root)
    outs = [out for stage in load_graph(project) for out in stage.outs if not out.cache]
    paths = {path_in_repository(out.path, home, root) for out in outs}
    return {path for path in paths if path and _hash(root, base, path) is None}


def _refuse_loss(root: Path, base: str, commit: str, changed: list[str]) -> None:
    """Refuse to overwrite a file unless it still is as the run found or left it."""
    lost = [
        path
        for path in changed
        if _hash_in_tree(root, path) not in (_hash(root, base, path), _hash(root, commit, path))
    ]
    if lost:
        msg = (
            f"this would overwrite your changes in {', '.join(lost)}; commit or undo them "
            "first, or force it"
        )
        raise ApplyError(msg)


def _hash(root: Path, commit: str, path: str) -> str | None:
    return git_or_none(root, "rev-parse", "--verify", "--quiet", f"{commit}:{path}")


def _hash_in_tree(root: Path, path: str) -> str | None:
    return git(root, "hash-object", "--", path) if (root / path).is_file() else None


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
