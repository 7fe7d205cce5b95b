"""What an audit says: plain data, ready for JSON, a report and a gate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.mlops.data.columns import FLAGS, SELECTS, DecisionWords
from pipelines.mlops.fairness.bootstrap import Interval, percentile_interval
from pipelines.mlops.fairness.calibration import Calibration, calibrate
from pipelines.mlops.fairness.contingency import ContingencyTable, Marginal
from pipelines.mlops.fairness.disparity import (
    Disparity,
    Gap,
    ImpactRatio,
    ReferenceExtreme,
    Replicated,
)
from pipelines.mlops.fairness.estimates import (
    Estimate,
    RateEstimate,
    missing,
    plain,
    worst_estimate,
)
from pipelines.mlops.fairness.orientation import PUNITIVE, Orientation
from pipelines.mlops.fairness.rates import RateSample
from pipelines.mlops.fairness.significance import LeftOut, SelectionTest

NOTES = (
    "Impact ratio: a group's rate of the favourable decision over that of the most favoured group "
    "(6 RCNY § 5-300, § 5-301; New York City Local Law 144). Where the positive label is the bad "
    "outcome, the favourable decision is not to be flagged.",
    "Four-fifths (29 CFR 1607.4 D) is a rule of thumb of enforcement agencies, not a verdict; "
    "read it beside the interval, the exact test and the effect size.",
    "Intervals: bootstrap over subjects, whose rows come and go together (Field and Welsh 2007), "
    "drawn as multinomial tables; where each has one row it is Efron's. Where a rate "
    "has fewer than ten successes or failures, a closed form stands in "
    "(Wilson; Newcombe 1998; Donner and Zou 2012).",
    "Worst-of-groups figures look for the extremes among several groups, and chance alone makes "
    "extremes; their intervals hold for all pairs of groups together (max-t over the replicates). "
    "The plain percentile interval beside them leans towards unfairness.",
    "Tests: Fisher's exact test of each compared group against the reference group, two-sided, "
    "Holm-corrected over the whole audit; Z is shown beside it, uncorrected. Where subjects have "
    "several rows, rows are first divided by the design effect (Rao and Scott 1992).",
    "Rows with an unknown group are counted and shown, but not compared.",
    "A group takes part in a comparison if its rows could show a difference: if both extremes, all "
    "or none of them decided one way, would be more than chance by Fisher's exact test against all "
    "other groups (Tarone 1990), at the audit's level shared among the groups and both sides; or "
    "if what its rows do show is. Others are left out by name.",
)
"""Sentences a report must carry."""


@dataclass(frozen=True)
class GroupRow:
    """One group of a dimension.

    Attributes
    ----------
    group : str
        Label.
    levels : dict of str to str
        Level by feature; empty for all rows together.
    role : {"compared", "excluded", "unknown", "all"}
        ``excluded`` is too small to compare in favourable rates; ``all`` is the row of the whole
        table.
    n : int
        Rows; positive.
    subjects : int
        Subjects with rows in the group.
    share : float
        Share of all rows of the table.
    tn, fp, fn, tp : int
        Confusion counts.
    rates : dict of str to RateEstimate
        By name, as in ``RATES``.
    calibration : Calibration or None
        None when the rows had no scores.
    """

    group: str
    levels: dict[str, str]
    role: str
    n: int
    subjects: int
    share: float
    tn: int
    fp: int
    fn: int
    tp: int
    rates: dict[str, RateEstimate]
    calibration: Calibration | None


@dataclass(frozen=True)
class Exclusion:
    """A group left out of comparisons, with what the rules ask to be shown all the same.

    Attributes
    ----------
    group : str
        Label.
    n, subjects : int
        Rows, and subjects that have them.
    share : float
        Share of all rows.
    selection_rate : float
        Share of the group's rows that are selected.
    favourable_rate : float
        Share of the group's rows that get the favourable decision.
    reason : str
        Why it is left out.
    """

    group: str
    n: int
    subjects: int
    share: float
    selection_rate: float
    favourable_rate: float
    reason: str


@dataclass(frozen=True)
class Unknowns:
    """Rows whose group is not known in some part.

    Attributes
    ----------
    n : int
        Rows.
    share : float
        Of all rows.
    groups : tuple of str
        Labels of the groups they are in.
    """

    n: int
    share: float
    groups: tuple[str, ...]


@dataclass(frozen=True)
class DimensionResult:
    """Everything about one dimension.

    Attributes
    ----------
    dimension : str
        Name, such as ``sex & race``.
    features : tuple of str
        Features that it crosses.
    reference : str or None
        Label of the reference group; None when no group is compared.
    groups : tuple of GroupRow
        Every group that has rows.
    impact_ratios : tuple of ImpactRatio
        One per compared group.
    gaps : tuple of Gap
        Compared groups against the reference group.
    against_reference : tuple of ReferenceExtreme
        Highest and lowest ratios to the reference group; empty unless it was chosen by name.
    disparities : tuple of Disparity
        Over all compared groups.
    tests : tuple of SelectionTest
        Compared groups against the reference group.
    exclusions : tuple of Exclusion
        Groups that are too small to compare.
    unknown : Unknowns
        Rows without a known group.
    empty_groups : tuple of str
        Bands without rows.
    """

    dimension: str
    features: tuple[str, ...]
    reference: str | None
    groups: tuple[GroupRow, ...]
    impact_ratios: tuple[ImpactRatio, ...]
    gaps: tuple[Gap, ...]
    against_reference: tuple[ReferenceExtreme, ...]
    disparities: tuple[Disparity, ...]
    tests: tuple[SelectionTest, ...]
    exclusions: tuple[Exclusion, ...]
    unknown: Unknowns
    empty_groups: tuple[str, ...]


@dataclass(frozen=True)
class SummaryFigure:
    """The worst case over all dimensions: what a gate compares with its threshold.

    Attributes
    ----------
    name : str
        A key of ``Orientation.figures``.
    dimension : str or None
        Dimension of the observed worst case; None without a value.
    rate : str
        The rate in which the groups differ.
    lowest, highest : str or None
        Groups with the lowest and the highest rate of the observed worst case.
    lowest_n, highest_n : int
        Rows in the denominators of their rates.
    estimate : Estimate
        The interval is that of the worst case itself, over every pair of groups in every dimension.
    left_out : tuple of LeftOut
        Groups that take no part, in any dimension; labels begin with the dimension.
    """

    name: str
    dimension: str | None
    rate: str
    lowest: str | None
    highest: str | None
    lowest_n: int
    highest_n: int
    estimate: Estimate
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True)
class AuditResult:
    """A bias audit.

    Attributes
    ----------
    rows, subjects : int
        Audited rows, and the subjects that they belong to.
    level : float
        Confidence level of all intervals.
    replicates, seed : int
        Of the bootstrap.
    alpha : float
        Level of the family of Fisher tests.
    min_share : float
        Share of rows below which Local Law 144 allows to leave a category out of its table.
    orientation : {"assistive", "punitive"}
        Whether the positive decision is good or bad for the person.
    favourable_rate : str
        Rate of the favourable decision, a key of ``RATES``.
    harmful_rates : tuple of str
        Rates of the errors that harm the person.
    tests_corrected : int
        Fisher tests that Holm's correction counts.
    overall : GroupRow
        All rows as one group.
    dimensions : tuple of DimensionResult
        Single features first, then intersections.
    summary : tuple of SummaryFigure
        One per worst-of-groups figure of the orientation.
    notes : tuple of str
        Sentences a report must carry.
    """

    rows: int
    subjects: int
    level: float
    replicates: int
    seed: int
    alpha: float
    min_share: float
    orientation: str
    favourable_rate: str
    harmful_rates: tuple[str, ...]
    tests_corrected: int
    overall: GroupRow
    dimensions: tuple[DimensionResult, ...]
    summary: tuple[SummaryFigure, ...]
    notes: tuple[str, ...] = NOTES

    @property
    def is_punitive(self) -> bool:
        """Whether the positive decision is bad for the person."""
        return self.orientation == PUNITIVE.kind

    @property
    def words(self) -> DecisionWords:
        """What the positive decision is called."""
        return FLAGS if self.is_punitive else SELECTS

    @property
    def favoured(self) -> str:
        """Having got the favourable decision, in a word."""
        return self.words.not_selected if self.is_punitive else self.words.selected

    def to_dict(self) -> dict[str, Any]:
        """Return dicts, lists, strings, finite numbers and None only; the same for the same input.

        Summary figures and estimates are flat: ``value``, ``low``, ``high`` … stand beside the
        names they belong to.

        Returns
        -------
        dict
            Ready for JSON.

        Raises
        ------
        ValueError
            A number is not finite.
        """
        result = plain(self)
        if not isinstance(result, dict):
            raise TypeError("an audit result is a mapping")
        flat: dict[str, Any] = _flatten(result)
        return flat

    def figure(self, name: str) -> SummaryFigure:
        """Return a summary figure by name.

        Parameters
        ----------
        name : str
            A key of ``Orientation.figures``.

        Returns
        -------
        SummaryFigure

        Raises
        ------
        KeyError
            There is none of that name.
        """
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


def lower_estimates(value: Any) -> Any:
    """Give ``estimate`` its place again: the inverse of what `AuditResult.to_dict` flattens.

    Parameters
    ----------
    value : dict, list or scalar
        What `AuditResult.to_dict` returned, or a part of it.

    Returns
    -------
    dict, list or scalar
        A copy; mappings with a ``value`` have themselves as ``estimate`` too.
    """
    if isinstance(value, list):
        return [lower_estimates(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: lower_estimates(item) for key, item in value.items()}
    return {**found, "estimate": found} if "value" in found else found


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
    table : ContingencyTable
        The whole table; gives the number of rows and the score bins.
    marginal : Marginal
        The dimension, G groups.
    sample : RateSample
        Its rates.
    roles : tuple of str, length G
        See :class:`GroupRow`.
    level : float
        Two-sided confidence level in (0, 1).

    Returns
    -------
    tuple of GroupRow
        One per group, in the order of ``marginal``.
    """
    subjects = count_subjects(table, marginal)
    # Limits of all rates of all groups at once, shape (M, G).
    intervals = percentile_interval(sample.replicates, level)
    calibrations = calibrate(table, marginal, level)
    confusion = marginal.confusion.reshape(-1, 4)
    return tuple(
        GroupRow(
            group=sample.labels[g],
            levels=dict(zip(marginal.features, marginal.groups[g], strict=False)),
            role=roles[g],
            n=int(confusion[g].sum()),
            subjects=int(subjects[g]),
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


def count_subjects(table: ContingencyTable, marginal: Marginal) -> NDArray[np.int64]:
    """Count the subjects that have rows in each group.

    Parameters
    ----------
    table : ContingencyTable
        Knows how rows belong to subjects.
    marginal : Marginal
        The dimension, G groups.

    Returns
    -------
    ndarray of int64, shape (G,)
        The number of rows where every subject has one.
    """
    groups = len(marginal.groups)
    if table.subjects is None:
        return np.asarray(marginal.confusion.sum(axis=(1, 2)), np.int64)
    return table.decisions.by_group(marginal.membership, groups).subjects


def exclusions(rows: tuple[GroupRow, ...], rate: str, reason: str) -> tuple[Exclusion, ...]:
    """List the groups that are too small to compare: number, share, rates and reason.

    Parameters
    ----------
    rows : tuple of GroupRow
        Groups of a dimension.
    rate : str
        Rate of the favourable decision.
    reason : str
        Stands beside each.

    Returns
    -------
    tuple of Exclusion
    """
    return tuple(
        Exclusion(
            row.group,
            row.n,
            row.subjects,
            row.share,
            (row.fp + row.tp) / row.n,
            row.rates[rate].numerator / row.n,
            reason,
        )
        for row in rows
        if row.role == "excluded"
    )


def unknowns(rows: tuple[GroupRow, ...], total: int) -> Unknowns:
    """Count the rows whose group isn't known.

    Parameters
    ----------
    rows : tuple of GroupRow
        Groups of a dimension.
    total : int
        Rows of the table; positive.

    Returns
    -------
    Unknowns
    """
    found = [row for row in rows if row.role == "unknown"]
    n = sum(row.n for row in found)
    return Unknowns(n, n / total, tuple(row.group for row in found))


def empty_groups(table: ContingencyTable, marginal: Marginal) -> tuple[str, ...]:
    """List the levels of a single feature that no row has (a declared age band, say).

    Parameters
    ----------
    table : ContingencyTable
        Knows all levels.
    marginal : Marginal
        Knows those that have rows.

    Returns
    -------
    tuple of str
        Empty for an intersection.
    """
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
        return RateEstimate(
            None, None, None, level, 0, "none", share, sample.why_undefined(name, group)
        )
    score = proportion.wilson(level)
    low, high = float(intervals.low[m, group]), float(intervals.high[m, group])
    # Percentiles of a few replicates may lie beside the rate.
    resampled = None if np.isnan(low) else (min(low, proportion.value), max(high, proportion.value))
    if resampled is None or proportion.is_scarce:
        used, method = score, "Wilson score"
    else:
        used, method = resampled, sample.how("percentile bootstrap")
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


def summarise(
    dimensions: list[str],
    found: list[tuple[Replicated, ...]],
    level: float,
    how: Orientation,
) -> tuple[SummaryFigure, ...]:
    """Find the worst case of every figure over all dimensions.

    The dimensions share their replicates, so the worst case can be looked for within each one.

    Parameters
    ----------
    dimensions : list of str
        Names, D of them; at least one.
    found : list of tuples of Replicated, length D
        Disparities of each dimension.
    level : float
        Two-sided confidence level in (0, 1).
    how : Orientation
        Says which figures there are.

    Returns
    -------
    tuple of SummaryFigure
        One per entry of ``how.figures``, always; without a value where there is nothing to compare.
    """
    by_name = [{item.disparity.name: item for item in items} for items in found]
    return tuple(
        _figure(name, dimensions, [items[source] for items in by_name], level)
        for name, source in how.figures.items()
    )


def _figure(
    name: str, dimensions: list[str], candidates: list[Replicated], level: float
) -> SummaryFigure:
    kind = "ratio" if name.endswith("ratio") else "difference"
    left_out = tuple(
        LeftOut(f"{dimension}: {item.group}", item.n, item.reason)
        for dimension, candidate in zip(dimensions, candidates, strict=True)
        for item in candidate.disparity.left_out
    )
    valued = [
        (item.disparity.estimate.value, index)
        for index, item in enumerate(candidates)
        if item.disparity.estimate.value is not None
    ]
    if not valued:
        first = candidates[0].disparity
        none = missing(first.estimate.reason or "undefined", level=level, n=first.estimate.n)
        return SummaryFigure(name, None, first.rate, None, None, 0, 0, none, left_out)
    # Ties go to the dimension that was named first.
    value = min(valued)[0] if kind == "ratio" else max(valued)[0]
    index = next(i for v, i in valued if v == value)
    # Shape (D, R): the worst dimension is looked for anew in every replicate.
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
        left_out=left_out,
    )
