"""Tables of a bias audit: rates, ratios and calibration of the groups of one dimension."""

from pipelines.reports import numbers
from pipelines.reports.blocks import (
    Block,
    Column,
    Prose,
    Row,
    Table,
    Text,
    join,
    name,
)
from pipelines.reports.blocks import reason as because
from pipelines.reports.charts.forest import Estimate, forest
from pipelines.reports.model_release.fairness_shapes import (
    Audit,
    Dimension,
    Estimated,
    Group,
    Ratio,
)
from pipelines.reports.model_release.ratios import FOUR_FIFTHS, interval_text, is_below, side

_DENOMINATORS = {"selection_rate": "People", "tpr": "Positives", "fpr": "Negatives"}
_NUMERATORS = {"selection_rate": "Selected", "tpr": "of them selected", "fpr": "of them selected"}
_ROLES = {"excluded": " (too small to compare)", "unknown": " (group unknown)"}


def rate_table(dimension: Dimension, rate: str, title: str, mark: Text, audit: Audit) -> Table:
    """Rate of every group with its interval, compared or not."""
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


def ratio_table(dimension: Dimension, mark: Text, audit: Audit) -> list[Block]:
    """Impact ratio of every compared group, beside the line of four fifths."""
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
            rows=[_ratio_row(r, axis.row(_estimate(r), _ratio_title(r), highlight=is_below(r)))
                  for r in ratios],
            foot=["", "", "", "", "", axis.axis("Axis: ratio of selection rates")],
            note="Dashed line: 0.8. A diamond marks a ratio below it, a dot all others. The gate "
            "judges the worst ratio of all groups, whose interval allows for its being the worst.",
        )
    ]  # fmt: skip


def _ratio_title(ratio: Ratio) -> str:
    return f"{ratio.group}: impact ratio {numbers.decimal(ratio.value)} ({interval_text(ratio)})"


def _ratio_row(ratio: Ratio, plot: Text) -> Row:
    own = ratio.versus == ratio.group
    return Row(
        [
            name(ratio.group),
            "itself: most selected" if own else name(ratio.versus or numbers.NONE),
            numbers.decimal(ratio.value),
            interval_text(ratio),
            side(ratio),
            plot,
        ],
        strong=is_below(ratio),
    )


def others(dimension: Dimension, mark: Text) -> Table:
    """Size, base rate, precision, accuracy and calibration of every group."""
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
