"""Somebody edits dvc.yaml while a real Airflow runs it: the run that began goes on as it began."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.e2e.bare_airflow import Airflow
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
    run = airflow.trigger(dag)
    wait(lambda: airflow.states(dag, run).get("prep") == "running", 120)
    return project, flag, run


def read(airflow: Airflow, dag: str) -> None:
    """Wait until the DAG processor has read the DAG again, from beginning to end."""
    for _ in range(2):  # the first may have begun before the edit
        moment = datetime.now(UTC)
        wait(lambda moment=moment: airflow.parsed_since(dag, moment), 60)
    time.sleep(3)  # and the scheduler has looked at the run


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

    assert airflow.finished("renamed", run) == "success", airflow.states("renamed", run)

    assert set(airflow.states("renamed", run).values()) == {"success"}
    lock = saved(project, "dvc.lock")
    assert "  count:" in lock
    assert "  counted:" not in lock
    assert json.loads(saved(project, "m.json")) == {"n": 6}

    def is_gone() -> bool:
        tasks = airflow.get("/api/v2/dags/renamed/tasks")["tasks"]
        return "count" not in {task["task_id"] for task in tasks}

    wait(is_gone, 90)  # nothing needs the old stage any more


def test_a_file_that_is_half_typed_does_not_hang_a_run(airflow: Airflow, tmp_path: Path) -> None:
    project, flag, run = begin(airflow, tmp_path, "typed")
    (project / "dvc.yaml").write_text("oops: [\n")
    read(airflow, "typed")
    assert airflow.get("/api/v2/importErrors")["import_errors"] == []
    flag.write_text("")

    assert airflow.finished("typed", run) == "success", airflow.states("typed", run)

    assert json.loads(saved(project, "m.json")) == {"n": 6}

    def told() -> bool:
        errors = airflow.get("/api/v2/importErrors")["import_errors"]
        return any("dvc.yaml:" in error["stack_trace"] for error in errors)

    wait(told, 90)  # now that no run needs it
