"""A run that began is drawn by its own graph, whatever becomes of dvc.yaml meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from structlog.contextvars import bound_contextvars

from dvc_airflow import DvcTaskGroup
from dvc_airflow.errors import DvcAirflowError
from dvc_airflow.runtime.facts import write_facts
from dvc_airflow.runtime.run_key import RunKey

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
        "root": str(copy), "path": str(copy), "commit": "c" * 40, "dag_id": "demo", "run_id": run_id,
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


@pytest.mark.parametrize("how", ["saved", "failed", "forgotten"])
def test_runs_that_ended_are_drawn_no_more(root, write_project, monkeypatch, how):
    write_project(RENAMED)
    if how == "forgotten":
        old = time.time() - 25 * 3600
        os.utime(RunKey("demo", "run").workspace(root / "runs"), (old, old))
    else:
        write_facts(RunKey("demo", "run"), root / "runs", {"state": how})
    assert "count" not in stages(drawn(root, monkeypatch))
    write_project(BROKEN)
    with pytest.raises(DvcAirflowError, match=r"dvc\.yaml:"):
        drawn(root, monkeypatch)


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
