"""What people answered, and what it comes to."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Kind = Literal["approved", "auto_approved", "overridden", "rejected", "timed_out", "stopped"]

RELEASES: frozenset[Kind] = frozenset({"approved", "auto_approved", "overridden"})
"""Outcomes that allow a release."""


class Answer(BaseModel):
    """One person's answer to one question.

    Attributes
    ----------
    who
        The name the person logged in with.
    at
        When, ISO 8601.
    channel
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
    policy
        The rule that led to it, in words for ledger and report.
    reasons
        Why, one sentence each; those of people as they wrote them.
    answers
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
