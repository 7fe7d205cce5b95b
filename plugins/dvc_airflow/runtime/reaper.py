"""Kill whole process trees, whatever the processes in them do to escape.

Standard library only: this runs in the small guard process (see
`dvc_airflow.runtime.driver`) before anything else is imported.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import time
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36


def die_with_parent(sig: signal.Signals = signal.SIGKILL) -> None:
    """Ask Linux to send this process a signal when its parent dies."""
    _prctl(_PR_SET_PDEATHSIG, int(sig))


def adopt_orphans() -> None:
    """Become the new parent of every orphaned descendant (Linux).

    A grandchild that detaches itself (``setsid``, double fork) is then still found
    below this process, and can be killed with the rest.
    """
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def descendants(pid: int) -> list[int]:
    """Every living process below one, nearest first."""
    children: dict[int, list[int]] = {}
    for child, parent in living():
        children.setdefault(parent, []).append(child)
    found: list[int] = []
    waiting = [pid]
    while waiting:
        below = children.get(waiting.pop(0), [])
        found += below
        waiting += below
    return found


def living() -> list[tuple[int, int]]:
    """Return (process, parent) of everything that runs; zombies are dead already."""
    if not os.path.isdir("/proc/self"):
        return _living_by_psutil()
    pairs: list[tuple[int, int]] = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                with open(f"/proc/{name}/stat", "rb") as file:
                    # The command, in parentheses, may itself contain anything.
                    state, parent = file.read().rpartition(b")")[2].split()[:2]
                if state not in (b"Z", b"X"):
                    pairs.append((int(name), int(parent)))
    return pairs


def _living_by_psutil() -> list[tuple[int, int]]:
    import psutil

    return [(p.pid, p.info["ppid"]) for p in psutil.process_iter(["ppid", "status"])]


def kill_descendants(pid: int, grace: float) -> int:
    """End every process below one: politely first, then without asking.

    Parameters
    ----------
    pid : int
        The process whose descendants are to end; it is itself left alone.
    grace : float
        Seconds between SIGTERM and SIGKILL.

    Returns
    -------
    int
        How many processes there were.
    """
    found = descendants(pid)
    if not found:
        return 0
    if grace > 0:
        _signal_all(found, signal.SIGTERM)
        deadline = time.monotonic() + grace
        while time.monotonic() < deadline and descendants(pid):
            _reap()
            time.sleep(0.02)
    # A process may fork between the listing and the kill, so until none is left.
    while remaining := descendants(pid):
        _signal_all(remaining, signal.SIGKILL)
        _reap()
        time.sleep(0.01)
    return len(found)


def kill_marked(marker: str, unless: str | None = None) -> int:
    """Kill every process whose environment holds a marker, wherever it hangs by now.

    Parameters
    ----------
    marker : str
        ``NAME=value``, inherited by all children.
    unless : str, optional
        Spare processes whose environment holds this as well.

    Returns
    -------
    int
        How many there were.
    """
    count = 0
    while found := marked(marker, unless):
        count = max(count, len(found))
        _signal_all(found, signal.SIGKILL)
        _reap()
        time.sleep(0.01)
    return count


def marked(marker: str, unless: str | None = None) -> list[int]:
    """Return every process whose environment holds a marker; see `kill_marked`."""
    wanted, spared = marker.encode(), unless.encode() if unless else None
    found: list[int] = []
    for pid, _ in living():
        with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
            words = file.read().split(b"\0")
            if wanted in words and spared not in words and pid != os.getpid():
                found.append(pid)
    return found


def _signal_all(pids: list[int], sig: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, sig)


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
