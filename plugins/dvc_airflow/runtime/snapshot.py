"""One commit that holds what a run needs of the project's working tree."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dvc_airflow.graph.context import Overrides
from dvc_airflow.graph.errors import ProjectError
from dvc_airflow.runtime.git import git, git_or_none, identity
from dvc_airflow.runtime.repository import Repository, require_repository, resolve_rev
from dvc_airflow.runtime.untracked import LeftOut, Untracked, code_among, list_untracked, sized

SNAPSHOT_TITLE: Final = "Working tree at the start of"

__all__ = ["SNAPSHOT_TITLE", "Snapshot", "fix_commit", "require_repository"]


@dataclass(frozen=True)
class Snapshot:
    """The commit that a run is made of, and what lies in the working tree but not in it."""

    commit: str
    left_out: tuple[LeftOut, ...] = ()


def fix_commit(
    project: Path,
    repository: Repository,
    rev: str | None,
    message: str,
    *,
    untracked: Untracked = "code",
    overrides: Overrides | None = None,
    shared: bool = False,
) -> Snapshot:
    """Return the commit a run is made of: a named revision, or a snapshot of the tree now.

    The snapshot is HEAD plus uncommitted changes of tracked files, plus some of the files
    that git doesn't track yet, made with an index of its own: the user's index and files
    are not touched. If nothing differs from HEAD, it is HEAD. Of a tree without ``.git`` (a
    bundle's version) it is the commit that the tree is a copy of.

    Parameters
    ----------
    project : Path
        The project.
    repository : Repository
        Where its runs are kept; has the commit afterwards.
    rev : str or None
        The revision, instead of a snapshot.
    message : str
        Of the snapshot's commit.
    untracked : {"code", "all", "none"}
        Which untracked files are in it; what git ignores never is.
    overrides : mapping, optional
        Parameters that the run changes, for they may name other code.
    shared : bool
        Whether several hosts run it; see `resolve_rev`.
    """
    if rev is not None:
        return Snapshot(resolve_rev(repository, rev, shared=shared))
    if not repository.has_git:
        return Snapshot(_commit_of_copy(repository))
    root = repository.tree
    head = git(root, "rev-parse", "HEAD")
    with repository.recording():
        tree, left_out = _tree_of_worktree(root, project, untracked, overrides or {})
        commit = head
        if tree != git(root, "rev-parse", "HEAD^{tree}"):
            commit = git(root, "commit-tree", tree, "-p", head, "-m", message, env=identity(root))
        repository.keep(commit)
    return Snapshot(commit, left_out)


def _commit_of_copy(repository: Repository) -> str:
    tree = repository.tree
    if repository.version is None:
        msg = (
            f"{tree} has no .git, so nobody knows which commit it is a copy of: "
            "say it: WorkspaceConfig(rev=...)"
        )
        raise ProjectError(msg)
    found = repository.find(repository.version)
    if found is None:
        msg = f"the bundle's repository {repository.source} has no commit {repository.version}"
        raise ProjectError(msg)
    return found


def _tree_of_worktree(
    root: Path, project: Path, untracked: Untracked, overrides: Overrides
) -> tuple[str, tuple[LeftOut, ...]]:
    with tempfile.TemporaryDirectory(prefix="dvc-airflow-") as folder:
        index = os.path.join(folder, "index")
        current = git_or_none(root, "rev-parse", "--git-path", "index")
        if current and (root / current).is_file():
            # A copy of the user's index knows which files did not change: faster.
            shutil.copy2(root / current, index)
        env = {"GIT_INDEX_FILE": index}
        if untracked == "all":
            git(root, "add", "--all", env=env)
            return git(root, "write-tree", env=env), ()
        git(root, "add", "--update", env=env)
        found = list_untracked(root, env)
        code = code_among(found, root, project, overrides) if untracked == "code" else []
        _add(root, code, env)
        left_out = sized(root, sorted(set(found) - set(code)))
        return git(root, "write-tree", env=env), tuple(left_out)


def _add(root: Path, paths: Sequence[str], env: dict[str, str]) -> None:
    """Add files by their very names: no letter of one is a pattern or an option."""
    if paths:
        listed = "".join(f"{path}\0" for path in paths)
        options = ("--pathspec-from-file=-", "--pathspec-file-nul")
        git(root, "--literal-pathspecs", "add", *options, env=env, stdin=listed)
