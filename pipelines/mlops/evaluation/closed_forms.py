"""Intervals that don't come from plain percentiles of the replicates.

A share with few rows of a kind hardly varies when it is resampled (with none it doesn't at all), so
its percentiles are too narrow; so are those of an area under the curve with few positives, or few
negatives. There a score interval stands in, for as many rows as those of the subjects are worth.

Calibration error without what chance adds to it, and an interval that is valid near 0.

Observed rates differ from mean scores by chance alone, and the calibration error adds up absolute
differences: a calibrated model has one of .09 on 150 rows, and resampling, noisier still, puts its
interval higher. So neither is read off the replicates. A test asks instead which true errors go
with the observed one: true gaps g give sums of ``|g + noise|``, and those g are accepted under
which the observed sum is neither too large nor too small (test inversion; Carpenter 1999,
*Statistics in Medicine* 18). The estimate is the error at which half of the sums are larger
(median-unbiased; the bias it removes is that of Kumar, Liang and Ma 2019, NeurIPS, and Roelofs et
al. 2022, AISTATS). It is 0 where a calibrated model would show as much in half of the samples.

An error can lie in one bin or in all, and chance adds more to gaps of 0. So the estimate takes the
gaps in the proportions observed; the upper limit spreads the error evenly, where chance adds least;
and the lower limit keeps to the gaps that stand out of the noise (Donoho and Johnstone 1994,
*Biometrika* 81), or to the largest alone.

Noise is that of the bootstrap by subject, about what was observed. Where a bin shows less than a
calibrated model would have in it, as one without any positive does, it is that of labels drawn from
the scores (consistency resampling; Bröcker and Smith 2007, *Weather and Forecasting* 22), of as
many rows as those of the subjects are worth.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.core.stats import FEWEST, effective_sizes, normal_quantile, wilson_interval
from pipelines.mlops.evaluation.bootstrap import DEFINED, SEED
from pipelines.mlops.evaluation.metrics import METRICS, View, measure

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


if TYPE_CHECKING:
    Floats = NDArray[np.float64]

CALIBRATION_METHOD = (
    "interval: test inversion over sums of true gaps and noise, {count} replicates, subjects drawn "
    "with replacement, and labels drawn from the scores where a bin shows less noise than a "
    "calibrated model has (Bröcker & Smith 2007)"
)

_BISECTIONS = 30  # halvings: limits are exact to 1e-9 of the scale
_LABELS = 1_000_003  # apart from the seeds of the replicates


@dataclass(frozen=True)
class Limits:
    """A value with its interval.

    Attributes
    ----------
    value : float
        NaN where undefined.
    low, high : float or None
        The interval holds the value; None where there is none.
    how : str
        How it was made; goes into a figure's method.
    """

    value: float
    low: float | None
    high: float | None
    how: str


def calibration_gaps(rows: View, weights: "Floats") -> "Floats":
    """Compute what every bin adds to the calibration error, with its sign.

    Parameters
    ----------
    rows : View
        The rows to measure.
    weights : ndarray of float64, shape (b, n)
        Whole-number weights of the table's rows.

    Returns
    -------
    ndarray of float64, shape (b, bins)
        Positives less summed scores, by the number of all rows; from high scores to low ones. NaN
        where all weights are 0.
    """
    import numpy as np

    starts = np.append(0, rows.bin_ends[:-1] + 1)
    w = weights[:, rows.rows]
    with np.errstate(invalid="ignore"):
        gaps = np.add.reduceat(w * (rows.y - rows.scores), starts, axis=1)
        return np.asarray(gaps / w.sum(axis=1, keepdims=True))


def calibration_error(
    rows: View, replicates: "Floats", subjects: "NDArray[np.intp]", confidence: float
) -> Limits:
    """Estimate the calibration error.

    Parameters
    ----------
    rows : View
        The rows to measure; m of them.
    replicates : ndarray of float64, shape (r, bins)
        `calibration_gaps` in every bootstrap replicate.
    subjects : ndarray of intp, shape (n,)
        Number of the subject of each of the table's rows.
    confidence : float
        Two-sided confidence level in (0, 1).

    Returns
    -------
    Limits
        In [0, 1].

    References
    ----------
    Carpenter (1999), Statistics in Medicine 18:2935-2954 (test inversion); Bröcker and Smith
    (2007), Weather and Forecasting 22:651-661 (consistency resampling); Kumar, Liang and Ma (2019),
    NeurIPS, and Roelofs et al. (2022), AISTATS (bias of binned errors).
    """
    import numpy as np

    how = CALIBRATION_METHOD.format(count=len(replicates))
    width = len(subjects)
    observed = calibration_gaps(rows, np.ones((1, width)))[0]
    defined = replicates[np.isfinite(replicates).all(axis=1)]
    if len(defined) < max(DEFINED * len(replicates), 1):
        return Limits(float(np.abs(observed).sum()), None, None, how)
    noise = _noise(rows, defined - observed, subjects)
    spread = np.sqrt(np.square(noise).mean(axis=0))
    shares = np.diff(rows.bin_ends, prepend=-1) / len(rows.y)
    signs = np.where(observed < 0, -1.0, 1.0)
    # What stands out of the noise of so many bins, or the largest gap where nothing does.
    clear = np.maximum(np.abs(observed) - math.sqrt(2 * math.log(len(observed))) * spread, 0.0)
    if not clear.any():
        clear[np.argmax(np.abs(observed))] = 1.0
    total, tail = float(np.abs(observed).sum()), (1 - confidence) / 2
    value = _accepted(total, observed, noise, 0.5)
    low = _accepted(total, signs * clear, noise, 1 - tail)
    high = _accepted(total, signs * shares, noise, tail)
    return Limits(value, min(low, value), max(high, value), how)


def _accepted(total: float, profile: "Floats", noise: "Floats", share: float) -> float:
    """Largest error, as a multiple of a profile, with a quantile of the sums at most `total`."""
    import numpy as np

    size = float(np.abs(profile).sum())

    def quantile(times: float) -> float:
        return float(np.quantile(np.abs(times * profile + noise).sum(axis=1), share))

    if size == 0 or quantile(0.0) > total:
        return 0.0
    low, high = 0.0, 1 / size  # an error is at most 1
    if quantile(high) <= total:
        return 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if quantile(middle) <= total else (low, middle)
    return low * size


def _noise(rows: View, errors: "Floats", subjects: "NDArray[np.intp]") -> "Floats":
    """Noise of every bin, shape (r, bins)."""
    import numpy as np

    sizes = np.diff(rows.bin_ends, prepend=-1)
    starts = rows.bin_ends - sizes + 1
    means = np.clip(np.add.reduceat(rows.scores, starts) / sizes, 0.0, 1.0)
    worth = np.maximum(np.round(sizes / _design_effect(rows, sizes, subjects), 6), 1.0)
    worth = np.floor(worth).astype(np.int64)
    drawn = np.random.default_rng([SEED, _LABELS]).binomial(worth, means, (len(errors), len(sizes)))
    shares = sizes / sizes.sum()
    expected = shares * np.sqrt(means * (1 - means) / worth)
    shown = np.sqrt(np.square(errors).mean(axis=0))
    return np.where(shown < expected, shares * (drawn / worth - means), errors)


def _design_effect(rows: View, sizes: "NDArray[np.intp]", subjects: "NDArray[np.intp]") -> float:
    """Variance of a bin's gap over subjects against that of independent rows; at least 1."""
    import numpy as np

    residuals = rows.y - rows.scores
    key = subjects[rows.rows] * len(sizes) + np.repeat(np.arange(len(sizes)), sizes)
    together = np.bincount(np.unique(key, return_inverse=True)[1].reshape(-1), residuals)
    alone = float(residuals @ residuals)
    return max(1.0, float(together @ together) / alone) if alone > 0 else 1.0


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
