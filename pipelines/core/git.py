"""The few git commands that registry and release need, with errors that say what to do."""

import os
import subprocess
from pathlib import Path

from pipelines.core.errors import SignalboxError

_MISLEADING = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX")
"""Set by git hooks and careless shells; they would send every command to another repository."""


class GitError(SignalboxError):
    """A git command failed; the message holds what git said."""


def git(project: Path, *arguments: str, stdin: str = "") -> str:
    """Run git in the project; return what it printed, without the last line break.

    Raises
    ------
    GitError
        With git's own words.
    """
    return git_bytes(project, *arguments, stdin=stdin).decode("utf-8", "replace").rstrip("\n")


def git_bytes(project: Path, *arguments: str, stdin: str = "") -> bytes:
    """Run git in the project; return the bytes it printed."""
    clean = {key: value for key, value in os.environ.items() if key not in _MISLEADING}
    try:
        done = subprocess.run(
            ["git", "-C", str(project), *arguments],
            input=stdin.encode(),
            capture_output=True,
            env={**clean, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"},
            check=False,
        )
    except FileNotFoundError:
        raise GitError("git is not installed, or not in PATH") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip() or "no message"
        raise GitError(f"git {' '.join(arguments[:2])} failed in {project}: {said}")
    return done.stdout


def git_or_none(project: Path, *arguments: str) -> str | None:
    """Like `git`; None where it fails, for questions whose answer may be no."""
    try:
        return git(project, *arguments)
    except GitError:
        return None
