"""A bootstrap that never touches the rows.

Resampling n rows with replacement and counting them gives a table whose counts are multinomial
with size n and the observed shares as probabilities. So a replicate is one multinomial draw, exact,
not an approximation (Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993, ch. 6 on the
empirical distribution and ch. 13 on percentile intervals). Its cost depends on the number of cells,
not on the number of rows. Where subjects have several rows, subjects are drawn instead, by the same
kind of draw (``subjects``).

Replicates are drawn once for the finest cells and summed to every dimension, so a statistic over
several dimensions is computed inside one and the same replicate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipelines.mlops.fairness.rates import Floats
from pipelines.mlops.fairness.subjects import Patterns

_BLOCK: Final = 1 << 23  # drawn numbers held at once (64 MiB), whatever the number of cells

MIN_DEFINED_SHARE: Final = 0.5
"""Below this share of replicates with a value, a statistic has no interval."""


@dataclass(frozen=True, eq=False)
class Interval:
    """Percentile interval per statistic.

    Attributes
    ----------
    low, high : ndarray of float, shape (...,)
        Limits; NaN when fewer than half of the replicates have a value.
    mean : ndarray of float, shape (...,)
        Mean over the replicates that have a value; minus the estimate it is the bootstrap's
        estimate of bias.
    undefined : ndarray of float, shape (...,)
        Share of replicates without a value (a resample without positives has no TPR); the interval
        is conditional on the others.
    """

    low: Floats
    high: Floats
    mean: Floats
    undefined: Floats


def draw_confusions(
    counts: NDArray[np.int64],
    memberships: Sequence[tuple[NDArray[np.int64], int]],
    *,
    replicates: int,
    rng: np.random.Generator,
    patterns: Patterns | None = None,
) -> list[NDArray[np.int64]]:
    """Draw replicate tables and sum them to dimensions.

    Parameters
    ----------
    counts : ndarray of int, shape (C, K)
        Observed rows per finest cell and outcome (K is 4: TN, FP, FN, TP).
    memberships : sequence of (ndarray of int of shape (C,), int)
        For each dimension the group of every cell, and the number of groups.
    replicates : int
        Number of replicates, R.
    rng : numpy.random.Generator
        Seeded by the caller.
    patterns : Patterns, optional
        What subjects look like, where some have several rows: then subjects are drawn, not rows.

    Returns
    -------
    list of ndarray of int, shape (G, K, R)
        One per dimension, replicates last so that quantiles read contiguous memory.

    Raises
    ------
    ValueError
        No rows, no replicates, or a cell belongs to a group that doesn't exist.

    References
    ----------
    Efron and Tibshirani (1993), *An Introduction to the Bootstrap*, ch. 6; by subject Field and
    Welsh (2007), JRSS B 69:369-390.
    """
    total = int(counts.sum())
    if total == 0 or replicates < 1:
        raise ValueError("a bootstrap needs at least one row and one replicate")
    outcomes = counts.shape[1]
    if patterns is not None:
        return _draw_subjects(patterns, memberships, outcomes, replicates, rng)
    # F of the C * K categories have rows; only those can be drawn.
    filled = np.flatnonzero(counts.reshape(-1))  # empty categories can't be drawn
    shares = counts.reshape(-1)[filled] / total
    plans = [_SumPlan.make(filled, group, size, outcomes) for group, size in memberships]
    results = [np.zeros((size * outcomes, replicates), np.int64) for _, size in memberships]
    # Blocks bound the memory, whatever the number of replicates.
    step = max(1, _BLOCK // max(len(filled), 1))
    for start in range(0, replicates, step):
        part = slice(start, min(start + step, replicates))
        # Shape (F, r), one column per replicate of the block.
        drawn = rng.multinomial(total, shares, size=part.stop - part.start).T
        for plan, result in zip(plans, results, strict=True):
            plan.add(drawn, result[:, part])
    return [result.reshape(-1, outcomes, replicates) for result in results]


def _draw_subjects(
    patterns: Patterns,
    memberships: Sequence[tuple[NDArray[np.int64], int]],
    outcomes: int,
    replicates: int,
    rng: np.random.Generator,
) -> list[NDArray[np.int64]]:
    sums = [patterns.sums(group, size, outcomes) for group, size in memberships]
    results = [np.zeros((size * outcomes, replicates), np.int64) for _, size in memberships]
    step = max(1, _BLOCK // len(patterns.multiplicity))
    for start in range(0, replicates, step):
        part = slice(start, min(start + step, replicates))
        drawn = patterns.draw(part.stop - part.start, rng)
        for matrix, result in zip(sums, results, strict=True):
            result[:, part] = matrix @ drawn
    return [result.reshape(-1, outcomes, replicates) for result in results]


def percentile_interval(replicates: Floats, level: float) -> Interval:
    """Compute percentile intervals along the last axis; replicates without a value are left out.

    Parameters
    ----------
    replicates : ndarray of float, shape (..., R)
        NaN marks a replicate in which the statistic is undefined.
    level : float
        Two-sided confidence level.

    Returns
    -------
    Interval
        Shape (...). Quantiles interpolate linearly, as ``numpy.quantile`` does by default. The
        share of replicates that were left out is ``undefined``.

    References
    ----------
    Efron and Tibshirani (1993), *An Introduction to the Bootstrap*, ch. 13.
    """
    # One sort serves both limits.
    values = np.sort(replicates, axis=-1)  # NaN sorts last
    size = values.shape[-1]
    missing = np.isnan(values)
    defined = size - missing.sum(axis=-1)
    usable = defined >= max(MIN_DEFINED_SHARE * size, 1)
    # NaN would spoil the sum; `usable` never divides by 0.
    total = np.where(missing, 0.0, values).sum(axis=-1)
    mean = np.full(defined.shape, np.nan)
    np.divide(total, defined, out=mean, where=usable)
    tail = (1 - level) / 2
    return Interval(
        low=np.where(usable, _quantile(values, defined, tail), np.nan),
        high=np.where(usable, _quantile(values, defined, 1 - tail), np.nan),
        mean=mean,
        undefined=np.asarray(1 - defined / size, np.float64),
    )


def _quantile(ordered: Floats, defined: NDArray[np.int64], q: float) -> Floats:
    # Defined values are a prefix of the last axis: their number gives the positions, shape (...).
    position = q * np.maximum(defined - 1, 0)
    below = np.floor(position).astype(np.int64)
    above = np.minimum(below + 1, np.maximum(defined - 1, 0))
    low = np.take_along_axis(ordered, below[..., None], axis=-1)[..., 0]
    high = np.take_along_axis(ordered, above[..., None], axis=-1)[..., 0]
    return np.asarray(low + (high - low) * (position - below), np.float64)


@dataclass(frozen=True, eq=False)
class _SumPlan:
    """How drawn categories add up to (group, outcome) rows: sort once, then sum runs."""

    order: NDArray[np.int64]
    starts: NDArray[np.int64]
    targets: NDArray[np.int64]

    @classmethod
    def make(
        cls, filled: NDArray[np.int64], group: NDArray[np.int64], size: int, outcomes: int
    ) -> _SumPlan:
        cell, outcome = np.divmod(filled, outcomes)
        target = group[cell] * outcomes + outcome
        order = np.argsort(target, kind="stable")
        targets, starts = np.unique(target[order], return_index=True)
        if len(targets) and int(targets[-1]) >= size * outcomes:
            raise ValueError("a cell belongs to a group that doesn't exist")
        return cls(order, starts, targets)

    def add(self, drawn: NDArray[np.int64], result: NDArray[np.int64]) -> None:
        # Runs of equal targets are contiguous after the sort; no target occurs twice.
        result[self.targets] = np.add.reduceat(drawn[self.order], self.starts, axis=0)
