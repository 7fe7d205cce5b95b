"""A real Airflow for the time of a check: API server, scheduler, DAG processor, LocalExecutor.

Everything lies in a directory of its own: database, logs, secrets.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from dvc_airflow.conformance.result import ConformanceError
from dvc_airflow.runtime import reaper
from dvc_airflow.runtime.process import child_environment

_START_SECONDS: Final = 300.0
_END_SECONDS: Final = 15.0
_COMPONENTS: Final = (
    ("api-server",),
    # Logs lie on this machine, so no second server needs to hand them out.
    ("scheduler", "--skip-serve-logs"),
    ("dag-processor",),
)
_USER: Final = "conformance"
DONE: Final = ("success", "failed")


class Airflow:
    """A running Airflow, asked by its REST interface.

    Parameters
    ----------
    home : Path
        Its directory.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.dags = home / "dags"
        self.dags.mkdir(parents=True, exist_ok=True)
        self.address = f"http://127.0.0.1:{_free_port()}"
        self._password = secrets.token_urlsafe(16)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._client: Any = None

    def start(self) -> None:
        """Start all components and log in.

        Raises
        ------
        ConformanceError
            If one of them ends, or they do not answer in time; names the log.
        """
        passwords = self.home / "passwords.json"
        passwords.touch(mode=0o600)
        passwords.write_text(json.dumps({_USER: self._password}), encoding="utf-8")
        env = self._environment(passwords)
        self._run(("db", "migrate"), env).wait()
        self._processes = [self._run(command, env) for command in _COMPONENTS]
        deadline = time.monotonic() + _START_SECONDS
        while not self._is_healthy():
            ended = [p.args for p in self._processes if p.poll() is not None]
            if ended or time.monotonic() > deadline:
                msg = f"Airflow did not start ({ended or 'no answer'}); see {self.home}/*.log"
                raise ConformanceError(msg)
            time.sleep(0.3)
        self._log_in()

    def stop(self) -> None:
        """End all components and what they started."""
        if self._client is not None:
            self._client.close()
        for process in self._processes:
            process.terminate()
        deadline = time.monotonic() + _END_SECONDS
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
            reaper.kill_descendants(process.pid, 0.0)
            process.kill()
            process.wait()
        # What has been detached from them still has the home in its environment.
        reaper.kill_marked(f"AIRFLOW_HOME={self.home}")

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request to ``/api/v2``; return its answer.

        Raises
        ------
        ConformanceError
            If Airflow refuses it, with its reason.
        """
        answer = self._client.request(method, f"/api/v2/{path}", json=body)
        if answer.is_error:
            msg = f"Airflow answers {answer.status_code} to {method} {path}: {answer.text[:500]}"
            raise ConformanceError(msg)
        return answer.json() if answer.content else None

    def wait_for_dag(self, dag: str, seconds: float = 180.0) -> None:
        """Wait until a DAG file was read, and let the DAG run.

        Raises
        ------
        ConformanceError
            If it has an import error, or does not appear in time.
        """
        deadline = time.monotonic() + seconds
        while self._client.get(f"/api/v2/dags/{dag}").status_code != 200:
            for error in self.ask("GET", "importErrors")["import_errors"]:
                raise ConformanceError(str(error["stack_trace"]).strip().splitlines()[-1])
            if time.monotonic() > deadline:
                msg = f"DAG {dag} did not appear within {seconds:.0f} s"
                raise ConformanceError(msg)
            time.sleep(0.3)
        self.ask("PATCH", f"dags/{dag}", {"is_paused": False})

    def trigger(self, dag: str) -> str:
        """Start a run; return its id."""
        return str(self.ask("POST", f"dags/{dag}/dagRuns", {"logical_date": None})["dag_run_id"])

    def runs(self, dag: str) -> dict[str, str]:
        """Return a DAG's runs with their states."""
        found = self.ask("GET", f"dags/{dag}/dagRuns?limit=100")["dag_runs"]
        return {str(run["dag_run_id"]): str(run["state"]) for run in found}

    def finish(self, dag: str, run: str, seconds: float) -> str:
        """Wait for the end of a run; return its state.

        Raises
        ------
        ConformanceError
            If it does not end in time.
        """
        deadline = time.monotonic() + seconds
        while (state := self.runs(dag).get(run, "none")) not in DONE:
            if time.monotonic() > deadline:
                msg = f"run {run} of {dag} did not end within {seconds:.0f} s ({state})"
                raise ConformanceError(msg)
            time.sleep(0.5)
        return state

    def tasks(self, dag: str, run: str) -> dict[str, dict[str, Any]]:
        """Return a run's task instances by task."""
        path = f"dags/{dag}/dagRuns/{quote(run)}/taskInstances?limit=1000"
        return {str(task["task_id"]): task for task in self.ask("GET", path)["task_instances"]}

    def xcom(self, dag: str, run: str, task: str) -> Any:
        """Return what a task returned; None if it returned nothing."""
        path = f"/api/v2/dags/{dag}/dagRuns/{quote(run)}/taskInstances/{task}/xcomEntries"
        asked = {"deserialize": False, "stringify": False}
        answer = self._client.get(f"{path}/return_value", params=asked)
        return answer.json().get("value") if answer.status_code == 200 else None

    def log(self, dag: str, run: str, task: str) -> str:
        """Return the end of a task's log."""
        files = sorted((self.home / "logs").glob(f"dag_id={dag}/run_id={run}/task_id={task}/*"))
        return files[-1].read_text(encoding="utf-8", errors="replace")[-2000:] if files else ""

    def _environment(self, passwords: Path) -> dict[str, str]:
        env = {k: v for k, v in child_environment({}).items() if not k.startswith("AIRFLOW__")}
        settings = {
            "CORE__DAGS_FOLDER": str(self.dags),
            "CORE__PLUGINS_FOLDER": str(self.home / "plugins"),
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__PARALLELISM": str(max(4, os.cpu_count() or 4)),
            "CORE__EXECUTION_API_SERVER_URL": f"{self.address}/execution/",
            "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{_USER}:admin",
            "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
            "API__HOST": "127.0.0.1",
            "API__PORT": self.address.rpartition(":")[2],
            "API__BASE_URL": self.address,
            "API__WORKERS": "1",
            "API_AUTH__JWT_SECRET": secrets.token_hex(48),
            "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home / 'airflow.db'}",
            "DAG_PROCESSOR__PARSING_PROCESSES": "1",
            "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
            "LOGGING__BASE_LOG_FOLDER": str(self.home / "logs"),
            "USAGE_DATA_COLLECTION__ENABLED": "False",
        }
        named = {f"AIRFLOW__{name}": value for name, value in settings.items()}
        return {**env, "AIRFLOW_HOME": str(self.home), **named}

    def _run(self, command: tuple[str, ...], env: dict[str, str]) -> subprocess.Popen[bytes]:
        with (self.home / f"{command[0]}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "airflow", *command],
                env=env,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
            )

    def _is_healthy(self) -> bool:
        import httpx

        try:
            health = httpx.get(f"{self.address}/api/v2/monitor/health", timeout=5).json()
        except (httpx.HTTPError, ValueError):
            return False
        parts = ("metadatabase", "scheduler", "dag_processor")
        return all((health.get(part) or {}).get("status") == "healthy" for part in parts)

    def _log_in(self) -> None:
        import httpx

        self._client = httpx.Client(base_url=self.address, timeout=60)
        secret = {"username": _USER, "password": self._password}
        answer = self._client.post("/auth/token", json=secret)
        answer.raise_for_status()
        self._client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"


@contextlib.contextmanager
def running_airflow(airflow: Airflow) -> Iterator[Airflow]:
    """Run an Airflow while the block runs."""
    try:
        airflow.start()
        yield airflow
    finally:
        airflow.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end_with_parent() -> None:
    """Ask Linux to end this process when its parent is killed, so that none is left over."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
