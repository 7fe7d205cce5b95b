"""How far apart are groups: each against another, and the two that are furthest apart.

The *impact ratio* is a group's rate of the favourable decision over that of the most favoured group
(6 RCNY § 5-300 and § 5-301, the rules for New York City Local Law 144, where to be selected is
favourable; for a punitive decision it is not to be flagged, see ``orientation``). Where the law
speaks of scoring rates (share of scores above the sample's median), pass ``score > median`` as the
decision. That a ratio
below four-fifths counts as evidence of adverse impact is a rule of thumb of the enforcement
agencies (29 CFR 1607.4 D), not a verdict: smaller gaps may matter and larger ones may be chance.

Intervals here are for one comparison each, for reading. Whoever looks for the worst of them, as a
gate does, needs the figures of `disparities` and `summarise`, which allow for the looking.

The gap between the highest and the lowest group is looked for anew in every replicate, over all
groups whose rows can tell (``small_groups``); its interval is that of ``simultaneous``, which
allows for the looking.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

import numpy as np

from pipelines.core.stats import mover_ratio_interval, newcombe_interval, normal_quantile
from pipelines.mlops.fairness.bootstrap import Interval, percentile_interval
from pipelines.mlops.fairness.estimates import (
    SCARCE,
    Estimate,
    Family,
    finite,
    missing,
    reference_estimate,
    too_few,
    worst_estimate,
)
from pipelines.mlops.fairness.orientation import Orientation
from pipelines.mlops.fairness.rates import COMPARED_RATES, Floats, RateSample, ratio
from pipelines.mlops.fairness.significance import Groups, LeftOut

FOUR_FIFTHS: Final = 0.8
_CLOSED_FORMS: Final = MappingProxyType(
    {"difference": ("Newcombe", newcombe_interval), "ratio": ("MOVER-R", mover_ratio_interval)}
)

_NOBODY: Final = {
    "selection_rate": "nobody was selected in any compared group",
    "nonselection_rate": "everybody was flagged in every compared group",
}


_BEST: Final = "score intervals against every group (multiple comparisons with the best; Hsu 1984)"


@dataclass(frozen=True)
class ImpactRatio:
    """A group's rate of the favourable decision over the highest one.

    Attributes
    ----------
    group : str
        Label of the group.
    versus : str or None
        Label of the group with the highest observed rate; None when there is no ratio.
    estimate : Estimate
        The ratio, in [0, 1].
    below_four_fifths : bool or None
        Whether the observed ratio is below 0.8, a rule of thumb (29 CFR 1607.4 D); None without a
        value.
    """

    group: str
    versus: str | None
    estimate: Estimate
    below_four_fifths: bool | None


@dataclass(frozen=True)
class Gap:
    """One rate of one group against the reference group.

    Attributes
    ----------
    group, reference : str
        Labels of the two groups.
    rate : str
        One of ``COMPARED_RATES``.
    difference, ratio : Estimate
        ``group - reference`` and ``group / reference``.
    """

    group: str
    reference: str
    rate: str
    difference: Estimate
    ratio: Estimate


def impact_ratios(
    sample: RateSample, compared: list[int], level: float, rate: str
) -> tuple[ImpactRatio, ...]:
    """Compute each compared group's impact ratio against the highest favourable rate.

    Parameters
    ----------
    sample : RateSample
        Rates of all groups of the dimension.
    compared : list of int
        Groups that take part; the highest rate is looked for among them, in each replicate anew.
    level : float
        Two-sided confidence level in (0, 1).
    rate : str
        Rate of the favourable decision, a key of ``RATES``.

    Returns
    -------
    tuple of ImpactRatio
        One per compared group, in their order. None values with a reason when the rate is 0 in
        every group, or one group is alone.

    References
    ----------
    6 RCNY § 5-300 and § 5-301 (impact ratio); 29 CFR 1607.4 D (four-fifths); Hsu (1984), Annals of
    Statistics 12:1136-1144 (multiple comparisons with the best).
    """
    # Shape (G,), compared groups only.
    values = sample.row(rate)[compared]
    n = int(sample.denominators[sample.names.index(rate)][compared].sum())
    if len(compared) < 2 or not np.nanmax(values) > 0:
        why = too_few(len(compared)) or _NOBODY[rate]
        return tuple(
            ImpactRatio(sample.labels[g], None, missing(why, level=level, n=n), None)
            for g in compared
        )
    top = int(np.argmax(values))
    found = ratio(values, values[top])
    low, high = _ratios_to_the_best(sample, rate, compared, level)
    return tuple(
        ImpactRatio(
            sample.labels[group],
            sample.labels[compared[top]],
            Estimate(float(found[i]), float(low[i]), float(high[i]), level, n, _BEST),
            bool(found[i] < FOUR_FIFTHS),
        )
        for i, group in enumerate(compared)
    )


def _ratios_to_the_best(
    sample: RateSample, rate: str, compared: list[int], level: float
) -> tuple[Floats, Floats]:
    """Limits of every group's rate over the truly highest one; shapes (G,).

    Which group is highest is known from the sample alone, and chance picks one that came out high:
    an interval of the ratio to it leans to unfairness (of three groups alike a 95 % interval held
    the truth in 84 %). The ratio to the truly highest is the least of the ratios to all others, at
    most 1. So it is at least the least lower limit, whichever group is highest, and at most every
    upper limit, which have to hold together (Bonferroni).
    """
    m = sample.names.index(rate)
    p, n = sample.row(rate)[compared], sample.effective[m, compared]
    tail = (1 - level) / 2
    alone, together = normal_quantile(level), normal_quantile(1 - 2 * tail / (len(compared) - 1))
    # Shapes (G, G): row over column, NaN over a rate of 0.
    low, back = mover_ratio_interval(p[:, None], n[:, None], p, n, alone)
    _, high = mover_ratio_interval(p[:, None], n[:, None], p, n, together)
    # Over a rate of 0 nothing is known but the reverse: 0 over the row is at most so much.
    reverse = np.broadcast_to(p == 0, low.shape) & (p > 0)[:, None]
    low = np.where(reverse, ratio(np.ones_like(back), back.T), low)
    low[np.eye(len(p), dtype=bool)] = high[np.eye(len(p), dtype=bool)] = np.nan
    return np.fmin(np.fmin.reduce(low, axis=1), 1.0), np.fmin(np.fmin.reduce(high, axis=1), 1.0)


def reference_gaps(
    sample: RateSample, compared: list[int], reference: int, level: float
) -> tuple[Gap, ...]:
    """Compare every group with the reference group, rate by rate.

    Parameters
    ----------
    sample : RateSample
        Rates of all groups of the dimension.
    compared : list of int
        Groups that take part.
    reference : int
        One of them; fixed, so that each replicate compares the same two groups.
    level : float
        Two-sided confidence level in (0, 1).

    Returns
    -------
    tuple of Gap
        Groups other than the reference, in order; rates as in ``COMPARED_RATES``.
    """
    others = [group for group in compared if group != reference]
    gaps: dict[tuple[int, str], Gap] = {}
    for rate in COMPARED_RATES:
        values, drawn = sample.row(rate), sample.drawn(rate)
        # One row a group, R columns, against the reference's one row: same replicate, paired.
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
    if pair[0] != pair[1] and (a.is_scarce or b.is_scarce):
        # A ratio over 0 has no value, and doesn't come here.
        form, interval = _CLOSED_FORMS[kind]
        limits = interval(a.value, a.size, b.value, b.size, normal_quantile(level))
        method = f"{form} interval{SCARCE}"
        return Estimate(number, float(limits[0]), float(limits[1]), level, n, method, share)
    low, high = finite(float(intervals.low[i])), finite(float(intervals.high[i]))
    why = None if low is not None else "no interval: undefined in most replicates"
    if low is not None and high is not None:  # percentiles of a biased ratio can lie beside it
        low, high = min(low, number), max(high, number)
    method = sample.how(f"percentile bootstrap of the {kind}")
    return Estimate(number, low, high, level, n, method, share, why)


def _undefined_pair(sample: RateSample, rate: str, pair: tuple[int, int]) -> str:
    for group in pair:
        if sample.proportion(rate, group).total == 0:
            return f"{sample.why_undefined(rate, group)} in {sample.labels[group]}"
    return f"{rate} is 0 in {sample.labels[pair[1]]}"


def _capped(estimate: Estimate) -> Estimate:
    if estimate.high is None or estimate.low is None:
        return estimate
    return replace(estimate, high=min(estimate.high, 1.0))


@dataclass(frozen=True)
class Disparity:
    """A statistic over all compared groups of a dimension.

    Attributes
    ----------
    name : str
        Such as ``demographic_parity_ratio`` or ``equalized_odds_difference``.
    rate : str
        The rate in which the named groups differ.
    lowest, highest : str or None
        The groups with the lowest and the highest rate.
    lowest_n, highest_n : int
        Rows in the denominators of their rates.
    estimate : Estimate
        A ``WorstEstimate`` when it has a value.
    left_out : tuple of LeftOut
        Known groups whose rate is undefined, or whose rows can't tell.
    """

    name: str
    rate: str
    lowest: str | None
    highest: str | None
    lowest_n: int
    highest_n: int
    estimate: Estimate
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, eq=False)
class Replicated:
    """A disparity with what the worst of several dimensions is computed from.

    Attributes
    ----------
    disparity : Disparity
    replicates : ndarray of float, shape (R,)
        Its value in every replicate; NaN where undefined.
    families : tuple of Family
        The groups that the extremes were looked for in; empty when the disparity has no value.
    """

    disparity: Disparity
    replicates: Floats
    families: tuple[Family, ...]


def disparities(
    sample: RateSample, groups: Groups, level: float, how: Orientation
) -> tuple[Replicated, ...]:
    """Compute difference and ratio of every notion of parity, and equalised odds.

    Definitions follow fairlearn: differences are highest minus lowest, ratios lowest over highest,
    equalised odds the worse of TPR and FPR (punitive: of TNR and FNR). Unlike there, groups in
    which a rate is undefined, or whose rows can't tell, are left out by name.

    Parameters
    ----------
    sample : RateSample
        Rates of all groups of the dimension.
    groups : Groups
        Who may take part.
    level : float
        Two-sided confidence level in (0, 1).
    how : Orientation
        Which notions, and which of them are equalised odds.

    Returns
    -------
    tuple of Replicated
        A difference and a ratio for each of ``how.notions``, then both for equalised odds.

    References
    ----------
    Hardt, Price and Srebro (2016), NeurIPS (equalised odds).
    """
    found: dict[str, Replicated] = {}
    for notion, rate in how.notions.items():
        compared, left_out = groups.take_part(sample, rate, level)
        for kind in ("difference", "ratio"):
            found[f"{notion}_{kind}"] = _extreme(
                sample, compared, left_out, level, notion=notion, rate=rate, kind=kind
            )
    for kind in ("difference", "ratio"):
        parts = [found[f"{name}_{kind}"] for name in how.odds]
        found[f"equalized_odds_{kind}"] = _worse(parts, kind, level)
    return tuple(found.values())


def spread(rates: Floats, kind: str) -> Floats:
    """Compute the difference or ratio between the highest and the lowest group.

    Parameters
    ----------
    rates : ndarray of float, shape (G, ...)
        NaN where undefined; such a group is left out.
    kind : {"difference", "ratio"}
        Highest minus lowest, or lowest over highest.

    Returns
    -------
    ndarray of float, shape (...)
        NaN with fewer than two groups left, and for a ratio of 0 to 0.
    """
    # fmax and fmin pass over NaN: an undefined group takes no part.
    high, low = np.fmax.reduce(rates, axis=0), np.fmin.reduce(rates, axis=0)
    enough = (~np.isnan(rates)).sum(axis=0) >= 2
    values = ratio(low, high) if kind == "ratio" else high - low
    return np.asarray(np.where(enough, values, np.nan), np.float64)


def _extreme(
    sample: RateSample,
    defined: list[int],
    left_out: tuple[LeftOut, ...],
    level: float,
    *,
    notion: str,
    rate: str,
    kind: str,
) -> Replicated:
    name = f"{notion}_{kind}"
    replicates = (
        spread(sample.drawn(rate)[defined], kind)
        if defined
        else np.full(sample.replicate_count, np.nan)
    )
    n = int(sample.denominators[sample.names.index(rate)][defined].sum())
    why = _undefined_extreme(sample, rate, kind, defined, left_out)
    if why is not None:
        none = missing(why, level=level, n=n)
        return Replicated(
            Disparity(name, rate, None, None, 0, 0, none, left_out),
            np.full_like(replicates, np.nan),
            (),
        )
    order = sample.row(rate)[defined]
    lowest, highest = defined[int(np.argmin(order))], defined[int(np.argmax(order))]
    value = float(spread(order, kind))
    m = sample.names.index(rate)
    family = Family.make(
        sample.numerators[m, defined],
        sample.denominators[m, defined],
        sample.replicates[m, defined],
        kind,
        sample.effective[m, defined] if sample.by_subject else None,
    )
    estimate = worst_estimate(value, replicates, [family], kind=kind, n=n, level=level)
    disparity = Disparity(
        name=name,
        rate=rate,
        lowest=sample.labels[lowest],
        highest=sample.labels[highest],
        lowest_n=sample.proportion(rate, lowest).total,
        highest_n=sample.proportion(rate, highest).total,
        estimate=estimate,
        left_out=left_out,
    )
    return Replicated(disparity, replicates, (family,))


def _undefined_extreme(
    sample: RateSample, rate: str, kind: str, defined: list[int], left_out: tuple[LeftOut, ...]
) -> str | None:
    if (why := too_few(len(defined))) is not None:
        if not left_out:
            return why
        named = "; ".join(f"{item.group}: {item.reason}" for item in left_out)
        return f"{rate} can be compared in fewer than two groups ({named})"
    if kind == "ratio" and not np.max(sample.row(rate)[defined]) > 0:
        return f"{rate} is 0 in every compared group"
    return None


def _worse(parts: list[Replicated], kind: str, level: float) -> Replicated:
    """Combine two rates into equalised odds: the larger difference, or the smaller ratio."""
    name = f"equalized_odds_{kind}"
    pick = max if kind == "difference" else min
    join = np.maximum if kind == "difference" else np.minimum
    replicates = join(parts[0].replicates, parts[1].replicates)  # undefined if either one is
    values = [part.disparity.estimate.value for part in parts]
    if values[0] is None or values[1] is None:
        broken = parts[0] if values[0] is None else parts[1]
        found = broken.disparity
        none = missing(found.estimate.reason or "undefined", level=level, n=found.estimate.n)
        return Replicated(
            Disparity(name, found.rate, None, None, 0, 0, none, found.left_out), replicates, ()
        )
    worst = parts[values.index(pick(values[0], values[1]))].disparity
    value = pick(values[0], values[1])
    n = sum(part.disparity.estimate.n for part in parts)
    families = tuple(family for part in parts for family in part.families)
    estimate = worst_estimate(value, replicates, families, kind=kind, n=n, level=level)
    left_out = tuple(dict.fromkeys(item for part in parts for item in part.disparity.left_out))
    return Replicated(
        Disparity(
            name,
            worst.rate,
            worst.lowest,
            worst.highest,
            worst.lowest_n,
            worst.highest_n,
            estimate,
            left_out,
        ),
        replicates,
        families,
    )


@dataclass(frozen=True)
class ReferenceExtreme:
    """The group whose rate is the highest, or the lowest, in proportion to the reference group's.

    Attributes
    ----------
    rate : str
        The rate; a key of ``RATES``.
    side : {"highest", "lowest"}
        Which of the groups it is.
    group : str or None
        Label; None without a value.
    reference : str
        Label of the reference group.
    estimate : Estimate
        Its rate over the reference's; above 1 where the group has more of it. The interval holds
        for the extreme, whichever group it is.
    left_out : tuple of LeftOut
        Known groups that take no part.
    """

    rate: str
    side: str
    group: str | None
    reference: str
    estimate: Estimate
    left_out: tuple[LeftOut, ...]


def reference_extremes(
    sample: RateSample, groups: Groups, reference: int, level: float, how: Orientation
) -> tuple[ReferenceExtreme, ...]:
    """Compare all groups with a reference group that was chosen, in both directions.

    Parameters
    ----------
    sample : RateSample
        Rates of all groups of the dimension.
    groups : Groups
        Who may take part.
    reference : int
        The chosen group.
    level : float
        Two-sided confidence level in (0, 1).
    how : Orientation
        The favourable rate and the harmful errors are compared.

    Returns
    -------
    tuple of ReferenceExtreme
        The highest and the lowest ratio of each rate.
    """
    return tuple(
        _reference_extreme(sample, groups, reference, level, rate=rate, side=side)
        for rate in (how.favourable_rate, *how.harmful_rates)
        for side in ("highest", "lowest")
    )


def _reference_extreme(
    sample: RateSample, groups: Groups, reference: int, level: float, *, rate: str, side: str
) -> ReferenceExtreme:
    compared, left_out = groups.take_part(sample, rate, level)
    others = [group for group in compared if group != reference]
    label, m = sample.labels[reference], sample.names.index(rate)
    n = int(sample.denominators[m][[*others, reference]].sum())
    of_reference = sample.proportion(rate, reference)
    why = None
    if not others:
        why = "no group to compare with the reference"
    elif of_reference.total == 0:
        why = f"{sample.why_undefined(rate, reference)} in {label}"
    elif of_reference.successes == 0:
        why = f"{rate} is 0 in {label}"
    if why is not None:
        none = missing(why, level=level, n=n)
        return ReferenceExtreme(rate, side, None, label, none, left_out)
    together = [*others, reference]
    family = Family.make(
        sample.numerators[m, together],
        sample.denominators[m, together],
        sample.replicates[m, together],
        "ratio",
        sample.effective[m, together] if sample.by_subject else None,
    )
    values = ratio(sample.row(rate)[others], sample.row(rate)[[reference]])
    found = int(np.argmax(values) if side == "highest" else np.argmin(values))
    estimate = reference_estimate(float(values[found]), family, side=side, n=n, level=level)
    return ReferenceExtreme(rate, side, sample.labels[others[found]], label, estimate, left_out)
