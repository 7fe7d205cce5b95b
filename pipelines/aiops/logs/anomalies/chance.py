"""Chances, and how many false findings they let through."""

from __future__ import annotations

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
