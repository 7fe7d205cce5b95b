"""Rates of a binary decision, as ratios of counts; observed and replicated.

Every rate is a ratio of two sums over the four confusion counts, so all of them are two small
matrix products, for the data and for a thousand bootstrap replicates alike. A ratio with a zero
denominator is undefined; it is never a silent 0 (as with a "zero division" default), because a
group without positives has no TPR, not a bad one.

Closed-form intervals, for the places where the bootstrap can't speak.

A bootstrap sample of a group with 0 selected of 7 has 0 selected, always: its interval collapses to
[0, 0], a certainty that seven rows can't give; and with one selected of a hundred a 95 % interval
holds the truth in 90 %. There, and beside every bootstrap interval of a group's rate, stand score
intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

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


Floats = NDArray[np.float64]

_Four = tuple[int, int, int, int]


@dataclass(frozen=True)
class RateDefinition:
    """A rate as a ratio of confusion counts.

    Attributes
    ----------
    numerator, denominator : tuple of int, length 4
        Weight, 0 or 1, of TN, FP, FN and TP.
    undefined : str
        What a denominator of 0 means.
    counted : str
        What the denominator counts.
    """

    numerator: _Four
    denominator: _Four
    undefined: str
    counted: str = "rows"


RATES: Final = MappingProxyType(
    {
        "base_rate": RateDefinition((0, 0, 1, 1), (1, 1, 1, 1), "no rows"),
        "selection_rate": RateDefinition((0, 1, 0, 1), (1, 1, 1, 1), "no rows"),
        "nonselection_rate": RateDefinition((1, 0, 1, 0), (1, 1, 1, 1), "no rows"),
        "tpr": RateDefinition(
            (0, 0, 0, 1), (0, 0, 1, 1), "no actual positives", "actual positives"
        ),
        "fpr": RateDefinition(
            (0, 1, 0, 0), (1, 1, 0, 0), "no actual negatives", "actual negatives"
        ),
        "tnr": RateDefinition(
            (1, 0, 0, 0), (1, 1, 0, 0), "no actual negatives", "actual negatives"
        ),
        "fnr": RateDefinition(
            (0, 0, 1, 0), (0, 0, 1, 1), "no actual positives", "actual positives"
        ),
        "precision": RateDefinition(
            (0, 0, 0, 1), (0, 1, 0, 1), "no positive decisions", "positive decisions"
        ),
        "fdr": RateDefinition(
            (0, 1, 0, 0), (0, 1, 0, 1), "no positive decisions", "positive decisions"
        ),
        "for": RateDefinition(
            (0, 0, 1, 0), (1, 0, 1, 0), "no negative decisions", "negative decisions"
        ),
        "accuracy": RateDefinition((1, 0, 0, 1), (1, 1, 1, 1), "no rows"),
    }
)
"""All rates, by name, of the model's positive decision (*selected*), whatever it means to a person.

``tpr`` is recall, ``precision`` is predictive parity, ``fdr`` and ``for`` are the false discovery
and the false omission rate. Which of them is the favourable one, ``orientation`` says.
"""

COMPARED_RATES: Final = (
    "selection_rate",
    "tpr",
    "fpr",
    "precision",
    "accuracy",
    "nonselection_rate",
    "fnr",
    "fdr",
    "for",
)
"""The rates whose differences and ratios between groups are reported."""


def rate_parts(
    confusion: NDArray[np.int64], names: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count numerators and denominators.

    Parameters
    ----------
    confusion : ndarray of int, shape (G, 4, ...)
        TN, FP, FN, TP on the second axis (a ``(G, 2, 2)`` table reshaped); further axes, such as
        replicates, are kept.
    names : sequence of str
        Keys of :data:`RATES`; M of them.

    Returns
    -------
    tuple of ndarray of int, shape (M, G, ...)
        Numerators and denominators, exact.
    """
    return (
        _weigh(confusion, [RATES[name].numerator for name in names]),
        _weigh(confusion, [RATES[name].denominator for name in names]),
    )


def rates(confusion: NDArray[np.int64], names: Sequence[str]) -> Floats:
    """Compute rates; NaN marks an undefined one (internal: results carry None and a reason).

    Parameters
    ----------
    confusion : ndarray of int, shape (G, 4, ...)
        TN, FP, FN, TP on the second axis, as :func:`rate_parts` takes them.
    names : sequence of str
        Keys of :data:`RATES`; M of them.

    Returns
    -------
    ndarray of float, shape (M, G, ...)
    """
    numerator, denominator = rate_parts(confusion, names)
    return ratio(numerator, denominator)


def ratio(numerator: NDArray[np.generic], denominator: NDArray[np.generic]) -> Floats:
    """Divide; NaN where the denominator is 0.

    Parameters
    ----------
    numerator, denominator : ndarray
        Numbers of shapes that broadcast together.

    Returns
    -------
    ndarray of float64
        Of the broadcast shape.
    """
    result = np.full(np.broadcast_shapes(numerator.shape, denominator.shape), np.nan)
    np.divide(numerator, denominator, out=result, where=np.asarray(denominator != 0))
    return result


def _weigh(confusion: NDArray[np.int64], weights: Sequence[_Four]) -> NDArray[np.int64]:
    # Weights are 0 or 1: adding the picked slices is exact and quicker than an integer product.
    return np.stack(
        [
            np.asarray(sum(confusion[:, i] for i in range(4) if four[i]), np.int64)
            for four in weights
        ]
    )


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
        Observed counts that the rates are made of.
    values : ndarray of float, shape (M, G)
        NaN where undefined.
    replicates : ndarray of float, shape (M, G, R)
        The same rates in each of R bootstrap replicates; NaN where undefined.
    effective : ndarray of float, shape (M, G)
        How many independent trials the denominators are worth; less than they are where rows of
        one subject hang together.
    by_subject : bool
        Whether subjects have several rows, and were drawn whole.
    hidden : frozenset of tuple of (str, int)
        Rates and groups that `hide_rates` has taken out.
    least : int
        Rows that a rate needed for that.
    """

    labels: tuple[str, ...]
    names: tuple[str, ...]
    numerators: NDArray[np.int64]
    denominators: NDArray[np.int64]
    values: Floats
    replicates: Floats
    effective: Floats
    by_subject: bool
    hidden: frozenset[tuple[str, int]] = frozenset()
    least: int = 0

    @classmethod
    def make(
        cls,
        labels: tuple[str, ...],
        confusion: NDArray[np.int64],
        replicates: NDArray[np.int64],
        names: tuple[str, ...] = tuple(RATES),
        effective: Floats | None = None,
    ) -> RateSample:
        """Compute rates from observed and replicated counts.

        Parameters
        ----------
        labels : tuple of str
            Groups, G of them.
        confusion : ndarray of int, shape (G, 4)
            Observed TN, FP, FN, TP.
        replicates : ndarray of int, shape (G, 4, R)
            The same in each replicate.
        names : tuple of str, default=all of :data:`RATES`
            Rates to compute.
        effective : ndarray of float, shape (M, G), optional
            Effective sizes of the denominators; None = rows are independent.

        Returns
        -------
        RateSample
        """
        numerators, denominators = rate_parts(confusion, names)
        values = ratio(numerators, denominators)
        drawn = ratio(*rate_parts(replicates, names))
        sizes = denominators.astype(np.float64) if effective is None else effective
        by_subject = effective is not None
        return cls(labels, names, numerators, denominators, values, drawn, sizes, by_subject)

    @property
    def replicate_count(self) -> int:
        """Number of replicates."""
        return int(self.replicates.shape[-1])

    def proportion(self, name: str, group: int) -> Proportion:
        """Return a rate as successes of a total.

        Parameters
        ----------
        name : str
            One of ``names``.
        group : int
            Index into ``labels``.

        Returns
        -------
        Proportion
            ``total`` is 0 where the rate is undefined.
        """
        m = self.names.index(name)
        size = float(self.effective[m, group]) if self.by_subject else None
        return Proportion(int(self.numerators[m, group]), int(self.denominators[m, group]), size)

    def how(self, method: str) -> str:
        """Say what was drawn for an interval.

        Parameters
        ----------
        method : str
            How the interval is made of the replicates.

        Returns
        -------
        str
        """
        drawn = ", subjects drawn" if self.by_subject else ""
        return f"{method}, {self.replicate_count} replicates{drawn}"

    def why_undefined(self, name: str, group: int) -> str:
        """Say why a rate has no value in a group.

        Parameters
        ----------
        name : str
            One of ``names``.
        group : int
            Index into ``labels``.

        Returns
        -------
        str
        """
        if (name, group) in self.hidden:
            return f"fewer than {self.least} {RATES[name].counted} (data.min_cell)"
        return RATES[name].undefined

    def row(self, name: str) -> Floats:
        """Return one rate of all groups.

        Parameters
        ----------
        name : str
            One of ``names``.

        Returns
        -------
        ndarray of float, shape (G,)
            NaN where undefined.
        """
        return np.asarray(self.values[self.names.index(name)])

    def drawn(self, name: str) -> Floats:
        """Return one rate of all groups in all replicates.

        Parameters
        ----------
        name : str
            One of ``names``.

        Returns
        -------
        ndarray of float, shape (G, R)
            NaN where undefined.
        """
        return np.asarray(self.replicates[self.names.index(name)])


def hide_rates(sample: RateSample, least: int) -> RateSample:
    """Make rates with too few rows in the denominator undefined: they are no rates of a group.

    Parameters
    ----------
    sample : RateSample
        Rates of all groups of a dimension.
    least : int
        Rows that a rate needs; 0 = all are kept.

    Returns
    -------
    RateSample
    """
    small = (sample.denominators > 0) & (sample.denominators < least)
    if not small.any():
        return sample
    return replace(
        sample,
        numerators=np.where(small, 0, sample.numerators),
        denominators=np.where(small, 0, sample.denominators),
        values=np.where(small, np.nan, sample.values),
        replicates=np.where(small[..., None], np.nan, sample.replicates),
        hidden=frozenset((sample.names[m], int(g)) for m, g in np.argwhere(small)),
        least=least,
    )
