"""The few git commands that the bridge needs."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from dvc_airflow.runtime.errors import GitError

# Set by git hooks and by careless shells; they would redirect every command below.
_MISLEADING = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX")


def git(
    where: str | os.PathLike[str],
    *args: str,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    strip: bool = True,
) -> str:
    """Run git in a directory and return its output; failure raises with its message."""
    clean = {key: value for key, value in os.environ.items() if key not in _MISLEADING}
    clean |= {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", **(env or {})}
    clean["GIT_NO_REPLACE_OBJECTS"] = "1"  # a commit is what its hash says, for us and for others
    try:
        done = subprocess.run(
            ["git", "-C", os.fspath(where), *args],
            capture_output=True,
            text=True,
            errors="surrogateescape",
            input=stdin if stdin is not None else "",
            env=clean,
            check=False,
        )
    except FileNotFoundError as exc:
        msg = "git is not installed (or not in PATH), and the bridge needs it"
        raise GitError(msg) from exc
    if done.returncode != 0:
        what = " ".join(args[:3])
        msg = f"git {what} failed in {os.fspath(where)}: {(done.stderr or done.stdout).strip()}"
        raise GitError(msg)
    return done.stdout.strip() if strip else done.stdout


def git_or_none(where: str | os.PathLike[str], *args: str) -> str | None:
    """Like `git`, but failure is an answer too."""
    try:
        return git(where, *args)
    except GitError:
        return None


def toplevel(where: Path) -> Path | None:
    """Return the root of the git work tree around a directory, if there is one.

    Other troubles (git refuses a repository that another user owns) are raised.
    """
    try:
        return Path(git(where, "rev-parse", "--show-toplevel"))
    except GitError as exc:
        if "not a git repository" in str(exc):
            return None
        raise


def resolve_commit(where: Path, rev: str) -> str | None:
    """Return the commit that a name stands for."""
    return git_or_none(where, "rev-parse", "--verify", "--quiet", f"{rev}^{{commit}}")


def identity(where: str | os.PathLike[str]) -> dict[str, str]:
    """Return author and committer for commits: git's configuration, or a neutral default."""
    name = git_or_none(where, "config", "user.name") or "dvc-airflow"
    email = git_or_none(where, "config", "user.email") or "dvc-airflow@localhost"
    given = {
        "GIT_AUTHOR_NAME": name,
        "GIT_AUTHOR_EMAIL": email,
        "GIT_COMMITTER_NAME": name,
        "GIT_COMMITTER_EMAIL": email,
    }
    return {key: os.environ.get(key) or value for key, value in given.items()}
