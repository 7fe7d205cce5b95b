"""Fresh clones of this repository to measure in, and the programs to run there."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.cli.airflow_api import AirflowApi

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 300


def clone(place: Path) -> Path:
    """Clone HEAD of this repository to `place`; nothing of its DVC cache comes along."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(place)], check=True)
    return place


def environment() -> dict[str, str]:
    """Environment in which ``python`` and ``dvc`` are those of this interpreter."""
    keep = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**keep, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{keep['PATH']}"}


def seconds(project: Path, *command: str) -> float:
    """Wall time of a command in a project, in seconds.

    Raises
    ------
    RuntimeError
        If it fails; a failed command is never timed.
    """
    clock = time.perf_counter()
    done = subprocess.run(
        command, cwd=project, env=environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
    return time.perf_counter() - clock


@contextmanager
def running_airflow(project: Path, **env: str) -> Iterator[tuple[AirflowApi, float]]:
    """Start ``signalbox ui`` in a project; give a client and the seconds it took to start."""
    log = project.parent / f"{project.name}.log"
    clock = time.perf_counter()
    with log.open("w") as stream:
        ui = subprocess.Popen(
            [sys.executable, "-m", "pipelines.cli.main", "ui", "--port", "0"],
            cwd=project,
            env={**environment(), "COLUMNS": "200", **env},
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        while "end with Ctrl-C" not in log.read_text():
            if ui.poll() is not None or time.perf_counter() - clock > START_SECONDS:
                raise RuntimeError(f"Airflow did not start:\n{log.read_text()}")
            time.sleep(0.1)
        text = log.read_text()
        found = dict(re.findall(r"^(address|password): +(\S+)$", text, re.MULTILINE))
        yield AirflowApi(found["address"], found["password"]), time.perf_counter() - clock
    finally:
        ui.send_signal(signal.SIGINT)
        ui.wait(60)
