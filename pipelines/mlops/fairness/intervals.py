"""Closed-form intervals, for the places where the bootstrap can't speak.

A bootstrap sample of a group with 0 selected of 7 has 0 selected, always: its interval collapses to
[0, 0], a certainty that seven rows can't give. There, and beside every bootstrap interval of a
group's rate, stand score intervals.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.core.stats import normal_quantile, wilson_interval


@dataclass(frozen=True)
class Proportion:
    """A share of counted rows.

    Attributes
    ----------
    successes, total : int
        ``successes`` of ``total``; ``total`` is positive wherever ``value`` is read.
    """

    successes: int
    total: int

    @property
    def value(self) -> float:
        """The observed proportion."""
        return self.successes / self.total

    @property
    def at_boundary(self) -> bool:
        """Whether it is exactly 0 or 1, where resampling shows no variation."""
        return self.successes in (0, self.total)

    def wilson(self, level: float) -> tuple[float, float]:
        """Return Wilson's score interval, where ``total`` is positive.

        Parameters
        ----------
        level : float
            Two-sided confidence level in (0, 1).

        Returns
        -------
        tuple of float
            Lower and upper limit in [0, 1].
        """
        low, high = wilson_interval(self.value, self.total, normal_quantile(level))
        return float(low), float(high)
