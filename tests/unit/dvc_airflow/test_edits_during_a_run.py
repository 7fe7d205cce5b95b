"""A run that began is drawn by its own graph, whatever becomes of dvc.yaml meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from structlog.contextvars import bound_contextvars

from dvc_airflow import DvcTaskGroup
from dvc_airflow.errors import DvcAirflowError
from dvc_airflow.runtime.begun import GRACE
from dvc_airflow.runtime.facts import write_facts
from dvc_airflow.runtime.run_key import RunKey
from dvc_airflow.runtime.workspace import in_use, lock_file, over_file

BEFORE = {
    "params.yaml": "x: 1\n",
    "dvc.yaml": """
        stages:
          prep: {cmd: 'echo ${x}', outs: [p]}
          count: {cmd: count, deps: [p], outs: [c]}
          score: {cmd: score, deps: [c], metrics: [m.json]}
        """,
}
RENAMED = {**BEFORE, "dvc.yaml": BEFORE["dvc.yaml"].replace("count:", "counted:")}
BROKEN = {"dvc.yaml": "oops: [\n"}
OWN = {"prep": ["prep"], "count": ["count"], "score": ["score"]}


def begin(root: Path, run_id: str = "run", group: str | None = None, **more: Any) -> Path:
    """Make what opening a workspace leaves."""
    key = RunKey("demo", run_id, group)
    copy = key.workspace(root / "runs")
    shutil.copytree(root, copy, ignore=shutil.ignore_patterns("runs"))
    (copy / ".git").mkdir()
    marker = {
        "root": str(copy), "path": str(copy), "commit": "c" * 40, "dag_id": "demo",
        "run_id": run_id,
        "token": "t", "group": group, "stages": ["prep", "count", "score"], **more,
    }  # fmt: skip
    (copy / ".git" / "dvc-airflow.json").write_text(json.dumps(marker))
    write_facts(key, root / "runs", {"state": "open"})
    return copy


def drawn(root: Path, monkeypatch, task: str = "", run_id: str = "run", **options: Any):
    """Draw the DAG as the DAG processor does, or as a task's process."""
    if task:
        monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "demo")
        monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_TASK_ID", task)
    known = {"dag_id": "demo", "task_id": task, "run_id": run_id} if task else {}
    with bound_contextvars(**known), DAG("demo", schedule=None) as dag:
        DvcTaskGroup(project=root, **options)
    return dag


def stages(dag) -> dict[str, list[str]]:
    ends = ("open_workspace", "save_run")
    return {
        task.task_id: task.stages
        for task in dag.tasks
        if task.task_id.rpartition(".")[2] not in ends
    }


def edges(dag) -> set[tuple[str, str]]:
    return {(up, task.task_id) for task in dag.tasks for up in task.upstream_task_ids}


@pytest.fixture
def root(write_project) -> Path:
    root = write_project(BEFORE)
    begin(root)
    return root


@pytest.mark.parametrize("task", ["prep", "count", "score", "save_run"])
def test_a_task_draws_what_its_run_began_with(root, write_project, monkeypatch, task):
    write_project(RENAMED)
    dag = drawn(root, monkeypatch, task)
    assert stages(dag) == {**OWN, "counted": []}
    assert {("prep", "count"), ("count", "score")} <= edges(dag)
    assert dag.get_task("save_run").stage_tasks == OWN
    assert dag.get_task("counted").outlets == []


@pytest.mark.parametrize("files", [BROKEN, {"params.yaml": "x: [\n"}, {"dvc.yaml": ""}])
def test_a_file_that_is_half_typed_does_not_stop_a_run(root, write_project, monkeypatch, files):
    write_project(files)
    assert stages(drawn(root, monkeypatch, "score")) == OWN


def test_the_dag_processor_keeps_what_a_run_still_needs(root, write_project, monkeypatch):
    write_project(RENAMED)
    dag = drawn(root, monkeypatch)
    assert stages(dag) == {
        "prep": ["prep"],
        "counted": ["counted"],
        "score": ["score"],
        "count": [],
    }
    assert {("prep", "count"), ("count", "score"), ("counted", "score")} <= edges(dag)
    assert dag.get_task("open_workspace").stages == ["prep", "counted", "score"]


def test_an_edge_that_was_removed_still_orders_the_runs_tasks(root, write_project, monkeypatch):
    loose = {"dvc.yaml": BEFORE["dvc.yaml"].replace("deps: [c], ", "")}
    write_project(loose)
    assert ("count", "score") in edges(drawn(root, monkeypatch))


def test_an_edit_that_turns_an_edge_around_gives_no_cycle(root, write_project, monkeypatch):
    turned = """
        stages:
          score: {cmd: score, metrics: [m.json]}
          count: {cmd: count, deps: [m.json], outs: [c]}
        """
    write_project({"dvc.yaml": turned})
    dag = drawn(root, monkeypatch)
    assert ("score", "count") in edges(dag)
    assert dag.topological_sort()


def test_the_dag_processor_draws_a_broken_project_by_its_newest_run(
    root, write_project, monkeypatch, caplog
):
    write_project(BROKEN)
    with caplog.at_level("WARNING", logger="dvc_airflow.plan"):
        assert stages(drawn(root, monkeypatch)) == OWN
    assert "dvc.yaml:" in caplog.text


def test_opening_always_looks_at_the_project_itself(root, write_project, monkeypatch):
    write_project(RENAMED)
    opening = drawn(root, monkeypatch, "open_workspace").get_task("open_workspace")
    assert opening.stages == ["prep", "counted", "score"]


class Airflow:
    """Answers what the DAG processor asks: the states of runs' tasks."""

    def __init__(self, monkeypatch) -> None:
        self.states: dict[str, dict[str, str | None]] = {}
        self.asked: list[list[str]] = []
        runner = SimpleNamespace(SUPERVISOR_COMMS=self)
        monkeypatch.setitem(sys.modules, "airflow.sdk.execution_time.task_runner", runner)

    def send(self, message: Any) -> Any:
        assert message.dag_id == "demo"
        self.asked.append(sorted(message.run_ids))
        return SimpleNamespace(
            task_states={run: self.states[run] for run in message.run_ids if run in self.states}
        )


ENDED: dict[str, str | None] = {"prep": "success", "count": "success", "save_run": "failed"}


def later(monkeypatch, seconds: float) -> None:
    now = time.time()
    monkeypatch.setattr("dvc_airflow.runtime.begun.time.time", lambda: now + seconds)


def end(root: Path, state: str) -> None:
    """Make what saving a run leaves."""
    with in_use(RunKey("demo", "run"), root / "runs"):
        write_facts(RunKey("demo", "run"), root / "runs", {"state": state})


def is_drawn(root: Path, monkeypatch) -> bool:
    return "count" in stages(drawn(root, monkeypatch))


@pytest.mark.parametrize("how", ["saved", "failed"])
@pytest.mark.parametrize("state", ["running", "awaiting_input", "up_for_retry", None])
def test_a_run_is_drawn_until_its_last_task_ended_and_airflow_closed_it(
    root, write_project, monkeypatch, how, state
):
    airflow = Airflow(monkeypatch)
    write_project(RENAMED)
    end(root, how)
    airflow.states["run"] = {**ENDED, "approve": state}
    later(monkeypatch, 48 * 3600)
    assert is_drawn(root, monkeypatch)
    airflow.states["run"] = ENDED
    later(monkeypatch, 0)
    assert is_drawn(root, monkeypatch)  # the scheduler has yet to see what we see
    later(monkeypatch, GRACE + 5)
    assert not is_drawn(root, monkeypatch)
    write_project(BROKEN)
    with pytest.raises(DvcAirflowError, match=r"dvc\.yaml:"):
        drawn(root, monkeypatch)
    assert len(airflow.asked) == 2  # of what is over, nobody asks again


@pytest.mark.parametrize("states", [dict.fromkeys(ENDED, "skipped"), None])
def test_a_run_that_was_cancelled_or_deleted_before_it_was_saved_is_over(
    root, write_project, monkeypatch, states
):
    airflow = Airflow(monkeypatch)
    write_project(RENAMED)
    if states:
        airflow.states["run"] = states
    assert is_drawn(root, monkeypatch)
    later(monkeypatch, GRACE + 5)
    assert not is_drawn(root, monkeypatch)


def test_a_run_that_is_cleared_is_drawn_again_once_something_works_for_it(
    root, write_project, monkeypatch
):
    airflow = Airflow(monkeypatch)
    write_project(RENAMED)
    end(root, "saved")
    airflow.states["run"] = ENDED
    assert is_drawn(root, monkeypatch)
    over = over_file(RunKey("demo", "run"), root / "runs")
    os.utime(over, (time.time() - GRACE - 60,) * 2)
    for path in (lock_file(RunKey("demo", "run"), root / "runs"), root / "runs/demo/run"):
        os.utime(path, (time.time() - GRACE - 90,) * 2)
    assert not is_drawn(root, monkeypatch)
    airflow.states["run"] = {**ENDED, "count": "running"}
    with in_use(RunKey("demo", "run"), root / "runs"):
        assert is_drawn(root, monkeypatch)


def test_a_task_of_a_run_asks_nothing(root, write_project, monkeypatch):
    airflow = Airflow(monkeypatch)
    write_project(RENAMED)
    assert stages(drawn(root, monkeypatch, "score")) == {**OWN, "counted": []}
    assert airflow.asked == []


@pytest.mark.parametrize("how", ["saved", "failed", "forgotten"])
def test_where_airflow_cannot_be_asked_time_tells_which_runs_are_over(
    root, write_project, monkeypatch, how
):
    write_project(RENAMED)
    if how == "forgotten":
        later(monkeypatch, 25 * 3600)
    else:
        end(root, how)
        assert is_drawn(root, monkeypatch)
        later(monkeypatch, 605)
    assert not is_drawn(root, monkeypatch)
    write_project(BROKEN)
    with pytest.raises(DvcAirflowError, match=r"dvc\.yaml:"):
        drawn(root, monkeypatch)


def test_an_airflow_that_answers_with_an_error_stops_no_drawing(
    root, write_project, monkeypatch, caplog
):
    airflow = Airflow(monkeypatch)
    monkeypatch.setattr(airflow, "send", lambda message: 1 / 0)
    write_project(RENAMED)
    assert is_drawn(root, monkeypatch)
    assert "division" in caplog.text


def test_a_task_of_an_ended_run_that_is_cleared_is_still_drawn(root, write_project, monkeypatch):
    write_project(RENAMED)
    write_facts(RunKey("demo", "run"), root / "runs", {"state": "failed"})
    assert stages(drawn(root, monkeypatch, "count"))["count"] == ["count"]


def test_runs_of_another_group_or_dag_are_not_ours(write_project, monkeypatch):
    root = write_project(BEFORE)
    begin(root, "run", "other")
    write_project(RENAMED)
    assert "count" not in stages(drawn(root, monkeypatch))
    options = {"group_id": "other", "prefix_group_id": True}
    found = stages(drawn(root, monkeypatch, "other.count", **options))
    assert found["other.count"] == ["count"]


def test_a_stage_that_a_run_began_without_does_nothing_in_it(root, write_project, monkeypatch):
    write_project(RENAMED)
    task = drawn(root, monkeypatch, "counted").get_task("counted")

    class Instance:
        dag_id = "demo"

        def xcom_pull(self, task_ids: str) -> dict[str, Any]:
            return json.loads((root / "runs/demo/run/.git/dvc-airflow.json").read_text())

    context = {"ti": Instance(), "run_id": "run"}
    assert task.execute(context) == {"status": "not in this run", "stages": []}
