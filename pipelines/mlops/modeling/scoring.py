"""Scores of a table's rows: the one way any stage asks a model; permutation importance."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from pipelines.mlops.modeling.info import ModelInfo
from pipelines.mlops.modeling.inputs import prepare

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold BLAS and OpenMP to one thread each inside the block.

    Floating-point addition isn't associative: a sum split over four cores differs in its last bits
    from one split over two, and after that so does the hash of every out.
    """
    # Limits reach only libraries that are loaded already: scikit-learn brings OpenMP and SciPy's
    # BLAS. Gradient boosting even writes the number of threads it found into the model.
    import sklearn.ensemble  # noqa: F401
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield


CHUNK = 200_000
"""Rows scored at once, so that memory stays bounded."""


def score(model: Any, info: ModelInfo, frame: "pd.DataFrame") -> "NDArray[np.float64]":
    """Predict the probability of the positive label for every row.

    Parameters
    ----------
    model : estimator with ``predict_proba``
    info : ModelInfo
        Both as `store.load_model` returns them.
    frame : pandas.DataFrame, n rows
        Table with the model's input columns; others are ignored, the target isn't needed. Values
        the model never saw count as unknown.

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
    """Return the nearest a score may come to 0 or 1.

    Parameters
    ----------
    rows : int
        Rows of the training data.

    Returns
    -------
    float
        1 / (rows + 2).

    References
    ----------
    Laplace (1814), rule of succession.
    """
    return 1.0 / (rows + 2)


REPEATS = 3
MAX_ROWS = 5000


class Importance(BaseModel):
    """Permutation importance of a column; larger = the model leans more on it.

    Attributes
    ----------
    name : str
        Column name.
    roc_auc_drop, log_loss_rise : float
        Change of the metric when the column is shuffled, against the unshuffled table; mean over
        `REPEATS` shuffles, log loss in nats.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    roc_auc_drop: float
    log_loss_rise: float


def importance(
    model: Any, info: ModelInfo, frame: "pd.DataFrame", y: "NDArray[np.int8]"
) -> list[Importance]:
    """Measure permutation importance: shuffle one column at a time.

    Correlated columns share their importance: a small value doesn't mean that a column says
    nothing about the target.

    Parameters
    ----------
    model : estimator with ``predict_proba``
    info : ModelInfo
        Both as `store.load_model` returns them.
    frame : pandas.DataFrame, n rows
        Rows the model wasn't fitted on; at most the first `MAX_ROWS` are used.
    y : ndarray of int8, shape (n,)
        Their labels, 0 or 1.

    Returns
    -------
    list of Importance
        Most important first; empty if `y` has one label only.

    Raises
    ------
    SignalboxError
        If the rows cannot be scored; see `score`.

    References
    ----------
    Breiman (2001); Fisher et al. (2019).
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
