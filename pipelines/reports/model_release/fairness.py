"""Chapter "Fairness": who is selected how often, how surely, and what a change would cost."""

from pipelines.base.artifacts import evidence_of
from pipelines.reports import numbers
from pipelines.reports.blocks import (
    Block,
    Callout,
    Chapter,
    Items,
    Prose,
    Section,
    Text,
    join,
    name,
)
from pipelines.reports.model_release.fairness_findings import findings, headline
from pipelines.reports.model_release.fairness_shapes import (
    Audit,
    Audited,
    Dimension,
)
from pipelines.reports.model_release.fairness_tables import others, rate_table, ratio_table
from pipelines.reports.model_release.fairness_tests import exclusions, tests
from pipelines.reports.model_release.inputs import Inputs
from pipelines.reports.model_release.mitigation import section as mitigation_section

__all__ = ["chapter", "headline"]


def chapter(inputs: Inputs) -> Chapter:
    """Build the chapter."""
    audited = inputs.details("bias_audit", Audited)
    audit = audited.audit
    mark = inputs.sources.mark(evidence_of("bias_audit"))
    if audit is None or not audit.dimensions:
        return Chapter("fairness", "Fairness", [_nothing_audited()])
    blocks: list[Block] = [
        *findings(audit),
        _how_to_read(audit),
        *(_dimension(d, i, audit, mark) for i, d in enumerate(audit.dimensions, start=1)),
        mitigation_section(audited, audit, mark),
    ]
    if audit.notes:
        blocks.append(Section("fairness-notes", "Method", [Items(audit.notes)]))
    return Chapter("fairness", "Fairness", blocks)


def _nothing_audited() -> Callout:
    return Callout(
        "open",
        "Not audited",
        "No sensitive feature is declared (data.sensitive is empty), so nothing on this page says "
        "whether the model treats groups of people alike.",
    )


def _how_to_read(audit: Audit) -> Prose:
    level = numbers.level(audit.level)
    return Prose(
        f"All figures below are computed on the {numbers.count(audit.rows)} rows of test data. "
        f"Whiskers are {level} intervals from {numbers.count(audit.replicates)} bootstrap "
        "replicates; a dashed line marks four fifths. A group is selected when the model predicts "
        "the positive label."
    )


def _dimension(dimension: Dimension, number: int, audit: Audit, mark: Text) -> Section:
    anchor = f"fairness-{number}"
    return Section(
        anchor,
        join("By ", name(dimension.dimension)),
        [
            rate_table(dimension, "selection_rate", "Selection rate", mark, audit),
            *ratio_table(dimension, mark, audit),
            rate_table(dimension, "tpr", "True positive rate (equal opportunity)", mark, audit),
            rate_table(dimension, "fpr", "False positive rate", mark, audit),
            others(dimension, mark),
            *tests(dimension, audit, mark),
            *exclusions(dimension, audit, mark),
        ],
    )
