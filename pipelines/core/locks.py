"""Locks between processes: they end with their process, whatever kills it."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

UNKNOWN = "unknown"
"""Holder that can't be named."""

_PAUSE = 0.002
_LONGEST_PAUSE = 0.01
_HELD = Path("/proc/locks")


@contextmanager
def exclusive_lock(
    path: Path,
    busy: Callable[[str], Exception],
    *,
    wait_seconds: float = 0.0,
    note_holder: bool = False,
) -> Iterator[None]:
    """Hold a lock that nobody else may hold at the same time.

    Parameters
    ----------
    path : Path
        Lock file, made if missing and never removed (who waits for it would hold a lock on a file
        that the next one doesn't see); or a folder, which then needs no lock file. Network file
        systems may refuse locks on folders.
    busy : Callable[[str], Exception]
        Makes the error that is raised when somebody else holds the lock, from the number of that
        process (`UNKNOWN` if the system doesn't tell).
    wait_seconds : float
        How long to wait for the lock; 0 asks once.
    note_holder : bool
        Write this process's number into the lock file, for systems that don't tell who holds a
        lock. Not for files that are part of somebody's data.

    Raises
    ------
    OSError
        If the file can't be opened, or the file system has no locks.
    """
    with _lock(path, fcntl.LOCK_EX, busy, wait_seconds) as handle:
        if note_holder:
            os.ftruncate(handle, 0)
            os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield


@contextmanager
def shared_lock(
    path: Path, busy: Callable[[str], Exception], *, wait_seconds: float = 0.0
) -> Iterator[None]:
    """Hold a lock together with others who share it.

    Parameters
    ----------
    path : Path
        Lock file or folder, as in `exclusive_lock`; it is never made here.
    busy : Callable[[str], Exception]
        Makes the error that is raised when somebody holds the lock alone, from the number of that
        process.
    wait_seconds : float, default 0.0
        How long to wait for the lock; 0 asks once.

    Raises
    ------
    OSError
        If the file can't be opened, or the file system has no locks.
    """
    with _lock(path, fcntl.LOCK_SH, busy, wait_seconds):
        yield


@contextmanager
def _lock(
    path: Path, how: int, busy: Callable[[str], Exception], wait_seconds: float
) -> Iterator[int]:
    # Who only reads makes no file: the folder may have gone since it was looked for.
    is_to_read = how == fcntl.LOCK_SH or path.is_dir()
    handle = os.open(path, os.O_RDONLY if is_to_read else os.O_RDWR | os.O_CREAT, 0o644)
    try:
        deadline = time.monotonic() + wait_seconds
        pause = _PAUSE
        while True:
            try:
                fcntl.flock(handle, how | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise busy(_holder(path, handle)) from None
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
        yield handle
    finally:
        os.close(handle)


def _holder(path: Path, handle: int) -> str:
    """Name the process that holds the lock: as the kernel says, else as the file says."""
    found = os.fstat(handle)
    key = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    try:
        for line in _HELD.read_text(encoding="ascii").splitlines():
            kind, *_, process, file, _, _ = line.split()[1:]
            if (kind, file) == ("FLOCK", key) and process.isdecimal() and process != "0":
                return process
    except (OSError, ValueError):
        pass
    noted = "" if path.is_dir() else os.pread(handle, 32, 0).decode("ascii", "replace").strip()
    return noted if noted.isdecimal() else UNKNOWN
