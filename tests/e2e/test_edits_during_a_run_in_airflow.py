"""Somebody edits dvc.yaml while a real Airflow runs it: the run that began goes on as it began."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests.conftest import ROOT
from tests.e2e.stack import wait

pytestmark = pytest.mark.e2e

DAG = """
from airflow.sdk import DAG
from dvc_airflow import DvcTaskGroup

with DAG({dag!r}, schedule=None):
    DvcTaskGroup({project!r})
"""
PIPELINE = """
stages:
  prep:
    cmd: while [ ! -e {flag} ]; do sleep 0.2; done; tr a-z A-Z < in.txt > up.txt
    deps: [in.txt]
    outs: [up.txt]
  count: {{cmd: wc -c < up.txt > n.txt, deps: [up.txt], outs: [n.txt]}}
  score:
    cmd: 'echo "{{\\"n\\": $(cat n.txt)}}" > m.json'
    deps: [n.txt]
    metrics: [m.json: {{cache: false}}]
"""
RUNS = "/api/v2/dags/{}/dagRuns"


class Airflow:
    """API server, scheduler and DAG processor, which look at files every few seconds."""

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
        for name in ("api-server", "scheduler", "dag-processor"):
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


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    with ExitStack() as to_close:
        yield Airflow(tmp_path_factory.mktemp("edits") / "airflow", to_close)


def begin(airflow: Airflow, folder: Path, dag: str) -> tuple[Path, Path, str]:
    """Start a run of a project whose first stage waits for a file; return that file, too."""
    project, flag = folder / "project", folder / "go"
    project.mkdir()

    def call(*command: str) -> None:
        subprocess.run(command, cwd=project, check=True, capture_output=True, env=airflow.env)

    call("git", "init", "-q", "-b", "main")
    call("git", "config", "user.name", "Test")
    call("git", "config", "user.email", "test@example.org")
    call(sys.executable, "-m", "dvc", "init", "-q")
    (project / "dvc.yaml").write_text(PIPELINE.format(flag=flag))
    (project / "in.txt").write_text("hello\n")
    (project / ".gitignore").write_text("/runs/\n")
    call("git", "add", "-A")
    call("git", "commit", "-qm", "start")
    text = DAG.format(dag=dag, project=str(project))
    (airflow.home / "dags" / f"{dag}.py").write_text(text)
    wait(lambda: airflow.client.get(f"/api/v2/dags/{dag}").is_success, 120)
    asked = airflow.client.post(RUNS.format(dag), json={"logical_date": None})
    run = asked.raise_for_status().json()["dag_run_id"]
    wait(lambda: airflow.states(dag, run).get("prep") == "running", 120)
    return project, flag, run


def read(airflow: Airflow, dag: str) -> None:
    """Wait until the DAG processor has read the DAG again."""
    moment = datetime.now(UTC)
    wait(lambda: airflow.parsed_since(dag, moment), 60)
    time.sleep(3)  # and the scheduler has looked at the run


def finished(airflow: Airflow, dag: str, run: str) -> str:
    wait(lambda: airflow.state(dag, run) in ("success", "failed"), 240)
    return airflow.state(dag, run)


def saved(project: Path, file: str) -> str:
    refs = subprocess.check_output(
        ["git", "for-each-ref", "--format=%(refname)", "refs/runs"], cwd=project, text=True
    ).split()
    return subprocess.check_output(["git", "show", f"{refs[0]}:{file}"], cwd=project, text=True)


def test_a_stage_that_is_renamed_runs_in_the_run_that_began_with_it(
    airflow: Airflow, tmp_path: Path
) -> None:
    project, flag, run = begin(airflow, tmp_path, "renamed")
    pipeline = project / "dvc.yaml"
    pipeline.write_text(pipeline.read_text().replace("count:", "counted:"))
    read(airflow, "renamed")
    tasks = airflow.get("/api/v2/dags/renamed/tasks")["tasks"]
    assert {"count", "counted"} <= {task["task_id"] for task in tasks}
    flag.write_text("")

    assert finished(airflow, "renamed", run) == "success", airflow.states("renamed", run)

    assert set(airflow.states("renamed", run).values()) == {"success"}
    lock = saved(project, "dvc.lock")
    assert "  count:" in lock
    assert "  counted:" not in lock
    assert json.loads(saved(project, "m.json")) == {"n": 6}
    read(airflow, "renamed")  # nothing needs the old stage any more
    tasks = airflow.get("/api/v2/dags/renamed/tasks")["tasks"]
    assert "count" not in {task["task_id"] for task in tasks}


def test_a_file_that_is_half_typed_does_not_hang_a_run(airflow: Airflow, tmp_path: Path) -> None:
    project, flag, run = begin(airflow, tmp_path, "typed")
    (project / "dvc.yaml").write_text("oops: [\n")
    read(airflow, "typed")
    assert airflow.get("/api/v2/importErrors")["import_errors"] == []
    flag.write_text("")

    assert finished(airflow, "typed", run) == "success", airflow.states("typed", run)

    assert json.loads(saved(project, "m.json")) == {"n": 6}

    def told() -> bool:
        errors = airflow.get("/api/v2/importErrors")["import_errors"]
        return any("dvc.yaml:" in error["stack_trace"] for error in errors)

    wait(told, 60)  # now that no run needs it
