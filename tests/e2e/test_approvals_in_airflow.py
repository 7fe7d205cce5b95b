"""Who answers, and how: what a user of role op can write over Airflow's API decides nothing."""

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import psutil
import pytest
import yaml

from pipelines.release.ledger import Entry, Ledger
from pipelines.release.lifecycle import production
from tests.e2e.stack import (
    DAG,
    Airflow,
    answer,
    login,
    question,
    set_approval,
    settle,
    started,
    state,
    task_instance,
    wait,
)
from tests.support.small_project import call, make_small_project
from tests.support.smtp_server import MailServer, mail_server

pytestmark = pytest.mark.e2e

WHY = "I have looked at it and accept the risk."


TOLD = [{"by": "smtp", "to": ["ann@example.org"]}]


@pytest.fixture(scope="module")
def mails() -> Iterator[MailServer]:
    with mail_server() as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", running.connection)
        yield running


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory, mails: MailServer) -> Iterator[Airflow]:
    """Start a project of its own, in which two of three people may override the gate."""
    project = make_small_project(tmp_path_factory.mktemp("forged") / "project")
    who = ["alice", "bob", "admin"]
    set_approval(project, approvers=who, on_reject="ask_override", notify=TOLD)
    with started(project) as running:
        yield running


def entries(airflow: Airflow, run: str) -> list[Entry]:
    """Return what the ledger says of a run."""
    ledger = Ledger.of(airflow.project)
    assert ledger.verify().ok
    name = f"{DAG}/{run.replace(':', '.')}"
    return [entry for entry in ledger.entries() if entry.data.get("run") == name]


def easy_policy(airflow: Airflow) -> dict[str, Any]:
    """Return a policy that the model keeps."""
    params = yaml.safe_load((airflow.project / "params.yaml").read_text())
    easy = [check for check in params["gate"]["checks"] if check["id"] == "ranking"]
    return {"gate.checks": [{**easy[0], "threshold": 0.5}]}


def signalbox(airflow: Airflow, *words: str, check: bool = True) -> str:
    """Run a command without a terminal; return what it prints."""
    command = (sys.executable, "-m", "pipelines.cli.main", *words)
    keys = str(airflow.project.parent / "keys")
    return call(airflow.project, *command, check=check, COLUMNS="200", SIGNALBOX_KEYS=keys)


def note(airflow: Airflow, run: str) -> str:
    """Return the note that Airflow shows with a run."""
    found = airflow.client.get(f"/api/v2/dags/{DAG}/dagRuns/{run}".replace("+", "%2B")).json()
    return found["note"] or ""


def linked(airflow: Airflow, run: str, task: str) -> dict[str, str]:
    """Return the links that Airflow shows on a task and the pages behind them."""
    found = airflow.client.get(f"{task_instance(run, task)}/links").raise_for_status().json()
    return {
        name: airflow.client.get(href).raise_for_status().text
        for name, href in found["extra_links"].items()
        if href
    }


def asks(airflow: Airflow, run: str, task: str) -> None:
    wait(lambda: state(airflow, run, task) == "awaiting_input", 400)
    settle(airflow)


def test_one_login_cannot_override_the_gate_as_if_it_were_two(airflow: Airflow) -> None:
    run = airflow.api.trigger(DAG, {})
    asks(airflow, run, "override_release")
    bob = login(airflow, "bob")
    forged = {"who": "alice", "approves": True, "reason": WHY, "at": "", "channel": "airflow"}
    place = task_instance(run, "override_release")
    for key, value in (("answer", forged), ("return_value", {"answer": forged})):
        entry = {"key": key, "value": value, "map_index": -1}
        bob.post(f"{place}/xcomEntries", json=entry).raise_for_status()
    bob.patch(place, json={"new_state": "success"}).raise_for_status()
    assert airflow.finished(run) == "failed"
    assert state(airflow, run, "confirm_override") == "failed"
    assert state(airflow, run, "release") != "success"
    kinds = [entry.kind for entry in entries(airflow, run)]
    assert kinds == ["run", "gate", "question", "refusal"]
    assert "no first answer" in entries(airflow, run)[-1].data["reason"]
    assert note(airflow, run).startswith(
        "Signalbox: not released: the ledger holds no first answer"
    )
    for task in ("confirm_override", "release"):  # as if it had been asked and answered
        bob.patch(task_instance(run, task), json={"new_state": "success"}).raise_for_status()
    assert production(airflow.project, DAG) is None
    assert call(airflow.project, "git", "tag") == ""


def test_two_logins_override_it_and_the_ledger_says_who_and_about_what(
    airflow: Airflow, mails: MailServer
) -> None:
    mails.mails.clear()
    run = airflow.api.trigger(DAG, {"report.title": "Another report"})
    asks(airflow, run, "override_release")
    [mail] = mails.mails  # one a question
    assert mail["Subject"] == f"Override the gate for {DAG}? The gate says reject"
    body = mail.get_body(("html",))
    assert body is not None
    assert f"{airflow.address}/dags/{DAG}/runs/" in body.get_content()
    reply = answer("Approve", WHY)
    login(airflow, "alice").patch(
        question(run, task="override_release"), json=reply
    ).raise_for_status()
    asks(airflow, run, "confirm_override")
    login(airflow, "bob").patch(
        question(run, task="confirm_override"), json=answer("Approve", "")
    ).raise_for_status()
    assert airflow.finished(run) == "success"
    told = entries(airflow, run)
    assert [entry.kind for entry in told] == [
        "run", "gate", "question", "answer", "question", "answer", "override",
    ]  # fmt: skip
    assert [entry.data["answer"]["who"] for entry in told if entry.kind == "answer"] == [
        "alice", "bob",
    ]  # fmt: skip
    about = [
        {key: entry.data[key] for key in ("commit", "evidence", "report")}
        for entry in told
        if entry.kind in ("question", "override")
    ]
    assert len(about) == 3
    assert all(one == about[0] for one in about)
    now = production(airflow.project, DAG)
    assert now is not None
    assert now.commit == about[0]["commit"]
    assert len(mails.mails) == 2
    assert note(airflow, run) == "Signalbox: released as v1.0.0"
    of_gate = linked(airflow, run, "gate")
    assert set(of_gate) == {"Evidence", "Report", "Run and commit"}
    assert "Another report" in of_gate["Report"]
    assert "gate.failed" in of_gate["Evidence"]
    assert now.commit in of_gate["Run and commit"]
    for task in ("record_run", "verdict", "release_rejected", "confirm_override", "release"):
        assert set(linked(airflow, run, task)) == {
            "Evidence of the gate", "Report", "Run and commit",
        }  # fmt: skip
    page = next(iter(of_gate))
    href = airflow.client.get(f"{task_instance(run, 'gate')}/links").json()["extra_links"][page]
    assert httpx.get(f"{airflow.address}{href}").status_code in (401, 403)


def test_the_commit_that_was_asked_about_is_released_whatever_xcoms_and_conf_say(
    airflow: Airflow,
) -> None:
    conf = {
        **easy_policy(airflow),
        "train.models.logistic_regression.C": [0.5],
        "headless": True,
    }
    run = airflow.api.trigger(DAG, conf)
    asks(airflow, run, "approve_release")  # no conf answers it
    asked = entries(airflow, run)[-1]
    assert asked.kind == "question"
    other = call(airflow.project, "git", "rev-parse", "HEAD").strip()
    bob = login(airflow, "bob")
    for task in ("record_run", "save_run", "gate"):
        place = f"{task_instance(run, task)}/xcomEntries/return_value"
        value = {"commit": other, "run": f"{DAG}/other", "verdict": "approve", "same_as": ""}
        bob.patch(place, json={"value": value, "map_index": -1}).raise_for_status()
    scheduler(airflow).kill()  # another takes its place, and the run goes on
    login(airflow, "alice").patch(question(run), json=answer("Approve", "")).raise_for_status()
    assert airflow.finished(run) == "success"
    now = production(airflow.project, DAG)
    assert now is not None
    assert now.commit == asked.data["commit"] != other
    told = (airflow.project.parent / "ui.log").read_text()
    assert "airflow scheduler ended with exit code -9 and was started again; see " in told


def scheduler(airflow: Airflow) -> psutil.Process:
    """Return the process of the scheduler of this test's Airflow."""
    home = str(airflow.project / ".airflow")
    [found] = [
        process
        for process in psutil.process_iter()
        if process.cmdline()[1:4] == ["-m", "airflow", "scheduler"]
        and process.environ().get("AIRFLOW_HOME") == home
    ]
    return found


def test_without_a_terminal_nothing_is_released_until_a_command_answers(airflow: Airflow) -> None:
    before = production(airflow.project, DAG)
    policy = json.dumps(easy_policy(airflow)["gate.checks"])
    other = ("--param", "train.models.logistic_regression.C=[0.25]")
    told = signalbox(airflow, "run", DAG, "--param", f"gate.checks={policy}", *other)
    assert "approval: waits for an answer of alice, bob, admin" in told
    command = re.search(rf"signalbox answer {DAG} --run '(\S+)' --approve", told)
    assert command is not None
    run = ("--run", command[1])  # the schedule's own last run may wait too
    assert production(airflow.project, DAG) == before
    call(airflow.project, "git", "checkout", "--", ".", ":!ledger", ":!released")

    done = signalbox(airflow, "answer", DAG, *run, "--approve", "--reason", "Read the report.")
    assert "approval: approved – named approvers Read the report." in done
    assert "release:  model_release@v1.2.0 is in production" in done
    [approval] = [entry for entry in entries(airflow, command[1]) if entry.kind == "approval"]
    assert [given["who"] for given in approval.data["outcome"]["answers"]] == ["admin"]

    again = signalbox(airflow, "answer", DAG, *run, "--approve", check=False)
    assert "no run waits for an answer" in again
