"""Labels of a table, checked: a row without a label must not pass for a negative one."""

from typing import TYPE_CHECKING

from pipelines.base.errors import SignalboxError
from pipelines.base.params.data import DataParams
from pipelines.mlops.columns import labels

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


def checked_labels(
    frame: "pd.DataFrame", data: DataParams, known: set[str], where: str
) -> "NDArray[np.int8]":
    """Labels of the rows, 1 where the target is the positive label.

    Parameters
    ----------
    frame
        Table of `n` rows.
    known
        The two labels of the training data.
    where
        What the table is called in errors.

    Returns
    -------
    ndarray of int8, shape (n,)

    Raises
    ------
    SignalboxError
        If the target is missing, in part or as a column, or holds a label the model doesn't know.
    """
    if data.target not in frame.columns:
        raise SignalboxError(f"{where}: no column '{data.target}' (data.target)")
    empty = int(frame[data.target].isna().sum())
    if empty:
        raise SignalboxError(
            f"{where}: target '{data.target}' is missing in {empty} of {len(frame)} rows; "
            "take them out with a row rule in expectations/"
        )
    strange = sorted(set(frame[data.target].unique()) - known)
    if strange:
        raise SignalboxError(
            f"{where}: target '{data.target}' holds {strange[0]!r}, which the training data "
            f"doesn't ({', '.join(repr(label) for label in sorted(known))}); use data.replace"
        )
    return labels(frame, data)
