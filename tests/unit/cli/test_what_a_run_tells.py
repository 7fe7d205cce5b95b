"""What ``signalbox run`` says of approval and release at its end, from the ledger."""

from pathlib import Path

import pytest

from pipelines.cli.airflow_api import _own_seconds
from pipelines.cli.release_answers import outcome_lines
from pipelines.release.approval import Answer, ApprovalParams, headless_outcome, outcome
from pipelines.release.lifecycle import (
    read_candidate,
    record_answer,
    record_outcome,
    record_question,
    record_run,
    release,
)
from tests.unit.release.lifecycle.product import PRODUCT, commit, make_project, make_run

RUN = "manual__1"
NAME = f"{PRODUCT}/{RUN}"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIGNALBOX_KEYS", str(tmp_path / "keys"))
    return make_project(tmp_path / "project")


def start(project: Path, verdict: str = "review") -> str:
    made = make_run(project, 1, verdict, demo=True)
    record_run(project, PRODUCT, run=NAME, commit=made, facts={"dag": PRODUCT, "run_id": RUN})
    return made


def test_a_question_that_waits_is_told_with_the_command_that_answers_it(project: Path) -> None:
    candidate = read_candidate(project, PRODUCT, start(project), NAME)
    record_question(project, candidate, "approval", ["alice", "bob"])
    assert outcome_lines(project, PRODUCT, RUN) == [
        "approval: waits for an answer of alice, bob",
        "release:  none, until somebody answers: in Airflow, or with",
        f"          signalbox answer {PRODUCT} --run '{RUN}' --approve (or --reject)",
    ]


def test_an_approval_and_its_release_are_told(project: Path) -> None:
    made = start(project)
    candidate = read_candidate(project, PRODUCT, made, NAME)
    question = record_question(project, candidate, "approval", ["alice"])
    answer = Answer(who="alice", approves=True, reason="Read it.")
    record_answer(project, question, answer)
    decided = outcome([answer], "review", ApprovalParams(approvers=["alice"]))
    record_outcome(project, candidate, decided, [question.hash])
    approved = "approval: approved – named approvers Read it."
    assert outcome_lines(project, PRODUCT, RUN) == [approved, "release:  none"]
    release(project, PRODUCT, made)
    released = "release:  model_release@v1.0.0 is in production"
    assert outcome_lines(project, PRODUCT, RUN) == [approved, released]


def test_what_the_policy_stopped_is_told_with_its_reason(project: Path) -> None:
    candidate = read_candidate(project, PRODUCT, start(project), NAME)
    policy = ApprovalParams(headless="auto_approve_demo")
    record_outcome(project, candidate, headless_outcome("review", policy, demo=False))
    assert outcome_lines(project, PRODUCT, RUN) == [
        "approval: stopped – auto-approve in demo, but this is other data than the bundled demo's "
        "approval.headless: auto_approve_demo acts on the bundled demo's data alone.",
        "release:  none",
    ]


def test_a_rejection_by_the_gate_asks_nobody(project: Path) -> None:
    start(project, "reject")
    assert outcome_lines(project, PRODUCT, RUN) == ["approval: nobody was asked", "release:  none"]


def test_artifacts_that_are_in_production_need_no_approval(project: Path) -> None:
    made = make_run(project, 1, "review")
    candidate = read_candidate(project, PRODUCT, made)
    here = Answer(who="alice", approves=True, channel="command_line")
    record_outcome(
        project, candidate, outcome([here], "review", ApprovalParams(approvers=["alice"]))
    )
    release(project, PRODUCT, made)
    commit(project, "released")
    start(project)
    assert outcome_lines(project, PRODUCT, RUN) == [
        "approval: not needed, these artifacts are in production as model_release@v1.0.0",
        "release:  none",
    ]


class TestSecondsOfATask:
    """A stage's task that waited while another process ran its stage tells the stage's own time."""

    @pytest.mark.parametrize(
        ("result", "seconds"),
        [
            ({"stages": [{"seconds": 1.5}, {"seconds": 2.0}]}, 3.5),
            ({"stages": ["evaluate", "gate"]}, 9.0),  # what the task that saves a run returns
            ({"stages": []}, 9.0),
            ({"commit": "0" * 40}, 9.0),
            (None, 9.0),
        ],
    )
    def test_a_line_tells(self, result: object, seconds: float) -> None:
        assert _own_seconds(result, 9.0) == seconds
