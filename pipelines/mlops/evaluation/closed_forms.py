"""Intervals that don't come from plain percentiles of the replicates.

A share with few rows of a kind hardly varies when it is resampled (with none it doesn't at all), so
its percentiles are too narrow; so are those of an area under the curve with few positives, or few
negatives. There a score interval stands in, for as many rows as those of the subjects are worth.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.core.stats import FEWEST, effective_sizes, normal_quantile, wilson_interval
from pipelines.mlops.evaluation.calibration import Limits, calibration_error
from pipelines.mlops.evaluation.metrics import METRICS, View, measure

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

METHOD = f"interval: Wilson (1927), by subject, because fewer than {FEWEST} rows are right or wrong"

AREA = (
    "interval: Newcombe (2006), method 5, by subject, because there are fewer than "
    f"{FEWEST} positives or negatives"
)

_STEPS = 50


@dataclass(frozen=True)
class ClosedForms:
    """What is known of a table's rows beside their replicates.

    Attributes
    ----------
    limits : dict of str to Limits
        By metric: always ``calibration_error``; accuracy, precision, recall, F1 and selection rate
        where they have few rows of a kind, ROC AUC where there are few positives or negatives.
    rarer : float
        Independent rows of the rarer label; 0 without any.
    """

    limits: dict[str, Limits]
    rarer: float


def closed_forms(
    rows: View,
    gaps: "NDArray[np.float64]",
    subjects: "NDArray[np.intp]",
    confidence: float,
) -> ClosedForms:
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
    ClosedForms
    """
    y, owners = rows.y > 0, subjects[rows.rows]
    sizes = (_alike(owners[y]), _alike(owners[~y]))
    found = {"calibration_error": calibration_error(rows, gaps, subjects, confidence)}
    found |= _scarce_area(rows, sizes, confidence)
    return ClosedForms(found | _scarce_shares(rows, subjects, confidence), min(sizes))


def auc_interval(area: float, sizes: tuple[float, float], confidence: float) -> tuple[float, float]:
    """Compute a score interval of the area under the ROC curve.

    The areas whose distance to the observed one is within the normal quantile of their own standard
    error: so it has a width at 1 too, where no resample varies.

    Parameters
    ----------
    area : float
        Observed, in [0, 1].
    sizes : tuple of two float
        Independent positives and negatives; at least 1.
    confidence : float
        Two-sided confidence level in (0, 1).

    Returns
    -------
    low, high : float
        Limits in [0, 1] that hold the area.

    References
    ----------
    Newcombe (2006), Statistics in Medicine 25:559-573, method 5, after Hanley and McNeil (1982),
    Radiology 143:29-36.
    """
    m, n = sizes
    half, z = (m + n) / 2 - 1, normal_quantile(confidence)

    def is_within(a: float) -> bool:
        variance = a * (1 - a) * (1 + half * ((1 - a) / (2 - a) + a / (1 + a))) / (m * n)
        return (area - a) ** 2 <= z * z * variance

    limits = []
    for end in (0.0, 1.0):
        inside, outside = area, end
        for _ in range(_STEPS):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if is_within(middle) else (inside, middle)
        limits.append(inside)
    return limits[0], limits[1]


def _scarce_area(rows: View, sizes: tuple[float, float], confidence: float) -> dict[str, Limits]:
    import numpy as np

    if min(sizes) == 0 or round(min(sizes), 6) >= FEWEST:
        return {}
    column = list(METRICS).index("roc_auc")
    width = int(rows.rows.max()) + 1
    area = float(measure(rows, np.ones((1, width)))[0, column])
    return {"roc_auc": Limits(area, *auc_interval(area, sizes, confidence), AREA)}


def _alike(owners: "NDArray[np.intp]") -> float:
    """How many independent rows these are worth if those of a subject are alike (Kish 1965)."""
    import numpy as np

    counts = np.unique(owners, return_counts=True)[1]
    return float(counts.sum() ** 2 / max(np.square(counts).sum(), 1))


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
