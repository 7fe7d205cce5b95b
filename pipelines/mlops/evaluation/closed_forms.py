"""Intervals that don't come from percentiles of the replicates.

A share with few rows of a kind hardly varies when it is resampled (with none it doesn't at all), so
its percentiles are too narrow. There a score interval stands in, for as many rows as those of the
subjects are worth.
"""

from typing import TYPE_CHECKING

from pipelines.core.stats import FEWEST, effective_sizes, normal_quantile, wilson_interval
from pipelines.mlops.evaluation.calibration import Limits, calibration_error
from pipelines.mlops.evaluation.metrics import View

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

METHOD = f"interval: Wilson (1927), by subject, because fewer than {FEWEST} rows are right or wrong"


def closed_forms(
    rows: View,
    gaps: "NDArray[np.float64]",
    subjects: "NDArray[np.intp]",
    confidence: float,
) -> dict[str, Limits]:
    """Return the values and intervals that replace those of the bootstrap.

    Parameters
    ----------
    rows : View
        The rows to measure.
    gaps : ndarray of float64, shape (r, bins)
        `calibration_gaps` in every replicate.
    subjects : ndarray of intp, shape (n,)
        Number of the subject of each of the table's rows.
    confidence : float
        Two-sided confidence level in (0, 1).

    Returns
    -------
    dict of str to Limits
        By metric: always ``calibration_error``; accuracy, precision, recall, F1 and selection rate
        where they have few rows of a kind.
    """
    found = {"calibration_error": calibration_error(rows, gaps, subjects, confidence)}
    return found | _scarce_shares(rows, subjects, confidence)


def bin_rates(
    rows: View,
    bounds: list[tuple[float | None, float | None]],
    subjects: "NDArray[np.intp]",
    confidence: float,
) -> list[Limits]:
    """Return the share of positives in every calibration bin.

    Parameters
    ----------
    rows : View
        The rows to measure.
    bounds : list of (float or None, float or None), length bins
        Intervals of the bootstrap; they stand where a bin has enough positives and negatives.
    subjects : ndarray of intp, shape (n,)
        Number of the subject of each of the table's rows.
    confidence : float
        Two-sided confidence level in (0, 1).

    Returns
    -------
    list of Limits, length bins
        From high scores to low ones.
    """
    import numpy as np

    sizes = np.diff(rows.bin_ends, prepend=-1)
    bin_of = np.repeat(np.arange(len(sizes)), sizes)
    # One entry a subject and bin: its rows there, and the positive ones.
    key = subjects[rows.rows] * len(sizes) + bin_of
    found, owner = np.unique(key, return_inverse=True)
    trials = np.bincount(owner.reshape(-1))
    good = np.bincount(owner.reshape(-1), rows.y).astype(np.int64)
    worth = effective_sizes(found % len(sizes), good, trials, np.ones_like(trials), len(sizes))
    shares = np.bincount(bin_of, rows.y) / sizes
    low, high = wilson_interval(shares, worth, normal_quantile(confidence))
    few = np.round(np.minimum(shares, 1 - shares) * worth, 6) < FEWEST
    return [
        Limits(float(shares[i]), float(low[i]), float(high[i]), METHOD)
        if few[i]
        else Limits(float(shares[i]), *bounds[i], "")
        for i in range(len(sizes))
    ]


def _scarce_shares(
    rows: View, subjects: "NDArray[np.intp]", confidence: float
) -> dict[str, Limits]:
    import numpy as np

    y, chosen = rows.y > 0, np.arange(len(rows.y)) < rows.selected
    everybody = np.ones(len(y), dtype=bool)
    # Metric -> rows that count as hits, of which rows; F1 follows from the share of those right
    # among the rows that are positive or selected.
    shares = {
        "accuracy": (y == chosen, everybody),
        "precision": (y & chosen, chosen),
        "recall": (y & chosen, y),
        "f1": (y & chosen, y | chosen),
        "selection_rate": (chosen, everybody),
    }
    owners = np.unique(subjects[rows.rows], return_inverse=True)[1].reshape(-1)
    found = {}
    for name, (hits, of) in shares.items():
        good, total = int(hits.sum()), int(of.sum())
        if not total:
            continue
        size = _worth(hits, of, owners)
        if round(min(good, total - good) * size / total, 6) >= FEWEST:
            continue
        share = good / total
        low, high = wilson_interval(share, size, normal_quantile(confidence))
        limits = (share, float(low), float(high))
        value, lowest, highest = (2 * x / (1 + x) if name == "f1" else x for x in limits)
        found[name] = Limits(value, lowest, highest, METHOD)
    return found


def _worth(hits: "NDArray[np.bool_]", of: "NDArray[np.bool_]", owners: "NDArray[np.intp]") -> float:
    """How many independent rows those are worth that a share is of."""
    import numpy as np

    trials = np.bincount(owners, of).astype(np.int64)
    if trials.max() <= 1:
        return float(trials.sum())
    good = np.bincount(owners, hits).astype(np.int64)
    nobody = np.zeros(len(trials), np.int64)
    return float(effective_sizes(nobody, good, trials, np.ones_like(trials), 1)[0])
