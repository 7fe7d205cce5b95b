"""Chapter "Fairness": who is selected how often, how surely, and what a change would cost."""

from pipelines.base.artifacts import evidence_of
from pipelines.base.evidence import Figure
from pipelines.reports import numbers
from pipelines.reports.blocks import (
    Block,
    Callout,
    Chapter,
    Column,
    Items,
    Prose,
    Row,
    Section,
    Table,
    Text,
    join,
    name,
    strong,
)
from pipelines.reports.blocks import reason as because
from pipelines.reports.charts.forest import Estimate, forest
from pipelines.reports.decision import join_words
from pipelines.reports.model_release.fairness_shapes import (
    Audit,
    Audited,
    Dimension,
    Estimated,
    Group,
    Ratio,
)
from pipelines.reports.model_release.fairness_tests import exclusions, tests
from pipelines.reports.model_release.inputs import Inputs
from pipelines.reports.model_release.mitigation import section as mitigation_section

WORST_RATIO = "bias_audit.worst_impact_ratio:"
"""Start of the ids of the worst impact ratio of one dimension."""

FOUR_FIFTHS = 0.8
"""29 CFR 1607.4 D: a screening figure for further enquiry."""


def chapter(inputs: Inputs) -> Chapter:
    """Build the chapter."""
    audited = inputs.details("bias_audit", Audited)
    audit = audited.audit
    mark = inputs.sources.mark(evidence_of("bias_audit"))
    if audit is None or not audit.dimensions:
        return Chapter("fairness", "Fairness", [_nothing_audited()])
    blocks: list[Block] = [
        *_findings(audit),
        _how_to_read(audit),
        *(_dimension(d, i, audit, mark) for i, d in enumerate(audit.dimensions, start=1)),
        mitigation_section(audited, audit, mark),
    ]
    if audit.notes:
        blocks.append(Section("fairness-notes", "Method", [Items(audit.notes)]))
    return Chapter("fairness", "Fairness", blocks)


def headline(inputs: Inputs) -> Text:
    """Say in one sentence who is selected how much less often; empty if nobody falls behind.

    From the figures the gate judges, so that decision and sentence show the same interval.
    """
    audit = inputs.details("bias_audit", Audited).audit
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


def _nothing_audited() -> Callout:
    return Callout(
        "open",
        "Not audited",
        "No sensitive feature is declared (data.sensitive is empty), so nothing on this page says "
        "whether the model treats groups of people alike.",
    )


def _findings(audit: Audit) -> list[Block]:
    """Say in plain words which groups fall behind, and what one could do about it."""
    below = [
        (d, r)
        for d in audit.dimensions
        for r in d.impact_ratios
        if r.value is not None and r.value < FOUR_FIFTHS
    ]
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
    worst = sorted(below, key=lambda pair: pair[1].value or 0)
    return [
        Callout("bad", f"Below four fifths in {len(below)} of {_compared(audit)} comparisons",
                _worst_words(*worst[0])),
        Items([_one_line(d, r) for d, r in worst[:12]]),
        *([Prose(f"… and {len(worst) - 12} more in the tables below.")] if worst[12:] else []),
        Section("fairness-meaning", "What this means, and what one could do", _meaning()),
    ]  # fmt: skip


def _compared(audit: Audit) -> int:
    """Comparisons of a group with another one, over all dimensions."""
    return sum(r.versus != r.group for d in audit.dimensions for r in d.impact_ratios)


def _worst_words(dimension: Dimension, ratio: Ratio) -> Text:
    rates = {g.group: g.rates.get("selection_rate") for g in dimension.groups}
    low, high = rates.get(ratio.group), rates.get(ratio.versus or "")
    start = join("The furthest behind is ", name(ratio.group), " (by ", name(dimension.dimension))
    if low is None or high is None or low.value is None or high.value is None:
        return join(start, f"), with an impact ratio of {numbers.decimal(ratio.value)}.")
    return join(
        start,
        f"): of 1,000 such people the model selects {low.value * 1000:,.0f}, of 1,000 of ",
        name(ratio.versus),
        f" it selects {high.value * 1000:,.0f}. The impact ratio is "
        f"{numbers.decimal(ratio.value)} ({_interval(ratio)}).",
    )


def _one_line(dimension: Dimension, ratio: Ratio) -> Text:
    return join(
        name(dimension.dimension),
        ": ",
        strong(name(ratio.group)),
        f" at {numbers.decimal(ratio.value)} ({_interval(ratio)}) of the rate of ",
        name(ratio.versus),
        f"; {_side(ratio)}",
    )


def _interval(estimate: Estimated) -> str:
    return numbers.interval(estimate.low, estimate.high)


def _side(ratio: Ratio) -> str:
    """Where the interval lies to the line of four fifths."""
    if ratio.value is None:
        return f"not defined: {ratio.reason or 'no reason given'}"
    low = ratio.value if ratio.low is None else ratio.low
    high = ratio.value if ratio.high is None else ratio.high
    if high < FOUR_FIFTHS:
        return "below 0.8"
    return "at least 0.8" if low >= FOUR_FIFTHS else "interval straddles 0.8"


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
            _rate_table(dimension, "selection_rate", "Selection rate", mark, audit),
            *_ratio_table(dimension, mark, audit),
            _rate_table(dimension, "tpr", "True positive rate (equal opportunity)", mark, audit),
            _rate_table(dimension, "fpr", "False positive rate", mark, audit),
            _others(dimension, mark),
            *tests(dimension, audit, mark),
            *exclusions(dimension, audit, mark),
        ],
    )


_DENOMINATORS = {"selection_rate": "People", "tpr": "Positives", "fpr": "Negatives"}
_NUMERATORS = {"selection_rate": "Selected", "tpr": "of them selected", "fpr": "of them selected"}
_ROLES = {"excluded": " (too small to compare)", "unknown": " (group unknown)"}


def _rate_table(dimension: Dimension, rate: str, title: str, mark: Text, audit: Audit) -> Table:
    groups = [g for g in dimension.groups if rate in g.rates]
    axis = forest([_estimate(g.rates[rate]) for g in groups], include=(0.0,))
    return Table(
        caption=join(title, " by ", name(dimension.dimension)),
        mark=mark,
        columns=[
            Column("Group"),
            Column(_DENOMINATORS[rate], numeric=True),
            Column(_NUMERATORS[rate], numeric=True),
            Column("Rate", numeric=True),
            Column(f"{numbers.level(audit.level)} interval", numeric=True),
            Column(f"{title.partition(' (')[0]} (share)", chart=True),
        ],
        rows=[
            _rate_row(g, rate, axis.row(_estimate(g.rates[rate]), _title(g, rate))) for g in groups
        ],
        foot=["", "", "", "", "", axis.axis(f"Axis: {title.lower()} as a share")],
    )


def _rate_row(group: Group, rate: str, plot: Text) -> Row:
    estimate = group.rates[rate]
    missing = estimate.value is None
    return Row(
        [
            _group_name(group),
            numbers.count(estimate.n),
            numbers.count(estimate.numerator),
            numbers.percent(estimate.value),
            because(estimate.reason or "not defined") if missing
            else numbers.interval(estimate.low, estimate.high, "share"),
            plot,
        ]
    )  # fmt: skip


def _group_name(group: Group) -> Text:
    return join(name(group.group), _ROLES.get(group.role, ""))


def _title(group: Group, rate: str) -> str:
    estimate = group.rates[rate]
    shown = numbers.interval(estimate.low, estimate.high, "share")
    return f"{group.group}: {numbers.percent(estimate.value)} ({shown})"


def _estimate(estimate: Estimated) -> Estimate:
    return Estimate(estimate.value, estimate.low, estimate.high)


def _ratio_table(dimension: Dimension, mark: Text, audit: Audit) -> list[Block]:
    ratios = dimension.impact_ratios
    if not ratios:
        return [Prose("There are fewer than two groups to compare, so there is no impact ratio.")]
    axis = forest([_estimate(r) for r in ratios], reference=FOUR_FIFTHS, include=(0.0, 1.0))
    return [
        Table(
            caption=join("Impact ratio by ", name(dimension.dimension)),
            mark=mark,
            columns=[
                Column("Group"),
                Column("Compared with"),
                Column("Ratio", numeric=True),
                Column(f"{numbers.level(audit.level)} interval", numeric=True),
                Column("Four fifths"),
                Column("Ratio of selection rates", chart=True),
            ],
            rows=[_ratio_row(r, axis.row(_estimate(r), _ratio_title(r), highlight=_is_below(r)))
                  for r in ratios],
            foot=["", "", "", "", "", axis.axis("Axis: ratio of selection rates")],
            note="Dashed line: 0.8. A diamond marks a ratio below it, a dot all others. The gate "
            "judges the worst ratio of all groups, whose interval allows for its being the worst.",
        )
    ]  # fmt: skip


def _is_below(ratio: Ratio) -> bool:
    return ratio.value is not None and ratio.value < FOUR_FIFTHS


def _ratio_title(ratio: Ratio) -> str:
    return f"{ratio.group}: impact ratio {numbers.decimal(ratio.value)} ({_interval(ratio)})"


def _ratio_row(ratio: Ratio, plot: Text) -> Row:
    own = ratio.versus == ratio.group
    return Row(
        [
            name(ratio.group),
            "itself: most selected" if own else name(ratio.versus or numbers.NONE),
            numbers.decimal(ratio.value),
            _interval(ratio),
            _side(ratio),
            plot,
        ],
        strong=_is_below(ratio),
    )


def _others(dimension: Dimension, mark: Text) -> Table:
    shown = ("base_rate", "precision", "accuracy")
    return Table(
        caption=join("Other rates and calibration by ", name(dimension.dimension)),
        mark=mark,
        columns=[
            Column("Group"),
            Column("People", numeric=True),
            Column("Share of all", numeric=True),
            Column("Truly positive", numeric=True),
            Column("Precision", numeric=True),
            Column("Accuracy", numeric=True),
            Column("Mean score", numeric=True),
            Column("Score too high by", numeric=True),
        ],
        rows=[
            Row(
                [
                    _group_name(g),
                    numbers.count(g.n),
                    numbers.percent(g.share),
                    *(numbers.percent(g.rates[r].value if r in g.rates else None) for r in shown),
                    numbers.percent(g.calibration.mean_score if g.calibration else None),
                    _points(g.calibration.gap if g.calibration else None),
                ]
            )
            for g in dimension.groups
        ],
        note="“Score too high by”: mean score minus the share that is truly positive, in "
        "percentage points; negative where the score promises too little.",
    )


def _points(gap: float | None) -> str:
    return numbers.NONE if gap is None else f"{numbers.decimal(gap * 100, 1)}\N{NO-BREAK SPACE}pp"
