"""The main job on a real Airflow, started as a person would: ``signalbox ui``."""

import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

from pipelines.cli.airflow_api import DONE
from pipelines.release.ledger import Ledger
from pipelines.release.lifecycle import problems, production
from pipelines.release.released import fetch, read_released
from tests.e2e.stack import DAG, Airflow, answer, login, question, settle, state, wait
from tests.support.small_project import ROWS, call

pytestmark = pytest.mark.e2e

STAGES = {
    "ingest", "validate", "split", "train", "evaluate", "bias_audit", "drift", "gate", "report",
}  # fmt: skip

TELLING = {"approval", "rejection", "release"}


@pytest.mark.product
def test_run_ends_with_the_gates_checks_and_the_path_of_the_report(
    airflow: Airflow, first_run: str
) -> None:
    assert "impact_ratio_sex" in first_run
    assert "decision: reject" in first_run
    assert "report:   reports/model_release.html" in first_run
    assert "approval: nobody was asked" in first_run
    assert "release:  none" in first_run
    assert (airflow.project / "reports/model_release.html").stat().st_size > 10_000
    # Unpausing lets the schedule's own last run begin too: what that computed first is cached here.
    for stage in STAGES:
        assert re.search(rf"^ +{stage} +(ran|cached) ", first_run, re.MULTILINE), stage
    assert re.search(r"^ +\w+ +ran ", first_run, re.MULTILINE)


def test_a_rejected_release_is_a_normal_end_that_can_be_seen(
    airflow: Airflow, first_run: str
) -> None:
    # Unpausing lets the schedule's own last run begin too, before or after ours.
    listed = airflow.client.get(f"/api/v2/dags/{DAG}/dagRuns").json()["dag_runs"]
    run = next(one for one in listed if one["run_type"] == "manual")
    assert run["state"] == "success"
    states = {task.name: task.state for task in airflow.api.tasks(DAG, run["dag_run_id"])}
    assert states["release_rejected"] == "success"
    assert states["release_approved"] == states["release_needs_review"] == "skipped"
    assert states["approve_release"] == states["release"] == "skipped"
    name = f"{DAG}/{run['dag_run_id'].replace(':', '.')}"
    entries = Ledger.of(airflow.project).entries()
    told = [entry for entry in entries if entry.data.get("run") == name]
    assert [entry.kind for entry in told] == ["run", "gate"]
    assert told[1].data["verdict"] == "reject"


def test_after_a_run_the_work_tree_is_as_dvc_repro_would_leave_it(
    airflow: Airflow, first_run: str
) -> None:
    output = call(airflow.project, "dvc", "repro", "report")
    assert "Running stage" not in output
    assert call(airflow.project, "git", "status", "--porcelain") == ""


def test_a_second_run_runs_nothing_and_changes_nothing(airflow: Airflow, first_run: str) -> None:
    command = (sys.executable, "-m", "pipelines.cli.main", "run", DAG)
    output = call(airflow.project, *command, COLUMNS="200")
    for stage in STAGES:
        assert re.search(rf"^ +{stage} +(unchanged|cached) ", output, re.MULTILINE), stage
    assert _changed(airflow) == ["ledger/ledger.jsonl"]


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
    assert _changed(airflow) == ["ledger/ledger.jsonl"]


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
    call(copy, "dvc", "checkout", "--allow-missing")
    assert "Running stage" not in call(copy, "dvc", "repro", "report")
    assert call(copy, "git", "status", "--porcelain") == ""


def test_a_value_of_the_wrong_type_is_refused_before_anything_starts(airflow: Airflow) -> None:
    answer = airflow.client.post(
        f"/api/v2/dags/{DAG}/dagRuns",
        json={"logical_date": None, "conf": {"train.seed": "lucky"}},
    )
    assert answer.status_code == 400
    assert "train.seed" in answer.text


@pytest.mark.parametrize(
    ("changed", "first", "says"),
    [
        ({"split.test": 2.0}, "open_workspace", "split.test"),  # nothing begins
        ({"gate.checks": "twice"}, "gate", "check ids must differ; used twice: ['ranking']"),
    ],
)
def test_a_nonsense_value_stops_the_run_with_the_keys_path(
    airflow: Airflow, changed: dict[str, Any], first: str, says: str
) -> None:
    if "gate.checks" in changed:
        params = yaml.safe_load((airflow.project / "params.yaml").read_text())
        [check] = [each for each in params["gate"]["checks"] if each["id"] == "ranking"]
        changed = {"gate.checks": [check, check]}
    run = airflow.api.trigger(DAG, changed)
    assert airflow.finished(run) == "failed"
    tasks = {task.name: task for task in airflow.api.tasks(DAG, run)}
    assert tasks[first].state == "failed"
    assert says in "\n".join(airflow.api.log(DAG, run, tasks[first]))


def test_only_our_dags_are_there(airflow: Airflow) -> None:
    dags = airflow.client.get("/api/v2/dags").json()["dags"]
    assert {dag["dag_id"] for dag in dags} == {
        path.stem for path in (airflow.project / "dags").glob("[a-z]*.py")
    }


@pytest.fixture(scope="module")
def asked(airflow: Airflow, first_run: str) -> list[str]:
    """Two runs that the gate approves, both waiting for an answer."""
    runs = [airflow.api.trigger(DAG, _easy_policy(airflow)) for _ in range(2)]
    for run in runs:
        wait(lambda run=run: state(airflow, run, "approve_release") == "awaiting_input", 300)
    settle(airflow)
    return runs


def _easy_policy(airflow: Airflow) -> dict[str, Any]:
    """Return a policy that the model keeps."""
    params = yaml.safe_load((airflow.project / "params.yaml").read_text())
    easy = [one for one in params["gate"]["checks"] if one["id"] == "ranking"]
    return {"gate.checks": [{**easy[0], "threshold": 0.5}]}


@pytest.mark.product
def test_the_question_says_what_the_gate_found(airflow: Airflow, asked: list[str]) -> None:
    told = airflow.client.get(question(asked[0])).json()
    assert told["subject"] == "Release model_release? The gate says approve"
    assert "fail: 0 of 1 checks" in told["body"]
    place = re.search(r"\[Read the report\]\((/signalbox/\S+)\)", told["body"])
    assert place is not None
    page = airflow.client.get(place[1])
    assert page.status_code == 200
    assert page.headers["content-security-policy"].startswith("sandbox")
    assert "<title>" in page.text
    assert httpx.get(airflow.address + place[1]).status_code == 401
    assert airflow.client.get(place[1] + "0").status_code == 404
    assert [user["id"] for user in told["assigned_users"]] == ["alice"]
    assert told["defaults"] is None


@pytest.mark.product
def test_who_isnt_on_the_list_cannot_answer(airflow: Airflow, asked: list[str]) -> None:
    refused = airflow.client.patch(question(asked[0]), json=answer("Approve", "I am the admin"))
    assert refused.status_code == 403, refused.text
    assert state(airflow, asked[0], "approve_release") == "awaiting_input"


@pytest.mark.product
def test_a_rejection_stops_and_an_approval_releases(airflow: Airflow, asked: list[str]) -> None:
    alice = login(airflow, "alice")
    rejected, approved = asked
    alice.patch(question(rejected), json=answer("Reject", "Not before the audit.")
                ).raise_for_status()  # fmt: skip
    assert airflow.finished(rejected) == "success"
    assert state(airflow, rejected, "release") == "skipped"
    assert call(airflow.project, "git", "tag") == ""

    alice.patch(question(approved), json=answer("Approve", "Read the report.")
                ).raise_for_status()  # fmt: skip
    assert airflow.finished(approved) == "success"
    assert state(airflow, approved, "release") == "success"
    commits = [airflow.api.xcom(DAG, run, "save_run")["commit"] for run in asked]
    tags = call(airflow.project, "git", "tag").split()
    assert tags == ["model_release#production#1", "model_release@v1.0.0"]
    pointer = read_released(airflow.project / "released/model_release.json")
    assert pointer is not None
    assert (pointer.name, pointer.commit) == ("model_release@v1.0.0", commits[1])
    assert production(airflow.project, DAG) == pointer
    fetch(pointer, Path("models/model.json"), airflow.project.parent / "info.json",
          project=airflow.project)  # fmt: skip

    ledger = Ledger.of(airflow.project)
    told = {entry.kind: entry.data for entry in ledger.entries() if entry.kind in TELLING}
    assert told["rejection"]["commit"] == commits[0]
    assert told["rejection"]["outcome"]["reasons"] == ["alice rejects it: Not before the audit."]
    assert told["approval"]["commit"] == told["release"]["commit"] == commits[1]
    given = told["approval"]["outcome"]["answers"][0]
    assert (given["who"], given["reason"]) == ("alice", "Read the report.")
    assert told["release"]["approval"]["by"] == ["alice"]
    assert ledger.verify().ok
    assert problems(airflow.project, DAG) == []


@pytest.mark.product
def test_the_released_model_scores_a_table_and_is_watched(
    airflow: Airflow, asked: list[str], trigger: Callable[..., str]
) -> None:
    """After the release of the test before."""
    import pandas as pd

    form = {"input": "data/samples/adult/adult.data.gz", "name": "slice"}
    scored = _done(airflow, "batch_scoring", form, trigger)
    told = airflow.api.xcom("batch_scoring", scored, "score")
    assert (told["rows"], told["model_version"]) == (ROWS, "model_release@v1.0.0")
    rows = pd.read_parquet(airflow.project / "predictions/slice.parquet")
    assert len(rows) == ROWS
    assert set(rows["decision"]) == {"<=50K", ">50K"}
    assert rows["reason_1"].notna().any()

    watched = _done(airflow, "model_monitoring", {}, trigger)
    found = airflow.api.xcom("model_monitoring", watched, "watch")
    day = json.loads((airflow.project / f"monitoring/{found['date']}.json").read_text())
    assert day["figures"]
    alarms = [e.data["id"] for e in Ledger.of(airflow.project).entries() if e.kind == "alarm"]
    assert alarms == found["alarms"]
    # The people who released it saw its impact ratio: no alarm begins before that is worse.
    impact = next(watch for watch in day["watches"] if watch["id"] == "live_impact")
    assert impact["threshold"] < 0.8
    assert "the figure that was released" in impact["bound"]


@pytest.mark.product
def test_an_answer_in_the_first_second_counts(airflow: Airflow, asked: list[str]) -> None:
    """It may come before the scheduler knows of the question, see `signalbox_airflow.answered`."""
    alice = login(airflow, "alice")
    other = {"train.models.logistic_regression.C": [0.5]}  # what is released asks no question
    run = airflow.api.trigger(DAG, {**_easy_policy(airflow), **other})
    wait(lambda: alice.get(question(run)).status_code == 200, 300)
    time.sleep(
        0.5
    )  # SQLite locks no rows: in the very milliseconds of asking an answer can be lost
    alice.patch(question(run), json=answer("Reject", "Too fast.")).raise_for_status()
    assert airflow.finished(run) == "success"
    assert state(airflow, run, "approve_release") == "success"
    assert state(airflow, run, "release") == "skipped"
    made = airflow.api.xcom(DAG, run, "save_run")["commit"]
    entries = Ledger.of(airflow.project).entries()
    told = [entry for entry in entries if entry.data.get("outcome")]
    [mine] = [entry for entry in told if entry.data["commit"] == made]
    assert (mine.kind, mine.data["outcome"]["reasons"]) == (
        "rejection", ["alice rejects it: Too fast."],
    )  # fmt: skip


@pytest.mark.product
def test_an_erased_subject_is_in_no_later_run_and_no_reason(
    airflow: Airflow, asked: list[str], trigger: Callable[..., str]
) -> None:
    """After the release, whose training data held the subject."""
    import pandas as pd

    project = airflow.project
    subject = pd.read_parquet(project / "data/split/train.parquet")["subject_id"].iloc[0]
    before = _runs(airflow)
    keys = str(project.parent / "keys")
    command = (sys.executable, "-m", "pipelines.cli.main", "erase", subject, "--token")
    token = call(project, *command, SIGNALBOX_KEYS=keys).strip()
    erased = _done(airflow, "erase_subject", {"subject": token}, trigger)
    entry = Ledger.of(project).entries()[-1]
    assert (entry.kind, entry.data["stage"], entry.data["remaining"]) == ("erasure", "done", [])
    assert airflow.api.xcom("erase_subject", erased, "erase")["proof"] == entry.data
    assert subject not in (project / "ledger/ledger.jsonl").read_text()
    held = {one["release"]: one["contains"] for one in entry.data["releases"]}
    assert held == {"model_release@v1.0.0": True}

    [retrain] = _runs(airflow) - before
    wait(lambda: state(airflow, retrain, "split") == "success", 200)
    made = max((project / "runs").rglob("data/ingested.parquet"), key=os.path.getmtime)
    assert subject not in set(pd.read_parquet(made)["subject_id"])
    stop = {"json": {"state": "failed"}}
    airflow.client.patch(f"/api/v2/dags/{DAG}/dagRuns/{retrain}".replace("+", "%2B"), **stop
                         ).raise_for_status()  # fmt: skip

    form = {"input": "data/samples/adult/adult.data.gz", "name": "after"}
    again = _done(airflow, "batch_scoring", form, airflow.api.trigger)
    scored = airflow.api.xcom("batch_scoring", again, "score")
    assert "training data of model_release@v1.0.0 was erased" in scored["no_reasons"]
    assert scored["rows"] == ROWS - 1


def _runs(airflow: Airflow) -> set[str]:
    found = airflow.client.get(f"/api/v2/dags/{DAG}/dagRuns").json()["dag_runs"]
    return {run["dag_run_id"] for run in found}


def _done(airflow: Airflow, dag: str, form: dict[str, Any], trigger: Callable[..., str]) -> str:
    """Run another DAG to its end."""
    run = trigger(dag, form)
    wait(lambda: airflow.api.run_state(dag, run) in DONE, 200)
    assert airflow.api.run_state(dag, run) == "success"
    return run


def _changed(airflow: Airflow) -> list[str]:
    """Files that git sees as changed; the ledger always grows, and grows at its end."""
    listed = call(airflow.project, "git", "status", "--porcelain").splitlines()
    return [line[3:] for line in listed]


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
        os.utime(airflow.project / "dags/model_release.py")
    wait(lambda: not errors(), 150)
