"""What answers come to, by the policy: a table, and properties that hold for all answers."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.errors import SignalboxError
from pipelines.release.approval import (
    Answer,
    ApprovalParams,
    answered_in_time,
    headless_outcome,
    outcome,
    question_needed,
)
from pipelines.release.config import load_section
from pipelines.release.gating import Decision

WHY = "The failing check is about a slice that is retired."


def params(**changes: Any) -> ApprovalParams:
    return ApprovalParams.model_validate({"approvers": ["alice", "bob"], **changes})


def yes(who: str, reason: str = "") -> Answer:
    return Answer(who=who, approves=True, reason=reason)


def no(who: str, reason: str = "") -> Answer:
    return Answer(who=who, approves=False, reason=reason)


@pytest.mark.parametrize(
    ("verdict", "changes", "question"),
    [
        ("approve", {"when": "always"}, "approval"),
        ("approve", {"when": "review"}, "none"),
        ("review", {"when": "always"}, "approval"),
        ("review", {"when": "review"}, "approval"),
        ("reject", {"when": "always"}, "none"),
        ("reject", {"on_reject": "ask_override"}, "override"),
    ],
)
def test_who_is_asked_what(verdict: Decision, changes: Any, question: str) -> None:
    assert question_needed(verdict, params(**changes)) == question


@pytest.mark.parametrize(
    ("verdict", "answers", "kind", "says"),
    [
        ("review", [yes("alice", "looks fine")], "approved", "looks fine"),
        ("approve", [yes("bob")], "approved", ""),
        ("review", [no("alice", "too early")], "rejected", "alice rejects it: too early"),
        ("review", [yes("mallory")], "rejected", "'mallory' is not on the list of approvers."),
        ("review", [yes("Alice")], "rejected", "'Alice' is not on the list of approvers."),
        ("review", [yes("alice ")], "rejected", "'alice ' is not on the list of approvers."),
        ("review", [], "rejected", "Nobody answered."),
        ("reject", [yes("alice", WHY), yes("bob")], "overridden", WHY),
        ("reject", [yes("alice", WHY)], "rejected", "needs a second approver"),
        ("reject", [yes("alice", WHY), yes("alice")], "rejected", "another person"),
        ("reject", [yes("alice", "  ok  "), yes("bob")], "rejected", "alice gave 2"),
        ("reject", [yes("alice", " " * 50), yes("bob", WHY)], "rejected", "alice gave 0"),
        ("reject", [yes("alice", WHY), no("bob", "no")], "rejected", "bob rejects it: no"),
        ("reject", [yes("alice", WHY), yes("mallory")], "rejected", "'mallory' is not on"),
    ],
)
def test_what_answers_come_to(
    verdict: Decision, answers: list[Answer], kind: str, says: str
) -> None:
    found = outcome(answers, verdict, params(on_reject="ask_override"))
    assert found.kind == kind
    assert says in " ".join(found.reasons)
    assert found.answers == tuple(answers)


def test_one_person_in_two_spellings_overrides_nothing() -> None:
    """Also where a list is as old as the spelling was."""
    old = params(on_reject="ask_override").model_copy(update={"approvers": ["alice", "ALICE"]})
    found = outcome([yes("alice", WHY), yes("ALICE")], "reject", old)
    assert found.kind == "rejected"
    assert "another person" in found.reasons[0]


def test_changed_parameters_are_asked_about_where_the_gates_word_would_do() -> None:
    policy = params(when="review")
    assert question_needed("approve", policy, changed=True) == "approval"
    assert outcome([], "approve", policy, changed=True).kind == "rejected"
    assert outcome([yes("alice")], "approve", policy, changed=True).kind == "approved"
    headless = headless_outcome("approve", policy, demo=False, changed=True)
    assert headless.kind == "stopped"


ASKED = "2026-01-01T12:00:00.000000Z"


@pytest.mark.parametrize(
    ("at", "when"),
    [
        ("2026-01-01T12:00:00+00:00", ""),
        ("2026-01-01T11:59:30+00:00", ""),
        ("2026-01-01T13:00:30+01:00", ""),
        ("2026-01-01T11:58:59+00:00", "before"),
        ("2026-01-01T12:11:01+00:00", "late"),
        ("2026-01-01T12:10:59+00:00", ""),
        ("", "before"),
        ("yesterday", "before"),
        ("2026-01-01T12:00:00", "before"),
    ],
)
def test_an_answer_belongs_to_a_question_by_its_time(at: str, when: str) -> None:
    answer = Answer(who="alice", approves=True, at=at)
    assert answered_in_time(ASKED, answer, timeout_seconds=600) == when


def test_the_gates_word_without_a_question() -> None:
    assert outcome([], "approve", params(when="review")).kind == "approved"
    assert outcome([], "reject", params()).kind == "rejected"
    assert outcome([yes("alice", WHY), yes("bob")], "reject", params()).kind == "rejected"


@pytest.mark.parametrize(
    ("verdict", "changes", "kind", "policy"),
    [
        ("approve", {"headless": "stop"}, "stopped", "nobody could be asked"),
        ("review", {"headless": "stop"}, "stopped", "nobody could be asked"),
        ("approve", {"headless": "stop", "when": "review"}, "approved", "the gate's approval"),
        ("approve", {"headless": "auto_approve_demo"}, "auto_approved", "auto-approve in demo"),
        ("review", {"headless": "auto_approve_demo"}, "auto_approved", "auto-approve in demo"),
        ("reject", {"headless": "auto_approve_demo"}, "rejected", "the gate's rejection stands"),
        ("reject", {"headless": "auto_approve_demo", "on_reject": "ask_override"}, "rejected",
         "the gate's rejection stands"),
    ],
)  # fmt: skip
def test_runs_nobody_watches(verdict: Decision, changes: Any, kind: str, policy: str) -> None:
    found = headless_outcome(verdict, params(**changes), demo=True)
    assert found.kind == kind
    assert policy in found.policy


answer_lists = st.lists(
    st.builds(
        Answer,
        who=st.sampled_from(["alice", "bob", "mallory", ""]),
        approves=st.booleans(),
        reason=st.sampled_from(["", "short", WHY]),
    ),
    max_size=4,
)
policies = st.builds(
    params,
    when=st.sampled_from(["always", "review"]),
    on_reject=st.sampled_from(["stop", "ask_override"]),
    headless=st.sampled_from(["stop", "auto_approve_demo"]),
)
verdicts: st.SearchStrategy[Decision] = st.sampled_from(["approve", "review", "reject"])


@given(answer_lists, verdicts, policies)
def test_a_timeout_never_approves(
    answers: list[Answer], verdict: Decision, policy: ApprovalParams
) -> None:
    found = outcome(answers, verdict, policy, timed_out=True)
    assert (found.kind, found.releases) == ("timed_out", False)


@given(answer_lists, verdicts, policies)
def test_no_release_against_the_rules(
    answers: list[Answer], verdict: Decision, policy: ApprovalParams
) -> None:
    found = outcome(answers, verdict, policy)
    question = question_needed(verdict, policy)
    if not found.releases or question == "none":
        assert found.releases == (question == "none" and verdict == "approve")
        return
    assert all(one.approves and one.who in policy.approvers for one in answers)
    if verdict == "reject":
        assert found.kind == "overridden"
        assert len({one.who for one in answers}) >= 2
        assert answers[0].reason == WHY
        assert WHY in found.reasons


@given(verdicts, policies, st.booleans())
def test_nobody_watching_never_releases_a_rejection_or_other_data_than_the_demos(
    verdict: Decision, policy: ApprovalParams, demo: bool
) -> None:
    found = headless_outcome(verdict, policy, demo=demo)
    assert not (found.releases and verdict == "reject")
    if found.kind == "auto_approved":
        assert policy.headless == "auto_approve_demo"
        assert demo


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("approval: {approvers: []}", "approval.approvers"),
        ("approval: {approvers: [a, a]}", "each name once"),
        ("approval: {approvers: [' a']}", "each name once"),
        ("approval: {approvers: [a, A]}", "each name once"),
        ("approval: {timeout_seconds: 0}", "approval.timeout_seconds"),
        ("approval: {headless: always}", "approval.headless"),
        ("approval: {approvers: [a], on_reject: ask_override}", "two different people"),
        ("approval: {aprovers: [a]}", "approval.aprovers: unknown key"),
    ],
)
def test_a_wrong_policy_is_refused_by_its_key(tmp_path: Any, text: str, says: str) -> None:
    (tmp_path / "release.yaml").write_text(text)
    with pytest.raises(SignalboxError, match=says):
        load_section(tmp_path, "approval", ApprovalParams)


def test_a_demo_releases_nothing_from_where_nothing_can_be_released() -> None:
    params = ApprovalParams(headless="auto_approve_demo")
    found = headless_outcome("approve", params, demo=True, hindrance="git doesn't know who you are")
    assert found.kind == "stopped"
    assert not found.releases
    assert found.reasons == ("git doesn't know who you are",)
