"""Bootstrap by subject: rows of one person come and go together.

Subjects, not rows, are drawn with replacement (cluster bootstrap, Field & Welsh 2007), as many as
there are. With one row a subject it is Efron's ordinary bootstrap. Intervals are percentiles; where
few positives or negatives carry a metric, they go further out, as Student's t goes beyond the
normal (expanded percentiles; Hesterberg 2015, The American Statistician 69:371-386).
"""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SEED = 20260102
"""Of all replicates; replicate `r` is drawn from (SEED, r), whatever the size of the chunks."""

CHUNK_CELLS = 2_000_000
"""Weights held at once (replicates times rows): bounds memory at about 150 MB."""

DEFINED = 0.9
"""Share of replicates in which a metric must be defined to have an interval."""

METHOD = "percentile bootstrap, subjects drawn with replacement"

Statistic = Callable[["NDArray[np.float64]"], "NDArray[np.float64]"]
"""From weights, shape (b, n), to values, shape (b, k)."""


def resample(
    statistics: Sequence[Statistic], subjects: "NDArray[np.intp]", replicates: int
) -> "list[NDArray[np.float64]]":
    """Evaluate all statistics on the same replicates.

    Parameters
    ----------
    statistics : sequence of callable
        Each maps row weights, shape (b, n), to values, shape (b, k).
    subjects : ndarray of intp, shape (n,)
        Number of each row's subject, 0 to s - 1; at least one row.
    replicates : int
        Number of replicates.

    Returns
    -------
    list of ndarray of float64, each of shape (replicates, k)
        One a statistic. Row `r` of all of them comes from the same draw: differences are paired.

    References
    ----------
    Field and Welsh (2007), cluster bootstrap.
    """
    import numpy as np

    # Weights are (b, n): replicates are evaluated in chunks, all statistics on the same one.
    chunk = max(1, CHUNK_CELLS // max(len(subjects), 1))
    parts: list[list[NDArray[np.float64]]] = [[] for _ in statistics]
    for start in range(0, replicates, chunk):
        weights = _weights(subjects, range(start, min(start + chunk, replicates)))
        for part, statistic in zip(parts, statistics, strict=True):
            part.append(statistic(weights))
    return [np.concatenate(part) for part in parts]


def _weights(subjects: "NDArray[np.intp]", replicates: range) -> "NDArray[np.float64]":
    """Weights of the rows in each replicate, shape (len(replicates), n)."""
    import numpy as np

    count = int(subjects.max()) + 1
    weights = np.empty((len(replicates), len(subjects)))
    for row, replicate in enumerate(replicates):
        # How often each subject was drawn is the weight of each of its rows.
        drawn = np.random.default_rng([SEED, replicate]).integers(0, count, count)
        weights[row] = np.bincount(drawn, minlength=count)[subjects]
    return weights


def interval(
    values: "NDArray[np.float64]", confidence: float, size: float = math.inf
) -> list[tuple[float | None, float | None]]:
    """Compute the percentile interval of every column.

    Parameters
    ----------
    values : ndarray of float64, shape (replicates, k)
        NaN where undefined in a replicate.
    confidence : float
        For example 0.95: the 2.5th and 97.5th percentile.
    size : float, default=inf
        Independent rows of the rarer kind, which the spread is known from; few of them take the
        percentiles further out.

    Returns
    -------
    list of (float or None, float or None), length k
        Lower and upper limit; (None, None) for a column that is undefined in more than
        1 - `DEFINED` of the replicates.
    """
    import numpy as np

    tail = _tail(confidence, size)
    found: list[tuple[float | None, float | None]] = []
    for column in values.T:
        defined = column[np.isfinite(column)]
        if len(defined) < DEFINED * len(column):
            found.append((None, None))
            continue
        low, high = np.quantile(defined, [tail, 1 - tail])
        found.append((float(low), float(high)))
    return found


def _tail(confidence: float, size: float) -> float:
    """Share of the replicates beyond a limit."""
    from scipy.stats import norm, t

    if math.isinf(size):
        return (1 - confidence) / 2
    count = max(size, 2.0)
    reach = float(t.ppf((1 + confidence) / 2, count - 1)) * math.sqrt(count / (count - 1))
    return float(norm.sf(reach))
