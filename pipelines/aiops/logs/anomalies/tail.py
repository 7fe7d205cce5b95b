"""Upper tails: how likely something is that is larger than what was seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.logs.anomalies.chance import LEAST

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
