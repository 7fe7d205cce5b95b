"""Runs DVC as its users do: by its command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from dvc_airflow.conformance.result import ConformanceError
from dvc_airflow.runtime.process import child_environment

_TAIL = 20


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
        tail = "\n".join(f"    {line}" for line in done.stdout.splitlines()[-_TAIL:])
        msg = f"{shown} failed in the copy {project} (exit code {done.returncode}):\n{tail}"
        raise ConformanceError(msg)
    return done.stdout
