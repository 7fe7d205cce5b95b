"""The main job on a real Airflow, started as a person would: ``signalbox ui``."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from pipelines.cli.airflow_api import DONE, AirflowApi
from tests.small_project import call, commit, environment, make_small_project

pytestmark = pytest.mark.e2e

DAG = "model_release"
STAGES = {
    "ingest", "validate", "split", "train", "evaluate", "bias_audit", "drift", "gate", "report",
}  # fmt: skip


@dataclass(frozen=True)
class Airflow:
    """A project and the Airflow that ``signalbox ui`` started in it."""

    project: Path
    address: str
    api: AirflowApi
    client: httpx.Client

    def finished(self, run: str, seconds: float = 400) -> str:
        """Wait for the end of a run; return its state."""
        wait(lambda: self.api.run_state(DAG, run) in DONE, seconds)
        return self.api.run_state(DAG, run)


def wait(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.3)


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    """Start ``signalbox ui`` in a small project; end it with Ctrl-C, as a person would."""
    project = make_small_project(tmp_path_factory.mktemp("airflow") / "project")
    log = project.parent / "ui.log"
    with log.open("w") as stream:
        ui = subprocess.Popen(
            [sys.executable, "-m", "pipelines.cli.main", "ui", "--port", "0"],
            cwd=project, env={**environment(), "COLUMNS": "200"}, stdout=stream,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        wait(lambda: "end with Ctrl-C" in log.read_text() or ui.poll() is not None, 300)
        found = dict(re.findall(r"^(address|password): +(\S+)$", log.read_text(), re.MULTILINE))
        api = AirflowApi(found["address"], found["password"])
        api.wait_for_dag(DAG)
        yield Airflow(project, found["address"], api, api._client)
    finally:
        family = psutil.Process(ui.pid).children(recursive=True) if ui.poll() is None else []
        ui.send_signal(signal.SIGINT)
        ui.wait(60)
        _, alive = psutil.wait_procs(family, timeout=10)
        for process in alive:
            process.kill()
    assert alive == []


@pytest.fixture(scope="module")
def first_run(airflow: Airflow) -> str:
    """Output of ``signalbox run``, applied and committed."""
    output = call(airflow.project, sys.executable, "-m", "pipelines.cli.main", "run", COLUMNS="200")
    commit(airflow.project, "first run")
    return output


def test_run_ends_with_the_gates_checks_and_the_path_of_the_report(
    airflow: Airflow, first_run: str
) -> None:
    assert "impact_ratio_sex" in first_run
    assert "decision: reject" in first_run
    assert "report:   reports/model_release.html" in first_run
    assert (airflow.project / "reports/model_release.html").stat().st_size > 10_000
    for stage in STAGES:
        assert re.search(rf"^ +{stage} +ran ", first_run, re.MULTILINE), stage


def test_a_rejected_release_is_a_normal_end_that_can_be_seen(
    airflow: Airflow, first_run: str
) -> None:
    run = airflow.client.get(f"/api/v2/dags/{DAG}/dagRuns").json()["dag_runs"][0]
    assert run["state"] == "success"
    states = {task.name: task.state for task in airflow.api.tasks(DAG, run["dag_run_id"])}
    assert states["release_rejected"] == "success"
    assert states["release_approved"] == states["release_needs_review"] == "skipped"


def test_after_a_run_the_work_tree_is_as_dvc_repro_would_leave_it(
    airflow: Airflow, first_run: str
) -> None:
    output = call(airflow.project, "dvc", "repro")
    assert "Running stage" not in output
    assert call(airflow.project, "git", "status", "--porcelain") == ""


def test_a_second_run_runs_nothing_and_changes_nothing(airflow: Airflow, first_run: str) -> None:
    output = call(airflow.project, sys.executable, "-m", "pipelines.cli.main", "run", COLUMNS="200")
    for stage in STAGES:
        assert re.search(rf"^ +{stage} +(unchanged|cached) ", output, re.MULTILINE), stage
    assert call(airflow.project, "git", "status", "--porcelain") == ""


def test_two_runs_at_once_with_other_parameters_do_not_see_each_other(
    airflow: Airflow, first_run: str
) -> None:
    titles = ["One title", "Another title"]
    runs = [airflow.api.trigger(DAG, {"report.title": title}) for title in titles]
    assert [airflow.finished(run) for run in runs] == ["success", "success"]
    for run, title in zip(runs, titles, strict=True):
        saved = airflow.api.xcom(DAG, run, "save_run")
        assert saved["overrides"] == {"report.title": title}
        shown = call(airflow.project, "git", "show", f"{saved['commit']}:params.yaml")
        assert title in shown
        report = Path(saved["workspace"]) / "reports/model_release.html"
        assert title in report.read_text()
    assert call(airflow.project, "git", "status", "--porcelain") == ""


def test_a_checkout_of_a_saved_run_has_nothing_left_to_do(
    airflow: Airflow, first_run: str, tmp_path: Path
) -> None:
    refs = call(airflow.project, "git", "for-each-ref", "--format=%(refname)", "refs/runs")
    ref = refs.splitlines()[-1]
    call(tmp_path, "git", "clone", "--quiet", str(airflow.project), "copy")
    copy = tmp_path / "copy"
    call(copy, "git", "fetch", "--quiet", "origin", ref)
    call(copy, "git", "checkout", "--quiet", "FETCH_HEAD")
    call(copy, "dvc", "cache", "dir", "--local", str(airflow.project / ".dvc/cache"))
    call(copy, "dvc", "checkout")
    assert "Running stage" not in call(copy, "dvc", "repro")
    assert call(copy, "git", "status", "--porcelain") == ""


def test_a_value_of_the_wrong_type_is_refused_before_anything_starts(airflow: Airflow) -> None:
    answer = airflow.client.post(
        f"/api/v2/dags/{DAG}/dagRuns",
        json={"logical_date": None, "conf": {"train.seed": "lucky"}},
    )
    assert answer.status_code == 400
    assert "train.seed" in answer.text


def test_a_nonsense_value_stops_the_run_with_the_keys_path(airflow: Airflow) -> None:
    run = airflow.api.trigger(DAG, {"train.folds": 1})
    assert airflow.finished(run) == "failed"
    train = next(task for task in airflow.api.tasks(DAG, run) if task.name == "train")
    log = "\n".join(airflow.api.log(DAG, run, train))
    assert "params.yaml: train.folds: 1 is not allowed" in log


def test_only_our_dags_are_there(airflow: Airflow) -> None:
    dags = airflow.client.get("/api/v2/dags").json()["dags"]
    assert {dag["dag_id"] for dag in dags} == {
        path.stem for path in (airflow.project / "dags").glob("[a-z]*.py")
    }


def test_a_stopped_run_leaves_no_process_behind(airflow: Airflow, first_run: str) -> None:
    many = [1 + i / 1000 for i in range(1000)]
    run = airflow.api.trigger(DAG, {"train.models.logistic_regression.C": many})
    stage: Callable[[], list[psutil.Process]] = lambda: _processes(airflow, run)  # noqa: E731
    wait(lambda: any("pipelines.mlops.train" in _command(p) for p in stage()), 200)
    airflow.client.patch(
        f"/api/v2/dags/{DAG}/dagRuns/{run}", json={"state": "failed"}
    ).raise_for_status()
    wait(lambda: stage() == [], 60)


def _processes(airflow: Airflow, run: str) -> list[psutil.Process]:
    """Processes that work in the workspace of a run."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            place = process.cwd()
            if place.startswith(str(airflow.project / "runs")) and _dated(run) in place:
                found.append(process)
    return found


def _dated(run: str) -> str:
    """Part of a run id that is also in the name of its workspace."""
    return run.split("T", maxsplit=1)[0]


def _command(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def test_a_broken_dvc_yaml_is_an_import_error_that_names_file_and_line(airflow: Airflow) -> None:
    """The last test of this file: it breaks the project and mends it again."""
    path = airflow.project / "dvc.yaml"
    good = path.read_text()
    path.write_text(good.replace("    deps:\n", "    dependencies:\n", 1))
    os.utime(airflow.project / "dags/model_release.py")

    def errors() -> list[dict[str, Any]]:
        return list(airflow.client.get("/api/v2/importErrors").json()["import_errors"])

    try:
        wait(lambda: bool(errors()), 150)
        line = 1 + good[: good.index("    deps:\n")].count("\n")
        trace = errors()[0]["stack_trace"]
        assert re.search(rf"dvc\.yaml:{line}: .*dependencies", trace), trace
    finally:
        path.write_text(good)
    assert json.dumps(errors())
