"""Start a command: no shell, a bounded time, a bounded output, and nothing left behind."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO

_KEPT = 4000
_CHUNK = 65536
_PASSED_ON = ("PATH", "HOME", "LANG", "TZ")
"""What a command sees of our environment: no password or token of Signalbox or Airflow."""

DagTrigger = Callable[[str, dict[str, str]], str]
"""Starts a run of a DAG with a configuration; returns its id; raises `SignalboxError`."""


@dataclass(frozen=True)
class Ended:
    """How an execution ended.

    Attributes
    ----------
    outcome
        ``done``, ``failed``, ``missing`` or ``timeout``.
    code
        Exit code; None where there is none.
    output
        First characters of what it printed. For the screen only: it may hold anything.
    """

    outcome: str
    code: int | None
    seconds: float
    output: str


def run_command(argv: Sequence[str], timeout: float) -> Ended:
    """Run a program to its end, or to the end of its time.

    It runs in a session of its own, so that what it started ends with it.
    """
    began = time.monotonic()
    env = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=env,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return Ended("missing", None, _since(began), f"{argv[0]}: {reason}")
    output = _Output(process.stdout)
    try:
        code: int | None = process.wait(timeout)
        outcome = "done" if code == 0 else "failed"
    except subprocess.TimeoutExpired:
        code, outcome = None, "timeout"
    _end_group(process)
    return Ended(outcome, code, _since(began), output.text())


def _since(began: float) -> float:
    return round(time.monotonic() - began, 3)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class _Output:
    """Reads to the end, keeps the beginning."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        self._stream, self._kept = stream, b""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while self._stream is not None and (chunk := self._stream.read1(_CHUNK)):  # type: ignore[attr-defined]
            if len(self._kept) < _KEPT:
                self._kept += chunk[: _KEPT - len(self._kept)]

    def text(self) -> str:
        self._thread.join(timeout=2)
        return self._kept.decode(errors="replace")
