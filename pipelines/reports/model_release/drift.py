"""Chapter "Drift": whether the data the model was trained on looks like the data it will meet."""

from pydantic import Field

from pipelines.base.artifacts import DRIFT_HTML, evidence_of
from pipelines.base.evidence import Figure
from pipelines.reports import numbers
from pipelines.reports.blocks import Block, Chapter, Column, Prose, Row, Table, code, join
from pipelines.reports.model_release.inputs import Inputs, Shape

STAGE = "drift"


def chapter(inputs: Inputs) -> Chapter:
    """Build the chapter."""
    return Chapter("drift", "Drift", [_figures(inputs)])


def _figures(inputs: Inputs) -> Table:
    return Table(
        caption="Figures of drift",
        columns=[
            Column("Figure"),
            Column("Value", numeric=True),
            Column("n", numeric=True),
            Column("Method", wide=True),
        ],
        rows=[_row(figure, inputs) for figure in inputs.evidence[STAGE].figures],
    )


def _row(figure: Figure, inputs: Inputs) -> Row:
    return Row(
        [
            join(figure.label, inputs.sources.figure_mark(figure.id)),
            figure.missing or numbers.figure_value(figure),
            numbers.count(figure.n),
            figure.method,
        ]
    )
