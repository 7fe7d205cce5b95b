"""Bounds on shares that pay for every candidate tried."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

METHOD = "Clopper-Pearson, one-sided, Bonferroni over the candidates tried"


def level(alpha: float, tried: int) -> float:
    """Confidence level of each single bound, so that all of `tried` hold at once (Bonferroni)."""
    return 1 - alpha / max(tried, 1)


def lower(good: ArrayLike, n: ArrayLike, confidence: float) -> NDArray[np.float64]:
    """Exact one-sided lower bound of a share (Clopper and Pearson 1934); 0 without trials."""
    from scipy.special import betaincinv

    k, total = np.asarray(good, np.float64), np.asarray(n, np.float64)
    some = k > 0
    inside = betaincinv(np.where(some, k, 1), np.where(some, total - k + 1, 1), 1 - confidence)
    return np.where(some, inside, 0.0)


def upper(good: ArrayLike, n: ArrayLike, confidence: float) -> NDArray[np.float64]:
    """Exact one-sided upper bound of a share; 1 without trials."""
    total = np.asarray(n, np.float64)
    bad = total - np.asarray(good, np.float64)
    result: NDArray[np.float64] = 1 - lower(bad, total, confidence)
    return result
