"""The ledger's file: whole lines, one writer at a time, nothing half written stays in it.

The lock is taken on the folder: there is no lock file to be left over, committed or deleted, and it
outlives a renamed ledger file. It ends with its process, whatever kills it. (``flock`` on a folder
works on local file systems; NFS refuses it, and then so does the ledger.)
"""

import json
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from pipelines.core.errors import SignalboxError
from pipelines.core.files import append, write_bytes
from pipelines.core.git import GitError, GitMissingError, git_bytes, git_or_none
from pipelines.core.locks import exclusive_lock, shared_lock
from pipelines.release.ledger.keys import friendly_os_errors
from pipelines.release.ledger.verify import BrokenError, Chain, follow, read_entry

ARCHIVE = "archive"


def proven_before(folder: Path, first_line: bytes) -> frozenset[str]:
    """Collect the hashes of all entries in the ledgers that the one with `first_line` continues.

    Parameters
    ----------
    folder : Path
        Folder of the ledger.
    first_line : bytes
        A first line that was found to hold.

    Returns
    -------
    frozenset of str

    Raises
    ------
    BrokenError
        If one of them is missing, doesn't hold, or ends elsewhere than was written down.
    """
    return frozenset(
        head for _, chain in _ledgers_before(folder, first_line) for head in chain.heads
    )


def lines_before(folder: Path, first_line: bytes) -> list[bytes]:
    """Return the lines of all ledgers that the one with `first_line` continues, oldest first.

    Parameters
    ----------
    folder : Path
        Folder of the ledger.
    first_line : bytes
        The ledger's first line.

    Returns
    -------
    list of bytes

    Raises
    ------
    BrokenError
        If one of them is missing, doesn't hold, or ends elsewhere than was written down.
    """
    ledgers = list(_ledgers_before(folder, first_line))
    return [line for lines, _ in reversed(ledgers) for line in lines]


def _ledgers_before(folder: Path, first_line: bytes) -> Iterator[tuple[list[bytes], Chain]]:
    """Lines and chain of each closed ledger, newest first."""
    line = first_line
    while named := read_entry(line).data.get("continues"):
        lines, chain = _closed(folder, named)
        yield lines, chain
        line = lines[0]


def _closed(folder: Path, named: dict[str, object]) -> tuple[list[bytes], Chain]:
    """Lines and chain of one closed ledger."""
    path = f"{ARCHIVE}/{Path(str(named.get('file'))).name}"
    try:
        content = (folder / path).read_bytes()
    except OSError as error:
        raise BrokenError(f"continues {path}, which cannot be read: {error.strerror}") from None
    lines = content.split(b"\n")[:-1]
    chain, problem = follow(lines)
    if problem is not None:
        raise BrokenError(f"continues {path}, whose line {problem.line} {problem.reason}")
    if chain.head != named.get("head") or not lines:
        raise BrokenError(
            f"continues {path} up to {str(named.get('head'))[:12]}…, but it ends with "
            f"{chain.head[:12]}…: it was cut off or rewritten"
        )
    return lines, chain


ELSEWHERE = "SIGNALBOX_LEDGER"
"""Environment variable: ``elsewhere`` on machines that must not begin a ledger."""
_FOLLOWING = frozenset(
    {
        "question", "answer", "approval", "rejection", "override", "refusal", "release", "rollback",
        "publication", "withdrawal",
    }
)  # fmt: skip
"""Kinds of entries that never come first: each is about a gate's decision, or what came of one."""
_RELEASE_TAG = re.compile(r"refs/tags/\S+@v\d+\.\d+\.\d+$", re.MULTILINE)
_REMOTE_SECONDS = 15.0


def trace_of_ledger(path: Path, kind: str) -> str | None:
    """Look for signs that the project has, or had, a ledger that isn't in this checkout.

    A machine that begins a ledger of its own beside the one that exists elsewhere leaves two
    chains, of which each verifies. Asked once, before the first key is made.

    Parameters
    ----------
    path : Path
        The ledger's file, which isn't here.
    kind : str
        Kind of the entry that would be the first.

    Returns
    -------
    str or None
        What was found, in words; None if nothing was.
    """
    if os.environ.get(ELSEWHERE) == "elsewhere":
        return f"{ELSEWHERE}=elsewhere says that another machine has it"
    found = _trace_in_files(path)
    with suppress(GitMissingError):  # nothing can be released then either
        if found is None and git_or_none(path.parent, "rev-parse", "--git-dir") is not None:
            found = _trace_in_git(path.parent, path.name) or _trace_in_remotes(path, kind)
    return found


def _trace_in_files(path: Path) -> str | None:
    if any((path.parent / ARCHIVE).glob("*.jsonl")):
        return f"{path.parent / ARCHIVE} holds closed ledgers"
    for pointer in sorted((path.parents[1] / "released").glob("*.json")):
        try:
            released = json.loads(pointer.read_text(encoding="utf-8"))["released"]
        except (OSError, ValueError, TypeError, KeyError):
            continue
        if released is not None:
            return f"{pointer} names a release, which a ledger records"
    return None


def _trace_in_git(folder: Path, name: str) -> str | None:
    """Search what git has, whatever branch or saved run it is on."""
    commit = git_or_none(folder, "log", "--all", "--max-count=1", "--format=%h", "--", name)
    if commit:
        return f"git has {name} (commit {commit})"
    form = "--format=%(refname:short) %(contents)%00"
    tags = git_or_none(folder, "for-each-ref", form, "refs/tags") or ""
    for tag in tags.split("\0"):
        if "\nLedger-Head: " in tag:
            return f"the git tag {tag.split()[0]} names the head of a ledger"
    return None


def _trace_in_remotes(path: Path, kind: str) -> str | None:
    """Search the repositories that this clone knows; one that doesn't answer shows nothing."""
    project = path.parents[1]
    for remote in (git_or_none(project, "remote") or "").split():
        if kind in _FOLLOWING:
            return (
                f"an entry of kind {kind!r} is never the first of a ledger, and this is a clone "
                f"(of {remote!r}): what it follows on was written elsewhere"
            )
        url = git_or_none(project, "remote", "get-url", remote) or ""
        other = project / url.removeprefix("file://")
        if "://" not in url.removeprefix("file://") and other.is_dir():
            if (other / path.parent.name / path.name).is_file():
                return f"{other / path.parent.name / path.name} is one, where {remote!r} lies"
            continue
        try:
            tags = git_bytes(project, "ls-remote", "--tags", remote, timeout=_REMOTE_SECONDS)
        except GitError:
            continue
        tag = _RELEASE_TAG.search(tags.decode("utf-8", "replace"))
        if tag:
            return f"the git remote {remote!r} has the release {tag[0].removeprefix('refs/tags/')}"
    return None


LOCK_SECONDS = 60.0
_BLOCK = 1 << 14
_SHORT = 16
"""Hex digits of an entry's hash in names of files."""


class LedgerFile:
    """The bytes of the ledger; knows lines, not entries.

    Parameters
    ----------
    path : Path
        The JSON Lines file; its folder also holds ``torn/`` and ``archive/``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.torn_folder = path.parent / "torn"
        self.archive_folder = path.parent / ARCHIVE

    @contextmanager
    def locked(self, *, write: bool) -> Iterator[None]:
        """Hold the lock: alone to write, together with other readers to read.

        Parameters
        ----------
        write : bool
            Whether to hold the lock alone; the folder is made then.

        Raises
        ------
        SignalboxError
            If the lock isn't free within `LOCK_SECONDS`, or the file system refuses.
        """
        with ExitStack() as held:
            with friendly_os_errors(
                self.path.parent
            ):  # errors of acquiring it, not of what is done with it
                if write:
                    self.path.parent.mkdir(parents=True, exist_ok=True)
                lock = exclusive_lock if write else shared_lock
                held.enter_context(lock(self.path.parent, self._busy, wait_seconds=LOCK_SECONDS))
            yield

    def _busy(self, holder: str) -> SignalboxError:
        return SignalboxError(
            f"{self.path}: another process has held the ledger's lock for {LOCK_SECONDS:.0f} s "
            f"(process {holder}); see who with 'lsof {self.path.parent}'"
        )

    def read(self) -> tuple[list[bytes], bytes]:
        """Read all complete lines, and the bytes after the last newline (a torn write).

        Returns
        -------
        tuple of (list of bytes, bytes)
            The lines without their newlines, and the rest.
        """
        if not self.path.exists():
            return [], b""
        with self.locked(write=False):
            return self.read_unlocked()

    def read_unlocked(self) -> tuple[list[bytes], bytes]:
        """Read as `read` does, for a caller who holds the lock already.

        Returns
        -------
        tuple of (list of bytes, bytes)
            The lines without their newlines, and the rest.
        """
        if not self.path.exists():
            return [], b""
        with friendly_os_errors(self.path):
            *lines, torn = self.path.read_bytes().split(b"\n")
        return lines, torn

    def tail(self) -> tuple[bytes, bytes]:
        """Return the last complete line (empty if none), and the bytes after the last newline."""
        with friendly_os_errors(self.path):
            if not self.path.exists():
                return b"", b""
            with self.path.open("rb") as stream:
                size = stream.seek(0, os.SEEK_END)
                block = _BLOCK
                while True:
                    start = max(0, size - block)
                    stream.seek(start)
                    parts = stream.read().split(b"\n")
                    if len(parts) > 2 or start == 0:
                        return (parts[-2] if len(parts) > 1 else b""), parts[-1]
                    block *= 2

    def add(self, line: bytes) -> None:
        """Add bytes at the end and wait until they are on the disk; on an error, take them back.

        Parameters
        ----------
        line : bytes
            A line with its newline.

        Raises
        ------
        SignalboxError
            If the disk refuses; the file is as it was.
        """
        with friendly_os_errors(self.path):
            append(self.path, line)

    def cut(self, torn: bytes, after: str) -> None:
        """Move the torn bytes at the end to a side file: first there, then away here.

        Parameters
        ----------
        torn : bytes
            The bytes after the last newline.
        after : str
            Hash of the last whole entry; it names the side file.
        """
        number = len(self.torn_after(after)) + 1
        _write(self.torn_folder / f"{after[:_SHORT]}.{number}", torn)
        with friendly_os_errors(self.path), self.path.open("r+b") as stream:
            stream.truncate(self.path.stat().st_size - len(torn))
            os.fsync(stream.fileno())

    def torn_after(self, head: str) -> list[Path]:
        """List the side files of what was torn after the entry with hash `head`, in order.

        Parameters
        ----------
        head : str
            Hash of an entry, 64 hex digits.

        Returns
        -------
        list of Path
        """
        if not self.torn_folder.is_dir():
            return []
        found = self.torn_folder.glob(f"{head[:_SHORT]}.*")
        return sorted(found, key=lambda path: int(path.suffix[1:]))

    def archive(self, head: str) -> Path:
        """Copy the file to the archive.

        Parameters
        ----------
        head : str
            Hash of its last entry; the first 16 digits name the copy.

        Returns
        -------
        Path
            The copy.
        """
        path = self.archive_folder / f"{head[:_SHORT]}.jsonl"
        with friendly_os_errors(self.path):
            content = self.path.read_bytes()
        _write(path, content)
        return path

    def replace(self, line: bytes) -> None:
        """Begin the file anew with one line: a kill leaves the old file or the new one.

        Parameters
        ----------
        line : bytes
            A line with its newline.
        """
        _write(self.path, line)


def _write(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all."""
    with friendly_os_errors(path):
        write_bytes(path, content)
