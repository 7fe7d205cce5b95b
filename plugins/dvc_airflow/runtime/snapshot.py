"""One commit that holds exactly what is in the project's working tree."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from dvc_airflow.errors import ProjectError
from dvc_airflow.runtime.git import git, git_or_none, identity, resolve_commit, toplevel


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


def fix_commit(project: Path, rev: str | None, message: str) -> str:
    """Return the commit a run is made of: a named revision, or a snapshot of the tree now.

    The snapshot is HEAD plus uncommitted changes plus files that git would add, made
    with an index of its own: the user's index and files are not touched. If nothing
    differs from HEAD, it is HEAD.
    """
    root = require_repository(project)
    if rev is not None:
        commit = resolve_commit(root, rev)
        if commit is None:
            msg = f"there is no revision {rev!r} in {root}"
            raise ProjectError(msg)
        return commit
    head = git(root, "rev-parse", "HEAD")
    tree = _tree_of_worktree(root)
    if tree == git(root, "rev-parse", "HEAD^{tree}"):
        return head
    return git(root, "commit-tree", tree, "-p", head, "-m", message, env=identity(root))


def _tree_of_worktree(root: Path) -> str:
    with tempfile.TemporaryDirectory(prefix="dvc-airflow-") as folder:
        index = os.path.join(folder, "index")
        current = git_or_none(root, "rev-parse", "--git-path", "index")
        if current and (root / current).is_file():
            # A copy of the user's index knows which files did not change: faster.
            shutil.copy2(root / current, index)
        env = {"GIT_INDEX_FILE": index}
        git(root, "add", "--all", env=env)
        return git(root, "write-tree", env=env)
