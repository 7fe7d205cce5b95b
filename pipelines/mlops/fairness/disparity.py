"""How far apart are groups: each against another, and the two that are furthest apart.

The *impact ratio* is a group's selection rate over that of the most selected group (6 RCNY § 5-300
and § 5-301, the rules for New York City Local Law 144). Where the law speaks of scoring rates
(share of scores above the sample's median), pass ``score > median`` as the decision. That a ratio
below four-fifths counts as evidence of adverse impact is a rule of thumb of the enforcement
agencies (29 CFR 1607.4 D), not a verdict: smaller gaps may matter and larger ones may be chance.

Intervals here are for one comparison each, for reading. Whoever looks for the worst of them, as a
gate does, needs the figures of ``extremes`` and ``summary``, which allow for the looking.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from pipelines.mlops.fairness.bootstrap import Interval, percentile_interval
from pipelines.mlops.fairness.estimates import COLLAPSED, Estimate, finite, missing, too_few
from pipelines.mlops.fairness.intervals import mover_ratio, newcombe_difference
from pipelines.mlops.fairness.rates import COMPARED_RATES, RATES, ratio
from pipelines.mlops.fairness.sample import RateSample

FOUR_FIFTHS: Final = 0.8


@dataclass(frozen=True)
class ImpactRatio:
    """A group's selection rate over the highest one; ``below_four_fifths`` is a rule of thumb."""

    group: str
    versus: str | None
    estimate: Estimate
    below_four_fifths: bool | None


@dataclass(frozen=True)
class Gap:
    """One rate of one group against the reference group: ``group - reference`` and their ratio."""

    group: str
    reference: str
    rate: str
    difference: Estimate
    ratio: Estimate


def impact_ratios(sample: RateSample, compared: list[int], level: float) -> tuple[ImpactRatio, ...]:
    """Compute each compared group's impact ratio against the highest selection rate.

    Parameters
    ----------
    sample : RateSample
    compared : list of int
        Groups that take part; the highest rate is looked for among them, in each replicate anew.
    level : float

    Returns
    -------
    tuple of ImpactRatio
        None values with a reason when nobody is selected in any group, or one group is alone.
    """
    values, drawn = sample.row("selection_rate")[compared], sample.drawn("selection_rate")[compared]
    n = int(sample.denominators[sample.names.index("selection_rate")][compared].sum())
    if len(compared) < 2 or not np.nanmax(values) > 0:
        why = too_few(len(compared)) or "nobody was selected in any compared group"
        return tuple(
            ImpactRatio(sample.labels[g], None, missing(why, level=level, n=n), None)
            for g in compared
        )
    top = int(np.argmax(values))
    found = ratio(values, values[top])
    intervals = percentile_interval(ratio(drawn, np.fmax.reduce(drawn, axis=0)[None]), level)
    result = []
    for i, group in enumerate(compared):
        pair = (group, compared[top])
        estimate = _pair_estimate(
            sample,
            "selection_rate",
            pair,
            (float(found[i]), intervals, i),
            kind="ratio",
            level=level,
        )
        # No group can be above the highest, so neither can the closed form's upper limit.
        estimate = _capped(estimate)
        below = None if estimate.value is None else estimate.value < FOUR_FIFTHS
        result.append(ImpactRatio(sample.labels[group], sample.labels[pair[1]], estimate, below))
    return tuple(result)


def reference_gaps(
    sample: RateSample, compared: list[int], reference: int, level: float
) -> tuple[Gap, ...]:
    """Compare every group with the reference group, rate by rate.

    Parameters
    ----------
    sample : RateSample
    compared : list of int
        Groups that take part.
    reference : int
        One of them; fixed, so that each replicate compares the same two groups.
    level : float

    Returns
    -------
    tuple of Gap
        Groups other than the reference, in order; rates as in ``COMPARED_RATES``.
    """
    others = [group for group in compared if group != reference]
    gaps: dict[tuple[int, str], Gap] = {}
    for rate in COMPARED_RATES:
        values, drawn = sample.row(rate), sample.drawn(rate)
        differences = percentile_interval(drawn[others] - drawn[[reference]], level)
        ratios = percentile_interval(ratio(drawn[others], drawn[[reference]]), level)
        for i, group in enumerate(others):
            pair = (group, reference)
            difference = float(values[group] - values[reference])
            quotient = float(ratio(values[group], values[reference]))
            gaps[group, rate] = Gap(
                sample.labels[group],
                sample.labels[reference],
                rate,
                _pair_estimate(
                    sample, rate, pair, (difference, differences, i), kind="difference", level=level
                ),
                _pair_estimate(
                    sample, rate, pair, (quotient, ratios, i), kind="ratio", level=level
                ),
            )
    return tuple(gaps[group, rate] for group in others for rate in COMPARED_RATES)


def _pair_estimate(
    sample: RateSample,
    rate: str,
    pair: tuple[int, int],
    found: tuple[float, Interval, int],
    *,
    kind: str,
    level: float,
) -> Estimate:
    value, intervals, i = found
    a, b = sample.proportion(rate, pair[0]), sample.proportion(rate, pair[1])
    n, share = a.total + b.total, float(intervals.undefined[i])
    if (number := finite(value)) is None:
        return missing(_undefined_pair(sample, rate, pair), level=level, n=n)
    if pair[0] != pair[1] and (a.at_boundary or b.at_boundary):
        limits = mover_ratio(a, b, level) if kind == "ratio" else newcombe_difference(a, b, level)
        form = "MOVER-R" if kind == "ratio" else "Newcombe"
        if limits is not None:
            return Estimate(number, *limits, level, n, f"{form} interval{COLLAPSED}", share)
    low, high = finite(float(intervals.low[i])), finite(float(intervals.high[i]))
    why = None if low is not None else "no interval: undefined in most replicates"
    method = f"percentile bootstrap of the {kind}, {sample.replicate_count} replicates"
    return Estimate(number, low, high, level, n, method, share, why)


def _undefined_pair(sample: RateSample, rate: str, pair: tuple[int, int]) -> str:
    for group in pair:
        if sample.proportion(rate, group).total == 0:
            return f"{RATES[rate].undefined} in {sample.labels[group]}"
    return f"{rate} is 0 in {sample.labels[pair[1]]}"


def _capped(estimate: Estimate) -> Estimate:
    if estimate.high is None or estimate.low is None:
        return estimate
    return replace(estimate, high=min(estimate.high, 1.0))
