"""The few calls of Airflow's public REST API that the commands need, and how to follow a run."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

import httpx
from rich.console import Console

from pipelines.cli.airflow_stack import USER, password
from pipelines.core.errors import SignalboxError

DONE = {"success", "failed"}


@dataclass(frozen=True)
class TaskState:
    """State of one task of a run; `seconds` is None until it has ended.

    A mapped task has one for each `map_index`; others have -1.
    """

    name: str
    state: str
    seconds: float | None
    try_number: int
    map_index: int = -1

    @property
    def label(self) -> str:
        """Name for people."""
        return self.name if self.map_index < 0 else f"{self.name}[{self.map_index}]"


class AirflowApi:
    """A logged-in client of one Airflow.

    Parameters
    ----------
    address
        For example ``http://127.0.0.1:8080``.
    secret
        Password of the user; the project's own by default.
    """

    def __init__(self, address: str, secret: str | None = None) -> None:
        self._client = httpx.Client(base_url=address, timeout=60)
        answer = self._client.post(
            "/auth/token", json={"username": USER, "password": secret or password()}
        )
        answer.raise_for_status()
        self._client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def wait_for_dag(self, dag: str, seconds: float = 120) -> None:
        """Wait until the DAG was parsed.

        Raises
        ------
        SignalboxError
            If its file has an import error (with Airflow's text), or it doesn't appear in time.
        """
        deadline = time.monotonic() + seconds
        while self._client.get(f"/api/v2/dags/{dag}").status_code != httpx.codes.OK:
            for error in self._get("/api/v2/importErrors")["import_errors"]:
                text = error["stack_trace"].strip().splitlines()[-1]
                raise SignalboxError(f"{error['filename']}: {text}")
            if time.monotonic() > deadline:
                raise SignalboxError(f"DAG {dag} did not appear within {seconds:.0f} s")
            time.sleep(0.3)

    def trigger(self, dag: str, params: dict[str, Any]) -> str:
        """Unpause the DAG and start a run; return the run's id."""
        self.unpause(dag)
        answer = self._client.post(
            f"/api/v2/dags/{dag}/dagRuns", json={"logical_date": None, "conf": params}
        )
        if answer.is_error:
            raise SignalboxError(f"Airflow refused to start {dag}: {answer.text}")
        return str(answer.json()["dag_run_id"])

    def unpause(self, dag: str) -> None:
        """Let the DAG run."""
        self._client.patch(f"/api/v2/dags/{dag}", json={"is_paused": False}).raise_for_status()

    def runs_since(self, dag: str, since: datetime) -> dict[str, str]:
        """Return the runs of a DAG that were due since a time, with their states."""
        asked = urlencode({"run_after_gte": since.isoformat(), "limit": 100})
        found = self._get(f"/api/v2/dags/{dag}/dagRuns?{asked}")
        return {str(run["dag_run_id"]): str(run["state"]) for run in found["dag_runs"]}

    def run_state(self, dag: str, run: str) -> str:
        """State of a run: ``queued``, ``running``, ``success`` or ``failed``."""
        return str(self._get(f"/api/v2/dags/{dag}/dagRuns/{run}")["state"])

    def tasks(self, dag: str, run: str) -> list[TaskState]:
        """States of the run's tasks."""
        found = self._get(f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances?limit=200")
        return [
            TaskState(
                name=task["task_id"],
                state=task["state"] or "waiting",
                seconds=task["duration"],
                try_number=task["try_number"],
                map_index=task["map_index"],
            )
            for task in found["task_instances"]
        ]

    def waiting(self, dag: str) -> dict[str, str]:
        """Return the runs of a DAG that wait for an answer, each with the task that asks."""
        found = self._get(
            f"/api/v2/dags/{dag}/dagRuns/~/taskInstances?state=awaiting_input&limit=100"
        )
        return {str(task["dag_run_id"]): str(task["task_id"]) for task in found["task_instances"]}

    def xcom(self, dag: str, run: str, task: str) -> Any:
        """Return what a task returned; None if it returned nothing."""
        path = f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/xcomEntries/return_value"
        answer = self._client.get(path, params={"deserialize": False, "stringify": False})
        return answer.json().get("value") if answer.status_code == httpx.codes.OK else None

    def answer(self, dag: str, run: str, task: str, *, approve: bool, reason: str | None) -> None:
        """Answer a task's question in the name of whoever is logged in.

        Raises
        ------
        SignalboxError
            If Airflow doesn't take the answer, with its reason: who isn't asked cannot answer.
        """
        self._settle()
        path = f"/api/v2/dags/{dag}/dagRuns/{quote(run)}/taskInstances/{task}/-1/hitlDetails"
        option = "Approve" if approve else "Reject"
        found = self._client.patch(
            path, json={"chosen_options": [option], "params_input": {"reason": reason}}
        )
        if found.is_error:
            raise SignalboxError(f"Airflow refused the answer of {USER}: {_detail(found)}")

    def _settle(self) -> None:
        """Wait until the scheduler has noticed that a question asked just now waits.

        Airflow 3.3 fails a try whose answer comes before its scheduler has read that the asking
        process ended; the retry takes the answer, which costs half a minute.
        """
        asked_at = datetime.now(UTC) + timedelta(seconds=2)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            health = self._get("/api/v2/monitor/health")
            beat = str(health["scheduler"]["latest_scheduler_heartbeat"])
            if datetime.fromisoformat(beat.replace("Z", "+00:00")) > asked_at:
                return
            time.sleep(0.3)

    def log(self, dag: str, run: str, task: TaskState) -> list[str]:
        """Lines of a task's log."""
        path = f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task.name}/logs/{task.try_number}"
        content = self._get(f"{path}?full_content=true&map_index={task.map_index}")["content"]
        return [text for line in content for text in _lines(line)]

    def _get(self, path: str) -> Any:
        answer = self._client.get(path)
        answer.raise_for_status()
        return answer.json()


def _detail(answer: httpx.Response) -> str:
    """Airflow's reason for an error, on one line."""
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = answer.text
    return " ".join(str(detail).split())


def _lines(line: Any) -> list[str]:
    """Text of one entry of a log; an exception is told in its last line."""
    if not isinstance(line, dict):
        return [str(line)]
    errors = [
        f"{error.get('exc_type', 'error')}: {error.get('exc_value', '')}"
        for error in line.get("error_detail") or []
    ]
    return [str(line.get("event", "")), *errors]


_ENDED = {"success", "failed", "upstream_failed", "skipped"}
_ASKING = "awaiting_input"
_TAIL = 25


WAITING = "waiting"
"""State of a run whose question nobody here can answer."""


def follow(
    api: AirflowApi,
    dag: str,
    run: str,
    console: Console,
    answer: Callable[[str], bool] | None = None,
) -> str:
    """Print every task once when it ends; return the run's last state, or `WAITING`.

    Parameters
    ----------
    answer
        Called once with each task that waits for an answer; says whether it gave one.
    """
    printed: set[str] = set()
    asked: set[str] = set()
    while True:
        state = api.run_state(dag, run)
        for task in api.tasks(dag, run):
            if task.label not in printed and task.seconds is not None and task.state in _ENDED:
                printed.add(task.label)
                console.print(_line(api, dag, run, task), highlight=False, markup=False)
            if answer is not None and task.state == _ASKING and task.name not in asked:
                asked.add(task.name)
                if not answer(task.name):
                    return WAITING
        if state in DONE:
            return state
        time.sleep(0.7)


def _line(api: AirflowApi, dag: str, run: str, task: TaskState) -> str:
    how, seconds = task.state, task.seconds or 0.0
    if how == "success" and task.map_index < 0:
        result = api.xcom(dag, run, task.name)
        how = _status(result) or how
        seconds = _own_seconds(result, seconds)
    return f"  {task.label:<22} {how:<10} {seconds:7.1f} s"


def _status(result: Any) -> str:
    """How DVC came by a stage's outs: ran, cached or unchanged; empty for other tasks."""
    return str(result.get("status", "")) if isinstance(result, dict) else ""


def _own_seconds(result: Any, seconds: float) -> float:
    """Seconds that a task's stages took; a task that waited for them to run counts the waiting."""
    stages = result.get("stages") if isinstance(result, dict) else None
    own = [stage["seconds"] for stage in stages or () if isinstance(stage, dict)]
    return sum(own) if own else seconds  # the save task names the stages alone


def explain_failure(api: AirflowApi, dag: str, run: str, console: Console) -> None:
    """Print the last lines of what failed tasks logged."""
    for task in api.tasks(dag, run):
        if task.state == "failed":
            console.rule(f"last lines of the log of {task.label}")
            for line in api.log(dag, run, task)[-_TAIL:]:
                console.print(line, markup=False, highlight=False)
