"""Permutation importance: how much worse the model gets when a column is shuffled."""

import hashlib
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from pipelines.mlops.modeling.info import ModelInfo
from pipelines.mlops.modeling.scoring import score

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

REPEATS = 3
MAX_ROWS = 5000


class Importance(BaseModel):
    """Mean over repeats; larger = the model leans more on the column.

    Attributes
    ----------
    roc_auc_drop, log_loss_rise
        Change of the metric when the column is shuffled, against the unshuffled table.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    roc_auc_drop: float
    log_loss_rise: float


def importance(
    model: Any, info: ModelInfo, frame: "pd.DataFrame", y: "NDArray[np.int8]"
) -> list[Importance]:
    """Shuffle one column at a time (Breiman 2001; Fisher et al. 2019).

    Correlated columns share their importance: a small value doesn't mean that a column says
    nothing about the target.

    Parameters
    ----------
    frame, y
        Rows the model wasn't fitted on and their labels, shape (n,); at most the first `MAX_ROWS`.

    Returns
    -------
    list of Importance
        Most important first; empty if `y` has one label only.
    """
    import numpy as np

    frame, y = frame.iloc[:MAX_ROWS], y[:MAX_ROWS]
    if len(np.unique(y)) < 2:
        return []
    base = _metrics(y, score(model, info, frame))
    found = []
    for name in info.names():
        rng = np.random.default_rng(_seed(info.seed, name))
        shuffled = [
            _metrics(y, score(model, info, frame.assign(**{name: _shuffle(frame[name], rng)})))
            for _ in range(REPEATS)
        ]
        auc, loss = np.mean(shuffled, axis=0) - base
        found.append(Importance(name=name, roc_auc_drop=float(-auc), log_loss_rise=float(loss)))
    return sorted(found, key=lambda item: (-item.log_loss_rise, item.name))


def _seed(seed: int, name: str) -> int:
    """Of the column's name, so that leaving a column out doesn't move the others' figures."""
    return int.from_bytes(hashlib.sha256(f"{seed}\0{name}".encode()).digest()[:8], "big")


def _shuffle(column: "pd.Series[Any]", rng: "np.random.Generator") -> "pd.Series[Any]":
    shuffled = column.iloc[rng.permutation(len(column))]
    return shuffled.set_axis(column.index)


def _metrics(y: "NDArray[np.int8]", scores: "NDArray[np.float64]") -> "NDArray[np.float64]":
    import numpy as np
    from sklearn.metrics import log_loss, roc_auc_score

    return np.array([roc_auc_score(y, scores), log_loss(y, scores)])
