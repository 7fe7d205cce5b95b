"""Scores of a table's rows: the one way any stage asks a model."""

from typing import TYPE_CHECKING, Any

from pipelines.mlops.modeling.info import ModelInfo
from pipelines.mlops.modeling.inputs import prepare
from pipelines.mlops.modeling.threads import one_thread

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

CHUNK = 200_000
"""Rows scored at once, so that memory stays bounded."""


def score(model: Any, info: ModelInfo, frame: "pd.DataFrame") -> "NDArray[np.float64]":
    """Probability of the positive label for every row.

    Parameters
    ----------
    model, info
        As `store.load_model` returns them.
    frame
        Table of `n` rows with the model's input columns; others are ignored, the target isn't
        needed. Values the model never saw count as unknown.

    Returns
    -------
    ndarray of float64, shape (n,)
        Within [info.score_floor, 1 - info.score_floor].

    Raises
    ------
    SignalboxError
        If a column is missing, cannot be read as its type, or holds an infinite number.
    """
    import numpy as np

    prepared = prepare(frame, info.inputs)
    return np.clip(_raw(model, prepared), info.score_floor, 1 - info.score_floor)


def _raw(model: Any, prepared: "pd.DataFrame") -> "NDArray[np.float64]":
    """Scores of a table in the model's form; shape (n,)."""
    import numpy as np

    parts = [np.empty(0)]
    with one_thread():
        for start in range(0, len(prepared), CHUNK):
            parts.append(model.predict_proba(prepared.iloc[start : start + CHUNK])[:, 1])
    return np.concatenate(parts).astype("float64")


def score_floor(rows: int) -> float:
    """Return the nearest a score may come to 0 or 1 after training on `rows` rows."""
    return 1.0 / (rows + 2)
