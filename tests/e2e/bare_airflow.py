"""A real Airflow that has nothing to do with a project, for tests of the bridge alone."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import httpx

from tests.conftest import ROOT
from tests.e2e.stack import wait

RUNS = "/api/v2/dags/{}/dagRuns"


class Airflow:
    """API server, scheduler, DAG processor and triggerer, which look at files every few seconds."""

    def __init__(self, home: Path, to_close: ExitStack) -> None:
        self.home = home
        (home / "dags").mkdir(parents=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        address = f"http://127.0.0.1:{port}"
        word = secrets.token_hex(8)
        (home / "passwords.json").write_text(json.dumps({"admin": word}))
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW__")}
        inherited.pop("PYTHONDONTWRITEBYTECODE", None)
        settings = {
            "AIRFLOW_HOME": str(home),
            "PYTHONPATH": str(ROOT / "plugins"),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "3",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__BASE_URL": address,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(48),
            "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "3",
            "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "1",
        }
        self.env = {**inherited, **settings}
        migrate = [sys.executable, "-m", "airflow", "db", "migrate"]
        subprocess.run(migrate, env=self.env, check=True, capture_output=True)
        for name in ("api-server", "scheduler", "dag-processor", "triggerer"):
            log = to_close.enter_context((home / f"{name}.log").open("w"))
            process = subprocess.Popen(
                [sys.executable, "-m", "airflow", name],
                env=self.env, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
            to_close.callback(self._end, process)
        self.client = httpx.Client(base_url=address, timeout=60)
        to_close.callback(self.client.close)
        wait(self._answers, 180)
        token = self.client.post("/auth/token", json={"username": "admin", "password": word})
        self.client.headers["Authorization"] = f"Bearer {token.json()['access_token']}"

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)

    def _answers(self) -> bool:
        try:
            return self.client.get("/api/v2/version").is_success
        except httpx.HTTPError:
            return False

    def get(self, path: str) -> dict:
        return self.client.get(path).raise_for_status().json()

    def states(self, dag: str, run: str) -> dict[str, str | None]:
        found = self.get(f"{RUNS.format(dag)}/{run}/taskInstances".replace("+", "%2B"))
        return {ti["task_id"]: ti["state"] for ti in found["task_instances"]}

    def state(self, dag: str, run: str) -> str:
        return self.get(f"{RUNS.format(dag)}/{run}".replace("+", "%2B"))["state"]

    def parsed_since(self, dag: str, moment: datetime) -> bool:
        last = self.get(f"/api/v2/dags/{dag}")["last_parsed_time"]
        return datetime.fromisoformat(last.replace("Z", "+00:00")) > moment

    def trigger(self, dag: str) -> str:
        asked = self.client.post(RUNS.format(dag), json={"logical_date": None})
        return asked.raise_for_status().json()["dag_run_id"]

    def finished(self, dag: str, run: str) -> str:
        wait(lambda: self.state(dag, run) in ("success", "failed"), 240)
        return self.state(dag, run)

    def instance(self, dag: str, run: str, task: str) -> str:
        return f"{RUNS.format(dag)}/{run}/taskInstances/{task}".replace("+", "%2B")

    def log(self, dag: str, run: str, task: str, attempt: int = 1) -> str:
        found = self.get(f"{self.instance(dag, run, task)}/logs/{attempt}?full_content=true")
        return "\n".join(str(line.get("event", line)) for line in found["content"])

    def result(self, dag: str, run: str, task: str) -> dict:
        path = f"{self.instance(dag, run, task)}/xcomEntries/return_value?stringify=false"
        return self.get(path)["value"]
