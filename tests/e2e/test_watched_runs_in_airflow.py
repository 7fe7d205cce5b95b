"""A real Airflow reports the stages of one DVC process: failure, clear, cache, logs, cancel."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.e2e.bare_airflow import RUNS, Airflow
from tests.e2e.stack import wait

pytestmark = pytest.mark.e2e

DAG, RETRIED = "watched", "retried"
FILE = """
from airflow.sdk import DAG
from dvc_airflow import DvcTaskGroup, ExecutionConfig

with DAG({dag!r}, schedule=None):
    DvcTaskGroup({project!r}, ["after", "beside"], execution=ExecutionConfig(mode="watcher"))
"""
PIPELINE = """
stages:
  first: {{cmd: echo it is first && cp in.txt a.txt, deps: [in.txt], outs: [a.txt]}}
  broken:
    cmd: echo it breaks if asked && test ! -e {flags}/break && cp a.txt b.txt
    deps: [a.txt]
    outs: [b.txt]
  after: {{cmd: echo it comes after && cp b.txt c.txt, deps: [b.txt], outs: [c.txt]}}
  beside:
    cmd:
    - echo $$ > {flags}/pid && if test -e {flags}/wait; then sleep 300; fi
    - cp a.txt d.txt
    deps: [a.txt]
    outs: [d.txt]
  shaky:
    cmd: if rm {flags}/once; then echo it breaks once; false; else cp in.txt e.txt; fi
    deps: [in.txt]
    outs: [e.txt]
  reader: {{cmd: cp e.txt f.txt, deps: [e.txt], outs: [f.txt]}}
"""
STAGES = ("first", "broken", "after", "beside")
RETRIED_FILE = """
from airflow.sdk import DAG
from dvc_airflow import DvcTaskGroup, ExecutionConfig

stages = {{"shaky": {{"retries": 1, "retry_delay": 1}}}}
with DAG({dag!r}, schedule=None):
    execution = ExecutionConfig(mode="watcher", stages=stages)
    DvcTaskGroup({project!r}, ["reader"], execution=execution)
"""


@dataclass
class Watched:
    """The Airflow, its project, and files that tell the stages what to do."""

    airflow: Airflow
    project: Path
    flags: Path

    def states(self, run: str) -> dict[str, str | None]:
        return self.airflow.states(DAG, run)

    def clear(self, run: str, *tasks: str) -> None:
        """Clear some tasks of a run, by default all; wait until the run goes on."""
        asked = {"dag_run_id": run, "dry_run": False, "only_failed": False}
        if tasks:
            asked["task_ids"] = list(tasks)
        address = f"/api/v2/dags/{DAG}/clearTaskInstances"
        self.airflow.client.post(address, json=asked).raise_for_status()
        wait(lambda: self.airflow.state(DAG, run) not in ("success", "failed"), 60)

    def statuses(self, run: str) -> dict[str, str]:
        found: dict[str, str] = self.airflow.result(DAG, run, "save_run")["statuses"]
        return found


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    project, flags = folder / "project", folder / "flags"
    project.mkdir()
    flags.mkdir()
    with ExitStack() as to_close:
        airflow = Airflow(folder / "airflow", to_close)

        def call(*command: str) -> None:
            subprocess.run(command, cwd=project, check=True, capture_output=True, env=airflow.env)

        call("git", "init", "-q", "-b", "main")
        call("git", "config", "user.name", "Test")
        call("git", "config", "user.email", "test@example.org")
        call(sys.executable, "-m", "dvc", "init", "-q")
        (project / "dvc.yaml").write_text(PIPELINE.format(flags=flags))
        (project / "in.txt").write_text("hello\n")
        (project / ".gitignore").write_text("/runs/\n")
        call("git", "add", "-A")
        call("git", "commit", "-qm", "start")
        for dag, text in ((DAG, FILE), (RETRIED, RETRIED_FILE)):
            file = airflow.home / "dags" / f"{dag}.py"
            file.write_text(text.format(dag=dag, project=str(project)))

        def are_known() -> bool:
            found = [airflow.client.get(f"/api/v2/dags/{dag}") for dag in (DAG, RETRIED)]
            return all(answer.is_success for answer in found)

        wait(are_known, 120)
        yield Watched(airflow, project, flags)


def test_a_failed_stage_fails_its_task_and_runs_by_itself_when_it_is_cleared(
    watched: Watched,
) -> None:
    airflow = watched.airflow
    (watched.flags / "break").touch()
    run = airflow.trigger(DAG)
    assert airflow.finished(DAG, run) == "failed"
    assert watched.states(run) == {
        "open_workspace": "success", "first": "success", "broken": "failed", "after": "skipped",
        "beside": "success", "save_run": "failed",
    }  # fmt: skip
    assert "it is first" in airflow.log(DAG, run, "first")
    broken = airflow.log(DAG, run, "broken")
    assert "it breaks if asked" in broken
    assert "it is first" not in broken
    assert "broken (failed)" in airflow.log(DAG, run, "after")
    assert airflow.result(DAG, run, "first")["status"] == "ran"

    (watched.flags / "break").unlink()
    watched.clear(run, "broken", "after", "save_run")

    assert airflow.finished(DAG, run) == "success", watched.states(run)
    assert set(watched.states(run).values()) == {"success"}
    assert watched.statuses(run) == dict.fromkeys(STAGES, "ran")
    assert "stage 'broken': ran" in airflow.log(DAG, run, "broken", attempt=2)


def test_a_run_whose_stages_are_cached_starts_two_processes(watched: Watched) -> None:
    airflow = watched.airflow
    run = airflow.trigger(DAG)
    assert airflow.finished(DAG, run) == "success", watched.states(run)
    found = airflow.get(f"{RUNS.format(DAG)}/{run}/taskInstances".replace("+", "%2B"))
    started = {ti["task_id"] for ti in found["task_instances"] if ti["pid"] is not None}
    assert started == {"open_workspace", "save_run"}
    assert set(watched.statuses(run)) == set(STAGES)
    assert "ran" not in watched.statuses(run).values()
    assert "'first'" in airflow.log(DAG, run, "first")


def test_a_cancelled_run_leaves_no_process_and_runs_again_when_it_is_cleared(
    watched: Watched,
) -> None:
    airflow = watched.airflow
    (watched.project / "in.txt").write_text("something else\n")
    (watched.flags / "pid").unlink(missing_ok=True)
    (watched.flags / "wait").touch()
    run = airflow.trigger(DAG)
    wait((watched.flags / "pid").exists, 120)
    wait(lambda: watched.states(run)["first"] == "success", 60)
    shell = psutil.Process(int((watched.flags / "pid").read_text()))
    wait(lambda: bool(shell.children()), 30)
    family = [shell, *shell.parents()[:3], *shell.children()]
    drivers = [one for one in family if "dvc_airflow.runtime" in " ".join(one.cmdline())]
    assert drivers, [process.cmdline() for process in family]

    address = airflow.instance(DAG, run, "open_workspace")
    airflow.client.patch(address, json={"new_state": "failed"}).raise_for_status()

    _, alive = psutil.wait_procs([shell, *drivers], timeout=30)
    assert alive == []
    assert airflow.finished(DAG, run) == "failed"
    (watched.flags / "wait").unlink()
    states = watched.states(run)
    assert states["beside"] == "failed"
    assert states["save_run"] in ("failed", "upstream_failed")
    refs = subprocess.check_output(["git", "for-each-ref"], cwd=watched.project, text=True)
    assert f"refs/runs/{DAG}/{run.replace(':', '.')}\n" not in refs

    watched.clear(run)
    assert airflow.finished(DAG, run) == "success", watched.states(run)
    assert watched.statuses(run)["beside"] == "ran"
    assert_watched(airflow, run, attempt=2)
    assert "stage 'beside': ran" in airflow.log(DAG, run, "beside", attempt=2)


def assert_watched(airflow: Airflow, run: str, attempt: int) -> None:
    for stage in STAGES:
        assert "runs its own stages" not in airflow.log(DAG, run, stage, attempt)


def test_a_run_that_is_cleared_while_it_runs_ends_its_process_and_runs_in_another(
    watched: Watched,
) -> None:
    airflow = watched.airflow
    (watched.project / "in.txt").write_text("yet something else\n")
    (watched.flags / "pid").unlink(missing_ok=True)
    (watched.flags / "wait").touch()
    run = airflow.trigger(DAG)
    wait((watched.flags / "pid").exists, 120)
    wait(lambda: watched.states(run)["first"] == "success", 60)
    shell = psutil.Process(int((watched.flags / "pid").read_text()))

    watched.clear(run)

    _, alive = psutil.wait_procs([shell], timeout=60)
    assert alive == []
    (watched.flags / "wait").unlink()
    assert airflow.finished(DAG, run) == "success", watched.states(run)
    assert watched.statuses(run)["beside"] == "ran"
    assert_watched(airflow, run, attempt=2)


def test_a_stage_that_is_tried_again_runs_by_itself_and_what_reads_from_it_after_it(
    watched: Watched,
) -> None:
    airflow = watched.airflow
    (watched.flags / "once").touch()
    run = airflow.trigger(RETRIED)
    assert airflow.finished(RETRIED, run) == "success", airflow.states(RETRIED, run)
    assert set(airflow.states(RETRIED, run).values()) == {"success"}
    assert "it breaks once" in airflow.log(RETRIED, run, "shaky")
    assert "runs its own stages" in airflow.log(RETRIED, run, "shaky", attempt=2)
    assert "runs its own stages" in airflow.log(RETRIED, run, "reader")
    statuses = airflow.result(RETRIED, run, "save_run")["statuses"]
    assert statuses == {"shaky": "ran", "reader": "ran"}
