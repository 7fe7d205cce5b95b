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
from dvc_airflow.runtime.git import git, git_or_none, identity, resolve_commit, toplevel
from dvc_airflow.runtime.untracked import LeftOut, Untracked, code_among, list_untracked, sized

SNAPSHOT_TITLE: Final = "Working tree at the start of"


@dataclass(frozen=True)
class Snapshot:
    """The commit that a run is made of, and what lies in the working tree but not in it."""

    commit: str
    left_out: tuple[LeftOut, ...] = ()


def require_repository(project: Path) -> Path:
    """Return the git root of a project; says clearly what is missing otherwise."""
    if not project.is_dir():
        msg = f"the project {project} does not exist on this machine"
        raise ProjectError(msg)
    root = toplevel(project)
    if root is None:
        msg = f"{project} is not in a git repository; a run needs a commit to stand on: git init"
        raise ProjectError(msg)
    if not (project / ".dvc").is_dir():
        msg = f"{project} is not a DVC project: it has no .dvc directory; run 'dvc init' in it"
        raise ProjectError(msg)
    if resolve_commit(root, "HEAD") is None:
        msg = f"the git repository {root} has no commit yet; make a first one"
        raise ProjectError(msg)
    return root


def fix_commit(
    project: Path,
    rev: str | None,
    message: str,
    *,
    untracked: Untracked = "code",
    overrides: Overrides | None = None,
) -> Snapshot:
    """Return the commit a run is made of: a named revision, or a snapshot of the tree now.

    The snapshot is HEAD plus uncommitted changes of tracked files, plus some of the files
    that git doesn't track yet, made with an index of its own: the user's index and files
    are not touched. If nothing differs from HEAD, it is HEAD.

    Parameters
    ----------
    project : Path
        The project.
    rev : str or None
        The revision, instead of a snapshot.
    message : str
        Of the snapshot's commit.
    untracked : {"code", "all", "none"}
        Which untracked files are in it; what git ignores never is.
    overrides : mapping, optional
        Parameters that the run changes, for they may name other code.
    """
    root = require_repository(project)
    if rev is not None:
        commit = resolve_commit(root, rev)
        if commit is None:
            msg = f"there is no revision {rev!r} in {root}"
            raise ProjectError(msg)
        return Snapshot(commit)
    head = git(root, "rev-parse", "HEAD")
    tree, left_out = _tree_of_worktree(root, project, untracked, overrides or {})
    if tree == git(root, "rev-parse", "HEAD^{tree}"):
        return Snapshot(head, left_out)
    commit = git(root, "commit-tree", tree, "-p", head, "-m", message, env=identity(root))
    return Snapshot(commit, left_out)


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
