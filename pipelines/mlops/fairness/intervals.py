"""Closed-form intervals, for the places where the bootstrap can't speak.

A bootstrap sample of a group with 0 selected of 7 has 0 selected, always: its interval collapses to
[0, 0], a certainty that seven rows can't give; and with one selected of a hundred a 95 % interval
holds the truth in 90 %. There, and beside every bootstrap interval of a group's rate, stand score
intervals.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.core.stats import FEWEST, normal_quantile, wilson_interval


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
    def is_scarce(self) -> bool:
        """Whether there are too few successes or failures for resampling to show how they vary."""
        # Ten that rounding made a little less are ten.
        return round(min(self.hits, self.size - self.hits), 6) < FEWEST

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
        low, high = wilson_interval(self.value, self.size, normal_quantile(level))
        return float(low), float(high)
