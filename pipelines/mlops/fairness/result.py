"""What an audit says: plain data, ready for JSON, a report and a gate."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from pipelines.mlops.fairness.bootstrap import Interval, percentile_interval
from pipelines.mlops.fairness.calibration import Calibration, calibrate
from pipelines.mlops.fairness.contingency import ContingencyTable, Marginal
from pipelines.mlops.fairness.disparity import Disparity, Gap, ImpactRatio, Replicated
from pipelines.mlops.fairness.estimates import Estimate, RateEstimate, missing, plain
from pipelines.mlops.fairness.intervals import wilson
from pipelines.mlops.fairness.rates import RATES, RateSample
from pipelines.mlops.fairness.significance import SelectionTest
from pipelines.mlops.fairness.simultaneous import worst_estimate

NOTES = (
    "Impact ratio: a group's selection rate over that of the most selected group "
    "(6 RCNY § 5-300, § 5-301; New York City Local Law 144).",
    "Four-fifths (29 CFR 1607.4 D) is a rule of thumb of enforcement agencies, not a verdict; "
    "read it beside the interval, the exact test and the effect size.",
    "Intervals: bootstrap over rows, drawn as multinomial tables (Efron and Tibshirani 1993); "
    "where a rate is exactly 0 or 1 resampling shows no variation and a closed form stands in "
    "(Wilson; Newcombe 1998; Donner and Zou 2012).",
    "Worst-of-groups figures look for the extremes among several groups, and chance alone makes "
    "extremes; their intervals hold for all pairs of groups together (max-t over the replicates). "
    "The plain percentile interval beside them leans towards unfairness.",
    "Tests: Fisher's exact test of each compared group against the reference group, two-sided, "
    "Holm-corrected over the whole audit; Z is shown beside it, uncorrected.",
    "Rows with an unknown group are counted and shown, but not compared.",
)
"""Sentences a report must carry."""


@dataclass(frozen=True)
class GroupRow:
    """One group. ``role`` is ``compared``, ``excluded`` (too small) or ``unknown``."""

    group: str
    levels: dict[str, str]
    role: str
    n: int
    share: float
    tn: int
    fp: int
    fn: int
    tp: int
    rates: dict[str, RateEstimate]
    calibration: Calibration | None


@dataclass(frozen=True)
class Exclusion:
    """A group left out of comparisons, with what the rules ask to be shown all the same."""

    group: str
    n: int
    share: float
    selection_rate: float
    reason: str


@dataclass(frozen=True)
class Unknowns:
    """Rows whose group is not known in some part."""

    n: int
    share: float
    groups: tuple[str, ...]


@dataclass(frozen=True)
class DimensionResult:
    """Everything about one dimension; ``empty_groups`` are bands without rows."""

    dimension: str
    features: tuple[str, ...]
    reference: str | None
    groups: tuple[GroupRow, ...]
    impact_ratios: tuple[ImpactRatio, ...]
    gaps: tuple[Gap, ...]
    disparities: tuple[Disparity, ...]
    tests: tuple[SelectionTest, ...]
    exclusions: tuple[Exclusion, ...]
    unknown: Unknowns
    empty_groups: tuple[str, ...]


@dataclass(frozen=True)
class SummaryFigure:
    """The worst case over all dimensions: what a gate compares with its threshold.

    ``dimension`` and groups are those of the observed worst case; the interval is that of the worst
    case itself, over every pair of groups in every dimension.
    """

    name: str
    dimension: str | None
    rate: str
    lowest: str | None
    highest: str | None
    lowest_n: int
    highest_n: int
    estimate: Estimate


@dataclass(frozen=True)
class AuditResult:
    """A bias audit."""

    rows: int
    level: float
    replicates: int
    seed: int
    alpha: float
    min_share: float
    tests_corrected: int
    overall: GroupRow
    dimensions: tuple[DimensionResult, ...]
    summary: tuple[SummaryFigure, ...]
    notes: tuple[str, ...] = NOTES

    def to_dict(self) -> dict[str, Any]:
        """Return dicts, lists, strings, finite numbers and None only; the same for the same input.

        Summary figures and estimates are flat: ``value``, ``low``, ``high`` … stand beside the
        names they belong to.
        """
        result = plain(self)
        if not isinstance(result, dict):
            raise TypeError("an audit result is a mapping")
        flat: dict[str, Any] = _flatten(result)
        return flat

    def figure(self, name: str) -> SummaryFigure:
        """Return a summary figure by name; raise ``KeyError`` when there is none."""
        for figure in self.summary:
            if figure.name == name:
                return figure
        raise KeyError(name)


def _flatten(value: Any) -> Any:
    """Lift ``estimate`` one level up, so that readers find value and interval side by side."""
    if isinstance(value, list):
        return [_flatten(item) for item in value]
    if not isinstance(value, dict):
        return value
    lifted = value.get("estimate")
    result = {key: _flatten(item) for key, item in value.items() if key != "estimate"}
    return result | lifted if isinstance(lifted, dict) else result


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


FIGURES: Final = MappingProxyType(
    {
        "worst_impact_ratio": "demographic_parity_ratio",
        "largest_selection_rate_difference": "demographic_parity_difference",
        "largest_tpr_difference": "equal_opportunity_difference",
        "largest_fpr_difference": "false_positive_rate_difference",
        "largest_equalized_odds_difference": "equalized_odds_difference",
        "largest_precision_difference": "predictive_parity_difference",
        "largest_accuracy_difference": "accuracy_difference",
    }
)
"""Summary figure -> the disparity it is the worst of. A ratio is worst when smallest."""


def summarise(
    dimensions: list[str], found: list[tuple[Replicated, ...]], level: float
) -> tuple[SummaryFigure, ...]:
    """Find the worst case of every figure over all dimensions.

    The dimensions share their replicates, so the worst case can be looked for within each one.

    Parameters
    ----------
    dimensions : list of str
    found : list of tuples of Replicated
        Disparities of each dimension.
    level : float

    Returns
    -------
    tuple of SummaryFigure
        One per entry of :data:`FIGURES`, always; without a value where there is nothing to compare.
    """
    by_name = [{item.disparity.name: item for item in items} for items in found]
    return tuple(
        _figure(name, dimensions, [items[source] for items in by_name], level)
        for name, source in FIGURES.items()
    )


def _figure(
    name: str, dimensions: list[str], candidates: list[Replicated], level: float
) -> SummaryFigure:
    kind = "ratio" if name.endswith("ratio") else "difference"
    valued = [
        (item.disparity.estimate.value, index)
        for index, item in enumerate(candidates)
        if item.disparity.estimate.value is not None
    ]
    if not valued:
        first = candidates[0].disparity
        none = missing(first.estimate.reason or "undefined", level=level, n=first.estimate.n)
        return SummaryFigure(name, None, first.rate, None, None, 0, 0, none)
    # Ties go to the dimension that was named first.
    value = min(valued)[0] if kind == "ratio" else max(valued)[0]
    index = next(i for v, i in valued if v == value)
    replicates = np.stack([candidates[i].replicates for _, i in valued])
    worst = (np.fmin if kind == "ratio" else np.fmax).reduce(replicates, axis=0)
    chosen = candidates[index].disparity
    families = [family for _, i in valued for family in candidates[i].families]
    estimate = worst_estimate(value, worst, families, kind=kind, n=chosen.estimate.n, level=level)
    return SummaryFigure(
        name=name,
        dimension=dimensions[index],
        rate=chosen.rate,
        lowest=chosen.lowest,
        highest=chosen.highest,
        lowest_n=chosen.lowest_n,
        highest_n=chosen.highest_n,
        estimate=estimate,
    )
