"""Who may release what: pure policy; Airflow asks the question, the command line may too.

Nothing here writes or waits. `question_needed` says whether a person has to be asked, `outcome`
what the answers come to. Both know verdicts and names, no models.
"""

import unicodedata
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipelines.core.settings import Name, PositiveInt, Section, Unset
from pipelines.release.gating import Decision


class NotifyParams(Section):
    """One way to tell people that a question waits."""

    by: Literal["smtp", "slack", "slack_webhook", "apprise"]
    """Airflow's notifier: mail, a message of a Slack app, of a Slack webhook, or Apprise."""
    to: list[Name] = Field(default_factory=list)
    """Addresses for smtp, channels for slack; the others' connections say where to."""
    connection: Unset[Name] = None
    """Id of Airflow's connection; null = that notifier's own default, for example smtp_default."""
    sender: Unset[Name] = None
    """Address that mail comes from; null = the connection's from_email."""

    @model_validator(mode="after")
    def _says_where_to(self) -> Self:
        if self.by in ("smtp", "slack"):
            if not self.to:
                what = "addresses" if self.by == "smtp" else "channels"
                raise ValueError(f"to: {self.by} needs {what}")
        elif self.to:
            raise ValueError(f"to: {self.by} goes where its connection says; leave it out")
        if self.sender is not None and self.by != "smtp":
            raise ValueError("sender: only mail (smtp) has one")
        return self


class ApprovalParams(Section):
    """Who is asked, when, for how long, and what happens without an answer."""

    approvers: Annotated[list[Name], Field(min_length=1)] = ["admin"]  # noqa: RUF012
    """Names of users, as they log in to Airflow; nobody else's answer counts."""
    timeout_seconds: PositiveInt = 259_200
    """How long a question waits; after that it is a rejection."""
    when: Literal["always", "review"] = "always"
    """Ask for every release, or only where the gate says review or a run's parameters were
    changed: whoever may start a run could change what the gate asks for."""
    on_reject: Literal["stop", "ask_override"] = "stop"
    """Where the gate says reject: end, or ask two people whether to release nevertheless."""
    min_reason: PositiveInt = 20
    """Characters that the written reason of an override has at least."""
    notify: list[NotifyParams] = Field(default_factory=list)
    """How people are told that a question waits in Airflow; [] = not. A message that can't be sent
    stops nothing."""
    headless: Literal["stop", "auto_approve_demo"] = "stop"
    """Where `signalbox run` can ask nobody: release nothing, or approve by this policy's name what
    the gate lets pass, and that on the bundled demo's data alone."""

    @model_validator(mode="after")
    def _two_people_for_an_override(self) -> Self:
        names = [name.strip() for name in self.approvers]
        people = {same_login(name) for name in names}
        if names != list(self.approvers) or len(people) != len(names):
            raise ValueError(
                "approvers: each name once, without spaces around it, and not in two spellings of "
                "upper and lower case, which many log-ins take for one person"
            )
        if self.on_reject == "ask_override" and len(names) < 2:
            raise ValueError(
                "on_reject: ask_override needs two different people; approvers has only "
                f"{names[0]!r}"
            )
        return self


def same_login(name: str) -> str:
    """Return what two spellings of one login have in common: no case, one form of each letter.

    Answers are held against the list as they are written; this only keeps one person from being
    two.

    Parameters
    ----------
    name : str
        A login.

    Returns
    -------
    str
    """
    return unicodedata.normalize("NFKC", name).strip().casefold()


Kind = Literal["approved", "auto_approved", "overridden", "rejected", "timed_out", "stopped"]

RELEASES: frozenset[Kind] = frozenset({"approved", "auto_approved", "overridden"})
"""Outcomes that allow a release."""


class Answer(BaseModel):
    """One person's answer to one question.

    Attributes
    ----------
    who : str
        The name the person logged in with.
    approves : bool
        Whether the person agrees to what was asked.
    reason : str
        As the person wrote it.
    at : str
        When, ISO 8601.
    channel : {'airflow', 'command_line'}
        How we know who it was: ``airflow`` (logged in) or ``command_line`` (only claimed).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    who: str
    approves: bool
    reason: str = ""
    at: str = ""
    channel: Literal["airflow", "command_line"] = "airflow"


class Outcome(BaseModel):
    """What the policy makes of the answers.

    Attributes
    ----------
    kind : Kind
        What it comes to; `RELEASES` are the kinds that allow a release.
    policy : str
        The rule that led to it, in words for ledger and report.
    reasons : tuple of str
        Why, one sentence each; those of people as they wrote them.
    answers : tuple of Answer
        What it rests on; empty where nobody was asked.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    policy: str
    reasons: tuple[str, ...] = ()
    answers: tuple[Answer, ...] = ()

    @property
    def releases(self) -> bool:
        """Whether it allows a release."""
        return self.kind in RELEASES


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


def question_needed(
    verdict: Decision, params: ApprovalParams, *, changed: bool = False
) -> Question:
    """Decide which question has to be asked before a release, if any.

    Parameters
    ----------
    verdict : {'approve', 'review', 'reject'}
        The gate's decision.
    params : ApprovalParams
        Section ``approval`` of ``release.yaml``.
    changed : bool, default False
        Whether the run's parameters differ from those of its commit. Whoever starts a run may
        change them, also what the gate asks for, so that the gate's word alone isn't enough.

    Returns
    -------
    {'none', 'approval', 'override'}
        ``none`` where nobody has to be asked, ``override`` where the gate rejects.
    """
    if verdict == "reject":
        return "override" if params.on_reject == "ask_override" else "none"
    if verdict == "approve" and params.when == "review" and not changed:
        return "none"
    return "approval"


def outcome(
    answers: Sequence[Answer],
    verdict: Decision,
    params: ApprovalParams,
    *,
    timed_out: bool = False,
    changed: bool = False,
) -> Outcome:
    """Decide what the answers amount to under the policy.

    Parameters
    ----------
    answers : sequence of Answer
        In the order in which they were given; an override needs two.
    verdict : {'approve', 'review', 'reject'}
        The gate's decision.
    params : ApprovalParams
        Section ``approval`` of ``release.yaml``.
    timed_out : bool, default False
        Whether the last question ran out of time; that never approves, whatever was answered.
    changed : bool, default False
        Whether the run's parameters were changed; see `question_needed`.

    Returns
    -------
    Outcome
    """
    given = tuple(answers)
    question = question_needed(verdict, params, changed=changed)
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
    said = tuple(answer.reason.strip() for answer in given if answer.reason.strip())
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
    changed: bool = False,
) -> Outcome:
    """Decide what the policy amounts to by itself, where nobody is there to be asked.

    Parameters
    ----------
    verdict : {'approve', 'review', 'reject'}
        The gate's decision.
    params : ApprovalParams
        Section ``approval`` of ``release.yaml``.
    demo : bool
        Whether the data is that of the bundled demo; the policy never acts on other data.
    hindrance : str, default ''
        Why nothing can be released from here; then nothing is. With a person at hand the release
        would fail and say so; a demo must not.
    answers : sequence of Answer, default ()
        What the policy answered through Airflow, and by whose login.
    changed : bool, default False
        Whether the run's parameters were changed; see `question_needed`.

    Returns
    -------
    Outcome
    """
    if verdict == "reject":
        return Outcome(kind="rejected", policy=GATE_REJECTS)
    if question_needed(verdict, params, changed=changed) == "none":
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


CLOCKS = timedelta(minutes=1)
"""By how much the clocks of the machine that asks and of the one that takes answers may differ."""


def answered_in_time(asked_at: str, answer: Answer, timeout_seconds: int) -> str:
    """Say why an answer doesn't belong to a question by its time; empty if it does.

    Airflow takes an answer for as long as a task waits, also while nothing there looks at
    timeouts, and keeps the answer to an earlier question until the task asks again.

    Parameters
    ----------
    asked_at : str
        When the question was written down, ISO 8601.
    answer : Answer
        With its own time; one without a time belongs to no question.
    timeout_seconds : int
        How long the question waits.

    Returns
    -------
    {'', 'before', 'late'}
    """
    try:
        asked, given = _time(asked_at), _time(answer.at)
    except ValueError:
        return "before"
    if given < asked - CLOCKS:
        return "before"
    return "late" if given > asked + timedelta(seconds=timeout_seconds) + CLOCKS else ""


def _time(text: str) -> datetime:
    found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if found.tzinfo is None:
        raise ValueError(f"{text}: a time without a zone")
    return found


def _objections(
    answers: tuple[Answer, ...], question: Question, params: ApprovalParams
) -> list[str]:
    """Everything that keeps the answers from being an approval."""
    if not answers:
        return ["Nobody answered."]
    found = [
        f"{answer.who!r} is not on the list of approvers."
        for answer in answers
        if answer.who not in params.approvers
    ]
    for answer in answers:
        if not answer.approves:
            reason = answer.reason.strip()
            found.append(f"{answer.who} rejects it{f': {reason}' if reason else '.'}")
    return found or (_objections_to_override(answers, params) if question == "override" else [])


def _objections_to_override(answers: tuple[Answer, ...], params: ApprovalParams) -> list[str]:
    found = []
    written = answers[0].reason.strip()
    if len(written) < params.min_reason:
        found.append(
            f"An override needs a written reason of at least {params.min_reason} characters; "
            f"{answers[0].who} gave {len(written)}."
        )
    if len({same_login(answer.who) for answer in answers}) < 2:
        found.append("An override needs a second approver, who is another person than the first.")
    return found
