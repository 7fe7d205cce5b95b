"""Tables of a bias audit: rates, ratios, calibration, tests, and the groups left out."""

from pipelines.mlops.fairness.disparity import ImpactRatio
from pipelines.mlops.fairness.estimates import Estimate
from pipelines.mlops.fairness.result import AuditResult, DimensionResult, GroupRow
from pipelines.mlops.fairness.significance import SelectionTest
from pipelines.reporting import numbers
from pipelines.reporting.blocks import Block, Column, Prose, Row, Table, Text, join, name, names
from pipelines.reporting.blocks import reason as because
from pipelines.reporting.charts import forest as charts
from pipelines.reporting.charts.forest import forest

FOUR_FIFTHS = 0.8
"""29 CFR 1607.4 D: a screening figure for further enquiry."""


def interval_text(estimate: Estimate) -> str:
    """Write the bounds of an estimate.

    Parameters
    ----------
    estimate : Estimate
        The estimate.

    Returns
    -------
    str
        Bounds, or a dash.
    """
    return numbers.interval(estimate.low, estimate.high)


def ratio_text(ratio: ImpactRatio) -> str:
    """Impact ratio and its bounds."""
    return f"{numbers.decimal(ratio.estimate.value)} ({interval_text(ratio.estimate)})"


def side(ratio: ImpactRatio) -> str:
    """Say on which side of four fifths the interval lies.

    Parameters
    ----------
    ratio : ImpactRatio
        Impact ratio.

    Returns
    -------
    str
        Words; the reason if it isn't defined.
    """
    found = ratio.estimate
    if found.value is None:
        return f"not defined: {found.reason or 'no reason given'}"
    low = found.value if found.low is None else found.low
    high = found.value if found.high is None else found.high
    if high < FOUR_FIFTHS:
        return "below 0.8"
    return "at least 0.8" if low >= FOUR_FIFTHS else "interval straddles 0.8"


def is_below(ratio: ImpactRatio) -> bool:
    """Test whether the ratio itself, without its interval, is under four fifths.

    Parameters
    ----------
    ratio : ImpactRatio
        Impact ratio.

    Returns
    -------
    bool
        False if it isn't defined.
    """
    return ratio.estimate.value is not None and ratio.estimate.value < FOUR_FIFTHS


_DENOMINATORS = {"selection_rate": "Rows", "tpr": "Positives", "fpr": "Negatives"}
_ERRORS = {
    "fpr": ("False positive rate", "Negatives", "of them {selected}"),
    "fdr": ("False discovery rate", "{Selected}", "of them negative"),
    "fnr": ("False negative rate", "Positives", "of them {not_selected}"),
    "for": ("False omission rate", "{Not_selected}", "of them positive"),
}
"""Rate of errors → its name, what is counted, and what is counted among it."""
_ROLES = {"excluded": " (too small to compare)", "unknown": " (group unknown)"}


def rate_table(
    dimension: DimensionResult, rate: str, title: str, mark: Text, audit: AuditResult
) -> Table:
    """Build a table of the rate of every group with its interval, compared or not.

    Parameters
    ----------
    dimension : DimensionResult
        A sensitive feature, or a combination of several.
    rate : str
        Name of the rate.
    title : str
        First words of the caption.
    mark : Text
        Mark of the source, as `Sources.mark` makes it.
    audit : AuditResult
        Rates, ratios and tests of all dimensions.

    Returns
    -------
    Table
        The table.
    """
    groups = [g for g in dimension.groups if rate in g.rates]
    axis = forest([_estimate(g.rates[rate]) for g in groups], include=(0.0,))
    selected = audit.words.selected
    counted = selected.capitalize() if rate == "selection_rate" else f"of them {selected}"
    return Table(
        caption=join(title, " by ", name(dimension.dimension)),
        mark=mark,
        columns=[
            Column("Group"),
            Column("People", numeric=True),
            Column(_DENOMINATORS[rate], numeric=True),
            Column(counted, numeric=True),
            Column("Rate", numeric=True),
            Column(f"{numbers.level(audit.level)} interval", numeric=True),
            Column(f"{title.partition(' (')[0]} (share)", chart=True),
        ],
        rows=[
            _rate_row(g, rate, axis.row(_estimate(g.rates[rate]), _title(g, rate))) for g in groups
        ],
        foot=["", "", "", "", "", "", axis.axis(f"Axis: {title.lower()} as a share")],
        cards=True,
    )


def error_tables(dimension: DimensionResult, mark: Text, audit: AuditResult) -> list[Block]:
    """Rates of the errors that harm people, each beside the reference group's.

    Parameters
    ----------
    dimension : DimensionResult
        Its groups.
    mark : str or Markup
        Reference to the evidence.
    audit : AuditResult
        Says which errors harm.

    Returns
    -------
    list of Block
        A table an error.
    """
    shown = [r for r in audit.harmful_rates if any(r in g.rates for g in dimension.groups)]
    return [_error_table(dimension, rate, mark, audit) for rate in shown]


def error_name(rate: str) -> str:
    """Return a harmful error's rate in words.

    Parameters
    ----------
    rate : str
        One of ``Orientation.harmful_rates``.

    Returns
    -------
    str
    """
    return _ERRORS[rate][0]


def _error_table(dimension: DimensionResult, rate: str, mark: Text, audit: AuditResult) -> Table:
    words = audit.words
    title, counted, among = (
        part.format(
            selected=words.selected,
            Selected=words.selected.capitalize(),
            not_selected=words.not_selected,
            Not_selected=words.not_selected.capitalize(),
        )
        for part in _ERRORS[rate]
    )
    level = numbers.level(audit.level)
    gaps = {gap.group: gap.ratio for gap in dimension.gaps if gap.rate == rate}
    return Table(
        caption=join(f"{title} (an error that harms the person) by ", name(dimension.dimension)),
        mark=mark,
        columns=[
            Column("Group"),
            Column(counted, numeric=True),
            Column(among, numeric=True),
            Column("Rate", numeric=True),
            Column(f"{level} interval", numeric=True),
            Column(join("Over that of ", name(dimension.reference or numbers.NONE)), numeric=True),
            Column(f"{level} interval of the ratio", numeric=True),
        ],
        rows=[
            _error_row(g, rate, gaps.get(g.group), own=g.group == dimension.reference)
            for g in dimension.groups
            if rate in g.rates
        ],
        cards=True,
        note="Above 1: the group suffers this error more often than the group that it is compared "
        "with; below 1: more rarely. The gate judges the furthest of all groups, whose interval "
        "allows for that.",
    )


def _error_row(group: GroupRow, rate: str, ratio: Estimate | None, *, own: bool) -> Row:
    estimate = group.rates[rate]
    missing = estimate.value is None
    compared = (
        ["1", ""]
        if own
        else [numbers.decimal(ratio.value), interval_text(ratio)]
        if ratio
        else [numbers.NONE, ""]
    )
    return Row(
        [
            _group_name(group),
            numbers.count(estimate.n),
            numbers.count(estimate.numerator),
            numbers.percent(estimate.value),
            because(estimate.reason or "not defined")
            if missing
            else numbers.interval(estimate.low, estimate.high, "share"),
            *compared,
        ]
    )


def _rate_row(group: GroupRow, rate: str, plot: Text) -> Row:
    estimate = group.rates[rate]
    missing = estimate.value is None
    return Row(
        [
            _group_name(group),
            numbers.count(group.subjects),
            numbers.count(estimate.n),
            numbers.count(estimate.numerator),
            numbers.percent(estimate.value),
            because(estimate.reason or "not defined") if missing
            else numbers.interval(estimate.low, estimate.high, "share"),
            plot,
        ]
    )  # fmt: skip


def _group_name(group: GroupRow) -> Text:
    return join(name(group.group), _ROLES.get(group.role, ""))


def _title(group: GroupRow, rate: str) -> str:
    estimate = group.rates[rate]
    shown = numbers.interval(estimate.low, estimate.high, "share")
    return f"{group.group}: {numbers.percent(estimate.value)} ({shown})"


def _estimate(estimate: Estimate) -> charts.Estimate:
    return charts.Estimate(estimate.value, estimate.low, estimate.high)


def ratio_table(dimension: DimensionResult, mark: Text, audit: AuditResult) -> list[Block]:
    """Build a table of the impact ratio of every compared group, beside the line of four fifths.

    Parameters
    ----------
    dimension : DimensionResult
        A sensitive feature, or a combination of several.
    mark : Text
        Mark of the source, as `Sources.mark` makes it.
    audit : AuditResult
        Rates, ratios and tests of all dimensions.

    Returns
    -------
    list of Block
        The table, or a sentence why there is none.
    """
    ratios = dimension.impact_ratios
    if not ratios:
        return [Prose("There are fewer than two groups to compare, so there is no impact ratio.")]
    axis = forest(
        [_estimate(r.estimate) for r in ratios], reference=FOUR_FIFTHS, include=(0.0, 1.0)
    )
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
                Column(f"Ratio of rates of being {audit.favoured}", chart=True),
            ],
            rows=[_ratio_row(r, axis.row(_estimate(r.estimate), _ratio_title(r),
                                         highlight=is_below(r)), audit.words.most_favoured)
                  for r in ratios],
            foot=["", "", "", "", "",
                  axis.axis(f"Axis: ratio of rates of being {audit.favoured}")],
            cards=True,
            note="Dashed line: 0.8. A diamond marks a ratio below it, a dot all others. The gate "
            "judges the worst ratio of all groups, whose interval allows for its being the worst.",
        )
    ]  # fmt: skip


def _ratio_title(ratio: ImpactRatio) -> str:
    return f"{ratio.group}: impact ratio {ratio_text(ratio)}"


def _ratio_row(ratio: ImpactRatio, plot: Text, most_favoured: str) -> Row:
    own = ratio.versus == ratio.group
    return Row(
        [
            name(ratio.group),
            f"itself: {most_favoured}" if own else name(ratio.versus or numbers.NONE),
            numbers.decimal(ratio.estimate.value),
            interval_text(ratio.estimate),
            side(ratio),
            plot,
        ],
        strong=is_below(ratio),
    )


def others(dimension: DimensionResult, mark: Text) -> Table:
    """Build a table of size, base rate, precision, accuracy and calibration of every group.

    Parameters
    ----------
    dimension : DimensionResult
        A sensitive feature, or a combination of several.
    mark : Text
        Mark of the source, as `Sources.mark` makes it.

    Returns
    -------
    Table
        The table.
    """
    shown = ("base_rate", "precision", "accuracy")
    return Table(
        caption=join("Other rates and calibration by ", name(dimension.dimension)),
        mark=mark,
        columns=[
            Column("Group"),
            Column("People", numeric=True),
            Column("Rows", numeric=True),
            Column("Share of rows", numeric=True),
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
                    numbers.count(g.subjects),
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


def tests(dimension: DimensionResult, audit: AuditResult, mark: Text) -> list[Block]:
    """Build a table of the tests of every compared group against the reference group.

    Parameters
    ----------
    dimension : DimensionResult
        A sensitive feature, or a combination of several.
    audit : AuditResult
        Rates, ratios and tests of all dimensions.
    mark : Text
        Mark of the source, as `Sources.mark` makes it.

    Returns
    -------
    list of Block
        The table; nothing without tests.
    """
    if not dimension.tests:
        return []
    return [
        Table(
            caption=join("Tests against ", name(dimension.reference or numbers.NONE)),
            mark=mark,
            columns=[
                Column("Group"),
                Column(audit.favoured.capitalize(), numeric=True),
                Column(f"Reference {audit.favoured}", numeric=True),
                Column("Fisher p", numeric=True),
                Column("Holm p", numeric=True),
                Column("Z", numeric=True),
                Column("Effect size h", numeric=True),
                Column("Difference"),
            ],
            rows=[_test(test) for test in dimension.tests],
            note=f"Fisher’s exact test, two-sided; Holm p is corrected over all "
            f"{audit.tests_corrected} tests of this audit, “significant” means Holm p ≤ "
            f"{audit.alpha:g}. Effect size: Cohen’s h in radians; about 0.2 is called small, 0.5 "
            f"medium, 0.8 large (Cohen 1988).{_by_subject(audit)}",
        )
    ]


def _by_subject(audit: AuditResult) -> str:
    if audit.subjects == audit.rows:
        return ""
    return (
        f" The {numbers.count(audit.rows)} rows are of {numbers.count(audit.subjects)} people, so "
        "the tests count rows over the design effect (Rao and Scott 1992)."
    )


def _test(test: SelectionTest) -> Row:
    return Row(
        [
            name(test.group),
            f"{numbers.count(test.selected)} of {numbers.count(test.n)}",
            f"{numbers.count(test.reference_selected)} of {numbers.count(test.reference_n)}",
            numbers.p_value(test.fisher_p),
            numbers.p_value(test.holm_p),
            numbers.decimal(test.z, 2),
            numbers.decimal(test.cohens_h, 2),
            "significant" if test.significant else "not significant",
        ]
    )


def exclusions(dimension: DimensionResult, audit: AuditResult, mark: Text) -> list[Block]:
    """List the groups that are not compared, with their numbers.

    Parameters
    ----------
    dimension : DimensionResult
        A sensitive feature, or a combination of several.
    audit : AuditResult
        Rates, ratios and tests of all dimensions.
    mark : Text
        Mark of the source, as `Sources.mark` makes it.

    Returns
    -------
    list of Block
        Tables and notes; nothing if all are compared.
    """
    blocks: list[Block] = []
    if dimension.exclusions:
        blocks.append(_exclusion_table(dimension, audit, mark))
    unknown = dimension.unknown
    if unknown.n:
        blocks.append(
            Prose(
                join(
                    f"Group unknown: {numbers.count(unknown.n)} rows "
                    f"({numbers.percent(unknown.share)}), counted as ",
                    names(unknown.groups),
                    "; shown above, not compared.",
                )
            )
        )
    else:
        blocks.append(Prose("No row’s group is unknown.", quiet=True))
    if dimension.empty_groups:
        blocks.append(Prose(join("Without any row: ", names(dimension.empty_groups), ".")))
    return blocks


def _exclusion_table(dimension: DimensionResult, audit: AuditResult, mark: Text) -> Table:
    return Table(
        caption="Groups left out of the comparison",
        mark=mark,
        columns=[
            Column("Group"),
            Column("People", numeric=True),
            Column("Rows", numeric=True),
            Column("Share of rows", numeric=True),
            Column(audit.words.rate.capitalize(), numeric=True),
            Column("Why", wide=True),
        ],
        rows=[
            Row(
                [
                    name(e.group),
                    numbers.count(e.subjects),
                    numbers.count(e.n),
                    numbers.percent(e.share),
                    numbers.percent(e.selection_rate),
                    e.reason,
                ]
            )
            for e in dimension.exclusions
        ],
        note="A group is left out if its rows could not show a difference whatever they held, and "
        "do not show one; never for its share of the rows. Its number and rate are reported all "
        "the same. For other rates other groups may be too small: the checks name theirs.",
    )
