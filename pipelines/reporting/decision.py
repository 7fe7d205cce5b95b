"""What the gate decided, read from its evidence: the banner and the chapter of checks.

Works for whatever was gated: it knows checks and figures, not models.
"""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from pipelines.core.evidence import Evidence, Figure
from pipelines.core.params import Check
from pipelines.reporting import numbers
from pipelines.reporting.blocks import (
    WORDS,
    Block,
    Chapter,
    Column,
    Fold,
    Items,
    Prose,
    Row,
    Section,
    Table,
    Text,
    badge,
    code,
    identifier,
    join,
    link,
    strong,
)
from pipelines.reporting.page import Banner
from pipelines.reporting.provenance import Sources

_TITLES = {"approve": "Approved by the gate", "review": "To be reviewed", "reject": "Rejected"}


class Origin(BaseModel):
    """Evidence file of a checked figure.

    Attributes
    ----------
    path : str
        Relative to the project.
    sha256 : str or None
        64 hex digits; None where the file is missing.
    """

    path: str
    sha256: str | None


class Checked(BaseModel):
    """One check as the gate left it.

    Attributes
    ----------
    id : str
        Id of the check in the policy.
    verdict : {'pass', 'fail', 'inconclusive', 'not_applicable'}
    asks_for : {'approve', 'review', 'reject'}
        Decision that it alone would lead to.
    sentence : str
        The verdict, explained.
    figure : Figure or None
        None where it wasn't measured.
    evidence : Origin
        Where the figure comes from.
    """

    model_config = ConfigDict(extra="ignore")

    id: str
    verdict: Literal["pass", "fail", "inconclusive", "not_applicable"]
    asks_for: Literal["approve", "review", "reject"]
    sentence: str
    figure: Figure | None
    evidence: Origin


class Decision(BaseModel):
    """`details` of the gate's evidence.

    Attributes
    ----------
    decision : {'approve', 'review', 'reject'}
    because : list of str
        Ids of the checks that ask for this decision.
    policy : list of Check
        The checks as they stand in ``params.yaml``.
    checks : list of Checked
        What came of each, in the policy's order.
    """

    model_config = ConfigDict(extra="ignore")

    decision: Literal["approve", "review", "reject"]
    because: list[str]
    policy: list[Check]
    checks: list[Checked]

    def check(self, check_id: str) -> Check:
        """Return the policy of a check.

        Parameters
        ----------
        check_id : str
            Id of the check.

        Returns
        -------
        Check

        Raises
        ------
        StopIteration
            If the policy has no such check.
        """
        return next(check for check in self.policy if check.id == check_id)


def read_decision(evidence: Evidence) -> Decision:
    """Read the gate's decision from its evidence.

    Parameters
    ----------
    evidence : Evidence
        Evidence of a gate's stage.

    Returns
    -------
    Decision

    Raises
    ------
    pydantic.ValidationError
        If it is no gate's evidence.
    """
    return Decision.model_validate(evidence.details)


def banner(decision: Decision, what: str, finding: Text = "") -> Banner:
    """Build the banner: the decision, and why in two sentences.

    Parameters
    ----------
    decision : Decision
        What the gate decided.
    what : str
        What it decided on, for example "model".
    finding : str or Markup, default ''
        The heart of the matter in plain words, where a chapter has them; else the first check that
        led to the decision speaks for itself.

    Returns
    -------
    Banner
    """
    tone = WORDS[decision.decision][1]
    counted = _counted(decision)
    if decision.decision == "approve":
        sentences: list[Text] = [
            f"The gate found nothing against this {what}: {counted}.",
            "Before it is released it needs an approval; whose, says release.yaml (approval).",
        ]
    elif decision.decision == "review":
        sentences = [
            join("The policy asks for a person’s judgement: ", counted, ". ", _because(decision)),
            finding or f"Without an approval this {what} is not released.",
        ]
    else:
        sentences = [
            join(f"This {what} must not be released: ", counted, ". ", _because(decision)),
            finding or _first_reason(decision),
        ]
    return Banner(_TITLES[decision.decision], tone, sentences)


def _counted(decision: Decision) -> str:
    total = len(decision.checks)
    parts = []
    for verdict, word in (
        ("fail", "failed"),
        ("inconclusive", "inconclusive"),
        ("pass", "passed"),
        ("not_applicable", "not applicable"),
    ):
        number = sum(check.verdict == verdict for check in decision.checks)
        if number:
            parts.append(f"{number} {word}")
    return f"of {total} checks, {', '.join(parts)}"


def _because(decision: Decision) -> Text:
    if not decision.because:
        return "Nothing was found against it, but nothing speaks for it either."
    links = [link(f"check-{i}", identifier(i)) for i in decision.because]
    return join("The decision follows from ", join_words(links), ".")


def _first_reason(decision: Decision) -> Text:
    first = next(c for c in decision.checks if c.id == decision.because[0])
    check = decision.check(first.id)
    return join("The first of them protects this: ", check.protects, ". ", first.sentence)


def join_words(parts: Sequence[Text], comma: str = ", ") -> Text:
    """List parts within a sentence: "a, b and c".

    Parameters
    ----------
    parts : sequence of (str or Markup)
        Escaped unless they are markup.
    comma : str, default ', '
        What stands between all but the last two.

    Returns
    -------
    Markup
    """
    if len(parts) < 2:
        return join(*parts)
    head = [join(part, comma) for part in parts[:-2]]
    return join(*head, parts[-2], " and ", parts[-1])


def chapter(decision: Decision, sources: Sources, section: str = "gate") -> Chapter:
    """Build the chapter of checks, each with its figure, its threshold and its verdict.

    Parameters
    ----------
    decision : Decision
        What the gate decided.
    sources : Sources
        Artifacts and figures of the page.
    section : str, default 'gate'
        Section of ``params.yaml`` that holds the policy.

    Returns
    -------
    Chapter
    """
    first = [c for c in decision.checks if c.verdict in ("fail", "inconclusive")]
    others = [c for c in decision.checks if c not in first]
    blocks: list[Block] = []
    if first:
        label = f"{len(others)} checks that passed or do not apply"
        blocks.append(_table("Checks that did not pass", first, decision, sources))
        blocks += [Fold(label, [_table(label, others, decision, sources)])] if others else []
    else:
        blocks.append(_table("Checks", others, decision, sources))
    if remarks := [c for c in decision.checks if c.verdict != "pass"]:
        blocks.append(Fold("What did not pass, in words", _remarks(remarks)))
    return Chapter(
        anchor="decision",
        title="Decision and checks",
        blocks=[*blocks, Fold("How checks are judged, and the policy behind them", [
            Prose(
                "Each check holds one figure against one threshold. It passes when the whole "
                "interval keeps to the threshold, fails when none of it does, and is inconclusive "
                "when the interval straddles it. A figure without interval is compared as a single "
                "number. Missing evidence is a fail. The worst check decides."
            ),
            _policy(decision, section),
        ])],
    )  # fmt: skip


def _remarks(checks: Sequence[Checked]) -> list[Block]:
    """Explain checks in the gate's words."""
    items = [
        join(badge(c.verdict), " ", strong(identifier(c.id)), ": ", c.sentence) for c in checks
    ]
    return [Section("not-passed", "What did not pass, in words", [Items(items)])]


def _table(caption: str, checks: Sequence[Checked], decision: Decision, sources: Sources) -> Table:
    levels = {c.figure.level for c in decision.checks if c.figure and c.figure.level}
    common = levels.pop() if len(levels) == 1 else None
    return Table(
        caption=caption,
        columns=[
            Column("Check"),
            Column("Verdict"),
            Column("Figure", wide=True),
            Column("Value", numeric=True),
            Column(f"{numbers.level(common)} interval".strip(), numeric=True),
            Column("Threshold", numeric=True),
        ],
        rows=[_row(c, decision.check(c.id), sources, common) for c in checks],
        cards=True,
    )


SIGNS = {"at_least": "≥", "at_most": "≤", "not_worse_than_released": "≤"}
"""How a check compares → the sign before its threshold."""


def _row(checked: Checked, check: Check, sources: Sources, common: float | None) -> Row:
    figure = checked.figure
    unit = figure.unit if figure else ""
    return Row(
        anchor=f"check-{checked.id}",
        cells=[
            identifier(checked.id),
            badge(checked.verdict),
            join(figure.label if figure else code(check.figure), sources.figure_mark(check.figure)),
            numbers.figure_value(figure) if figure else numbers.NONE,
            _interval(figure, common),
            f"{SIGNS[check.compare]} {numbers.with_unit(check.threshold, unit)}",
        ],
    )


def _interval(figure: Figure | None, common: float | None) -> str:
    """Interval, with its level where the column's head doesn't say it."""
    if figure is None:
        return numbers.NONE
    text = numbers.figure_interval(figure)
    return f"{text} ({numbers.level(figure.level)})" if figure.level and not common else text


def _policy(decision: Decision, section: str) -> Table:
    return Table(
        caption="The policy behind the checks",
        columns=[
            Column("Check"),
            Column("Protects", wide=True),
            Column("On fail"),
            Column("If inconclusive"),
            Column("Owner"),
            Column("Why this threshold", wide=True),
        ],
        rows=[
            Row([identifier(c.id), c.protects, c.on_fail, c.on_inconclusive, c.owner, c.reason])
            for c in decision.policy
        ],
        note=join("From section ", code(section), " of ", code("params.yaml"), "."),
        cards=True,
    )
