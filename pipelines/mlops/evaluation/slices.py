"""Slices: rows that share a value of a column."""

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from pipelines.core.errors import SignalboxError
from pipelines.core.params import DataParams
from pipelines.mlops.data.cells import pooled, subjects_of
from pipelines.mlops.data.columns import is_numeric

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

MISSING = "unknown"
"""Slice of the rows without a value, as in the bias audit."""

MAX_SLICES = 30
"""Slices listed of one column; smaller ones are counted together as `OTHERS`."""
OTHERS = "(others)"
DASH = "\N{EN DASH}"


@dataclass(frozen=True)
class Slice:
    """Rows that share a value of a column.

    Attributes
    ----------
    feature, value : str
        Column, and the value or range of values.
    rows : ndarray of intp, shape (m,)
        Their positions in the table; m >= 1.
    """

    feature: str
    value: str
    rows: "NDArray[np.intp]"


def slice_columns(columns: list[str], frame: "pd.DataFrame", data: DataParams) -> list[str]:
    """List the columns to slice by: sensitive features, then `columns`, each once.

    Parameters
    ----------
    columns : list of str
        From ``evaluate.slices``.
    frame : pandas.DataFrame
        Table that must have them.
    data : DataParams
        Names the sensitive features and the target.

    Returns
    -------
    list of str

    Raises
    ------
    SignalboxError
        If the table lacks one, or one is the target.
    """
    wanted = list(dict.fromkeys([*data.sensitive, *columns]))
    for name in wanted:
        if name not in frame.columns:
            raise SignalboxError(
                f"evaluate.slices: the table has no column '{name}'; it has "
                f"{', '.join(repr(str(column)) for column in frame.columns)}"
            )
        if name == data.target:
            raise SignalboxError(f"evaluate.slices: '{name}' is the target; name another column")
    return wanted


def slices(frame: "pd.DataFrame", column: str, data: DataParams) -> list[Slice]:
    """Cut the table by a column.

    Texts are cut by value, sensitive numbers at the edges in ``data.sensitive``, other numbers at
    their quartiles in this table. Rows without a value are a slice of their own, the last.

    Parameters
    ----------
    frame : pandas.DataFrame, n rows
        The table.
    column : str
        One of its columns.
    data : DataParams
        Gives the edges of sensitive numbers.

    Returns
    -------
    list of Slice
        Every row is in exactly one; numbers rising, texts by name. Beyond the `MAX_SLICES` largest,
        and where fewer than ``data.min_cell`` people share a value, rows are counted together as
        `OTHERS`.
    """
    import numpy as np

    subjects = subjects_of(frame)
    names = pooled(_names(frame, column, data), subjects, data.min_cell, OTHERS)
    values, counts = np.unique(names, return_counts=True)
    # The largest slices are listed; ties in size go by name.
    order = sorted(range(len(values)), key=lambda i: (-counts[i], values[i]))
    kept = {str(values[i]) for i in order[:MAX_SLICES]} | {MISSING}
    grouped = np.array([name if name in kept else OTHERS for name in names], dtype=object)
    listed = _in_order(set(grouped), frame, column, data)
    return [Slice(column, value, np.flatnonzero(grouped == value)) for value in listed]


def _names(frame: "pd.DataFrame", column: str, data: DataParams) -> "NDArray[np.object_]":
    """Slice of every row, shape (n,)."""
    import numpy as np

    missing = frame[column].isna().to_numpy()
    if is_numeric(frame, column):
        edges = _edges(frame[column], column, data)
        values = frame[column].to_numpy(dtype="float64", na_value=np.nan)
        # side=right: a slice holds its lower edge. Missing values are named below.
        inside = np.searchsorted(edges, np.where(missing, 0.0, values), side="right")
        return np.where(missing, MISSING, np.array(_labels(edges), dtype=object)[inside])
    return np.where(missing, MISSING, frame[column].astype(str).to_numpy(dtype=object))


def _edges(values: "pd.Series[float]", column: str, data: DataParams) -> list[float]:
    """Inner edges: a slice holds its lower edge and not its upper one."""
    import numpy as np

    if column in data.sensitive and data.sensitive[column].bins:
        return list(data.sensitive[column].bins)
    present = values.dropna().to_numpy(dtype="float64")
    present = present[np.isfinite(present)]
    if not len(present):
        return []
    quartiles = np.unique(np.quantile(present, [0.25, 0.5, 0.75]))
    return [float(edge) for edge in quartiles if edge > present.min()]


def _labels(edges: list[float]) -> list[str]:
    """Name the ranges between edges the way the bias audit names age bands: <25, 25-44, 45+."""
    if not edges:
        return ["all"]
    whole = all(float(edge).is_integer() for edge in edges)
    shown = [str(int(edge)) if whole else f"{edge:.6g}" for edge in edges]
    between = [
        _band(int(low), int(high)) if whole else f"{low:.6g}{DASH}<{high:.6g}"
        for low, high in pairwise(edges)
    ]
    return [f"<{shown[0]}", *between, f"{shown[-1]}+"]


def _band(low: int, high: int) -> str:
    return str(low) if high - low == 1 else f"{low}{DASH}{high - 1}"


def _in_order(found: set[str], frame: "pd.DataFrame", column: str, data: DataParams) -> list[str]:
    """Numbers rising, texts by name; others and missing last."""
    last = [name for name in (OTHERS, MISSING) if name in found]
    if is_numeric(frame, column):
        labels = _labels(_edges(frame[column], column, data))
        return [label for label in labels if label in found] + last
    return sorted(found - set(last)) + last
