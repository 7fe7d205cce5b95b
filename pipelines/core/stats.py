"""Bounds on shares that pay for every candidate tried."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

METHOD = "Clopper-Pearson, one-sided, Bonferroni over the candidates tried"


def level(alpha: float, tried: int) -> float:
    """Return the confidence level at which all bounds together hold (Bonferroni).

    Parameters
    ----------
    alpha : float
        Probability that any of the bounds doesn't hold, in (0, 1).
    tried : int
        Number of candidates tried; 0 counts as 1.

    Returns
    -------
    float
        ``1 - alpha / tried``.
    """
    return 1 - alpha / max(tried, 1)


def lower(good: ArrayLike, n: ArrayLike, confidence: float) -> NDArray[np.float64]:
    """Return the exact one-sided lower bound of a share (Clopper and Pearson).

    Parameters
    ----------
    good : array_like of int, shape (n,) or scalar
        Number of successes.
    n : array_like of int, shape (n,) or scalar
        Number of trials.
    confidence : float
        Confidence level of the bound, in (0, 1).

    Returns
    -------
    ndarray of float64, shape (n,) or ()
        Lower bound, in [0, 1]; 0 without a success.

    References
    ----------
    C. J. Clopper and E. S. Pearson (1934). The use of confidence or fiducial limits illustrated in
    the case of the binomial. Biometrika 26(4), 404–413.
    """
    from scipy.special import betaincinv

    # Quantile of Beta(k, n - k + 1); rows without a success get 0, and valid arguments meanwhile.
    k, total = np.asarray(good, np.float64), np.asarray(n, np.float64)
    some = k > 0
    inside = betaincinv(np.where(some, k, 1), np.where(some, total - k + 1, 1), 1 - confidence)
    return np.where(some, inside, 0.0)


def upper(good: ArrayLike, n: ArrayLike, confidence: float) -> NDArray[np.float64]:
    """Return the exact one-sided upper bound of a share (Clopper and Pearson).

    Parameters
    ----------
    good : array_like of int, shape (n,) or scalar
        Number of successes.
    n : array_like of int, shape (n,) or scalar
        Number of trials.
    confidence : float
        Confidence level of the bound, in (0, 1).

    Returns
    -------
    ndarray of float64, shape (n,) or ()
        Upper bound, in [0, 1]; 1 without a failure or a trial.

    References
    ----------
    C. J. Clopper and E. S. Pearson (1934). The use of confidence or fiducial limits illustrated in
    the case of the binomial. Biometrika 26(4), 404–413.
    """
    total = np.asarray(n, np.float64)
    bad = total - np.asarray(good, np.float64)
    result: NDArray[np.float64] = 1 - lower(bad, total, confidence)
    return result
