"""Performance by slice: one table a feature, with the worst named first."""

from itertools import groupby

from pydantic import Field

from pipelines.base.artifacts import evidence_of
from pipelines.reports import numbers
from pipelines.reports.blocks import Block, Column, Prose, Row, Table, Text, join, name
from pipelines.reports.blocks import reason as because
from pipelines.reports.charts.forest import Estimate, Forest, forest
from pipelines.reports.model_release.inputs import Inputs, Number, Shape

STAGE = "evaluate"
DRAWN, BESIDE = "roc_auc", ("accuracy", "calibration_error")


class Sliced(Shape):
    """A metric of one slice."""

    value: Number = None
    low: Number = None
    high: Number = None
    missing: str = ""


class Slice(Shape):
    """Rows that share a value of a column."""

    feature: str
    value: str
    rows: int
    positives: int
    share: float
    missing: str = ""
    figures: dict[str, Sliced] = Field(default_factory=dict)


def blocks(slices: list[Slice], inputs: Inputs) -> list[Block]:
    """One table a feature."""
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
        join(*parts, "Among many slices, the lowest is low by chance as well; see its interval.")
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
        rows=[_row(one, axis) for one in rows],
        foot=["", "", "", "", "", "", "", axis.axis("Axis: ROC AUC")],
    )


def _row(one: Slice, axis: Forest) -> Row:
    drawn = one.figures.get(DRAWN, Sliced(missing=one.missing))
    reason = one.missing or drawn.missing
    accuracy, error = (one.figures.get(metric, Sliced()) for metric in BESIDE)
    return Row(
        [
            name(one.value),
            numbers.count(one.rows),
            numbers.percent(one.positives / one.rows if one.rows else None),
            numbers.percent(accuracy.value),
            numbers.decimal(error.value),
            numbers.decimal(drawn.value),
            because(reason) if drawn.value is None else numbers.interval(drawn.low, drawn.high),
            axis.row(_estimate(one), f"{one.value}: ROC AUC {numbers.decimal(drawn.value)}"),
        ]
    )


def _estimate(one: Slice) -> Estimate:
    drawn = one.figures.get(DRAWN, Sliced())
    return Estimate(drawn.value, drawn.low, drawn.high)
