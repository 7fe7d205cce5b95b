"""Intervals, bounds and corrections of shares and p-values, each of them once.

Everything takes whole columns and broadcasts; a scalar comes back as an array of shape ().
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FEWEST = 10
"""Successes or failures below which a score interval goes before the bootstrap's."""
METHOD = "Clopper-Pearson, one-sided, Bonferroni over the candidates tried"


def normal_quantile(level: float) -> float:
    """Return the two-sided standard normal quantile, such as 1.96 for 0.95.

    Parameters
    ----------
    level : float
        Two-sided confidence level in (0, 1).

    Returns
    -------
    float
        Positive.

    Raises
    ------
    ValueError
        The level is not inside (0, 1).
    """
    if not 0 < level < 1:
        raise ValueError(f"a confidence level is inside (0, 1), got {level}")
    return NormalDist().inv_cdf((1 + level) / 2)


def wilson_interval(share: ArrayLike, n: ArrayLike, z: float) -> tuple[Floats, Floats]:
    """Compute Wilson's score interval of a share.

    Unlike ``scipy.stats.binomtest`` it takes columns, any z (a max-t multiplier is no quantile) and
    shares whose n is an effective number, which no whole number of successes belongs to.

    Parameters
    ----------
    share : array_like of float, shape (n,) or any that broadcasts
        Observed share, in [0, 1].
    n : array_like of float, of a shape that broadcasts
        Number of trials; positive.
    z : float
        Standard normal quantile, such as ``normal_quantile(0.95)``.

    Returns
    -------
    low, high : ndarray of float64, of the broadcast shape
        Limits in [0, 1] with the share between them; exactly 0 and 1 at shares of 0 and 1.

    References
    ----------
    Wilson (1927), JASA 22:209-212; recommended by Brown, Cai and DasGupta (2001),
    Statistical Science 16:101-133.
    """
    p, total = np.asarray(share, np.float64), np.asarray(n, np.float64)
    centre = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * np.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    # At 0 and 1 the limit is the share itself, which rounding would miss.
    low = np.minimum(p, np.maximum(centre - half, 0.0))
    high = np.maximum(p, np.minimum(centre + half, 1.0))
    return np.asarray(low), np.asarray(high)


def mover_difference(
    a: ArrayLike, a_limits: tuple[ArrayLike, ArrayLike],
    b: ArrayLike, b_limits: tuple[ArrayLike, ArrayLike],
) -> tuple[Floats, Floats]:  # fmt: skip
    """Compute the interval of ``a - b`` from the intervals of both (MOVER).

    Parameters
    ----------
    a, b : array_like of float
        Independent estimates, of shapes that broadcast.
    a_limits, b_limits : (array_like of float, array_like of float)
        Lower and upper limits of each, at the level that the difference is to have.

    Returns
    -------
    low, high : ndarray of float64, of the broadcast shape
        Limits of the difference.

    References
    ----------
    Zou and Donner (2008), Statistics in Medicine 27:1693-1702 (method of variance estimates
    recovery).
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    difference = a - b
    low = difference - np.hypot(a - np.asarray(a_limits[0]), np.asarray(b_limits[1]) - b)
    high = difference + np.hypot(np.asarray(a_limits[1]) - a, b - np.asarray(b_limits[0]))
    return np.asarray(low), np.asarray(high)


def newcombe_interval(
    a: ArrayLike, a_n: ArrayLike, b: ArrayLike, b_n: ArrayLike, z: float
) -> tuple[Floats, Floats]:
    """Compute the interval of a difference of shares, ``a - b``, from their Wilson intervals.

    Parameters
    ----------
    a, b : array_like of float
        Shares of independent samples, in [0, 1], of shapes that broadcast.
    a_n, b_n : array_like of float
        Number of trials of each; positive.
    z : float
        Standard normal quantile, such as ``normal_quantile(0.95)``.

    Returns
    -------
    low, high : ndarray of float64, of the broadcast shape
        Limits in [-1, 1].

    References
    ----------
    Newcombe (1998), Statistics in Medicine 17:873-890, method 10.
    """
    low, high = mover_difference(a, wilson_interval(a, a_n, z), b, wilson_interval(b, b_n, z))
    return np.maximum(low, -1.0), np.minimum(high, 1.0)


def mover_ratio_interval(
    a: ArrayLike, a_n: ArrayLike, b: ArrayLike, b_n: ArrayLike, z: float
) -> tuple[Floats, Floats]:
    """Compute the interval of a ratio of shares, ``a / b``, from their Wilson intervals (MOVER-R).

    Parameters
    ----------
    a, b : array_like of float
        Shares of independent samples, in [0, 1], of shapes that broadcast.
    a_n, b_n : array_like of float
        Number of trials of each; positive.
    z : float
        Standard normal quantile, such as ``normal_quantile(0.95)``.

    Returns
    -------
    low, high : ndarray of float64, of the broadcast shape
        Limits, not capped at 1; NaN where ``b`` is 0, where the ratio has no value either.

    References
    ----------
    Donner and Zou (2012), Statistical Methods in Medical Research 21:347-359. The lower limit is
    written in its rationalised form, which needs no division by ``u(2p - u)``.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    (a_low, a_high), (b_low, b_high) = wilson_interval(a, a_n, z), wilson_interval(b, b_n, z)
    product = a * b
    a_down, a_up = a_low * (2 * a - a_low), a_high * (2 * a - a_high)
    b_down, b_up = b_low * (2 * b - b_low), b_high * (2 * b - b_high)
    with np.errstate(divide="ignore", invalid="ignore"):  # 0 / 0 and x / 0, replaced below
        low = a_down / (product + np.sqrt(np.maximum(product**2 - a_down * b_up, 0.0)))
        high = (product + np.sqrt(np.maximum(product**2 - a_up * b_down, 0.0))) / b_down
    known = b > 0
    return np.where(known, np.where(a_down > 0, low, 0.0), np.nan), np.where(known, high, np.nan)


def bonferroni_level(alpha: float, tried: int) -> float:
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


def clopper_pearson_lower(good: ArrayLike, n: ArrayLike, confidence: float) -> Floats:
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


def clopper_pearson_upper(good: ArrayLike, n: ArrayLike, confidence: float) -> Floats:
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
    from scipy.special import betaincinv

    # Quantile of Beta(k + 1, n - k); rows without a failure get 1, and valid arguments meanwhile.
    k, total = np.asarray(good, np.float64), np.asarray(n, np.float64)
    some = k < total
    inside = betaincinv(k + 1, np.where(some, total - k, 1), confidence)
    return np.where(some, inside, 1.0)


def benjamini_hochberg(p_values: ArrayLike, tests: int | None = None) -> Floats:
    """Adjust p-values so that they bound the false discovery rate.

    ``scipy.stats.false_discovery_control`` doesn't know of tests whose p-values weren't kept.

    Parameters
    ----------
    p_values : array_like of float, shape (n,)
        In any order.
    tests : int, optional
        Number of tests made, if more than `n`: those left out count as certain, p = 1.

    Returns
    -------
    ndarray of float64, shape (n,)
        In the same order, at most 1. Of those at most q, the share q is expected to be false.

    References
    ----------
    Benjamini and Hochberg (1995), Journal of the Royal Statistical Society B 57:289-300.
    """
    p = np.asarray(p_values, np.float64)
    return false_discovery_rates(p * (len(p) if tests is None else tests))


def false_discovery_rates(expected: ArrayLike) -> Floats:
    """Return the share of false ones among each finding and all that are as rare (step-up).

    Parameters
    ----------
    expected : array_like of float, shape (n,)
        How many findings as rare as this one chance alone was expected to bring; p-values times the
        number of tests are this.

    Returns
    -------
    ndarray of float64, shape (n,)
        In the same order, at most 1; the rarer, the smaller.

    References
    ----------
    Benjamini and Hochberg (1995); as an estimate of the rate: Storey (2002), Journal of the Royal
    Statistical Society B 64:479-498.
    """
    rising = np.asarray(expected, np.float64)
    order = np.argsort(rising, kind="stable")
    return np.minimum(_least_above(rising[order] / np.arange(1, len(order) + 1), order), 1.0)


def false_discovery_scores(rareness: ArrayLike, tests: int) -> Floats:
    """Return -log10 of :func:`benjamini_hochberg`, for p-values smaller than any float.

    Parameters
    ----------
    rareness : array_like of float, shape (n,)
        -log10 of p-values, in any order.
    tests : int
        Number of tests made; 0 counts as 1.

    Returns
    -------
    ndarray of float64, shape (n,)
        In the same order; 0 for the hopeless.

    References
    ----------
    As :func:`benjamini_hochberg`.
    """
    scores = np.asarray(rareness, np.float64)
    order = np.argsort(-scores, kind="stable")
    steps = np.log10(max(tests, 1) / np.arange(1, len(order) + 1)) - scores[order]
    return -np.minimum(_least_above(steps, order), 0.0) + 0.0  # no -0.0


def _least_above(ranked: Floats, order: NDArray[np.int64]) -> Floats:
    """Least value from each rank on, back in the order before ranking; both of shape (n,)."""
    found = np.empty(len(ranked))
    found[order] = np.minimum.accumulate(ranked[::-1])[::-1]
    return found


def effective_sizes(
    group: Ints, hits: ArrayLike, trials: ArrayLike, weight: Ints, groups: int
) -> Floats:
    """Compute how many independent trials each group's are worth.

    Rows over the design effect, which is the larger of two: the group's own, the variance of its
    share over subjects (linearised, as of a ratio) against the binomial one; and the one that
    follows from the intra-class correlation over all groups together. A small group with three
    positives shows too little of how rows of a subject hang together; in simulations its own effect
    alone let a test at 5 % reject in 10 %.

    Parameters
    ----------
    group : ndarray of int64, shape (U,)
        Group of each subject, or of each kind of subject.
    hits, trials : ndarray of int64, shape (U,)
        Its counts.
    weight : ndarray of int64, shape (U,)
        How many subjects have them.
    groups : int
        Number of groups, G.

    Returns
    -------
    ndarray of float, shape (G,)
        At most the number of trials, and exactly that where every subject has one; no less than
        rows that are all alike in a subject are worth, unless its own effect is larger still.

    References
    ----------
    Rao and Scott (1992), Biometrics 48:577-585; Kish (1965), *Survey Sampling*, ch. 5 and 8.
    """

    def add(values: Floats) -> Floats:
        return np.asarray(np.bincount(group, values * weight, minlength=groups), np.float64)

    of, good = np.asarray(trials, np.float64), np.asarray(hits, np.float64)
    n, positive = add(of), add(good)
    share = _ratio(positive, n)
    binomial = n * share * (1 - share)
    squares = add(np.square(good - share[group] * of))
    # The effect of rows that are all alike in a subject, and subjects by group; shapes (G,).
    alike = np.where(n > 0, _ratio(add(np.square(of)), n), 1.0)
    count = add((of > 0).astype(np.float64))
    unbiased = squares * _ratio(count, count - 1)  # a share takes a degree of freedom
    seen = (binomial > 0) & (count > 1)
    beyond, most = (
        float((unbiased - binomial)[seen].sum()),
        float((binomial * (alike - 1))[seen].sum()),
    )
    correlation = min(max(beyond / most, 0.0), 1.0) if most > 0 and seen.any() else 1.0
    own = _ratio(squares, binomial)
    return np.asarray(n / np.fmax(np.fmax(own, 1 + correlation * (alike - 1)), 1.0), np.float64)


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Divide; 0 where the denominator is not above 0."""
    result = np.zeros(np.shape(denominator))
    return np.divide(numerator, denominator, out=result, where=np.asarray(denominator > 0))
