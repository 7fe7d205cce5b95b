"""A real Airflow in a small project, for all tests of a session."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml

from pipelines.cli.airflow_api import DONE, AirflowApi
from tests.support.small_project import commit, environment

DAG = "model_release"


@dataclass(frozen=True)
class Airflow:
    """A project and the Airflow that ``signalbox ui`` started in it."""

    project: Path
    address: str
    api: AirflowApi
    client: httpx.Client
    to_close: ExitStack

    def finished(self, run: str, seconds: float = 400, dag: str = DAG) -> str:
        """Wait for the end of a run; return its state."""
        wait(lambda: self.api.run_state(dag, run) in DONE, seconds, lambda: self.told(run, dag))
        return self.api.run_state(dag, run)

    def told(self, run: str, dag: str = DAG) -> str:
        """Return what a person would look at when a run stands still."""
        tasks = {task.name: task.state for task in self.api.tasks(dag, run)}
        health = self.client.get("/api/v2/monitor/health").text
        log = (self.project / ".airflow/logs/scheduler.log").read_text(errors="replace")
        ui = (self.project.parent / "ui.log").read_text()
        return "\n".join([
            f"{dag} {run}: {self.api.run_state(dag, run)}, {tasks}", health, "signalbox ui:",
            *ui.splitlines()[-5:], "scheduler:", *log.splitlines()[-60:],
        ])  # fmt: skip


def set_approval(project: Path, **policy: Any) -> None:
    """Give a small project a release.yaml with this policy and the registry, and no more."""
    settings = yaml.safe_load((project / "release.yaml").read_text())
    text = yaml.safe_dump({"approval": policy, "registry": settings["registry"]})
    (project / "release.yaml").write_text(text)
    commit(project, "who approves")


@contextmanager
def started(project: Path) -> Iterator[Airflow]:
    """Run ``signalbox ui`` in a project; end it with Ctrl-C, as a person would."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # a job in the background; it inherits
        signal.signal(signal.SIGINT, signal.default_int_handler)
    log = project.parent / "ui.log"
    with log.open("w") as stream:
        ui = subprocess.Popen(
            [sys.executable, "-m", "pipelines.cli.main", "ui", "--port", "0"],
            cwd=project, stdout=stream, stderr=subprocess.STDOUT,
            env={
                **environment(), "COLUMNS": "200", "SIGNALBOX_KEYS": str(project.parent / "keys"),
            },
        )  # fmt: skip
    try:
        wait(lambda: "end with Ctrl-C" in log.read_text() or ui.poll() is not None, 300)
        found = dict(re.findall(r"^(address|password): +(\S+)$", log.read_text(), re.MULTILINE))
        api = AirflowApi(found["address"], found["password"])
        api.wait_for_dag(DAG)
        with ExitStack() as to_close:
            to_close.callback(api._client.close)
            yield Airflow(project, found["address"], api, api._client, to_close)
    finally:
        family = psutil.Process(ui.pid).children(recursive=True) if ui.poll() is None else []
        ui.send_signal(signal.SIGINT)
        ui.wait(60)
        _, alive = psutil.wait_procs(family, timeout=10)
        for process in alive:
            process.kill()
    assert alive == []


def wait(
    condition: Callable[[], bool], seconds: float, told: Callable[[], str] = lambda: ""
) -> None:
    """Wait for a condition; where it doesn't come about in time, fail with what there is to tell.

    The seconds are those of a quiet machine; a loaded one gets three times as many.
    """
    deadline = time.monotonic() + 3 * seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within 3 x {seconds} s\n{told()}"
        time.sleep(0.3)


def settle(airflow: Airflow) -> None:
    """Wait until the scheduler has noticed that the questions wait.

    Airflow 3.3 fails a try whose answer comes before the scheduler has read that its process ended
    to wait. The task then tries again and takes the answer, which costs half a minute; people don't
    answer within a second, tests do.
    """
    asked_at = datetime.now(UTC) + timedelta(seconds=2)

    def beat() -> datetime:
        health = airflow.client.get("/api/v2/monitor/health").json()
        text = health["scheduler"]["latest_scheduler_heartbeat"]
        return datetime.fromisoformat(text.replace("Z", "+00:00"))

    wait(lambda: beat() > asked_at, 60)


def login(airflow: Airflow, user: str) -> httpx.Client:
    """Log in as one of the approvers, with the password that Airflow made."""
    passwords = json.loads((airflow.project / ".airflow/passwords.json").read_text())
    client = httpx.Client(base_url=airflow.address, timeout=60)
    airflow.to_close.callback(client.close)
    secret = {"username": user, "password": passwords[user]}
    token = client.post("/auth/token", json=secret).raise_for_status().json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    return client


def question(run: str, dag: str = DAG, task: str = "approve_release") -> str:
    """Address of a run's question to the approvers."""
    return f"{task_instance(run, task, dag)}/-1/hitlDetails"


def task_instance(run: str, task: str, dag: str = DAG) -> str:
    """Address of a task of a run."""
    return f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}".replace("+", "%2B")


def answer(option: str, reason: str) -> dict[str, Any]:
    return {"chosen_options": [option], "params_input": {"reason": reason}}


def state(airflow: Airflow, run: str, name: str, dag: str = DAG) -> str:
    return next((t.state for t in airflow.api.tasks(dag, run) if t.name == name), "none")
