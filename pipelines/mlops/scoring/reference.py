"""What stands for "an ordinary value" of a column: taken from the release's training data."""

from typing import TYPE_CHECKING

from pipelines.mlops.modeling.info import ModelInfo, NumericInput
from pipelines.mlops.modeling.inputs import prepare

if TYPE_CHECKING:
    import pandas as pd

Reference = dict[str, float | str | None]
"""Column → value; None = missing is the most frequent."""


def reference_values(train: "pd.DataFrame", info: ModelInfo) -> Reference:
    """Median of each number, most frequent value of each text.

    The median is the lower one of two, so that it is a value that occurs. Missing counts as a value
    of a text, as it does for the models; ties go to the first in alphabetical order.
    """
    prepared = prepare(train, info.inputs)
    return {
        column.name: _median(prepared[column.name])
        if isinstance(column, NumericInput)
        else _mode(prepared[column.name])
        for column in info.inputs
    }


def _median(values: "pd.Series[float]") -> float | None:
    known = values.dropna()
    return float(known.quantile(0.5, interpolation="lower")) if len(known) else None


def _mode(values: "pd.Series[str]") -> str | None:
    counts = values.value_counts(dropna=False)
    best = int(counts.max())
    ties = [value for value, rows in counts.items() if rows == best]
    texts = sorted(value for value in ties if isinstance(value, str))
    return texts[0] if texts else None
