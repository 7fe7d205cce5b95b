"""Intervals of what a window shows: days are the independent units, incidents the trials."""

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.noise.windows import DAY_US, Window

LEVEL = 0.95
REPLICATES = 2000
_SEED = 20260101


def per_day(times: NDArray[np.int64], window: Window) -> NDArray[np.int64]:
    """Events on each day of the window, shape (days,); the last day may be a part of one."""
    days = max(1, -(-(window.end - window.start) // DAY_US))
    index = (times - window.start) // DAY_US
    return np.bincount(index, minlength=days)[:days].astype(np.int64)


def saved_interval(
    before: NDArray[np.int64], after: NDArray[np.int64]
) -> tuple[float, float] | None:
    """Interval of the share of pages saved: bootstrap over days.

    Parameters
    ----------
    before, after
        Pages on each day, shape (days,).

    Returns
    -------
    Bounds at `LEVEL`; None with fewer than three days or without pages.

    Notes
    -----
    Pages of one day hang together, so days are drawn, not pages (block bootstrap; Künsch 1989).
    """
    if len(before) < 3 or not before.sum():
        return None
    draw = np.random.default_rng(_SEED).integers(0, len(before), (REPLICATES, len(before)))
    total = before[draw].sum(axis=1)
    drawn = total > 0
    shares = 1 - after[draw].sum(axis=1)[drawn] / total[drawn]
    low, high = np.quantile(shares, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def most_lost(lost: int, heard: int) -> float:
    """Upper bound of the share of incidents that the rules lose.

    One-sided Clopper–Pearson at `LEVEL` (Clopper & Pearson 1934): none lost of 30 proves only that
    fewer than one in ten is.
    """
    from scipy.stats import beta

    if lost >= heard:
        return 1.0
    return float(beta.ppf(LEVEL, lost + 1, heard - lost))


def median_interval(values: NDArray[np.float64]) -> tuple[float, float] | None:
    """Interval of a median from order statistics (David & Nagaraja 2003, 7.1); None below six."""
    from scipy.stats import binom

    count = len(values)
    if count < 6:
        return None
    ordered = np.sort(values)
    rank = int(binom.ppf((1 - LEVEL) / 2, count, 0.5))
    return float(ordered[max(rank - 1, 0)]), float(ordered[min(count - rank, count - 1)])
