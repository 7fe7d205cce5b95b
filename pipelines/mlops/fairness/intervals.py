"""Closed-form intervals, for the places where the bootstrap can't speak.

A bootstrap sample of a group with 0 selected of 7 has 0 selected, always: its interval collapses to
[0, 0], a certainty that seven rows can't give. There, and beside every bootstrap interval of a
group's rate, stand score intervals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Proportion:
    """A share of counted rows.

    Attributes
    ----------
    successes, total : int
        ``successes`` of ``total``; ``total`` is positive wherever ``value`` is read.
    effective : float or None, default=None
        How many independent rows they are worth, where rows hang together; None = all of them.
    """

    successes: int
    total: int
    effective: float | None = None

    @property
    def value(self) -> float:
        """The observed proportion."""
        return self.successes / self.total

    @property
    def size(self) -> float:
        """The number of trials that an interval may count on."""
        return self.total if self.effective is None else self.effective

    @property
    def hits(self) -> float:
        """Successes among ``size`` trials of the same share."""
        return self.successes if self.effective is None else self.value * self.effective

    @property
    def at_boundary(self) -> bool:
        """Whether it is exactly 0 or 1, where resampling shows no variation."""
        return self.successes in (0, self.total)


def wilson(proportion: Proportion, level: float) -> tuple[float, float]:
    """Compute Wilson's score interval of a proportion.

    Parameters
    ----------
    proportion : Proportion
        ``total`` is positive.
    level : float
        Two-sided confidence level in (0, 1).

    Returns
    -------
    tuple of float
        Lower and upper limit in [0, 1].

    References
    ----------
    Wilson (1927), JASA 22:209-212; recommended by Brown, Cai and DasGupta (2001),
    Statistical Science 16:101-133.
    """
    z = normal_quantile(level)
    n, p = proportion.size, proportion.value
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low = 0.0 if proportion.successes == 0 else max(0.0, centre - half)
    high = 1.0 if proportion.value == 1 else min(1.0, centre + half)
    return low, high


def newcombe_difference(a: Proportion, b: Proportion, level: float) -> tuple[float, float]:
    """Compute the interval of ``a - b`` from the two Wilson intervals.

    Parameters
    ----------
    a, b : Proportion
        From independent groups of rows; totals are positive.
    level : float
        Two-sided confidence level in (0, 1).

    Returns
    -------
    tuple of float
        Lower and upper limit in [-1, 1].

    References
    ----------
    Newcombe (1998), Statistics in Medicine 17:873-890, method 10.
    """
    (low_a, high_a), (low_b, high_b) = wilson(a, level), wilson(b, level)
    difference = a.value - b.value
    down = math.hypot(a.value - low_a, high_b - b.value)
    up = math.hypot(high_a - a.value, b.value - low_b)
    return max(-1.0, difference - down), min(1.0, difference + up)


def mover_ratio(a: Proportion, b: Proportion, level: float) -> tuple[float, float] | None:
    """Compute the interval of ``a / b`` from the two Wilson intervals (MOVER-R).

    Parameters
    ----------
    a, b : Proportion
        From independent groups of rows; totals are positive.
    level : float
        Two-sided confidence level in (0, 1).

    Returns
    -------
    tuple of float or None
        Lower and upper limit, not capped at 1; None when ``b`` is 0, where the ratio has no value
        either.

    References
    ----------
    Donner and Zou (2012), Statistical Methods in Medical Research 21:347-359. The lower limit is
    written in its rationalised form, which needs no division by ``u(2p - u)``.
    """
    if b.successes == 0:
        return None
    (low_a, high_a), (low_b, high_b) = wilson(a, level), wilson(b, level)
    product = a.value * b.value
    inner_low = product**2 - low_a * high_b * (2 * a.value - low_a) * (2 * b.value - high_b)
    inner_high = product**2 - high_a * low_b * (2 * a.value - high_a) * (2 * b.value - low_b)
    low_top = low_a * (2 * a.value - low_a)
    low = low_top / (product + math.sqrt(max(inner_low, 0.0))) if low_top > 0 else 0.0
    high = (product + math.sqrt(max(inner_high, 0.0))) / (low_b * (2 * b.value - low_b))
    return low, high


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
    from statistics import NormalDist

    if not 0 < level < 1:
        raise ValueError(f"a confidence level is inside (0, 1), got {level}")
    return NormalDist().inv_cdf((1 + level) / 2)
