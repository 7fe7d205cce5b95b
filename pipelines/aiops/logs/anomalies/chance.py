"""Chances, upper tails, and how many false findings they let through."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.core.stats import false_discovery_rates

Floats = NDArray[np.float64]
LEAST = 1e-50
"""Chances are not told apart below this: no model is that exact."""


def share_of_false(expected: Floats, rates: Floats) -> Floats:
    """Return for each novelty the expected share of false ones among it and all as rare.

    Parameters
    ----------
    expected : ndarray of float64, shape (novelties,)
        How many novelties as rare as this one its stratum was expected to have by chance.
    rates : ndarray of float64, shape (strata,)
        How many novelties each stratum was expected to have at all.

    Returns
    -------
    ndarray of float64, shape (novelties,)
        At most 1.
    """
    # A stratum brings at most its rate of false ones, however large the bound: the sum of
    # min(rate, expected) over strata, for each novelty.
    rates = np.sort(rates)
    below = np.concatenate([[0.0], np.cumsum(rates)])
    at = np.searchsorted(rates, expected)
    false = below[at] + expected * (len(rates) - at)
    return false_discovery_rates(np.maximum(false, LEAST))


def novelty_rates(once: Floats, days: Floats) -> Floats:
    """Return novelties a day that each stratum is expected to have.

    What was seen in one hour of the history only is as frequent as what was not seen at all but
    will be (Good and Turing). Strata with little history borrow from all (a gamma prior with the
    weight of half an observation).

    Parameters
    ----------
    once : ndarray of float64, shape (strata,)
        What each stratum saw in just one hour.
    days : ndarray of float64, shape (strata,)
        Days of history of each stratum, above zero.

    Returns
    -------
    ndarray of float64, shape (strata,)
        Novelties a day.
    """
    pooled = (once.sum() + 0.5) / days.sum()
    rates: Floats = (once + 0.5) / (days + 0.5 / pooled)
    return rates


def score_of(chance: float) -> float:
    """Return a finding's score; rounded, so that it doesn't hang on the machine.

    Parameters
    ----------
    chance : float
        Between 0 and 1; below `LEAST` as `LEAST`.

    Returns
    -------
    float
        -log10 of the chance, zero or more.
    """
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
    n, k : int
        Number of values, and of the largest that were fitted.
    at : float
        Where the tail begins, in the values' unit.
    exponent : float
        Mean of log(value / at) in the tail; small for what is regular.
    usual, longest : float
        Median and greatest value.
    """

    n: int
    k: int
    at: float
    exponent: float
    usual: float
    longest: float

    def chance(self, value: float) -> float:
        """Return the chance of a value at least so large (the predictive tail of a Pareto).

        Parameters
        ----------
        value : float
            In the unit of the values that were fitted.

        Returns
        -------
        float
            Between `LEAST` and 1; 1 below the tail.
        """
        if value <= self.at:
            return 1.0
        excess = np.log(value / self.at) / self.exponent
        return float(max(self.k / self.n * (1 + excess / self.k) ** -self.k, LEAST))


def tail_of(values: NDArray[np.float64]) -> Tail:
    """Fit a Pareto tail to values (Hill's estimator).

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        Positive; at least `LEAST_SIZE`.

    Returns
    -------
    Tail
    """
    ordered = np.sort(values)
    k = int(np.clip(round(_SHARE * len(ordered)), *_LARGEST))
    at = max(float(ordered[-k - 1]), 1.0)
    # Hill's estimator: mean log excess of the k largest values over the next one.
    top = np.maximum(ordered[-k:], at)
    exponent = max(float(np.log(top / at).mean()), _LEAST_EXPONENT)
    return Tail(len(ordered), k, at, exponent, float(np.median(ordered)), float(ordered[-1]))
