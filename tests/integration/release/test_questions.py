"""The questions of the DAG: who is asked, what an answer does, and what none does."""

import asyncio
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from airflow.providers.standard.operators import hitl
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.triggers import hitl as triggers
from airflow.sdk import DAG, BaseOperator
from airflow.sdk.api.datamodels._generated import HITLDetailResponse
from airflow.sdk.exceptions import (
    AirflowFailException,
    DownstreamTasksSkipped,
    TaskAwaitingInput,
    TaskDeferred,
)

from pipelines.release.ledger import Entry, Ledger
from pipelines.release.registry import versions
from signalbox_airflow import answered
from signalbox_airflow.release_path import release_tasks
from signalbox_airflow.release_work import record, release_recorded
from tests.unit.release.lifecycle.product import PRODUCT, commit, git, make_run

REF = "refs/runs/demo/manual__1"
WHY = "The failing check measures a slice that is retired."


@dataclass
class Run:
    """A run of the DAG: what its tasks returned, and what was asked."""

    project: Path
    dag: DAG
    conf: dict[str, Any] = field(default_factory=dict)
    xcoms: dict[tuple[str, str], Any] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)
    tries: tuple[int, int] = (1, 1)
    """Number of the try, and ``max_tries``: what clearing or a retry makes of them."""

    def context(self, name: str) -> dict[str, Any]:
        def pull(task_ids: str, key: str = "return_value") -> Any:
            return self.xcoms.get((task_ids, key))

        def push(key: str, value: Any) -> None:
            self.xcoms[name, key] = value

        ti = SimpleNamespace(
            id=name, task_id=name, map_index=-1, dag_id="demo", run_id="manual__1",
            xcom_pull=pull, xcom_push=push, try_number=self.tries[0], max_tries=self.tries[1],
        )  # fmt: skip
        run = SimpleNamespace(conf=self.conf)
        task = self.dag.get_task(name)
        return {"ti": ti, "task_instance": ti, "task": task, "dag_run": run}

    def start(self, verdict: str, *, demo: bool = False) -> str:
        """Make, save and record the run's commit."""
        made = make_run(self.project, 1, verdict, demo=demo)
        git(self.project, "update-ref", REF, made)
        self.xcoms["save_run", "return_value"] = {"ref": REF, "commit": made}
        done = record(self.project, PRODUCT, "save_run", self.context("record_run"))
        self.xcoms["record_run", "return_value"] = done
        return made

    def ask(self, name: str) -> Any:
        """Start a question's task; return what it returned or the skipped tasks."""
        try:
            done = self.dag.get_task(name).execute(self.context(name))
        except DownstreamTasksSkipped as skipped:
            return skipped.tasks
        self.xcoms[name, "return_value"] = done
        return done

    def question(self, name: str) -> None:
        """Let a task ask, and see it wait."""
        with pytest.raises(TaskAwaitingInput):
            self.ask(name)

    def answer(self, name: str, who: str, option: str = "Approve", reason: str = "") -> Any:
        """Let it ask, and answer it, as Airflow would hand on an answer."""
        self.question(name)
        return self.resume(name, said(who, option, reason))

    def resume(self, name: str, event: dict[str, Any]) -> Any:
        try:
            done = self.dag.get_task(name).execute_complete(self.context(name), event)
        except DownstreamTasksSkipped as skipped:
            return skipped.tasks
        self.xcoms[name, "return_value"] = done
        return done

    def last(self) -> Entry:
        return Ledger.of(self.project).entries()[-1]

    def release(self) -> dict[str, Any]:
        return release_recorded(self.project, PRODUCT, self.context("release"))


def said(who: str, option: str = "Approve", reason: str = "") -> dict[str, Any]:
    """Return Airflow's record of an answer."""
    return {
        "chosen_options": [option], "params_input": {"reason": reason},
        "responded_at": datetime.now(UTC), "responded_by_user": {"id": who, "name": who},
        "timedout": False,
    }  # fmt: skip


def set_policy(project: Path, **changes: Any) -> None:
    policy = {"approvers": ["alice", "bob"], **changes}
    (project / "release.yaml").write_text(yaml.safe_dump({"approval": policy}))


@pytest.fixture
def draw(project: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(conf: dict[str, Any] | None = None, **policy: Any) -> Run:
        if policy:
            set_policy(project, **policy)
        with DAG("demo", schedule=None, default_args={"retries": 1}) as dag:
            release_tasks(project, PRODUCT, saved=EmptyOperator(task_id="save_run"))
            released: BaseOperator = dag.get_task("release")
            (
                released
                >> EmptyOperator(task_id="announce")
                >> EmptyOperator(task_id="tidy_up", trigger_rule="all_done")
            )
        run = Run(project, dag, conf or {})
        monkeypatch.setattr(hitl, "upsert_hitl_detail", lambda **said: run.asked.append(said))
        return run

    return make


BEHIND = {"release", "announce", "tidy_up"}


def test_the_question_has_users_a_deadline_and_no_default(draw: Any) -> None:
    run = draw(timeout_seconds=60)
    run.start("review")
    with pytest.raises(TaskAwaitingInput):
        run.ask("approve_release")
    asked = run.asked[0]
    assert [user["id"] for user in asked["assigned_users"]] == ["alice", "bob"]
    assert asked["defaults"] is None
    assert asked["options"] == ["Approve", "Reject"]
    assert list(asked["params"]) == ["reason"]
    task = run.dag.get_task("approve_release")
    assert (task.response_timeout.total_seconds(), task.retries) == (60, 1)
    told = asked["body"]
    assert asked["subject"] == "Release model_release? The gate says review"
    assert "The gate says **review**" in told
    assert "- `ranking`: Ranking: inconclusive." in told
    assert "[Read the report](/signalbox/reports/demo/manual__1)" in told
    entry = run.last()
    assert (entry.kind, entry.data["run"]) == ("question", "demo/manual__1")
    assert entry.data["approvers"] == ["alice", "bob"]
    report = (run.project / "reports/model_release.html").read_bytes()
    assert entry.data["report"] == hashlib.sha256(report).hexdigest()


def test_a_retry_takes_the_answer_to_the_question_that_was_asked(draw: Any) -> None:
    """Asking again would delete an answer that came before the scheduler saw the task wait."""
    run = draw(timeout_seconds=60)
    run.start("review")
    run.question("approve_release")
    run.tries = (2, 1)
    with pytest.raises(TaskDeferred) as waiting:
        run.ask("approve_release")
    assert len(run.asked) == 1
    assert waiting.value.method_name == "execute_complete"
    path, arguments = waiting.value.trigger.serialize()
    assert path == "signalbox_airflow.answered.AnsweredTrigger"
    assert arguments["ti_id"] == "approve_release"
    assert arguments["defaults"] is None
    assert arguments["timeout_datetime"] > datetime.now(UTC)


def test_clearing_the_task_asks_again(draw: Any) -> None:
    run = draw()
    run.start("review")
    run.tries = (2, 2)
    with pytest.raises(TaskAwaitingInput):
        run.ask("approve_release")
    assert len(run.asked) == 1


@pytest.mark.parametrize(
    ("chosen", "who", "kind"),
    [(["Approve"], "alice", "approval"), (["Approve"], "mallory", "rejection"),
     (["Reject"], "alice", "rejection")],
)  # fmt: skip
def test_an_answer_found_by_a_retry_counts_like_any_other(
    draw: Any, monkeypatch: pytest.MonkeyPatch, chosen: list[str], who: str, kind: str
) -> None:
    run = draw()
    run.start("review")
    found = HITLDetailResponse(
        response_received=True, chosen_options=chosen, params_input={"reason": "x"},
        responded_at=datetime.now(UTC), responded_by_user={"id": who, "name": who},
    )  # fmt: skip
    monkeypatch.setattr(triggers, "get_hitl_detail_content_detail", lambda ti_id: found)
    monkeypatch.setattr(answered, "SETTLE_SECONDS", 0)
    run.question("approve_release")
    run.tries = (2, 1)
    with pytest.raises(TaskDeferred) as waiting:
        run.ask("approve_release")

    async def first() -> Any:
        return await anext(aiter(waiting.value.trigger.run()))

    run.resume("approve_release", asyncio.run(first()).payload)
    assert run.last().kind == kind


def test_an_approval_is_in_the_ledger_before_the_task_ends_and_releases(draw: Any) -> None:
    run = draw()
    made = run.start("review")
    run.answer("approve_release", "alice", reason="fine")
    assert (run.last().kind, run.last().data["commit"]) == ("approval", made)
    assert run.release()["version"] == "v1.0.0"
    assert run.release()["name"] == "model_release@v1.0.0"  # the task is tried again


@pytest.mark.parametrize(
    ("who", "option", "says"),
    [
        ("alice", "Reject", "alice rejects it: no"),
        ("mallory", "Approve", "'mallory' is not on the list of approvers."),
        ("", "Approve", "'' is not on the list of approvers."),
    ],
)
def test_anything_else_skips_all_that_follows_whatever_its_rule(
    draw: Any, who: str, option: str, says: str
) -> None:
    run = draw()
    run.start("review")
    assert set(run.answer("approve_release", who, option, "no")) == BEHIND
    assert run.last().kind == "rejection"
    assert run.last().data["outcome"]["reasons"][0] == says
    with pytest.raises(AirflowFailException, match="was not approved"):
        run.release()


def test_silence_skips_all_that_follows(draw: Any) -> None:
    run = draw()
    run.start("approve")
    run.question("approve_release")
    event = {"error": "The response timeout has passed.", "error_type": "timeout"}
    assert set(run.resume("approve_release", event)) == BEHIND
    assert run.last().kind == "rejection"
    assert run.last().data["outcome"]["kind"] == "timed_out"
    assert versions(run.project, PRODUCT) == []


def test_the_list_counts_as_it_is_when_the_answer_is_in(draw: Any) -> None:
    run = draw()
    run.start("review")
    run.question("approve_release")
    set_policy(run.project, approvers=["bob"])
    assert set(run.resume("approve_release", said("alice"))) == BEHIND


def test_an_option_that_wasnt_offered_is_an_error(draw: Any) -> None:
    run = draw()
    run.start("review")
    with pytest.raises(ValueError, match="not in"):
        run.answer("approve_release", "alice", "Whatever")
    assert run.last().kind == "question"


def test_without_a_question_where_the_gate_suffices(draw: Any) -> None:
    run = draw(when="review")
    run.start("approve")
    assert run.ask("approve_release")["policy"].startswith("the gate's approval suffices")
    assert run.release()["version"] == "v1.0.0"
    assert run.asked == []


@pytest.mark.parametrize(
    ("policy", "demo", "kind", "named"),
    [
        ("auto_approve_demo", True, "approval", "auto-approve in demo"),
        ("auto_approve_demo", False, "rejection", "other data than the bundled demo's"),
        ("stop", True, "rejection", "nobody could be asked"),
    ],
)
def test_the_demos_policy_answers_by_name_and_for_the_demos_data_alone(
    draw: Any, policy: str, demo: bool, kind: str, named: str
) -> None:
    run = draw(headless=policy)
    run.start("review", demo=demo)
    run.answer("approve_release", "alice", reason="auto_approve_demo")
    assert run.last().kind == kind
    assert named in run.last().data["outcome"]["policy"]


def test_the_demos_policy_needs_an_approvers_login_too(draw: Any) -> None:
    run = draw(headless="auto_approve_demo")
    run.start("review", demo=True)
    assert set(run.answer("approve_release", "mallory", reason="auto_approve_demo")) == BEHIND
    assert run.last().data["outcome"]["kind"] == "rejected"


def test_no_conf_decides(draw: Any) -> None:
    run = draw({"headless": True}, headless="auto_approve_demo")
    run.start("review", demo=True)
    run.question("approve_release")
    assert run.last().kind == "question"


def test_no_question_about_a_rejection_unless_the_policy_has_one(draw: Any) -> None:
    assert "override_release" not in draw().dag.task_ids
    tasks = draw(on_reject="ask_override").dag.task_ids
    assert {"override_release", "confirm_override"} <= set(tasks)


def test_an_override_takes_two_people_and_a_reason(draw: Any) -> None:
    run = draw(on_reject="ask_override")
    run.start("reject")
    run.answer("override_release", "alice", reason=WHY)
    assert run.last().kind == "answer"  # nothing is final after the first
    run.answer("confirm_override", "bob")
    assert run.last().kind == "override"
    assert run.last().data["outcome"]["reasons"] == [WHY]
    assert run.release()["version"] == "v1.0.0"


@pytest.mark.parametrize(
    ("first", "reason", "second", "says"),
    [
        ("alice", WHY, "alice", "needs a second approver"),
        ("alice", "because", "bob", "needs a written reason"),
        ("mallory", WHY, "bob", "'mallory' is not on the list"),
    ],
)
def test_an_override_by_less_than_that_is_a_rejection(
    draw: Any, first: str, reason: str, second: str, says: str
) -> None:
    run = draw(on_reject="ask_override")
    run.start("reject")
    run.answer("override_release", first, reason=reason)
    assert set(run.answer("confirm_override", second)) == BEHIND
    assert says in " ".join(run.last().data["outcome"]["reasons"])


def test_an_answer_that_is_only_an_xcom_overrides_nothing(draw: Any) -> None:
    """Anybody of role op can write XComs and mark a task as successful."""
    run = draw(on_reject="ask_override")
    run.start("reject")
    forged = {"who": "alice", "approves": True, "reason": WHY, "at": "", "channel": "airflow"}
    run.xcoms["override_release", "answer"] = forged
    run.xcoms["override_release", "return_value"] = {"answer": forged}
    with pytest.raises(AirflowFailException, match="no first answer"):
        run.ask("confirm_override")
    assert run.asked == []
    assert run.last().kind == "refusal"
    with pytest.raises(AirflowFailException, match="nobody has decided"):
        run.release()


def test_a_first_answer_to_a_question_that_was_asked_again_is_void(draw: Any) -> None:
    run = draw(on_reject="ask_override")
    run.start("reject")
    run.answer("override_release", "alice", reason=WHY)
    run.question("override_release")
    with pytest.raises(AirflowFailException, match="no first answer"):
        run.ask("confirm_override")


@pytest.mark.parametrize("task", ["approve_release", "override_release", "confirm_override"])
def test_a_question_that_the_verdict_doesnt_call_for_is_not_asked(draw: Any, task: str) -> None:
    """A forged branch can start any task."""
    run = draw(on_reject="ask_override")
    run.start("reject" if task == "approve_release" else "review")
    with pytest.raises(AirflowFailException, match="isn't what is to be asked"):
        run.ask(task)
    assert run.asked == []
    assert run.last().kind == "refusal"


def other_commit(run: Run) -> str:
    """Make the commit that an attacker would rather have released: whole, and approved."""
    return make_run(run.project, 2, "approve")


def test_a_commit_exchanged_in_the_xcoms_changes_nothing(draw: Any) -> None:
    run = draw()
    made = run.start("review")
    run.question("approve_release")
    wanted = other_commit(run)
    for task in ("record_run", "save_run"):
        run.xcoms[task, "return_value"] = {
            "run": "demo/manual__1", "commit": wanted, "verdict": "approve", "ref": REF,
        }  # fmt: skip
    run.resume("approve_release", said("alice"))
    assert run.last().data["commit"] == made
    assert run.release()["commit"] == made


@pytest.mark.parametrize("when", ["while asked", "before release"])
def test_a_run_whose_ref_was_moved_releases_nothing_and_the_ledger_says_so(
    draw: Any, when: str
) -> None:
    run = draw()
    run.start("review")
    run.question("approve_release")
    if when == "before release":
        run.resume("approve_release", said("alice"))
    git(run.project, "update-ref", REF, other_commit(run))
    with pytest.raises(AirflowFailException, match="was recorded as commit"):
        if when == "while asked":
            run.resume("approve_release", said("alice"))
        run.release()
    assert run.last().kind == "refusal"
    assert "was recorded as commit" in run.last().data["reason"]
    assert versions(run.project, PRODUCT) == []


def test_a_run_recorded_anew_while_the_question_is_open_needs_a_new_question(draw: Any) -> None:
    run = draw()
    run.start("review")
    run.question("approve_release")
    git(run.project, "update-ref", REF, other_commit(run))
    record(run.project, PRODUCT, "save_run", run.context("record_run"))
    with pytest.raises(AirflowFailException, match="is about something else: commit was"):
        run.resume("approve_release", said("alice"))
    assert run.last().kind == "refusal"
    assert versions(run.project, PRODUCT) == []


def test_the_first_no_to_an_override_is_final(draw: Any) -> None:
    run = draw(on_reject="ask_override")
    run.start("reject")
    skipped = run.answer("override_release", "alice", "Reject", "no")
    assert set(skipped) == {"confirm_override", *BEHIND}


def test_nobody_is_asked_about_what_is_in_production_already(draw: Any) -> None:
    run = draw()
    run.start("review")
    run.answer("approve_release", "alice")
    run.release()
    again = draw()
    commit(run.project, "something else")
    again.start("review")  # the same files in another commit
    assert set(again.ask("approve_release")) == BEHIND
    assert again.asked == []
    assert again.last().kind == "gate"


def test_a_failed_run_is_in_the_ledger_and_ends_there(draw: Any) -> None:
    run = draw()
    git(run.project, "update-ref", REF, "HEAD")  # of an earlier try, that went well
    with pytest.raises(AirflowFailException, match="the run failed"):
        record(run.project, PRODUCT, "save_run", run.context("record_run"))
    assert (run.last().kind, run.last().data["state"]) == ("run", "failed")


def test_a_repeated_task_logs_nothing_twice(draw: Any) -> None:
    run = draw()
    run.start("review")
    before = Ledger.of(run.project).entries()
    record(run.project, PRODUCT, "save_run", run.context("record_run"))
    assert Ledger.of(run.project).entries() == before
