"""Start a command: no shell, whole words as arguments, a bounded time, a bounded output."""

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from pipelines.aiops.params.alert_rules import ActionParams
from pipelines.core.errors import SignalboxError

_LONGEST = 256
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


class UnsafeValueError(SignalboxError):
    """A label value that must not become an argument."""


def arguments(action: ActionParams, labels: Mapping[str, str], *, rule: str, fix: str) -> list[str]:
    """Fill in an action's arguments.

    Parameters
    ----------
    action : ActionParams
        The action, with placeholders ``{labels.NAME}``, ``{rule}`` and ``{fix}`` in its arguments.
    labels : mapping of str to str
        The alert's labels.
    rule : str
        Id of the rule.
    fix : str
        Key of the fix.

    Returns
    -------
    list of str
        One word each; no shell reads them.

    Raises
    ------
    UnsafeValueError
        If a label is missing or its value doesn't have the form that the action allows: an alert's
        labels come from outside, and somebody may have put ``--force`` or ``../..`` there.
    SignalboxError
        If a placeholder isn't one.
    """
    return [_filled(text, action, labels, rule, fix) for text in action.args]


def _filled(text: str, action: ActionParams, labels: Mapping[str, str], rule: str, fix: str) -> str:
    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name in ("rule", "fix"):
            return rule if name == "rule" else _safe(fix, "fix", action)
        if not name.startswith("labels."):
            raise SignalboxError(
                f"params.yaml: aiops.remediation.actions: {action.id}: {found[0]} is no "
                "placeholder; use {labels.NAME}, {rule} or {fix}"
            )
        label = name.removeprefix("labels.")
        return _safe(labels.get(label, ""), f"label {label}", action)

    return _PLACEHOLDER.sub(value, text)


def _safe(value: str, what: str, action: ActionParams) -> str:
    try:
        fits = re.fullmatch(action.label_pattern, value) is not None
    except re.error as error:
        raise SignalboxError(
            f"params.yaml: aiops.remediation.actions: {action.id}: label_pattern: {error}"
        ) from error
    odd = not value.isprintable() or value.startswith("-") or ".." in value
    if not fits or odd or len(value) > _LONGEST:
        raise UnsafeValueError(f"{what} has no value that {action.id} may be given")
    return value


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
    outcome : str
        ``done``, ``failed``, ``missing`` or ``timeout``.
    code : int or None
        Exit code; None where there is none.
    seconds : float
        How long it ran.
    output : str
        The beginning of what it printed. For the screen only: it may hold anything.
    """

    outcome: str
    code: int | None
    seconds: float
    output: str


def run_command(argv: Sequence[str], timeout: float) -> Ended:
    """Run a program to its end, or to the end of its time.

    It runs in a session of its own, so that what it started ends with it.

    Parameters
    ----------
    argv : sequence of str
        Program and arguments; no shell reads them.
    timeout : float, seconds
        When the program is killed.

    Returns
    -------
    Ended
        ``missing`` if the program can't be started; nothing is raised.
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
    """Reads a stream to its end and closes it, keeps the beginning."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        self._kept = b""
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: IO[bytes] | None) -> None:
        if stream is None:
            return
        with stream:
            while chunk := stream.read1(_CHUNK):  # type: ignore[attr-defined]
                if len(self._kept) < _KEPT:
                    self._kept += chunk[: _KEPT - len(self._kept)]

    def text(self) -> str:
        self._thread.join(timeout=2)
        return self._kept.decode(errors="replace")
