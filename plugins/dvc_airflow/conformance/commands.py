"""Runs DVC as its users do: by its command line."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final

from dvc_airflow.conformance.result import ConformanceError
from dvc_airflow.runtime.process import child_environment

_TAIL: Final = 20
_RUNNING: Final = re.compile(r"Running stage '(.+)':\s*$")


def dvc(project: Path, *arguments: str, timeout: float | None = None) -> str:
    """Run a DVC command in a project and return what it printed.

    Raises
    ------
    ConformanceError
        If it fails or takes longer than ``timeout`` seconds.
    """
    shown = f"'dvc {' '.join(arguments[:6])}'"
    try:
        done = subprocess.run(
            [sys.executable, "-m", "dvc", *arguments],
            cwd=project,
            env=child_environment({"NO_COLOR": "1"}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        msg = f"{shown} took longer than {timeout:.0f} s; choose smaller --targets or --timeout"
        raise ConformanceError(msg) from exc
    if done.returncode != 0:
        raise _failed(shown, project, done.returncode, done.stdout)
    return done.stdout


def reproduce(project: Path, *arguments: str, timeout: float) -> dict[str, float]:
    """Run ``dvc repro`` and return how long each stage ran, in seconds.

    Raises
    ------
    ConformanceError
        If it fails or takes longer than ``timeout`` seconds.
    """
    seconds: dict[str, float] = {}
    stage, since = "", time.monotonic()
    lines: list[str] = []
    process = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro", *arguments],
        cwd=project,
        env=child_environment({"NO_COLOR": "1"}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    alarm = threading.Timer(timeout, _kill_group, [process.pid])
    alarm.start()
    try:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            found = _RUNNING.match(line)
            if found:
                now = time.monotonic()
                seconds[stage] = now - since
                stage, since = found.group(1), now
        code = process.wait()
        late = not alarm.is_alive()
    finally:
        alarm.cancel()
    seconds[stage] = time.monotonic() - since
    seconds.pop("", None)
    if late:
        msg = f"'dvc repro' took longer than {timeout:.0f} s; choose smaller --targets or --timeout"
        raise ConformanceError(msg)
    if code:
        raise _failed(f"'dvc repro {' '.join(arguments)}'", project, code, "".join(lines))
    return seconds


def _kill_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _failed(shown: str, project: Path, code: int, output: str) -> ConformanceError:
    tail = "\n".join(f"    {line}" for line in output.splitlines()[-_TAIL:])
    return ConformanceError(f"{shown} failed in the copy {project} (exit code {code}):\n{tail}")
