"""One Airflow worker, as far as the bridge can tell: a process that forks one for each task.

A task's process runs the operator's own ``execute`` with a context like Airflow's, answers
SIGTERM as Airflow's task runner does (by ``on_kill``), and hands its XCom on as JSON. No
scheduler, no database: `dvc_airflow.conformance.hosts` says what runs when.

Protocol: the settings (JSON) are the first line of standard input, each further line is a
request; each answer is a line on the file descriptor that the second argument names. What a task
returned is written to the file that its request names.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

TOKEN = "DVC_AIRFLOW_CONFORMANCE"


def main() -> int:
    """Serve requests until standard input ends."""
    settings = json.loads(sys.stdin.readline())
    answers = os.fdopen(int(sys.argv[2]), "w")
    # Finished tasks leave no zombies; whoever asks for them looks at the answer's file.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    dag = build_dag(settings)
    while line := sys.stdin.readline():
        request = json.loads(line)
        about_tasks = request["do"] == "tasks"
        answer: Any = describe(dag) if about_tasks else start(settings, request)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    return 0


def build_dag(settings: dict[str, Any]) -> Any:
    """Draw the project's DAG, as a DAG file would."""
    from airflow.sdk import DAG

    from dvc_airflow.config import ExecutionConfig, WorkspaceConfig
    from dvc_airflow.task_group import DvcTaskGroup

    with DAG(settings["dag_id"], schedule=None) as dag:
        DvcTaskGroup(
            settings["project"],
            settings["targets"],
            workspace=WorkspaceConfig(directory=settings["workspaces"]),
            execution=ExecutionConfig(**settings["execution"]),
        )
    return dag


def describe(dag: Any) -> list[dict[str, Any]]:
    """Return each task with its stages and the tasks above it, in an order to run them."""
    return [
        {
            "task": task.task_id,
            "stages": list(getattr(task, "stages", [])) if task.task_id != "open_workspace" else [],
            "upstream": sorted(task.upstream_task_ids),
        }
        for task in dag.topological_sort()
    ]


def start(settings: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    """Fork a process for a task; return its process id."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return {"pid": pid}
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.environ.update({TOKEN: request["token"], **request["environment"]})
        answer = run_task(settings, request)
        path = Path(request["answer"])
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(answer), encoding="utf-8")
        temporary.replace(path)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def run_task(settings: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    """Run a task's operator; return its state and what it returned."""
    from airflow.sdk.exceptions import AirflowSkipException

    dag = build_dag(settings)
    operator = dag.get_task(request["task"])
    context = build_context(dag, operator, request)
    signal.signal(signal.SIGTERM, lambda *_: operator.on_kill())
    print(f"--- task {operator.task_id} of {request['run_id']}", flush=True)
    try:
        operator.render_template_fields(context)
        value = execute(operator, context)
        # As an XCom travels.
        return {"state": "success", "value": json.loads(json.dumps(value))}
    except AirflowSkipException as exc:
        return {"state": "skipped", "error": str(exc)}
    except Exception as exc:
        traceback.print_exc()
        return {"state": "failed", "error": f"{type(exc).__name__}: {exc}"}


def execute(operator: Any, context: Any) -> Any:
    """Call ``execute`` as Airflow's task runner does."""
    from airflow.sdk.bases.operator import ExecutorSafeguard

    key = f"{type(operator).__name__}__sentinel"
    return operator.execute(context=context, **{key: ExecutorSafeguard.sentinel_value})


def build_context(dag: Any, operator: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Return what of Airflow's context operators may use."""
    instance = TaskInstance(dag.dag_id, operator.task_id, request)
    conf = dict(request.get("conf") or {})
    logical = request.get("logical_date")
    date = datetime.fromisoformat(logical) if logical else datetime.now(UTC)
    return {
        "dag": dag,
        "task": operator,
        "ti": instance,
        "task_instance": instance,
        "run_id": request["run_id"],
        "dag_run": SimpleNamespace(
            conf=conf, dag_id=dag.dag_id, run_id=request["run_id"], logical_date=date
        ),
        "logical_date": date,
        "ds": date.date().isoformat(),
        "params": {**dag.params.dump(), **conf},
        "outlet_events": defaultdict(SimpleNamespace),
    }


class TaskInstance:
    """What of Airflow's task instance operators may use; the rest is an attribute error."""

    map_index = -1

    def __init__(self, dag_id: str, task_id: str, request: dict[str, Any]) -> None:
        self.dag_id = dag_id
        self.task_id = task_id
        self.run_id = request["run_id"]
        self.try_number = int(request.get("try_number", 1))
        self._xcoms = request["xcoms"]
        self._states = request["states"]

    def xcom_pull(self, task_ids: Any = None, key: str = "return_value", **_: Any) -> Any:
        """Return what a task returned, or a list for several tasks."""
        if key != "return_value":
            return None
        if isinstance(task_ids, str):
            return self._xcoms.get(task_ids)
        return [self._xcoms.get(task) for task in task_ids or []]

    def xcom_push(self, key: str, value: Any) -> None:
        """Forget it: no task of the bridge reads another XCom than returned values."""

    def get_dagrun_state(self, dag_id: str, run_id: str) -> str:
        """Return ``running``: no workspace of the suite may be pruned."""
        return "running"

    def get_task_states(self, **_: Any) -> dict[str, dict[str, str]]:
        """Return the states of this run's tasks."""
        return {self.run_id: self._states}


if __name__ == "__main__":
    sys.exit(main())
