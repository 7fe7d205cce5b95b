"""One dimension with its rates, observed and replicated: what disparities are computed from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.mlops.fairness.intervals import Proportion
from pipelines.mlops.fairness.rates import RATES, Floats, rate_parts, ratio


@dataclass(frozen=True, eq=False)
class RateSample:
    """Rates of every group of a dimension.

    Attributes
    ----------
    labels : tuple of str
        Groups, G of them.
    names : tuple of str
        Rates, M of them.
    numerators, denominators : ndarray of int, shape (M, G)
    values : ndarray of float, shape (M, G)
        NaN where undefined.
    replicates : ndarray of float, shape (M, G, R)
    """

    labels: tuple[str, ...]
    names: tuple[str, ...]
    numerators: NDArray[np.int64]
    denominators: NDArray[np.int64]
    values: Floats
    replicates: Floats

    @classmethod
    def make(
        cls,
        labels: tuple[str, ...],
        confusion: NDArray[np.int64],
        replicates: NDArray[np.int64],
        names: tuple[str, ...] = tuple(RATES),
    ) -> RateSample:
        """Compute rates from observed ``(G, 4)`` and replicated ``(G, 4, R)`` counts."""
        numerators, denominators = rate_parts(confusion, names)
        drawn = ratio(*rate_parts(replicates, names))
        return cls(labels, names, numerators, denominators, ratio(numerators, denominators), drawn)

    @property
    def replicate_count(self) -> int:
        """Number of replicates."""
        return int(self.replicates.shape[-1])

    def proportion(self, name: str, group: int) -> Proportion:
        """Return a rate as successes of a total."""
        m = self.names.index(name)
        return Proportion(int(self.numerators[m, group]), int(self.denominators[m, group]))

    def row(self, name: str) -> Floats:
        """Return one rate of all groups, shape (G,)."""
        return np.asarray(self.values[self.names.index(name)])

    def drawn(self, name: str) -> Floats:
        """Return one rate of all groups in all replicates, shape (G, R)."""
        return np.asarray(self.replicates[self.names.index(name)])
