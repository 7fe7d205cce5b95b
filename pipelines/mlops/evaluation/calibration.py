"""Calibration error without what chance adds to it, and an interval that is valid near 0.

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

from pipelines.mlops.evaluation.bootstrap import DEFINED, SEED
from pipelines.mlops.evaluation.metrics import View

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

METHOD = (
    "interval: test inversion over sums of true gaps and noise, {count} replicates, subjects drawn "
    "with replacement, and labels drawn from the scores where a bin shows less noise than a "
    "calibrated model has (Bröcker & Smith 2007)"
)

_STEPS = 30  # halvings: limits are exact to 1e-9 of the scale
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

    how = METHOD.format(count=len(replicates))
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
    for _ in range(_STEPS):
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
