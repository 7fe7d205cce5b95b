"""Start and stop the project's own Airflow on this machine."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import psutil

from pipelines.base.errors import SignalboxError
from pipelines.base.files import write_json
from pipelines.cli.airflow_home import HOME, LOGS, environment

_STATE = HOME / "stack.json"
_START_SECONDS = 300
_PR_SET_PDEATHSIG = 1

COMPONENTS = {
    "api-server": ["api-server"],
    # Logs lie on this machine, so no second server needs to hand them out.
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
}


@dataclass(frozen=True)
class Stack:
    """A running Airflow.

    Attributes
    ----------
    port
        Port of the API server and UI on loopback.
    owner
        Process id of the command that started it.
    """

    port: int
    owner: int

    @property
    def address(self) -> str:
        """Address of UI and API."""
        return f"http://127.0.0.1:{self.port}"


def running() -> Stack | None:
    """Return the stack that another command of this project runs now, if it answers."""
    try:
        stack = Stack(**json.loads(_STATE.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return stack if psutil.pid_exists(stack.owner) and _healthy(stack.address) else None


@contextmanager
def started(port: int | None = None) -> Iterator[Stack]:
    """Run Airflow while the block runs; its processes end with it, whatever happens.

    Parameters
    ----------
    port
        Port on loopback; None takes a free one.

    Raises
    ------
    SignalboxError
        If a component ends or doesn't answer in time; names its log.
    """
    signal.signal(signal.SIGTERM, _end)
    stack = Stack(port or free_port(), os.getpid())
    env = environment(stack.port)
    LOGS.mkdir(parents=True, exist_ok=True)
    _migrate(env)
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, arguments in COMPONENTS.items():
            processes[name] = _start(name, arguments, env)
        _wait(stack, processes)
        write_json(_STATE, asdict(stack))
        yield stack
    finally:
        _STATE.unlink(missing_ok=True)
        _stop(list(processes.values()))


def _end(signum: int, frame: object) -> None:
    """Turn SIGTERM into an exit that runs the ``finally`` blocks."""
    raise SystemExit(128 + signum)


def free_port() -> int:
    """Return a port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def log_of(component: str) -> Path:
    """Log file of a component."""
    return LOGS / f"{component}.log"


def _airflow(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "airflow", *arguments]


def _migrate(env: dict[str, str]) -> None:
    """Bring the metadata database to this Airflow's version; quick when it is there already."""
    with log_of("migrate").open("wb") as log:
        done = subprocess.run(
            _airflow("db", "migrate"), env=env, stdout=log, stderr=subprocess.STDOUT, check=False
        )
    if done.returncode:
        raise SignalboxError(f"airflow db migrate failed; see {log_of('migrate')}")


def _start(name: str, arguments: list[str], env: dict[str, str]) -> subprocess.Popen[bytes]:
    with log_of(name).open("wb") as log:
        return subprocess.Popen(
            _airflow(*arguments),
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
        )


def _die_with_parent() -> None:
    """Ask Linux to end this process when its parent is killed, so that none is left over."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _wait(stack: Stack, processes: dict[str, subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not _healthy(stack.address):
        for name, process in processes.items():
            if process.poll() is not None:
                raise SignalboxError(
                    f"airflow {name} ended with exit code {process.returncode}; see {log_of(name)}"
                )
        if time.monotonic() > deadline:
            raise SignalboxError(
                f"Airflow did not answer within {_START_SECONDS} s; see {LOGS}/*.log"
            )
        time.sleep(0.3)


def _healthy(address: str) -> bool:
    """Whether the API answers and scheduler and DAG processor have reported themselves."""
    try:
        health = httpx.get(f"{address}/api/v2/monitor/health", timeout=5).json()
    except (httpx.HTTPError, ValueError):
        return False
    parts = ("metadatabase", "scheduler", "dag_processor")
    return all((health.get(part) or {}).get("status") == "healthy" for part in parts)


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    """End the processes and all they started: politely, then for good."""
    family = [child for process in processes for child in _family(process.pid)]
    for process in processes:
        process.terminate()
    _, alive = psutil.wait_procs(family, timeout=15)
    for survivor in alive:
        survivor.kill()
    for process in processes:
        process.wait()


def _family(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
