"""The what-if of a bias audit: what thresholds per group would gain, and what they would cost."""

from collections.abc import Sequence

from pipelines.mlops.fairness.evidence import BiasAuditDetails
from pipelines.mlops.fairness.mitigation import BeforeAfter, GroupEffect, Mitigation
from pipelines.mlops.fairness.result import AuditResult
from pipelines.reporting import numbers
from pipelines.reporting.blocks import (
    Block,
    Callout,
    Column,
    Prose,
    Row,
    Section,
    Table,
    Text,
    join,
    name,
)

_WORDS = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "selection_rate": "Selection rate",
    "tpr": "True positive rate",
    "fpr": "False positive rate",
    "tnr": "True negative rate",
    "precision": "Precision",
}


def section(audited: BiasAuditDetails, audit: AuditResult, mark: Text) -> Section:
    """Build the section that shows gain and cost side by side, or why there is nothing to show.

    Parameters
    ----------
    audited : BiasAuditDetails
        Details of the bias audit.
    audit : AuditResult
        Rates, ratios and tests of all dimensions.
    mark : Text
        Mark of the source, as `Sources.mark` makes it.

    Returns
    -------
    Section
        The section.
    """
    found = audited.mitigation
    if found is None:
        why = audited.mitigation_missing or "it is switched off in params.yaml"
        blocks: list[Block] = [Prose(f"No what-if was computed: {why}.")]
    else:
        blocks = [
            Callout(
                "info",
                "A what-if, not deployed",
                join(
                    "Thresholds per group of ",
                    name(found.feature),
                    f" that aim at {found.constraint.replace('_', ' ')}, fitted on validation data "
                    "and judged on test data. The model of this release does not do this.",
                ),
            ),
            _changes("Gain: differences and ratios between groups", found.disparity, audit, mark),
            _changes("Cost: rates over all rows", found.overall, audit, mark),
            _people(found, mark, audit.words.selected),
        ]
    return Section("mitigation", "What a mitigation would gain and cost", blocks)


def measure_text(measure: str) -> str:
    """Write the name of a measure as words.

    Parameters
    ----------
    measure : str
        Name in the evidence.

    Returns
    -------
    str
        Words.
    """
    if measure in _WORDS:
        return _WORDS[measure]
    words = measure.replace("_", " ")
    return words[:1].upper() + words[1:]


def _changes(caption: str, changes: Sequence[BeforeAfter], audit: AuditResult, mark: Text) -> Table:
    return Table(
        caption=caption,
        mark=mark,
        cards=True,
        columns=[
            Column("Measure"),
            Column("Now", numeric=True),
            Column("What-if", numeric=True),
            Column("Change", numeric=True),
            Column(f"{numbers.level(audit.level)} interval of the change", numeric=True),
        ],
        rows=[
            Row(
                [
                    measure_text(c.name)
                    if c.name != "selection_rate"
                    else audit.words.rate.capitalize(),
                    numbers.decimal(c.before),
                    numbers.decimal(c.after),
                    numbers.decimal(c.change.value),
                    numbers.interval(c.change.low, c.change.high),
                ]
            )
            for c in changes
        ],
    )


def _people(found: Mitigation, mark: Text, selected: str) -> Table:
    return Table(
        caption="Who is affected (test data)",
        mark=mark,
        columns=[
            Column("Group"),
            Column("People", numeric=True),
            Column("Rows", numeric=True),
            Column(f"{selected.capitalize()} now", numeric=True),
            Column(f"{selected.capitalize()} in the what-if", numeric=True),
            Column(f"Rows newly {selected}", numeric=True),
            Column(f"Rows no longer {selected}", numeric=True),
            Column("Own threshold", wide=True),
        ],
        rows=[_person_row(effect) for effect in found.groups],
    )


def _person_row(effect: GroupEffect) -> Row:
    return Row(
        [
            name(effect.group),
            numbers.count(effect.subjects),
            numbers.count(effect.n),
            numbers.percent(effect.before.get("selection_rate")),
            numbers.percent(effect.after.get("selection_rate")),
            numbers.count(effect.gained),
            numbers.count(effect.lost),
            "yes" if effect.mitigated else f"no: {effect.reason or 'no reason given'}",
        ]
    )
