"""A requirement, what would show that it is kept, and what was found."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from pipelines.reporting.blocks import Text, Tone, icon

Status = Literal["met", "partly", "missing", "not met"]

PARAPHRASED = (
    "Requirements are in our words: paraphrased, and not checked against the official texts."
)

TONES: dict[Status, Tone] = {"met": "good", "partly": "open", "missing": "bad", "not met": "bad"}
RANK: tuple[Status, ...] = ("met", "partly", "missing", "not met")


@dataclass(frozen=True)
class Check:
    """One thing that a requirement needs.

    Attributes
    ----------
    shown
        What there is, or what is missing.
    found
        Whether an artifact shows it.
    paths
        The artifacts.
    refuted
        There is evidence, and it says the opposite.
    from_evidence
        It follows from evidence and ``params.yaml`` alone: no ledger, document or date.
    """

    shown: Text
    found: bool
    paths: tuple[str, ...] = ()
    refuted: bool = False
    from_evidence: bool = False


@dataclass(frozen=True)
class Requirement:
    """What a law (or rule of thumb) asks for.

    Attributes
    ----------
    id
        Short and stable, for machines.
    source
        Law and place in it.
    asks
        What it asks for, in our words.
    judgement
        What of the answer is engineering judgement and not law.
    """

    id: str
    source: str
    title: str
    asks: str
    checks: Sequence[Check]
    judgement: str = ""

    @property
    def status(self) -> Status:
        """Met if all is found, partly if some is; else not met or missing."""
        found = [check.found for check in self.checks]
        if found and all(found):
            return "met"
        if any(found):
            return "partly"
        return "not met" if any(check.refuted for check in self.checks) else "missing"


@dataclass(frozen=True)
class Law:
    """Requirements of one text."""

    anchor: str
    title: str
    short: str
    applies: str
    text: str
    """Where to read it."""
    requirements: Sequence[Requirement]


def badge(status: Status) -> Markup:
    """Status as a word with its shape."""
    tone = TONES[status]
    return Markup('<span class="badge {}">{}{}</span>').format(tone, icon(tone), status)


def mark_of(check: Check) -> Markup:
    """Whether a check's evidence is there."""
    tone: Tone = "good" if check.found else "bad"
    word = "there" if check.found else "not so" if check.refuted else "missing"
    return Markup('<span class="badge {}">{}{}</span>').format(tone, icon(tone), word)
