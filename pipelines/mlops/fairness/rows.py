"""The rows of an audit's tables: one group, its counts, its rates with both intervals."""

from __future__ import annotations

import numpy as np

from pipelines.mlops.fairness.bootstrap import Interval, percentile_interval
from pipelines.mlops.fairness.calibration import calibrate
from pipelines.mlops.fairness.contingency import ContingencyTable, Marginal
from pipelines.mlops.fairness.estimates import RateEstimate
from pipelines.mlops.fairness.intervals import wilson
from pipelines.mlops.fairness.rates import RATES
from pipelines.mlops.fairness.result import Exclusion, GroupRow, Unknowns
from pipelines.mlops.fairness.sample import RateSample


def group_rows(
    table: ContingencyTable,
    marginal: Marginal,
    sample: RateSample,
    roles: tuple[str, ...],
    level: float,
) -> tuple[GroupRow, ...]:
    """Describe every group of a dimension, compared or not.

    Parameters
    ----------
    table, marginal, sample
        The table, the dimension, its rates.
    roles : tuple of str
        One per group.
    level : float
        Confidence level.

    Returns
    -------
    tuple of GroupRow
    """
    intervals = percentile_interval(sample.replicates, level)
    calibrations = calibrate(table, marginal, level)
    confusion = marginal.confusion.reshape(-1, 4)
    return tuple(
        GroupRow(
            group=sample.labels[g],
            levels=dict(zip(marginal.features, marginal.groups[g], strict=False)),
            role=roles[g],
            n=int(confusion[g].sum()),
            share=int(confusion[g].sum()) / table.rows,
            tn=int(confusion[g, 0]),
            fp=int(confusion[g, 1]),
            fn=int(confusion[g, 2]),
            tp=int(confusion[g, 3]),
            rates={name: _rate(sample, intervals, name, g, level) for name in sample.names},
            calibration=calibrations[g],
        )
        for g in range(len(marginal.groups))
    )


def exclusions(rows: tuple[GroupRow, ...], reason: str) -> tuple[Exclusion, ...]:
    """List the groups that are too small to compare: number, share, rate and justification."""
    return tuple(
        Exclusion(row.group, row.n, row.share, (row.fp + row.tp) / row.n, reason)
        for row in rows
        if row.role == "excluded"
    )


def unknowns(rows: tuple[GroupRow, ...], total: int) -> Unknowns:
    """Count the rows whose group isn't known."""
    found = [row for row in rows if row.role == "unknown"]
    n = sum(row.n for row in found)
    return Unknowns(n, n / total, tuple(row.group for row in found))


def empty_groups(table: ContingencyTable, marginal: Marginal) -> tuple[str, ...]:
    """List the levels of a single feature that no row has (a declared age band, say)."""
    if len(marginal.features) != 1:
        return ()
    present = {group[0] for group in marginal.groups}
    levels = table.feature(marginal.features[0]).known_levels
    return tuple(level for level in levels if level not in present)


def _rate(
    sample: RateSample, intervals: Interval, name: str, group: int, level: float
) -> RateEstimate:
    proportion = sample.proportion(name, group)
    m = sample.names.index(name)
    share = float(intervals.undefined[m, group])
    if proportion.total == 0:
        return RateEstimate(None, None, None, level, 0, "none", share, RATES[name].undefined)
    score = wilson(proportion, level)
    low, high = float(intervals.low[m, group]), float(intervals.high[m, group])
    resampled = None if np.isnan(low) else (low, high)
    if resampled is None or proportion.at_boundary:
        used, method = score, "Wilson score"
    else:
        used, method = resampled, f"percentile bootstrap, {sample.replicate_count} replicates"
    return RateEstimate(
        value=proportion.value,
        low=used[0],
        high=used[1],
        level=level,
        n=proportion.total,
        method=method,
        undefined_share=share,
        numerator=proportion.successes,
        wilson=score,
        bootstrap=resampled,
    )
