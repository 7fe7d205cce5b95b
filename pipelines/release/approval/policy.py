"""The rules of approval."""

from collections.abc import Sequence
from typing import Literal

from pipelines.release.approval.answers import Answer, Outcome
from pipelines.release.approval.params import ApprovalParams
from pipelines.release.policy import Decision

Question = Literal["none", "approval", "override"]

NAMED = "named approvers"
AUTO_APPROVE_DEMO = "auto_approve_demo"
"""Written reason by which an answer says that the policy of this name gives it, not a person."""
BY_GATE = "the gate's approval suffices (approval.when: review)"
DEMO = "auto-approve in demo"
NOT_FROM_HERE = "auto-approve in demo, but nothing can be released from here"
NO_ONE = "nobody could be asked (approval.headless: stop)"
OTHER_DATA = "auto-approve in demo, but this is other data than the bundled demo's"
GATE_REJECTS = "the gate's rejection stands (approval.on_reject: stop)"
TWO_PEOPLE = "override by two named approvers"


def question_needed(verdict: Decision, params: ApprovalParams) -> Question:
    """Say which question has to be asked before a release, if any."""
    if verdict == "reject":
        return "override" if params.on_reject == "ask_override" else "none"
    if verdict == "approve" and params.when == "review":
        return "none"
    return "approval"


def outcome(
    answers: Sequence[Answer],
    verdict: Decision,
    params: ApprovalParams,
    *,
    timed_out: bool = False,
) -> Outcome:
    """Say what the answers come to.

    Parameters
    ----------
    answers
        In the order in which they were given; an override needs two.
    timed_out
        Whether the last question ran out of time; that never approves, whatever was answered.
    """
    given = tuple(answers)
    question = question_needed(verdict, params)
    policy = {
        "none": GATE_REJECTS if verdict == "reject" else BY_GATE,
        "approval": NAMED,
        "override": TWO_PEOPLE,
    }[question]
    if timed_out:
        late = (f"No answer within {params.timeout_seconds} seconds; silence is not an approval.",)
        return Outcome(kind="timed_out", policy=policy, reasons=late, answers=given)
    if question == "none":
        kind: Literal["rejected", "approved"] = "rejected" if verdict == "reject" else "approved"
        return Outcome(kind=kind, policy=policy)
    why = tuple(_objections(given, question, params))
    if why:
        return Outcome(kind="rejected", policy=policy, reasons=why, answers=given)
    said = tuple(one.reason.strip() for one in given if one.reason.strip())
    if question == "override":
        return Outcome(kind="overridden", policy=policy, reasons=said, answers=given)
    return Outcome(kind="approved", policy=policy, reasons=said, answers=given)


def headless_outcome(
    verdict: Decision,
    params: ApprovalParams,
    *,
    demo: bool,
    hindrance: str = "",
    answers: Sequence[Answer] = (),
) -> Outcome:
    """Say what the policy comes to by itself, where nobody is there to be asked.

    Parameters
    ----------
    demo
        Whether the data is that of the bundled demo; the policy never acts on other data.
    hindrance
        Why nothing can be released from here; then nothing is. With a person at hand the release
        would fail and say so; a demo must not.
    answers
        What the policy answered through Airflow, and by whose login.
    """
    if verdict == "reject":
        return Outcome(kind="rejected", policy=GATE_REJECTS)
    if question_needed(verdict, params) == "none":
        return outcome([], verdict, params)
    given = tuple(answers)
    if params.headless != AUTO_APPROVE_DEMO:
        return Outcome(kind="stopped", policy=NO_ONE, answers=given)
    if not demo:
        why = ("approval.headless: auto_approve_demo acts on the bundled demo's data alone.",)
        return Outcome(kind="stopped", policy=OTHER_DATA, reasons=why, answers=given)
    if hindrance:
        return Outcome(kind="stopped", policy=NOT_FROM_HERE, reasons=(hindrance,), answers=given)
    why = (
        "Nobody was asked: release.yaml has approval.headless: auto_approve_demo, and the data is "
        "the bundled demo's, known by its hash.",
    )
    return Outcome(kind="auto_approved", policy=DEMO, reasons=why, answers=given)


def _objections(
    answers: tuple[Answer, ...], question: Question, params: ApprovalParams
) -> list[str]:
    """Everything that keeps the answers from being an approval."""
    if not answers:
        return ["Nobody answered."]
    found = [
        f"{one.who!r} is not on the list of approvers."
        for one in answers
        if one.who not in params.approvers
    ]
    for one in answers:
        if not one.approves:
            reason = one.reason.strip()
            found.append(f"{one.who} rejects it{f': {reason}' if reason else '.'}")
    return found or (_objections_to_override(answers, params) if question == "override" else [])


def _objections_to_override(answers: tuple[Answer, ...], params: ApprovalParams) -> list[str]:
    found = []
    written = answers[0].reason.strip()
    if len(written) < params.min_reason:
        found.append(
            f"An override needs a written reason of at least {params.min_reason} characters; "
            f"{answers[0].who} gave {len(written)}."
        )
    if len({one.who for one in answers}) < 2:
        found.append("An override needs a second approver, who is another person than the first.")
    return found
