"""Kill, cancel, clear and backfill by a real Airflow scheduler (``--airflow``)."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from dvc_airflow.conformance.airflow_stack import DONE, Airflow
from dvc_airflow.conformance.checks import held_seconds, ran_in_vain
from dvc_airflow.conformance.hosts import GRACE, Copy, Run, Task, holding_shell, new_run, until
from dvc_airflow.conformance.judge import (
    damaged_objects,
    half_saved,
    judge,
    leftovers,
)
from dvc_airflow.conformance.result import ConformanceError, Finding
from dvc_airflow.conformance.scratch import Scratch, tree_of
from dvc_airflow.graph import select_stages
from dvc_airflow.naming import task_ids
from dvc_airflow.runtime import reaper
from dvc_airflow.runtime.driver import WORK
from dvc_airflow.runtime.run_key import RunKey

_HOME: Final = str(Path(__file__).resolve().parents[2])
_OVERHEAD: Final = 120.0
_VICTIMS: Final = ("the task", "the driver's worker", "the driver's guard")
_DATES: Final = ("2026-01-01", "2026-01-03")
_DAG: Final = """
import sys
from datetime import datetime, timedelta
from airflow.sdk import DAG
sys.path.append({home!r})
from dvc_airflow import DvcTaskGroup, ExecutionConfig, WorkspaceConfig
with DAG({dag!r}, schedule={schedule!r}, start_date=datetime(2026, 1, 1),
         end_date={end}, catchup=False, max_active_runs=3):
    DvcTaskGroup(
        {project!r}, {targets!r}, workspace=WorkspaceConfig(directory={workspaces!r}),
        execution=ExecutionConfig(grace={grace!r}, env={env!r}),
        operator_args={{"retries": 5, "retry_delay": timedelta(seconds=1)}},
    )
"""


@dataclass
class Scheduled:
    """A copy of the project whose DAG a real Airflow runs."""

    airflow: Airflow
    copy: Copy
    dag: str

    @property
    def tasks(self) -> list[Task]:
        """The tasks that run stages, in the order of dvc.yaml."""
        graph = self.copy.scratch.graph
        chosen = select_stages(graph, self.copy.scratch.targets)
        ids = task_ids(chosen)
        return [
            Task(ids[a], (a,), tuple(ids[u] for u in graph.upstream[a] & set(ids))) for a in chosen
        ]

    def victim(self) -> Task:
        """Return the task that takes longest."""
        runs = set(self.copy.scratch.runnable())
        able = [task for task in self.tasks if runs & set(task.stages)]
        return max(able, key=lambda task: held_seconds(self.copy.scratch, task))

    def seconds(self) -> float:
        """Return how long to wait for a run, in seconds."""
        return self.copy.scratch.timeout + _OVERHEAD * (len(self.tasks) + 2)

    def finish(self, run_id: str) -> Run:
        """Wait for the end of a run; return what its tasks returned."""
        self.airflow.finish(self.dag, run_id, self.seconds())
        return self.read(run_id)

    def read(self, run_id: str) -> Run:
        """Return what a run's tasks returned so far."""
        run = new_run(self.copy.scratch, run_id)
        for name, task in self.airflow.tasks(self.dag, run_id).items():
            run.states[name] = str(task["state"])
            run.tries[name] = int(task["try_number"])
            value = self.airflow.xcom(self.dag, run_id, name)
            if value is not None:
                run.xcoms[name] = value
            if run.states[name] == "failed":
                run.errors[name] = self.airflow.log(self.dag, run_id, name)[-500:]
        return run

    def processes(self, run_id: str, task: Task) -> list[int]:
        """Return the living processes of a task's stages: the guard, its worker, the rest."""
        key = RunKey(self.dag, run_id)
        path = key.workspace(self.copy.workspaces) / self.copy.scratch.prefix
        marker = f"{WORK}={path}:{' '.join(task.stages)}"
        found = set(reaper.marked(marker))
        return sorted(found, key=lambda pid: len(_ancestors(pid)))

    def wait_for_command(self, run_id: str, task: Task) -> list[int]:
        """Wait until a stage's command runs: more than the guard and its worker.

        Raises
        ------
        ConformanceError
            If it does not within the time of a run.
        """
        if not until(lambda: len(self.processes(run_id, task)) > 2, self.seconds(), 0.1):
            states = {n: t["state"] for n, t in self.airflow.tasks(self.dag, run_id).items()}
            msg = f"the command of '{task.name}' did not start in time; states: {states}"
            raise ConformanceError(msg)
        return self.processes(run_id, task)


def add_copy(airflow: Airflow, scratch: Scratch, name: str) -> Scheduled:
    """Make a copy of the project, and write its DAG file."""
    copy = Copy(scratch, f"airflow-{name}")
    held = name in ("kill", "cancel")
    text = _DAG.format(
        home=_HOME,
        dag=f"conformance_{name}",
        schedule="@daily" if name == "backfill" else None,
        # Nothing is due after the backfill; other runs are started by hand, today.
        end="datetime(2026, 1, 4)" if name == "backfill" else None,
        project=str(copy.project),
        targets=scratch.targets,
        workspaces=str(copy.workspaces),
        grace=GRACE,
        env=holding_shell(scratch.directory) if held else {},
    )
    (airflow.dags / f"conformance_{name}.py").write_text(text.lstrip(), encoding="utf-8")
    return Scheduled(airflow, copy, f"conformance_{name}")


def check_kill(scheduled: Scheduled, finding: Finding) -> None:
    """SIGKILL of Airflow's task process, of the driver's worker and its guard; Airflow retries."""
    run_id = scheduled.airflow.trigger(scheduled.dag)
    victim = scheduled.victim()
    for who in _VICTIMS:
        family = scheduled.wait_for_command(run_id, victim)
        time.sleep(held_seconds(scheduled.copy.scratch, victim) / 3)
        _kill(who, *family[:2])
        gone = until(partial(_all_gone, scheduled, run_id, victim, family), 30.0, 0.1)
        run = scheduled.read(run_id)
        problems = [] if gone else ["processes of the stage are still there after 30 s"]
        problems += half_saved(scheduled.copy, run, victim.stages)
        what = f"SIGKILL of {who} of '{victim.name}'"
        finding.add(what, [*problems, *damaged_objects(scheduled.copy)])
    run = scheduled.finish(run_id)
    finding.compared.append(f"'{victim.name}' went on in try {run.tries[victim.name]}")
    judge(finding, scheduled.copy, run)
    finding.add("afterwards", [*leftovers(scheduled.copy, run), *damaged_objects(scheduled.copy)])


def check_cancel(scheduled: Scheduled, finding: Finding) -> None:
    """Mark a running task as failed, as a person does in the UI; then a run that is left alone."""
    airflow, dag = scheduled.airflow, scheduled.dag
    run_id = airflow.trigger(dag)
    victim = scheduled.victim()
    scheduled.wait_for_command(run_id, victim)
    path = f"dags/{dag}/dagRuns/{quote(run_id)}/taskInstances/{victim.name}"
    airflow.ask("PATCH", path, {"new_state": "failed"})
    clock = time.monotonic()
    gone = until(lambda: not scheduled.processes(run_id, victim), _OVERHEAD, 0.1)
    took = time.monotonic() - clock
    finding.add(
        f"'{victim.name}' marked as failed: all its processes gone after {took:.1f} s "
        "(Airflow tells a task at its next heartbeat)",
        [] if gone else [f"processes of the stage are still there after {_OVERHEAD:.0f} s"],
    )
    run = scheduled.finish(run_id)
    problems = half_saved(scheduled.copy, run, victim.stages)
    if run.states.get("save_run") == "success":
        problems.append("save_run takes the cancelled run for a complete one")
    what = "the cancelled run is not saved as complete"
    finding.add(what, [*problems, *leftovers(scheduled.copy, run)])
    again = scheduled.finish(airflow.trigger(dag))
    judge(finding, scheduled.copy, again)
    finding.add("afterwards", [*leftovers(scheduled.copy, again), *damaged_objects(scheduled.copy)])


def check_clear(scheduled: Scheduled, finding: Finding) -> None:
    """Clear a finished task and all after it, save_run too."""
    airflow, dag = scheduled.airflow, scheduled.dag
    run_id = airflow.trigger(dag)
    run = scheduled.finish(run_id)
    if not judge(finding, scheduled.copy, run):
        return
    first = tree_of(scheduled.copy.root, str(run.xcoms["save_run"]["commit"]))
    cleared = scheduled.tasks[len(scheduled.tasks) // 2]
    body = {
        "dry_run": False,
        "only_failed": False,
        "dag_run_id": run_id,
        "task_ids": [cleared.name],
        "include_downstream": True,
    }
    tries = dict(run.tries)
    airflow.ask("POST", f"dags/{dag}/clearTaskInstances", body)
    until(lambda: airflow.runs(dag).get(run_id) not in DONE, 30.0, 0.2)
    again = scheduled.finish(run_id)
    what = f"'{cleared.name}' cleared, and all after it"
    problems = [] if again.tries["save_run"] > tries["save_run"] else ["save_run did not run again"]
    # What was not cleared still says how it went the first time.
    made_again = {
        stage
        for task in scheduled.tasks
        if again.tries[task.name] > tries[task.name]
        for stage in task.stages
    }
    finding.add(what, problems + ran_in_vain(scheduled.copy.scratch, finding, again, made_again))
    if judge(finding, scheduled.copy, again):
        found = tree_of(scheduled.copy.root, str(again.xcoms["save_run"]["commit"]))
        finding.add("saved again: the same tree", [] if found == first else ["another tree"])


def check_backfill(scheduled: Scheduled, finding: Finding) -> None:
    """Backfill three days, all at once."""
    airflow, dag = scheduled.airflow, scheduled.dag
    body = {
        "dag_id": dag,
        "from_date": f"{_DATES[0]}T00:00:00Z",
        "to_date": f"{_DATES[1]}T00:00:00Z",
        "max_active_runs": 3,
    }
    airflow.ask("POST", "backfills", body)
    until(lambda: len(airflow.runs(dag)) >= 3, 60.0, 0.5)
    runs = [scheduled.finish(run_id) for run_id in sorted(airflow.runs(dag))]
    finding.add(f"{len(runs)} runs at once", [] if len(runs) >= 3 else ["fewer than 3 runs"])
    for run in runs:
        judge(finding, scheduled.copy, run)
        finding.add(f"run {run.run_id} afterwards", leftovers(scheduled.copy, run))
    finding.add("the shared cache", damaged_objects(scheduled.copy))


def _all_gone(scheduled: Scheduled, run_id: str, task: Task, family: list[int]) -> bool:
    return not set(family) & set(scheduled.processes(run_id, task))


def _kill(who: str, guard: int, worker: int) -> None:
    parent = dict(reaper.living()).get(guard, 0)
    pid = {"the task": parent, "the driver's guard": guard, "the driver's worker": worker}[who]
    # A guard without its task hangs below init: nothing that may be killed.
    if pid > 1:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _ancestors(pid: int) -> list[int]:
    parents = dict(reaper.living())
    found: list[int] = []
    while (pid := parents.get(pid, 0)) and pid not in found:
        found.append(pid)
    return found


CHECKS: Final[dict[str, Callable[[Scheduled, Finding], Any]]] = {
    "kill": check_kill,
    "cancel": check_cancel,
    "clear": check_clear,
    "backfill": check_backfill,
}
