"""Chapter "Drift": whether the tables that should look alike do."""

from pipelines.core.artifacts import DRIFT_HTML, evidence_of
from pipelines.core.evidence import Figure
from pipelines.mlops.data.drift import ColumnDrift, Comparison, DriftDetails
from pipelines.mlops.release_report.inputs import Inputs
from pipelines.reporting import numbers
from pipelines.reporting.blocks import (
    Block,
    Chapter,
    Column,
    Prose,
    Row,
    Section,
    Table,
    Text,
    code,
    join,
    name,
)
from pipelines.reporting.charts.forest import Estimate, Forest, forest

STAGE = "drift"


def chapter(inputs: Inputs) -> Chapter:
    """Build the chapter about drift.

    Parameters
    ----------
    inputs : Inputs
        Everything the report is made from.

    Returns
    -------
    Chapter
        The chapter.
    """
    details = inputs.details(STAGE, DriftDetails)
    mark = inputs.sources.mark(evidence_of(STAGE))
    blocks: list[Block] = [
        _what(details),
        _figures(inputs),
        *(_comparison(c, i, mark) for i, c in enumerate(details.comparisons, start=1)),
    ]
    if details.released.reason:
        blocks.append(Prose(f"Against the released model: {details.released.reason}."))
    return Chapter("drift", "Drift", blocks)


def _what(details: DriftDetails) -> Prose:
    methods = details.methods
    return Prose(
        join(
            "A column counts as drifted when its distance, or the change in its share of missing "
            f"values, reaches the threshold. Numbers: {methods.numbers}. Texts: {methods.texts}. "
            "Train and test are dealt from the same source, so drift between them would point to a "
            "fault in the split. Distributions side by side: ",
            code(DRIFT_HTML),
            ".",
        )
    )


def _figures(inputs: Inputs) -> Table:
    return Table(
        caption="Figures of drift",
        columns=[
            Column("Figure", wide=True),
            Column("Value", numeric=True),
            Column("n", numeric=True),
            Column("Where"),
        ],
        rows=[_figure(figure, inputs) for figure in inputs.evidence[STAGE].figures],
        cards=True,
    )


def _figure(figure: Figure, inputs: Inputs) -> Row:
    where = ", ".join(figure.where.values())
    return Row(
        [
            join(figure.label, inputs.sources.figure_mark(figure.id)),
            numbers.figure_value(figure),
            numbers.count(figure.n),
            figure.missing or (name(where) if where else ""),
        ]
    )


def _comparison(found: Comparison, number: int, mark: Text) -> Section:
    ordered = sorted(found.columns, key=lambda c: -(c.distance or 0.0))
    limit = ordered[0].threshold if ordered else 0.0
    axis = forest([Estimate(c.distance) for c in ordered], reference=limit, include=(0.0,))
    drifted = sum(c.drifted for c in ordered)
    table = Table(
        caption=f"{drifted} of {len(ordered)} columns drifted, largest distance first",
        mark=mark,
        columns=[
            Column("Column"),
            Column("Role"),
            Column(f"Missing, {found.reference}", numeric=True),
            Column(f"Missing, {found.current}", numeric=True),
            Column("Distance", numeric=True),
            Column("Drifted"),
            Column("Distance", chart=True),
        ],
        rows=[_row(c, axis) for c in ordered],
        foot=["", "", "", "", "", "", axis.axis("Axis: distance")],
        note=f"Dashed line: the threshold, {limit:g}. {found.reference}: "
        f"{numbers.count(found.rows_reference)} rows looked at; {found.current}: "
        f"{numbers.count(found.rows_current)}.",
    )
    return Section(f"drift-{number}", found.title, [table])


def _row(column: ColumnDrift, axis: Forest) -> Row:
    return Row(
        [
            name(column.column),
            column.role,
            numbers.percent(column.missing_reference),
            numbers.percent(column.missing_current),
            numbers.decimal(column.distance),
            column.problem or ("yes" if column.drifted else "no"),
            axis.row(
                Estimate(column.distance),
                f"{column.column}: distance {numbers.decimal(column.distance)}",
                highlight=column.drifted,
            ),
        ],
        strong=column.drifted,
    )
