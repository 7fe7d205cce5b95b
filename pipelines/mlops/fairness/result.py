"""What an audit says: plain data, ready for JSON, a report and a gate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipelines.mlops.fairness.calibration import Calibration
from pipelines.mlops.fairness.disparity import Gap, ImpactRatio
from pipelines.mlops.fairness.estimates import Estimate, RateEstimate, plain
from pipelines.mlops.fairness.extremes import Disparity
from pipelines.mlops.fairness.significance import SelectionTest

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
