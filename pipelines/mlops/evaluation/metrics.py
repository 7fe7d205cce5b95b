"""Weighted metrics of many replicates at once.

A bootstrap replicate is a vector of row weights. Rows are sorted by score once; then every metric
of every replicate follows from cumulative sums of weights, without sorting or looping again. With
all weights 1 the metrics are scikit-learn's.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

METRICS = {
    "roc_auc": "ROC AUC",
    "average_precision": "Average precision",
    "log_loss": "Log loss",
    "brier": "Brier score",
    "calibration_error": "Calibration error",
    "accuracy": "Accuracy",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "selection_rate": "Selection rate",
}
"""Metric -> label, in the order of the columns `measure` returns."""

METHODS = {
    "roc_auc": "area under the ROC curve, ties count half",
    "average_precision": "sum of precision times rise of recall over thresholds, no interpolation",
    "log_loss": "mean negative log likelihood, natural logarithm",
    "brier": "mean squared difference of score and label",
    "calibration_error": (
        "expected calibration error (Naeini et al. 2015) with bins of equal count (Nguyen & "
        "O'Connor 2015): mean over bins, weighted by rows, of |observed rate - mean score|; rows "
        "of equal score share a bin; less what chance adds to the sum: the error at which half of "
        "the samples would show more than was observed"
    ),
    "accuracy": "share of rows decided rightly at the threshold",
    "precision": "share of positives among the rows decided positive",
    "recall": "share of rows decided positive among the positives",
    "f1": "harmonic mean of precision and recall",
    "selection_rate": "share of rows with a score at or above the threshold",
}

UNITS = {
    "log_loss": "nats",
    "selection_rate": "share",
    "accuracy": "share",
    "precision": "share",
    "recall": "share",
}

LOSSES = ("log_loss", "brier", "calibration_error")
"""Metrics of which less is better."""


@dataclass(frozen=True)
class View:
    """Rows of a table, sorted by falling score.

    Attributes
    ----------
    rows : ndarray of intp, shape (m,)
        Their positions in the table; weights are looked up with them.
    y, scores : ndarray of float64, shape (m,)
        Labels (0.0 or 1.0) and scores.
    ends : ndarray of intp, shape (g,)
        Positions of the last row of each run of equal scores.
    bin_ends : ndarray of intp, shape (bins,)
        Positions of the last row of each calibration bin, rising.
    selected : int
        Number of rows at or above the threshold: the first ones.
    """

    rows: "NDArray[np.intp]"
    y: "NDArray[np.float64]"
    scores: "NDArray[np.float64]"
    ends: "NDArray[np.intp]"
    bin_ends: "NDArray[np.intp]"
    selected: int


def view(
    y: "NDArray[np.int8]",
    scores: "NDArray[np.float64]",
    *,
    threshold: float,
    bins: int,
    rows: "NDArray[np.intp] | None" = None,
) -> View:
    """Sort rows for `measure`.

    Parameters
    ----------
    y : ndarray of int8, shape (n,)
        Labels 0 or 1 of the whole table.
    scores : ndarray of float64, shape (n,)
        Scores of the whole table.
    threshold : float
        Rows with a score at or above it are selected.
    bins : int
        Calibration bins wanted; ties may leave fewer.
    rows : ndarray of intp, shape (m,), optional
        Positions of the rows to keep, at least one; None = all.

    Returns
    -------
    View
    """
    import numpy as np

    kept = np.arange(len(y)) if rows is None else rows
    kept = kept[np.argsort(-scores[kept], kind="stable")]
    sorted_scores = scores[kept]
    # A threshold can't part equal scores, so curves have points only where a run ends.
    ends = np.flatnonzero(np.append(sorted_scores[1:] != sorted_scores[:-1], True))
    # A run of equal scores goes as a whole to the bin in which its middle rank falls.
    starts = np.append(0, ends[:-1] + 1)
    bin_of_run = ((starts + ends + 1) * bins) // (2 * len(kept))
    last_of_bin = np.append(bin_of_run[1:] != bin_of_run[:-1], True)
    return View(
        rows=kept,
        y=y[kept].astype("float64"),
        scores=sorted_scores,
        ends=ends,
        bin_ends=ends[last_of_bin],
        selected=int((sorted_scores >= threshold).sum()),
    )


def measure(rows: View, weights: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Compute every metric of every replicate.

    Parameters
    ----------
    rows : View
        The rows to measure.
    weights : ndarray of float64, shape (b, n)
        Whole-number weights of the table's rows.

    Returns
    -------
    ndarray of float64, shape (b, len(METRICS))
        In the order of `METRICS`; NaN where a metric is undefined, for example precision when
        nobody is selected. The calibration error is the observed one, with what chance adds:
        `calibration` takes that off.

    References
    ----------
    `METHODS` defines each metric. Calibration error: Naeini et al. (2015) with the bins of Nguyen
    and O'Connor (2015).
    """
    import numpy as np

    # Shapes (b, m), falling score: weight and positive weight down to each row.
    w = weights[:, rows.rows]
    total = np.cumsum(w, axis=1)
    hits = np.cumsum(w * rows.y, axis=1)
    n, positives = total[:, -1], hits[:, -1]
    selected, tp = _first(total, rows.selected), _first(hits, rows.selected)
    with np.errstate(invalid="ignore", divide="ignore"):
        columns = {
            "roc_auc": _roc_auc(total[:, rows.ends], hits[:, rows.ends]),
            "average_precision": _average_precision(total[:, rows.ends], hits[:, rows.ends]),
            "log_loss": w @ _log_losses(rows) / n,
            "brier": w @ (rows.y - rows.scores) ** 2 / n,
            "calibration_error": _calibration_error(rows, w, total, hits),
            "accuracy": (n - selected - positives + 2 * tp) / n,
            "precision": tp / selected,
            "recall": tp / positives,
            "f1": 2 * tp / (selected + positives),
            "selection_rate": selected / n,
        }
    return np.stack([columns[name] for name in METRICS], axis=1)


def observed_rates(rows: View, weights: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Compute the share of positives in every calibration bin.

    Parameters
    ----------
    rows : View
        The rows to measure.
    weights : ndarray of float64, shape (b, n)
        Whole-number weights of the table's rows.

    Returns
    -------
    ndarray of float64, shape (b, bins)
        From high scores to low ones; NaN where a bin is empty.
    """
    import numpy as np

    w = weights[:, rows.rows]
    total = _per_bin(np.cumsum(w, axis=1), rows)
    with np.errstate(invalid="ignore"):
        return np.asarray(_per_bin(np.cumsum(w * rows.y, axis=1), rows) / total)


def _first(cumulated: "NDArray[np.float64]", count: int) -> "NDArray[np.float64]":
    """Sum of the first `count` rows, from cumulated sums; shape (b,)."""
    import numpy as np

    return cumulated[:, count - 1] if count else np.zeros(len(cumulated))


def _log_losses(rows: View) -> "NDArray[np.float64]":
    """Log loss of each row; scores of 0 and 1 are moved by one epsilon, as scikit-learn does."""
    import numpy as np

    epsilon = np.finfo("float64").eps
    p = np.clip(rows.scores, epsilon, 1 - epsilon)
    return np.where(rows.y == 1, -np.log(p), -np.log(1 - p))


def _roc_auc(total: "NDArray[np.float64]", hits: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Trapezoids between runs of equal scores; arguments are cumulated at the runs' ends."""
    import numpy as np

    misses = total - hits
    before = np.pad(hits[:, :-1], ((0, 0), (1, 0)))
    # Shapes (b, g): width is what a run adds in negatives, height the mean of both ends.
    width = np.diff(misses, axis=1, prepend=0)
    area = (width * (hits + before) / 2).sum(axis=1)
    return np.asarray(area / (hits[:, -1] * misses[:, -1]))


def _average_precision(
    total: "NDArray[np.float64]", hits: "NDArray[np.float64]"
) -> "NDArray[np.float64]":
    import numpy as np

    # Shapes (b, g); before the first row with weight, precision is set to 0 and recall can't rise.
    precision = np.divide(hits, total, out=np.zeros_like(hits), where=total > 0)
    rise = np.diff(hits, axis=1, prepend=0)
    return np.asarray((rise * precision).sum(axis=1) / hits[:, -1])


def _calibration_error(
    rows: View,
    w: "NDArray[np.float64]",
    total: "NDArray[np.float64]",
    hits: "NDArray[np.float64]",
) -> "NDArray[np.float64]":
    """Sum over bins of |positives - summed scores|, by the number of rows."""
    import numpy as np

    starts = np.append(0, rows.bin_ends[:-1] + 1)
    # Summed scores are the positives that a calibrated model expects; shape (b, bins).
    expected = np.add.reduceat(w * rows.scores, starts, axis=1)
    gap = np.abs(_per_bin(hits, rows) - expected)
    return np.asarray(gap.sum(axis=1) / total[:, -1])


def _per_bin(cumulated: "NDArray[np.float64]", rows: View) -> "NDArray[np.float64]":
    import numpy as np

    # Sums within bins are differences of cumulated sums at the bins' ends; shape (b, bins).
    return np.diff(cumulated[:, rows.bin_ends], axis=1, prepend=0)
