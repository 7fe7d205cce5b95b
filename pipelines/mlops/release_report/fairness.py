"""Chapter "Fairness": who is selected how often, how surely, and what a change would cost."""

from pipelines.core.artifacts import evidence_of
from pipelines.core.evidence import Figure
from pipelines.mlops.fairness.disparity import ImpactRatio
from pipelines.mlops.fairness.evidence import BiasAuditDetails
from pipelines.mlops.fairness.result import AuditResult, DimensionResult
from pipelines.mlops.release_report.fairness_tables import (
    FOUR_FIFTHS,
    exclusions,
    is_below,
    others,
    rate_table,
    ratio_table,
    ratio_text,
    side,
    tests,
)
from pipelines.mlops.release_report.inputs import Inputs
from pipelines.mlops.release_report.mitigation import section as mitigation_section
from pipelines.reporting import numbers
from pipelines.reporting.blocks import (
    Block,
    Callout,
    Chapter,
    Items,
    Prose,
    Section,
    Text,
    join,
    name,
    strong,
)
from pipelines.reporting.decision import join_words

WORST_RATIO = "bias_audit.worst_impact_ratio:"
"""Start of the ids of the worst impact ratio of one dimension."""


def headline(inputs: Inputs) -> Text:
    """Say in one sentence who is selected how much less often; empty if nobody falls behind.

    From the figures the gate judges, so that decision and sentence show the same interval.
    """
    audit = inputs.details("bias_audit", BiasAuditDetails).audit
    single = {d.dimension for d in audit.dimensions if len(d.features) < 2} if audit else set()
    parts: list[Text] = []
    for figure in inputs.evidence["bias_audit"].figures:
        where = figure.where
        named = figure.id.startswith(WORST_RATIO) and where.get("dimension") in single
        if named and figure.value is not None and figure.value < FOUR_FIFTHS:
            parts.append(_behind(figure, inputs))
    if not parts:
        return ""
    end = ". Four fifths (0.8) is where a closer look is customary."
    start = "Some groups are selected far less often than others: "
    return join(start, join_words(parts, "; "), end)


def _behind(figure: Figure, inputs: Inputs) -> Text:
    where = figure.where
    return join(
        "by ",
        name(where["dimension"]),
        ", ",
        strong(name(where.get("lowest", numbers.NONE))),
        f" at {numbers.decimal(figure.value)} ({numbers.interval(figure.low, figure.high)}) of "
        "the rate of ",
        name(where.get("highest", numbers.NONE)),
        inputs.sources.figure_mark(figure.id),
    )


def findings(audit: AuditResult) -> list[Block]:
    """Say in plain words which groups fall behind, and what one could do about it."""
    below = [(d, r) for d in audit.dimensions for r in d.impact_ratios if is_below(r)]
    if not below:
        return [
            Callout(
                "info",
                "No group below four fifths",
                "No compared group is selected at under four fifths of the most selected group’s "
                "rate. That is a screening figure and no proof of fairness; the intervals below "
                "say how sure it is.",
            )
        ]
    worst = sorted(below, key=lambda pair: pair[1].estimate.value or 0)
    return [
        Callout("bad", f"Below four fifths in {len(below)} of {_compared(audit)} comparisons",
                _worst_words(*worst[0])),
        Items([_one_line(d, r) for d, r in worst[:12]]),
        *([Prose(f"… and {len(worst) - 12} more in the tables below.")] if worst[12:] else []),
        Section("fairness-meaning", "What this means, and what one could do", _meaning()),
    ]  # fmt: skip


def _compared(audit: AuditResult) -> int:
    """Comparisons of a group with another one, over all dimensions."""
    return sum(r.versus != r.group for d in audit.dimensions for r in d.impact_ratios)


def _worst_words(dimension: DimensionResult, ratio: ImpactRatio) -> Text:
    rates = {g.group: g.rates.get("selection_rate") for g in dimension.groups}
    low, high = rates.get(ratio.group), rates.get(ratio.versus or "")
    start = join("The furthest behind is ", name(ratio.group), " (by ", name(dimension.dimension))
    if low is None or high is None or low.value is None or high.value is None:
        return join(start, f"), with an impact ratio of {numbers.decimal(ratio.estimate.value)}.")
    return join(
        start,
        f"): of 1,000 such people the model selects {low.value * 1000:,.0f}, of 1,000 of ",
        name(ratio.versus),
        f" it selects {high.value * 1000:,.0f}. The impact ratio is {ratio_text(ratio)}.",
    )


def _one_line(dimension: DimensionResult, ratio: ImpactRatio) -> Text:
    return join(
        name(dimension.dimension),
        ": ",
        strong(name(ratio.group)),
        f" at {ratio_text(ratio)} of the rate of ",
        name(ratio.versus),
        f"; {side(ratio)}",
    )


def _meaning() -> list[Block]:
    return [
        Prose(
            "Four fifths (29 CFR 1607.4 D) is a rule of thumb of United States enforcement "
            "agencies for when to look closer, written for race, sex and ethnic group; for "
            "other features it is used here as a yardstick only. It is a screening figure and "
            "not a verdict of law: a ratio above it does not clear a model, one below it does "
            "not convict it. Where the true rates already differ between groups, as they do "
            "in most data about pay, a model that is right about everybody shows the "
            "difference too. Whether it may be used all the same depends on what is decided "
            "with it."
        ),
        Items(
            [
                join(strong("Ask about the target first. "),
                     "If the label itself records past unfairness, no threshold mends it."),
                join(strong("Look at the inputs. "),
                     "Columns that stand in for a group (marital status and relationship often do "
                     "for sex) can be left out, at a cost in accuracy that the next run shows."),
                join(strong("Compare error rates as well. "),
                     "Equal opportunity (TPR) asks whether those who deserve selection are found "
                     "equally often; it can fail where selection rates agree and the reverse."),
                join(strong("Weigh the what-if below. "),
                     "Thresholds per group close the gap in selection; they need the sensitive "
                     "feature at decision time and are unlawful for some uses."),
                join(strong("Or do not use a model for this. "),
                     "That is a possible outcome of an audit."),
            ]
        ),
    ]  # fmt: skip


def chapter(inputs: Inputs) -> Chapter:
    """Build the chapter."""
    audited = inputs.details("bias_audit", BiasAuditDetails)
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


def _how_to_read(audit: AuditResult) -> Prose:
    level = numbers.level(audit.level)
    return Prose(
        f"All figures below are computed on the {numbers.count(audit.rows)} rows of test data. "
        f"Whiskers are {level} intervals from {numbers.count(audit.replicates)} bootstrap "
        "replicates; a dashed line marks four fifths. A group is selected when the model predicts "
        "the positive label."
    )


def _dimension(dimension: DimensionResult, number: int, audit: AuditResult, mark: Text) -> Section:
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
