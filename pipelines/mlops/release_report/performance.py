"""Chapter "Performance": figures with intervals, curves, slices, and the released model."""

from itertools import groupby

from pydantic import Field

from pipelines.core.artifacts import PLOTS, evidence_of
from pipelines.core.evidence import Figure
from pipelines.mlops.data.columns import decision_words
from pipelines.mlops.release_report.inputs import (
    Inputs,
    Number,
    Records,
    Shape,
    as_number,
    points,
)
from pipelines.reporting import numbers
from pipelines.reporting.blocks import (
    Block,
    Callout,
    Chapter,
    Chart,
    Charts,
    Column,
    Facts,
    Prose,
    Row,
    Section,
    Table,
    Text,
    code,
    join,
    name,
)
from pipelines.reporting.blocks import reason as because
from pipelines.reporting.charts.axes import covering
from pipelines.reporting.charts.curves import Axis, Curve, Point, Reference, curves
from pipelines.reporting.charts.forest import Estimate, Forest, forest

STAGE = "evaluate"
DRAWN, BESIDE = "roc_auc", ("accuracy", "calibration_error")


class Sliced(Shape):
    """A metric of one slice.

    Attributes
    ----------
    value : float or None
        The value, None if not defined.
    low : float or None
        Lower bound of the interval.
    high : float or None
        Upper bound of the interval.
    missing : str
        Why there is no value, "" if there is one.
    """

    value: Number = None
    low: Number = None
    high: Number = None
    missing: str = ""


class Slice(Shape):
    """Rows that share a value of a column.

    Attributes
    ----------
    feature : str
        Name of the column.
    value : str
        Value of the column.
    rows : int
        Number of rows.
    positives : int
        Rows of the positive class.
    share : float
        Share of all rows.
    missing : str
        Why there are no figures, "" if there are.
    figures : dict of str to Sliced
        Metric to its estimate.
    """

    feature: str
    value: str
    rows: int
    positives: int
    share: float
    missing: str = ""
    figures: dict[str, Sliced] = Field(default_factory=dict)


def blocks(slices: list[Slice], inputs: Inputs) -> list[Block]:
    """Build one table of slices for each feature.

    Parameters
    ----------
    slices : list of Slice
        Slices of the test data.
    inputs : Inputs
        Everything the report is made from.

    Returns
    -------
    list of Block
        Tables, or a sentence why there are none.
    """
    if not slices:
        return [Prose("No slices were asked for (evaluate.slices and data.sensitive are empty).")]
    mark = inputs.sources.mark(evidence_of(STAGE))
    axis = forest([_estimate(s) for s in slices], include=(1.0,))
    tables = [
        _table(feature, list(rows), axis, mark)
        for feature, rows in groupby(slices, key=lambda s: s.feature)
    ]
    return [_worst(inputs), *tables]


def _worst(inputs: Inputs) -> Prose:
    parts: list[Text] = []
    for short in ("worst_slice_roc_auc", "worst_slice_accuracy"):
        figure = inputs.figure(f"{STAGE}.{short}")
        if figure is None or figure.value is None:
            continue
        where = ", ".join(f"{key} = {value}" for key, value in figure.where.items())
        parts.append(
            join(
                f"{figure.label}: {numbers.figure_value(figure)} "
                f"({numbers.figure_interval(figure)}) where ",
                name(where),
                inputs.sources.figure_mark(figure.id),
                ". ",
            )
        )
    return Prose(
        join(
            *parts,
            "Among many slices, the lowest is low by chance as well; see its interval. Values that "
            "fewer people have than data.min_cell count together, or aren't listed.",
        )
    )


def _table(feature: str, rows: list[Slice], axis: Forest, mark: Text) -> Table:
    return Table(
        caption=join("By ", name(feature)),
        mark=mark,
        columns=[
            Column(name(feature)),
            Column("Rows", numeric=True),
            Column("Positive", numeric=True),
            Column("Accuracy", numeric=True),
            Column("Calibration error", numeric=True),
            Column("ROC AUC", numeric=True),
            Column("Interval", numeric=True),
            Column("ROC AUC", chart=True),
        ],
        rows=[_row(group_slice, axis) for group_slice in rows],
        foot=["", "", "", "", "", "", "", axis.axis("Axis: ROC AUC")],
        cards=True,
    )


def _row(group_slice: Slice, axis: Forest) -> Row:
    drawn = group_slice.figures.get(DRAWN, Sliced(missing=group_slice.missing))
    reason = group_slice.missing or drawn.missing
    accuracy, error = (group_slice.figures.get(metric, Sliced()) for metric in BESIDE)
    return Row(
        [
            name(group_slice.value),
            numbers.count(group_slice.rows),
            numbers.percent(group_slice.positives / group_slice.rows if group_slice.rows else None),
            numbers.percent(accuracy.value),
            numbers.decimal(error.value),
            numbers.decimal(drawn.value),
            because(reason) if drawn.value is None else numbers.interval(drawn.low, drawn.high),
            axis.row(
                _estimate(group_slice),
                f"{group_slice.value}: ROC AUC {numbers.decimal(drawn.value)}",
            ),
        ]
    )


def _estimate(group_slice: Slice) -> Estimate:
    drawn = group_slice.figures.get(DRAWN, Sliced())
    return Estimate(drawn.value, drawn.low, drawn.high)


class Confusion(Shape):
    """Rows by truth and decision.

    Attributes
    ----------
    true_positive, false_positive, false_negative, true_negative : int
        Rows.
    """

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int


class Bootstrap(Shape):
    """How intervals were made.

    Attributes
    ----------
    replicates : int
        Number of resamples.
    confidence : float
        Confidence level of the intervals.
    method : str
        Method in words.
    """

    replicates: int
    confidence: float
    method: str


class Released(Shape):
    """The released model that this one was compared with.

    Attributes
    ----------
    name : str
        Name of the release.
    commit : str
        Commit of the release.
    compared : bool
        Whether it was compared with.
    reason : str or None
        Why not, None if it was.
    seen_reason : str or None
        Why it may have seen the test data, None if it can't have.
    """

    name: str
    commit: str
    compared: bool
    reason: str | None = None
    seen_reason: str | None = None


class Evaluated(Shape):
    """`details` of ``evaluate``.

    Attributes
    ----------
    rows : int
        Number of rows.
    positives : int
        Rows of the positive class.
    subjects : int
        Number of separate subjects.
    bootstrap : Bootstrap
        How intervals were made.
    confusion : Confusion
        Rows by truth and decision.
    slices : list of Slice
        Metrics by slice.
    released : Released or None
        None without a release.
    """

    rows: int
    positives: int
    subjects: int
    bootstrap: Bootstrap
    confusion: Confusion
    slices: list[Slice] = Field(default_factory=list)
    released: Released | None = None
    too_good: str = ""


def chapter(inputs: Inputs) -> Chapter:
    """Build the chapter about performance.

    Parameters
    ----------
    inputs : Inputs
        Everything the report is made from.

    Returns
    -------
    Chapter
        The chapter.
    """
    evaluated = inputs.details(STAGE, Evaluated)
    confusion = evaluated.confusion
    return Chapter(
        anchor="performance",
        title="Performance",
        blocks=[
            *(
                [Callout("bad", "Too good to be true", f"{evaluated.too_good}.")]
                if evaluated.too_good
                else []
            ),
            _basis(evaluated),
            _figures(inputs, evaluated),
            Charts(charts(inputs, _operating_point(confusion), _base_rate(evaluated))),
            Section("confusion", "Right and wrong", [_confusion(confusion, inputs)]),
            Section("released", "Against the released model", _released(evaluated, inputs)),
            Section("slices", "Slices", blocks(evaluated.slices, inputs)),
        ],
    )


def _basis(evaluated: Evaluated) -> Prose:
    bootstrap = evaluated.bootstrap
    return Prose(
        f"Measured on {numbers.count(evaluated.rows)} test rows of "
        f"{numbers.count(evaluated.subjects)} subjects that neither training nor the choice of "
        f"the threshold has seen; {numbers.count(evaluated.positives)} are positive. Intervals: "
        f"{numbers.level(bootstrap.confidence)}, {bootstrap.method}, "
        f"{numbers.count(bootstrap.replicates)} replicates."
    )


_ASIDE = ("baseline_", "delta_", "released_", "worst_slice_")


def _figures(inputs: Inputs, evaluated: Evaluated) -> Table:
    shown = [
        figure
        for figure in inputs.evidence[STAGE].figures
        if not figure.id.split(".", 1)[1].startswith(_ASIDE)
    ]
    level = numbers.level(evaluated.bootstrap.confidence)
    return Table(
        caption="Figures on test data",
        columns=[
            Column("Figure"),
            Column("Value", numeric=True),
            Column(f"{level} interval", numeric=True),
            Column("Baseline", numeric=True),
            Column("n", numeric=True),
        ],
        rows=[_figure_row(figure, inputs) for figure in shown],
        cards=True,
        note="Baseline: what is reached without looking at a row: always the more frequent label, "
        "or the training data’s share of positives as everybody’s score. Log loss, Brier score and "
        "calibration error: lower is better.",
    )


def _figure_row(figure: Figure, inputs: Inputs) -> Row:
    stage, short = figure.id.split(".", 1)
    baseline_id = f"{stage}.baseline_{short}"
    baseline = inputs.figure(baseline_id)
    shown: Text = numbers.NONE
    if baseline is not None:
        value = numbers.with_unit(baseline.value, figure.unit)
        shown = join(value, inputs.sources.figure_mark(baseline_id))
    return Row(
        [
            join(figure.label, inputs.sources.figure_mark(figure.id)),
            because(figure.missing) if figure.missing else numbers.figure_value(figure),
            numbers.figure_interval(figure),
            shown,
            numbers.count(figure.n),
        ]
    )


def _operating_point(confusion: Confusion) -> tuple[float, float, float | None] | None:
    """Give (false positive rate, true positive rate, precision) at the threshold."""
    positives = confusion.true_positive + confusion.false_negative
    negatives = confusion.false_positive + confusion.true_negative
    selected = confusion.true_positive + confusion.false_positive
    if not positives or not negatives:
        return None
    precision = confusion.true_positive / selected if selected else None
    return confusion.false_positive / negatives, confusion.true_positive / positives, precision


def _base_rate(evaluated: Evaluated) -> float | None:
    return evaluated.positives / evaluated.rows if evaluated.rows else None


def _confusion(confusion: Confusion, inputs: Inputs) -> Table:
    c = confusion
    positive = name(inputs.params.data.positive)
    words = decision_words(inputs.params.data)
    return Table(
        caption="Test rows by truth and decision, at the chosen threshold",
        mark=inputs.sources.mark(evidence_of(STAGE)),
        columns=[
            Column("Truth"),
            Column(words.selected.capitalize(), numeric=True),
            Column(words.not_selected.capitalize(), numeric=True),
            Column("Together", numeric=True),
        ],
        rows=[
            _counted(positive, c.true_positive, c.false_negative),
            _counted(join("not ", positive), c.false_positive, c.true_negative),
            _counted(
                "Together", c.true_positive + c.false_positive, c.false_negative + c.true_negative
            ),
        ],
    )


def _counted(label: Text, selected: int, other: int) -> Row:
    cells = [numbers.count(n) for n in (selected, other, selected + other)]
    return Row([label, *cells], strong=label == "Together")


def _released(evaluated: Evaluated, inputs: Inputs) -> list[Block]:
    deltas = [f for f in inputs.evidence[STAGE].figures if f.id.startswith(f"{STAGE}.delta_")]
    released = evaluated.released
    if released is None:
        reasons = {figure.missing for figure in deltas if figure.missing}
        return [Prose(f"Not compared: {'; '.join(sorted(reasons)) or 'nothing was measured'}.")]
    blocks: list[Block] = [
        Facts([("Released model", name(released.name)), ("Its commit", code(released.commit))])
    ]
    if not released.compared:
        return [*blocks, Prose(f"Not compared: {released.reason or 'no reason given'}.")]
    blocks.append(_delta_table(deltas, inputs))
    seen = inputs.figure(f"{STAGE}.released_seen_subjects")
    if seen is not None:
        why = released.seen_reason or seen.missing
        text = numbers.figure_value(seen) if seen.value is not None else f"unknown: {why}"
        blocks.append(Prose(join(seen.label, ": ", text, inputs.sources.figure_mark(seen.id))))
    return blocks


def _delta_table(deltas: list[Figure], inputs: Inputs) -> Table:
    return Table(
        caption="How much worse than the released model, on the same test rows",
        columns=[
            Column("Figure"),
            Column("Worse by", numeric=True),
            Column("Interval", numeric=True),
            Column("In words"),
        ],
        rows=[
            Row(
                [
                    join(figure.label, inputs.sources.figure_mark(figure.id)),
                    because(figure.missing) if figure.missing else numbers.figure_value(figure),
                    numbers.figure_interval(figure),
                    _direction(figure),
                ]
            )
            for figure in deltas
        ],
        note="Above 0 the new model is worse, below 0 it is better.",
        cards=True,
    )


def _direction(figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return numbers.NONE
    if figure.low > 0:
        return "worse"
    return "better" if figure.high < 0 else "no clear difference"


def charts(
    inputs: Inputs, at: tuple[float, float, float | None] | None, base_rate: float | None
) -> list[Chart]:
    """Draw every curve that has points.

    Parameters
    ----------
    inputs : Inputs
        Everything the report is made from.
    at : (float, float, float or None) or None
        (False positive rate, true positive rate, precision) at the chosen threshold.
    base_rate : float or None
        Share of positives in the test data.

    Returns
    -------
    list of Chart
        One chart a curve.
    """
    drawn = [
        _roc(inputs, at),
        _precision_recall(inputs, at, base_rate),
        _calibration(inputs),
        _histogram(inputs),
    ]
    return [chart for chart in drawn if chart is not None]


def _roc(inputs: Inputs, at: tuple[float, float, float | None] | None) -> Chart | None:
    line = points(inputs.curves["roc"], "false_positive_rate", "true_positive_rate")
    if not line:
        return None
    svg = curves(
        "ROC curve on test data",
        Axis("false positive rate"),
        Axis("true positive rate"),
        [Curve(line)],
        reference=Reference(((0, 0), (1, 1)), "dashed: coin toss"),
        point=((at[0], at[1]), "threshold") if at else None,
        describe="True positive rate against false positive rate over all thresholds.",
    )
    return Chart(svg, "ROC curve", inputs.sources.mark(PLOTS / "roc.csv"))


def _precision_recall(
    inputs: Inputs, at: tuple[float, float, float | None] | None, base_rate: float | None
) -> Chart | None:
    line = points(inputs.curves["precision_recall"], "recall", "precision")
    if not line:
        return None
    level = None if base_rate is None else ((0.0, base_rate), (1.0, base_rate))
    point: tuple[Point, str] | None = None
    if at is not None and at[2] is not None:
        point = ((at[1], at[2]), "threshold")
    svg = curves(
        "Precision and recall on test data",
        Axis("recall"),
        Axis("precision"),
        [Curve(line)],
        reference=Reference(level, "dashed: select at random") if level else None,
        point=point,
        describe="Precision against recall over all thresholds.",
    )
    return Chart(svg, "Precision and recall", inputs.sources.mark(PLOTS / "precision_recall.csv"))


def _calibration(inputs: Inputs) -> Chart | None:
    records = inputs.curves["calibration"]
    line = points(records, "mean_score", "observed_rate")
    if not line:
        return None
    svg = curves(
        "Calibration on test data",
        Axis("mean score"),
        Axis("share truly positive"),
        [Curve(line, band=_band(records), dots=True)],
        reference=Reference(((0, 0), (1, 1)), "dashed: perfect"),
        describe="Observed share of positives against the mean score of bins of equal count.",
    )
    return Chart(
        svg,
        "Calibration; the band is the interval of each bin",
        inputs.sources.mark(PLOTS / "calibration.csv"),
    )


def _band(records: Records) -> list[tuple[float, float, float]]:
    rows = [tuple(as_number(row.get(k)) for k in ("mean_score", "low", "high")) for row in records]
    return [(a, b, c) for a, b, c in rows if a is not None and b is not None and c is not None]


def _histogram(inputs: Inputs) -> Chart | None:
    records = inputs.curves["score_histogram"]
    labels = list(dict.fromkeys(row.get("label", "") for row in records))
    lines = [Curve(_steps(_shares(records, label)), f"truth: {label}"[:40]) for label in labels]
    lines = [line for line in lines if line.points]
    if not lines:
        return None
    highest = covering([y for line in lines for _, y in line.points], include=(0.0,))[1]
    svg = curves(
        "Scores by true label, on test data",
        Axis("score"),
        Axis("share of the label’s rows", 0, highest),
        lines,
        describe="For each true label, which share of its rows gets which score.",
    )
    return Chart(svg, "Scores by true label", inputs.sources.mark(PLOTS / "score_histogram.csv"))


def _shares(records: Records, label: str) -> list[Point]:
    found = points([row for row in records if row.get("label") == label], "score", "rows")
    total = sum(count for _, count in found)
    return [(score, count / total) for score, count in found] if total else []


def _steps(line: list[Point]) -> list[Point]:
    """Points of a step line; `line` has the middles of bins of equal width."""
    if len(line) < 2:
        return line
    half = (line[1][0] - line[0][0]) / 2
    return [corner for x, y in line for corner in ((x - half, y), (x + half, y))]
