"""A real Airflow in a small project, for all tests of a session."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from pipelines.cli.airflow_api import DONE, AirflowApi

DAG = "model_release"


@dataclass(frozen=True)
class Airflow:
    """A project and the Airflow that ``signalbox ui`` started in it."""

    project: Path
    address: str
    api: AirflowApi
    client: httpx.Client

    def finished(self, run: str, seconds: float = 400, dag: str = DAG) -> str:
        """Wait for the end of a run; return its state."""
        wait(lambda: self.api.run_state(dag, run) in DONE, seconds)
        return self.api.run_state(dag, run)


def wait(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
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
    secret = {"username": user, "password": passwords[user]}
    token = client.post("/auth/token", json=secret).raise_for_status().json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    return client


def question(run: str, dag: str = DAG) -> str:
    """Address of a run's question to the approvers."""
    place = f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/approve_release/-1/hitlDetails"
    return place.replace("+", "%2B")


def answer(option: str, reason: str) -> dict[str, Any]:
    return {"chosen_options": [option], "params_input": {"reason": reason}}


def state(airflow: Airflow, run: str, name: str, dag: str = DAG) -> str:
    return next((t.state for t in airflow.api.tasks(dag, run) if t.name == name), "none")
