"""Git as a program, always about the directory it is told, whatever the user's settings are.

Settings that change what a command does, prints or starts are overridden here, in one place;
what reaches a remote or makes a working tree right stays the user's: credentials, proxies,
``url.*.insteadOf``, filters (Git LFS), the global ignore file, ``safe.directory``. No hook runs.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Final

from dvc_airflow.runtime.errors import GitError

_KEPT: Final = (
    "GIT_AUTHOR_", "GIT_COMMITTER_",
    "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_",
    "GIT_ASKPASS", "GIT_EXEC_PATH", "GIT_HTTP_", "GIT_LFS_", "GIT_PROXY_", "GIT_SSH", "GIT_SSL_",
)  # fmt: skip
"""Beginnings of variables that say who somebody is, where git and its settings lie, and how to
reach a remote. All others are dropped: git hooks and careless shells set them, and they send a
command to another repository, index or object store, or change what it does."""
MISLEADING: Final = frozenset({
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_CONFIG", "GIT_CONFIG_PARAMETERS",
    "GIT_DIR", "GIT_GRAFT_FILE", "GIT_IMPLICIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_QUARANTINE_PATH", "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE", "GIT_WORK_TREE",
})  # fmt: skip
"""Variables that send git to another repository; a stage's commands must not have them either."""

_SETTINGS: Final[Mapping[str, str]] = {
    # programs that git would start
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.pager": "cat",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "commit.gpgSign": "false",
    "tag.gpgSign": "false",
    "tag.forceSignAnnotated": "false",
    "push.gpgSign": "false",
    # what a command reaches beyond what it was told
    "fetch.prune": "false",
    "fetch.pruneTags": "false",
    "fetch.recurseSubmodules": "false",
    "submodule.recurse": "false",
    "push.recurseSubmodules": "no",
    "push.followTags": "false",
    "push.pushOption": "",
    "protocol.version": "2",
    "core.splitIndex": "false",
    # whether it refuses
    "core.safecrlf": "false",
    "safe.bareRepository": "all",
    # what it prints
    "diff.orderFile": os.devnull,
    "diff.noprefix": "false",
    "core.quotePath": "false",
    "color.ui": "false",
    "color.diff": "false",
    "color.grep": "false",
    "color.branch": "false",
    "color.status": "false",
    "column.ui": "never",
    "log.showSignature": "false",
    "log.mailmap": "false",
    "grep.fullName": "false",
    "grep.lineNumber": "false",
    "grep.column": "false",
    "i18n.commitEncoding": "utf-8",
    "i18n.logOutputEncoding": "utf-8",
    "advice.detachedHead": "false",
}
AS_COMMITTED: Final[Mapping[str, str]] = {"core.autocrlf": "false", "core.eol": "lf"}
"""Settings for checking files out with the bytes that the commit has: DVC hashes bytes."""

_elsewhere: ContextVar[Mapping[str, Mapping[str, str]] | None] = ContextVar(
    "elsewhere", default=None
)


def git(
    where: str | os.PathLike[str],
    *args: str,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    strip: bool = True,
    settings: Mapping[str, str] | None = None,
) -> str:
    """Run git in a directory and return its output; failure raises with its message.

    Parameters
    ----------
    where : path
        The directory.
    *args : str
        Command and its arguments.
    env : mapping, optional
        Further variables of the environment.
    stdin : str, optional
        What the command reads.
    strip : bool
        Whether white space around the output is taken off.
    settings : mapping, optional
        Further settings of git for this command.

    Raises
    ------
    GitError
        If the command fails, or there is no git.
    """
    try:
        done = subprocess.run(
            ["git", "-C", os.fspath(where), *args],
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="surrogateescape",
            input=stdin if stdin is not None else "",
            env={**environment(where, settings), **(env or {})},
            check=False,
        )
    except FileNotFoundError as exc:
        msg = "git is not installed (or not in PATH), and the bridge needs it"
        raise GitError(msg) from exc
    if done.returncode != 0:
        what = " ".join(args[:3])
        said = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}, no message"
        msg = f"git {what} failed in {os.fspath(where)}: {said}"
        raise GitError(without_passwords(msg))
    return done.stdout.strip() if strip else done.stdout


def without_passwords(text: str) -> str:
    """Return a text without the names and passwords that addresses in it have."""
    return re.sub(r"://[^/@\s]*@", "://", text)


def environment(
    where: str | os.PathLike[str], settings: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the environment of a git command in a directory.

    Repositories of other users: git reads none of them, lest it start programs that their
    settings name. Whoever names a directory as a project lets its stages run, so the repository
    that begins in just this directory is taken as safe; one further up is not.
    """
    own = {**_SETTINGS, "safe.directory": os.path.realpath(where), **(settings or {})}
    found = {**without_git(os.environ), **_as_variables([*_given_settings(), *own.items()])}
    found |= {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
    found["GIT_NO_REPLACE_OBJECTS"] = "1"
    return {**found, **(_elsewhere.get() or {}).get(os.path.abspath(where), {})}


def without_git(env: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without the variables that send git somewhere else."""
    return {
        key: value
        for key, value in env.items()
        if not key.startswith("GIT_") or key.startswith(_KEPT)
    }


@contextmanager
def redirected(where: Path, variables: Mapping[str, str]) -> Iterator[None]:
    """Let git commands in a directory use another repository, index or object store."""
    mapping = {**(_elsewhere.get() or {}), os.path.abspath(where): dict(variables)}
    token = _elsewhere.set(mapping)
    try:
        yield
    finally:
        _elsewhere.reset(token)


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


def git_path(where: Path, name: str) -> Path:
    """Return where a repository has one of its own files; it need not be there."""
    return where / git(where, "rev-parse", "--git-path", name)


def resolve_commit(where: Path, rev: str) -> str | None:
    """Return the commit that a name stands for."""
    if rev.startswith("-"):
        return None
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


def _given_settings() -> Iterator[tuple[str, str]]:
    """Yield settings that the environment has already: containers hand credentials on so."""
    count = os.environ.get("GIT_CONFIG_COUNT", "")
    for number in range(int(count) if count.isdecimal() else 0):
        key = os.environ.get(f"GIT_CONFIG_KEY_{number}")
        if key:
            yield key, os.environ.get(f"GIT_CONFIG_VALUE_{number}", "")


def _as_variables(settings: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return settings as variables; of several for one key the last one counts."""
    found = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings):
        found[f"GIT_CONFIG_KEY_{number}"] = key
        found[f"GIT_CONFIG_VALUE_{number}"] = value
    return found
