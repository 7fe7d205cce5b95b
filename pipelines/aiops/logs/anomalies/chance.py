"""Chances, upper tails, and how many false findings they let through."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LEAST = 1e-50
"""Chances are not told apart below this: no model is that exact."""


def adjusted(chances: Floats) -> Floats:
    """Return Benjamini and Hochberg's adjusted chances.

    Those at most q make a set of which at most the share q is expected to be false.

    Parameters
    ----------
    chances
        One a subject that was looked at, shape (subjects,).
    """
    n = len(chances)
    order = np.argsort(chances, kind="stable")
    ranked = np.maximum(chances[order], LEAST) * n / np.arange(1, n + 1)
    least = np.minimum.accumulate(ranked[::-1])[::-1]
    found = np.empty(n)
    found[order] = np.minimum(least, 1.0)
    return found


def share_of_false(expected: Floats, rates: Floats) -> Floats:
    """Return for each novelty the expected share of false ones among it and all as rare.

    Parameters
    ----------
    expected
        How many novelties as rare as this one its stratum was expected to have by chance, shape
        (novelties,).
    rates
        How many novelties each stratum was expected to have at all, shape (strata,).
    """
    n = len(expected)
    order = np.argsort(expected, kind="stable")
    ranked = expected[order]
    rates = np.sort(rates)
    below = np.concatenate([[0.0], np.cumsum(rates)])
    at = np.searchsorted(rates, ranked)
    false = below[at] + ranked * (len(rates) - at)
    share = np.maximum(false, LEAST) / np.arange(1, n + 1)
    least = np.minimum.accumulate(share[::-1])[::-1]
    found = np.empty(n)
    found[order] = np.minimum(least, 1.0)
    return found


def novelty_rates(once: Floats, days: Floats) -> Floats:
    """Return novelties a day that each stratum is expected to have.

    What was seen in one hour of the history only is as frequent as what was not seen at all but
    will be (Good and Turing). Strata with little history borrow from all (a gamma prior with the
    weight of half an observation).

    Parameters
    ----------
    once
        What each stratum saw in just one hour, shape (strata,).
    days
        Days of history of each stratum, above zero, shape (strata,).
    """
    pooled = (once.sum() + 0.5) / days.sum()
    rates: Floats = (once + 0.5) / (days + 0.5 / pooled)
    return rates


def score_of(chance: float) -> float:
    """-log10 of a chance; rounded, so that it doesn't hang on the machine."""
    return abs(round(float(-np.log10(max(chance, LEAST))), 3))


LEAST_SIZE = 12
_LARGEST = (5, 50)
_SHARE = 0.1
_LEAST_EXPONENT = 0.05


@dataclass(frozen=True)
class Tail:
    """A Pareto fit to the largest values (Hill's estimator), as wide as its own uncertainty.

    Attributes
    ----------
    n, k
        Values, and the largest that were fitted.
    at
        Where the tail begins.
    exponent
        Mean of log(value / at) in the tail; small for what is regular.
    usual, longest
        Median and greatest value.
    """

    n: int
    k: int
    at: float
    exponent: float
    usual: float
    longest: float

    def chance(self, value: float) -> float:
        """Chance of a value at least so large (the predictive tail of a Pareto)."""
        if value <= self.at:
            return 1.0
        excess = np.log(value / self.at) / self.exponent
        return float(max(self.k / self.n * (1 + excess / self.k) ** -self.k, LEAST))


def tail_of(values: NDArray[np.float64]) -> Tail:
    """Fit the tail of at least `LEAST_SIZE` positive values."""
    ordered = np.sort(values)
    k = int(np.clip(round(_SHARE * len(ordered)), *_LARGEST))
    at = max(float(ordered[-k - 1]), 1.0)
    top = np.maximum(ordered[-k:], at)
    exponent = max(float(np.log(top / at).mean()), _LEAST_EXPONENT)
    return Tail(len(ordered), k, at, exponent, float(np.median(ordered)), float(ordered[-1]))
