"""Calibration by group: whether a score of 0.7 means 70 % for everyone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.core.stats import effective_sizes
from pipelines.mlops.fairness.contingency import SCORE_UNIT, ContingencyTable, Marginal
from pipelines.mlops.fairness.rates import Floats, Proportion


@dataclass(frozen=True)
class CalibrationBin:
    """One score bin of one group.

    Attributes
    ----------
    score_from, score_to : float
        Edges of the bin, in [0, 1]; it holds its lower edge, the last bin also its upper one.
    n : int
        Rows in the bin; positive.
    mean_score, observed_rate : float
        Mean score, and share of positive labels.
    low, high : float
        Wilson interval of ``observed_rate``.
    """

    score_from: float
    score_to: float
    n: int
    mean_score: float
    observed_rate: float
    low: float
    high: float


@dataclass(frozen=True)
class Calibration:
    """Calibration of one group.

    Attributes
    ----------
    mean_score, observed_rate, gap : float
        Over the whole group; ``gap`` is mean score minus observed rate, positive when the score
        promises too much ("calibration in the large").
    ece : float
        Expected calibration error over the bins: mean absolute gap, weighted by rows
        (Naeini, Cooper and Hauskrecht 2015, AAAI). Small groups have a high one by chance.
    bins : tuple of CalibrationBin
        Bins that have rows.
    """

    mean_score: float
    observed_rate: float
    gap: float
    ece: float
    bins: tuple[CalibrationBin, ...]


def calibrate(
    table: ContingencyTable, marginal: Marginal, level: float
) -> tuple[Calibration | None, ...]:
    """Compute calibration for every group of a dimension.

    Parameters
    ----------
    table : ContingencyTable
        Gives the bin edges.
    marginal : Marginal
        The dimension.
    level : float
        Confidence level of the observed rates.

    Returns
    -------
    tuple of Calibration or None
        One per group; None when the rows had no scores.

    References
    ----------
    Naeini, Cooper and Hauskrecht (2015), AAAI (expected calibration error).
    """
    if not table.has_scores:
        return (None,) * len(marginal.groups)
    # Shapes (G, B): rows, positive labels and summed scores of each group and bin.
    n = marginal.counts.sum(axis=(1, 2))
    positives = marginal.counts[:, 1].sum(axis=1)
    scores = marginal.score_units.sum(axis=(1, 2)) / SCORE_UNIT
    effective = _effective(table, marginal)
    sizes = n if effective is None else effective
    return tuple(
        _calibration(table.bin_edges, (n[g], positives[g], scores[g]), sizes[g], level)
        for g in range(len(marginal.groups))
    )


def _effective(table: ContingencyTable, marginal: Marginal) -> Floats | None:
    """How many independent rows each group's bins are worth, shape (G, B)."""
    counts = table.subjects
    if counts is None:
        return None
    groups, bins = len(marginal.groups), table.counts.shape[3]
    outcome, score_bin = np.divmod(counts.category, bins)
    cell, outcome = np.divmod(outcome, 4)
    target = marginal.membership[cell] * bins + score_bin
    # One entry for each subject, group and bin: its rows, and the positive ones.
    found, where = np.unique(counts.subject * (groups * bins) + target, return_inverse=True)
    trials, hits = np.zeros((2, len(found)), np.int64)
    np.add.at(trials, where.reshape(-1), counts.rows)
    np.add.at(hits, where.reshape(-1), counts.rows * (outcome // 2))
    target = found % (groups * bins)
    sizes = effective_sizes(target, hits, trials, np.ones_like(trials), groups * bins)
    return sizes.reshape(groups, bins)


def _calibration(
    edges: tuple[float, ...],
    sums: tuple[np.ndarray, np.ndarray, np.ndarray],
    sizes: np.ndarray,
    level: float,
) -> Calibration:
    n, positives, scores = sums
    total = int(n.sum())
    mean_score, observed = float(scores.sum()) / total, int(positives.sum()) / total
    bins = []
    for b in np.flatnonzero(n).tolist():
        rate = Proportion(int(positives[b]), int(n[b]), float(sizes[b]))
        low, high = rate.wilson(level)
        bins.append(
            CalibrationBin(
                score_from=edges[b],
                score_to=edges[b + 1],
                n=rate.total,
                mean_score=float(scores[b]) / rate.total,
                observed_rate=rate.value,
                low=low,
                high=high,
            )
        )
    return Calibration(
        mean_score=mean_score,
        observed_rate=observed,
        gap=mean_score - observed,
        ece=float(np.abs(scores - positives).sum()) / total,
        bins=tuple(bins),
    )
