"""Git as a program: always about the folder it is told, and with errors that say what to do.

No hook runs but at a push, and git asks nobody anything. Objects are read as they are stored, by
whoever asks: what ``git replace`` or grafts put in their place would let a release, its
verification or a search see something else than the commit whose hash they write down.
"""

import os
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from pipelines.core.errors import SignalboxError

_KEPT = (
    "GIT_AUTHOR_", "GIT_COMMITTER_",
    "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM",
    "GIT_ALLOW_PROTOCOL", "GIT_ASKPASS", "GIT_HTTP_", "GIT_PROXY_", "GIT_SSH", "GIT_SSL_",
)  # fmt: skip
"""Beginnings of variables that say who somebody is, where their settings lie, and how to reach a
remote. All others are dropped: hooks and careless shells set them, and they send every command to
another repository, index or object store."""

_AS_STORED = {"GIT_NO_REPLACE_OBJECTS": "1", "GIT_GRAFT_FILE": os.devnull}
"""Objects and parents of commits as their hashes name them, whatever stands in for them here."""

_NO_HOOKS = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false")


class GitError(SignalboxError):
    """A git command failed.

    Attributes
    ----------
    said : str
        What git printed.
    """

    def __init__(self, message: str, said: str) -> None:
        super().__init__(message)
        self.said = said


class GitMissingError(SignalboxError):
    """Git itself can't be started; never an answer to a question about a repository."""


def git(project: Path, *arguments: str, stdin: str | bytes = "") -> str:
    """Run git in the project; return what it printed, without the last line break.

    Parameters
    ----------
    project : Path
        Folder in which git runs.
    *arguments : str
        Command and its arguments.
    stdin : str or bytes, default ''
        What the command reads.

    Returns
    -------
    str
        Standard output, decoded as UTF-8.

    Raises
    ------
    GitError
        With git's own words.
    GitMissingError
        If git can't be started.
    """
    return git_bytes(project, *arguments, stdin=stdin).decode("utf-8", "replace").rstrip("\n")


def git_bytes(
    project: Path,
    *arguments: str,
    stdin: str | bytes = b"",
    timeout: float | None = None,
    hooks: bool = False,
) -> bytes:
    """Run git in the project; return the bytes it printed.

    Parameters
    ----------
    project : Path
        Folder in which git runs.
    *arguments : str
        Command and its arguments.
    stdin : str or bytes
        What the command reads.
    timeout : float, optional
        Seconds after which it is ended.
    hooks : bool
        Whether the user's hooks run.

    Returns
    -------
    bytes
        Standard output.

    Raises
    ------
    GitError
        If the command fails, or takes too long.
    GitMissingError
        If git can't be started.
    """
    named = " ".join(arguments[:2])
    given = stdin.encode() if isinstance(stdin, str) else stdin
    try:
        done = subprocess.run(
            _command(project, arguments, hooks=hooks),
            input=given,
            capture_output=True,
            env=environment(),
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        said = f"no answer within {timeout:g} s"
        raise GitError(f"git {named} failed in {project}: {said}", said) from None
    except OSError as error:
        raise _missing(error) from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip() or "no message"
        raise GitError(f"git {named} failed in {project}: {said}", said)
    return done.stdout


def git_or_none(project: Path, *arguments: str) -> str | None:
    """Run `git`; return None where it fails, for questions whose answer may be no.

    Parameters
    ----------
    project : Path
        Folder in which git runs.
    *arguments : str
        Command and its arguments.

    Returns
    -------
    str or None
        Standard output without the last line break.

    Raises
    ------
    GitMissingError
        If git can't be started: that is no answer.
    """
    try:
        return git(project, *arguments)
    except GitError:
        return None


def git_contents(project: Path, objects: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Read objects as they are stored, one after the other, in one process.

    Parameters
    ----------
    project : Path
        Folder in which git runs.
    objects : Iterable[str]
        Hashes of objects that are there.

    Yields
    ------
    tuple[str, bytes]
        Hash and content of an object.

    Raises
    ------
    GitError
        If one isn't there or git ends early.
    """
    try:
        process = subprocess.Popen(
            _command(project, ("cat-file", "--batch"), hooks=False),
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
    except OSError as error:
        raise _missing(error) from error
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        for name in objects:
            with suppress(BrokenPipeError):  # then there is no answer either
                process.stdin.write(f"{name}\n".encode())
                process.stdin.flush()
            said = process.stdout.readline().decode("utf-8", "replace").strip()
            size = said.rpartition(" ")[2]
            if not size.isdecimal():
                raise GitError(f"git cat-file failed in {project}: {said or name}", said)
            content = process.stdout.read(int(size))
            process.stdout.read(1)
            yield name, content


def git_objects(project: Path, names: Iterable[str]) -> dict[str, tuple[str, bytes]]:
    """Read objects as they are stored; those that aren't there, or can't be read, are left out.

    Parameters
    ----------
    project : Path
        Folder in which git runs.
    names : iterable of str
        Full hashes of objects.

    Returns
    -------
    dict of str to (str, bytes)
        Hash → kind (``tag``, ``commit``, ``tree`` or ``blob``) and content.
    """
    asked = list(dict.fromkeys(names))
    if not asked:
        return {}
    try:
        text = git_bytes(project, "cat-file", "--batch", stdin="\n".join([*asked, ""]))
    except GitError:  # a damaged object ends the batch, and with it the answers about the others
        if len(asked) == 1:
            return {}
        halves = asked[: len(asked) // 2], asked[len(asked) // 2 :]
        return {
            name: found for half in halves for name, found in git_objects(project, half).items()
        }
    found: dict[str, tuple[str, bytes]] = {}
    at = 0
    for name in asked:
        end = text.index(b"\n", at)
        kind, _, size = text[at:end].decode().partition(" ")[2].partition(" ")
        at = end + 1
        if size:
            found[name] = kind, text[at : at + int(size)]
            at += int(size) + 1
    return found


def environment() -> dict[str, str]:
    """Return the environment in which git looks at the folder it is given, as it is stored.

    Returns
    -------
    dict of str to str
        Variables of this process, without those that send git to another repository.
    """
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("GIT_") or key.startswith(_KEPT)
    }
    return {**kept, **_AS_STORED, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}


def _command(project: Path, arguments: tuple[str, ...], *, hooks: bool) -> list[str]:
    return ["git", "-C", str(project), *(() if hooks else _NO_HOOKS), *arguments]


def _missing(error: OSError) -> GitMissingError:
    if isinstance(error, FileNotFoundError):
        return GitMissingError("git is not installed, or not in PATH")
    return GitMissingError(f"git cannot be started: {error}")
