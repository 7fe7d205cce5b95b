"""What would it cost to close the gap? Post-processing with thresholds per group, as a what-if.

Fairlearn's ``ThresholdOptimizer`` (Hardt, Price and Srebro 2016, NeurIPS) is fitted on validation
scores and judged on test scores; what it gains in parity stands beside what it costs in accuracy.

It is a what-if, not a recommendation. Different cut-offs by race or sex are themselves unlawful in
some uses (for employment tests in the United States: 42 U.S.C. 2000e-2(l)), they need the sensitive
attribute at decision time, and fairlearn's solution decides some people's cases at random.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipelines.core.stats import FEWEST, normal_quantile
from pipelines.mlops.fairness.bootstrap import draw_confusions, percentile_interval
from pipelines.mlops.fairness.disparity import spread
from pipelines.mlops.fairness.estimates import Estimate, finite, plain
from pipelines.mlops.fairness.groups import UNKNOWN, order_levels
from pipelines.mlops.fairness.orientation import Orientation, orientation
from pipelines.mlops.fairness.rates import RATES, Floats, rates
from pipelines.mlops.fairness.subjects import Patterns, SubjectCounts, subject_codes

_RATES: Final = ("accuracy", "selection_rate", "tpr", "fpr", "tnr", "precision")


@dataclass(frozen=True)
class BeforeAfter:
    """One measure before and after the mitigation.

    Attributes
    ----------
    name : str
        Such as ``accuracy`` or ``demographic_parity_difference``.
    before, after : float or None
        Observed values; None where undefined.
    change : Estimate
        After minus before, paired by row and drawn by subject.
    """

    name: str
    before: float | None
    after: float | None
    change: Estimate


@dataclass(frozen=True)
class GroupEffect:
    """What happens to one group.

    Attributes
    ----------
    group : str
        Label.
    n, subjects : int
        Its test rows, and subjects that have them.
    mitigated : bool
        Whether it has thresholds of its own.
    reason : str or None
        Why it has none.
    before, after : dict of str to float or None
        Its rates by name; None where undefined.
    gained, lost : int
        Rows that would now be selected, and those that no longer would.
    """

    group: str
    n: int
    subjects: int
    mitigated: bool
    reason: str | None
    before: dict[str, float | None]
    after: dict[str, float | None]
    gained: int
    lost: int


@dataclass(frozen=True, eq=False)
class DecisionTable:
    """Counts of group, truth, decision before and decision after.

    Attributes
    ----------
    labels : tuple of str
        Groups, G of them, in natural order.
    counts : ndarray of int64, shape (G, 2, 2, 2)
        Rows; axes are group, truth, decision before, decision after.
    patterns : Patterns or None
        The same by subject; categories number the entries of ``counts``. None where every subject
        has one row.
    """

    labels: tuple[str, ...]
    counts: NDArray[np.int64]
    patterns: Patterns | None = None

    @classmethod
    def make(
        cls,
        groups: NDArray[np.object_],
        y: NDArray[np.int64],
        before: NDArray[np.bool_],
        after: NDArray[np.bool_],
        subjects: NDArray[np.int64] | None = None,
    ) -> DecisionTable:
        """Count rows.

        Parameters
        ----------
        groups : ndarray of str objects, shape (N,)
            Group label of each row.
        y : ndarray of int64, shape (N,)
            Truth, 0 or 1.
        before, after : ndarray of bool, shape (N,)
            Decisions; True is selected.
        subjects : ndarray of int64, shape (N,), optional
            Number of each row's subject; None = every row is of another subject.

        Returns
        -------
        DecisionTable
        """
        labels = order_levels(groups.tolist())
        position = {label: index for index, label in enumerate(labels)}
        codes = np.array([position[label] for label in groups.tolist()], np.int64)
        # Flat index into (G, 2, 2, 2): one bincount counts all.
        index = ((codes * 2 + y) * 2 + before) * 2 + after
        counts = np.bincount(index, minlength=len(labels) * 8).astype(np.int64)
        patterns = None if subjects is None else SubjectCounts.make(subjects, index).patterns
        return cls(labels, counts.reshape(-1, 2, 2, 2), patterns)

    @property
    def subjects(self) -> NDArray[np.int64]:
        """Subjects with rows in each group, shape (G,)."""
        groups, patterns = len(self.labels), self.patterns
        if patterns is None:
            return np.asarray(self.counts.sum(axis=(1, 2, 3)), np.int64)
        # A subject counts once in a group, whatever was decided on its rows.
        shown = np.unique(patterns.pattern * groups + patterns.category // 8)
        pattern, group = np.divmod(shown, groups)
        counted = np.bincount(group, patterns.multiplicity[pattern], minlength=groups)
        return counted.astype(np.int64)


def paired_changes(
    table: DecisionTable, how: Orientation, *, replicates: int, level: float, seed: int
) -> tuple[tuple[BeforeAfter, ...], tuple[BeforeAfter, ...]]:
    """Compute overall measures and disparities, before and after, with paired intervals.

    A replicate draws subjects with all of their rows (truth and both decisions together), so the
    change keeps the pairing and its interval is as narrow as the data allow.

    Parameters
    ----------
    table : DecisionTable
        Counts of the test rows; at least one row.
    how : Orientation
        Which rates should be equal between groups.
    replicates : int
        Number of bootstrap replicates.
    level : float
        Two-sided confidence level in (0, 1).
    seed : int
        Of the replicates.

    Returns
    -------
    overall, disparity : tuples of BeforeAfter
        Rates over all rows; differences and ratios between the known groups.
    """
    groups = len(table.labels)
    (drawn,) = draw_confusions(
        table.counts.reshape(groups, 8),
        [(np.arange(groups), groups)],
        replicates=replicates,
        rng=np.random.default_rng(seed),
        patterns=table.patterns,
    )
    both = np.concatenate([table.counts.reshape(groups, 8, 1), drawn], axis=2)  # observed first
    both = both.reshape(groups, 2, 2, 2, -1)
    # Summing out the other decision leaves confusion counts, shape (G, 4, 1 + R).
    before = both.sum(axis=3).reshape(groups, 4, -1)
    after = both.sum(axis=2).reshape(groups, 4, -1)
    known = [index for index, label in enumerate(table.labels) if label != UNKNOWN]
    n = int(table.counts.sum())
    compared = int(table.counts[known].sum())
    overall = _changes(_overall(before), _overall(after), n, level)
    return (
        tuple(_with_few_changes(table, item) for item in overall),
        _changes(_disparity(before[known], how), _disparity(after[known], how), compared, level),
    )


def group_effects(table: DecisionTable, kept: Mapping[str, str]) -> tuple[GroupEffect, ...]:
    """Describe the effect on every group.

    Parameters
    ----------
    table : DecisionTable
        Counts of the test rows.
    kept : mapping of str to str
        Group that keeps the present decision -> reason.

    Returns
    -------
    tuple of GroupEffect
        One per group of the table, in its order.
    """
    before = table.counts.sum(axis=3).reshape(-1, 4)
    after = table.counts.sum(axis=2).reshape(-1, 4)
    rates_before, rates_after = rates(before, _RATES), rates(after, _RATES)
    subjects = table.subjects
    return tuple(
        GroupEffect(
            group=label,
            n=int(before[g].sum()),
            subjects=int(subjects[g]),
            mitigated=label not in kept,
            reason=kept.get(label),
            before={name: finite(rates_before[m, g]) for m, name in enumerate(_RATES)},
            after={name: finite(rates_after[m, g]) for m, name in enumerate(_RATES)},
            gained=int(table.counts[g, :, 0, 1].sum()),
            lost=int(table.counts[g, :, 1, 0].sum()),
        )
        for g, label in enumerate(table.labels)
    )


def _overall(confusion: NDArray[np.int64]) -> dict[str, Floats]:
    found = rates(confusion.sum(axis=0, keepdims=True), _RATES)[:, 0]
    named = dict(zip(_RATES, found, strict=True))
    return named | {"balanced_accuracy": (named["tpr"] + named["tnr"]) / 2}


def _disparity(confusion: NDArray[np.int64], how: Orientation) -> dict[str, Floats]:
    names = tuple(RATES)
    found = dict(zip(names, rates(confusion, names), strict=True))
    result = {
        f"{notion}_{kind}": spread(found[rate], kind)
        for notion, rate in how.notions.items()
        for kind in ("difference", "ratio")
    }
    for kind, worse in (("difference", np.maximum), ("ratio", np.minimum)):
        parts = [result[f"{name}_{kind}"] for name in how.odds]
        result[f"equalized_odds_{kind}"] = worse(*parts)
    return result


def _changes(
    before: dict[str, Floats], after: dict[str, Floats], n: int, level: float
) -> tuple[BeforeAfter, ...]:
    return tuple(
        BeforeAfter(
            name,
            finite(before[name][0]),
            finite(after[name][0]),
            _change(after[name] - before[name], n, level),
        )
        for name in before
    )


def _change(values: Floats, n: int, level: float) -> Estimate:
    interval = percentile_interval(values[1:], level)
    value = finite(values[0])
    low, high = finite(float(interval.low)), finite(float(interval.high))
    if value is not None and low is not None and high is not None:
        # Percentiles of a worst gap lean to one side; the interval is widened to its estimate.
        low, high = min(low, value), max(high, value)
    method = f"paired percentile bootstrap, {len(values) - 1} replicates"
    return Estimate(
        value=value,
        low=None if value is None else low,
        high=None if value is None else high,
        level=level,
        n=n,
        method=method,
        undefined_share=float(interval.undefined),
        reason=None if value is not None else "undefined before or after",
    )


# Shape (8,): truth, decision before, decision after; what newly selected rows do to a share, and
# the rows that it is of. Rates whose rows change with the decision aren't among them.
_TRUE = np.array([0, 0, 0, 0, 1, 1, 1, 1])
_SELECTED = np.array([0, 1, -1, 0, 0, 1, -1, 0])
_PAIRED: Final = MappingProxyType(
    {
        "accuracy": (_SELECTED * (2 * _TRUE - 1), np.ones(8, np.int64)),
        "selection_rate": (_SELECTED, np.ones(8, np.int64)),
        "tpr": (_SELECTED * _TRUE, _TRUE),
        "fpr": (_SELECTED * (1 - _TRUE), 1 - _TRUE),
        "tnr": (-_SELECTED * (1 - _TRUE), 1 - _TRUE),
    }
)


def _with_few_changes(table: DecisionTable, item: BeforeAfter) -> BeforeAfter:
    """Give a share of which few rows change an interval that doesn't hang on resampling them.

    Where none changes, no resample shows that another sample's might. Rows of a subject count as
    alike.
    """
    if item.name not in _PAIRED or item.change.value is None:
        return item
    effect, of = _PAIRED[item.name]
    counts = table.counts.reshape(-1, 8).sum(axis=0)
    gained, lost = int(counts[effect > 0].sum()), int(counts[effect < 0].sum())
    rows = int(counts @ of)
    size = _alike(table.patterns, of) if table.patterns is not None else float(rows)
    share = size / rows
    if round((gained + lost) * share, 6) >= FEWEST:
        return item
    up, down = ((k * share + 1) / (size + 2) for k in (gained, lost))
    reach = normal_quantile(item.change.level) * math.sqrt(
        (up + down - (up - down) ** 2) / (size + 2)
    )
    change = replace(
        item.change,
        low=max(-1.0, min(up - down - reach, item.change.value)),
        high=min(1.0, max(up - down + reach, item.change.value)),
        method=f"adjusted Wald interval of paired shares (Bonett and Price 2012), because fewer "
        f"than {FEWEST} rows change",
    )
    return replace(item, change=change)


def _alike(patterns: Patterns, of: NDArray[np.int64]) -> float:
    """How many independent rows those of a share are worth if a subject's are alike (Kish 1965)."""
    trials = np.zeros(len(patterns.multiplicity), np.int64)
    np.add.at(trials, patterns.pattern, patterns.rows * of[patterns.category % 8])
    total = float(patterns.multiplicity @ trials)
    return total**2 / float(patterns.multiplicity @ np.square(trials))


Bools = NDArray[np.bool_]


class MitigationConfig(BaseModel):
    """Parameters of the what-if.

    Parameters
    ----------
    constraint : {"demographic_parity", "equalized_odds", "equal_opportunity"}
        What should be equal between groups. Equal opportunity: how often people whose true label is
        the favourable one are decided so, that is TPR, or FPR for a punitive decision.
    threshold : float
        The present decision: selected when the score is at least this.
    favourable_is_positive : bool
        Whether to be selected is the good decision for the person.
    min_rows : int
        Validation rows a group needs for thresholds of its own.
    replicates : int
        Bootstrap replicates.
    level : float
        Two-sided confidence level of the intervals, in (0, 1).
    seed : int
        Of the bootstrap and of fairlearn's random decisions.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    constraint: Literal["demographic_parity", "equalized_odds", "equal_opportunity"] = (
        "demographic_parity"
    )
    threshold: float = Field(default=0.5, ge=0, le=1)
    favourable_is_positive: bool = True
    min_rows: int = Field(default=20, ge=2)
    replicates: int = Field(default=1000, ge=100, le=100_000)
    level: float = Field(default=0.95, gt=0, lt=1)
    seed: int = Field(default=0, ge=0, lt=2**32)


@dataclass(frozen=True)
class Mitigation:
    """Gain and cost side by side, on the test rows.

    Attributes
    ----------
    constraint : str
        What should be equal between groups.
    threshold : float
        The present decision.
    rows_validation, rows_test : int
        Rows that thresholds were fitted on, and rows their effect was measured on.
    overall : tuple of BeforeAfter
        Accuracy, balanced accuracy and other rates over all rows: the cost.
    disparity : tuple of BeforeAfter
        Differences and ratios between the known groups: the gain.
    groups : tuple of GroupEffect
        Who is affected.
    """

    constraint: str
    threshold: float
    rows_validation: int
    rows_test: int
    overall: tuple[BeforeAfter, ...]
    disparity: tuple[BeforeAfter, ...]
    groups: tuple[GroupEffect, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return dicts, lists, strings, finite numbers and None only."""
        result: dict[str, Any] = plain(self)
        return result


def mitigate(
    *,
    scores_validation: ArrayLike,
    y_validation: ArrayLike,
    groups_validation: ArrayLike,
    scores_test: ArrayLike,
    y_test: ArrayLike,
    groups_test: ArrayLike,
    config: MitigationConfig,
    subjects_test: ArrayLike | None = None,
) -> Mitigation:
    """Fit thresholds per group on validation rows and show their effect on test rows.

    A group gets thresholds of its own if the validation rows hold enough of it, with both outcomes;
    fairlearn can't fit any other. The rest (also groups seen only in the test rows, and
    ``unknown``) keep the present decision and are named with the reason.

    Parameters
    ----------
    scores_validation, scores_test : array-like of float, shapes (V,) and (T,)
        Scores of a model that is already fitted.
    y_validation, y_test : array-like of 0 and 1, shapes (V,) and (T,)
        Truth.
    groups_validation, groups_test : array-like of str, shapes (V,) and (T,)
        Group labels; a missing one counts as ``unknown``.
    config : MitigationConfig
        Constraint, present threshold and bootstrap.
    subjects_test : array-like of str or int, shape (T,), optional
        Key of each test row's subject; None = every row is of another subject.

    Returns
    -------
    Mitigation
        Of the test rows.

    Raises
    ------
    ValueError
        Lengths differ, there are no rows, a subject or a score is missing, a truth is not 0 or 1,
        or fewer than two groups can be fitted.

    References
    ----------
    Hardt, Price and Srebro (2016), NeurIPS; fairlearn's ``ThresholdOptimizer``.
    """
    fit = _Rows.make(scores_validation, y_validation, groups_validation, "validation")
    test = _Rows.make(scores_test, y_test, groups_test, "test")
    labels = order_levels(set(fit.groups.tolist()) | set(test.groups.tolist()))
    kept = {
        label: reason
        for label in labels
        if (reason := _why_kept(label, fit, config.min_rows)) is not None
    }
    if len(labels) - len(kept) < 2:
        raise ValueError(
            "thresholds per group need at least two groups that can be fitted; "
            + "; ".join(f"{label}: {reason}" for label, reason in kept.items())
        )
    before = test.scores >= config.threshold
    after = _decide(fit, test, before, kept, config)
    owners = None if subjects_test is None else subject_codes(subjects_test, len(test.y))
    table = DecisionTable.make(test.groups, test.y, before, after, owners)
    how = orientation(favourable_is_positive=config.favourable_is_positive)
    overall, disparity = paired_changes(
        table, how, replicates=config.replicates, level=config.level, seed=config.seed
    )
    return Mitigation(
        constraint=config.constraint,
        threshold=config.threshold,
        rows_validation=len(fit.y),
        rows_test=len(test.y),
        overall=overall,
        disparity=disparity,
        groups=group_effects(table, kept),
    )


@dataclass(frozen=True, eq=False)
class _Rows:
    scores: NDArray[np.float64]
    y: NDArray[np.int64]
    groups: NDArray[np.object_]

    @classmethod
    def make(cls, scores: ArrayLike, y: ArrayLike, groups: ArrayLike, what: str) -> _Rows:
        values, truth = np.asarray(scores, np.float64), np.asarray(y)
        labels = _labels(groups)
        if not values.shape == truth.shape == labels.shape or values.ndim != 1 or not len(values):
            raise ValueError(f"{what} scores, truth and groups must be as long, and not empty")
        if not bool(np.isfinite(values).all()) or not bool(np.isin(truth, (0, 1)).all()):
            raise ValueError(f"{what} rows hold a missing score or a truth that is not 0 or 1")
        return cls(values, truth.astype(np.int64), labels)

    def where(self, mask: Bools) -> _Rows:
        return _Rows(self.scores[mask], self.y[mask], self.groups[mask])


def _labels(groups: ArrayLike) -> NDArray[np.object_]:
    raw = pd.Series(np.asarray(groups, dtype=object), dtype=object)
    return raw.where(raw.notna(), UNKNOWN).map(str).to_numpy(dtype=object)


def _why_kept(label: str, fit: _Rows, min_rows: int) -> str | None:
    mine = fit.y[fit.groups == label]
    if label == UNKNOWN:
        return "the group is not known"
    if len(mine) < min_rows:
        return f"{len(mine)} validation rows, fewer than {min_rows}"
    if mine.min() == mine.max():
        return f"every validation row has outcome {mine[0]}"
    return None


def _decide(
    fit: _Rows, test: _Rows, before: Bools, kept: Mapping[str, str], config: MitigationConfig
) -> Bools:
    """Return the decisions with thresholds per group; kept groups have their present one."""
    # Kept groups are neither fitted nor decided anew.
    fit = fit.where(~np.isin(fit.groups, list(kept)))
    touched = ~np.isin(test.groups, list(kept))
    after = before.copy()
    if not bool(touched.any()):
        return after
    changed = test.where(touched)
    optimizer = _optimizer(_constraint(config))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # fairlearn's own use of pandas
        optimizer.fit(fit.scores[:, None], fit.y, sensitive_features=fit.groups.astype(str))
        decided = optimizer.predict(
            changed.scores[:, None],
            sensitive_features=changed.groups.astype(str),
            random_state=config.seed,
        )
    after[touched] = np.asarray(decided).reshape(-1) == 1
    return after


def _constraint(config: MitigationConfig) -> str:
    """Return fairlearn's name of the constraint."""
    if config.constraint != "equal_opportunity":
        return config.constraint
    error = "true" if config.favourable_is_positive else "false"
    return f"{error}_positive_rate_parity"


def _optimizer(constraint: str) -> Any:
    from fairlearn.postprocessing import ThresholdOptimizer
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Scores(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        """Hands on scores that are already there, in place of a model."""

        def fit(self, x: object, y: object) -> Scores:
            return self

        def __sklearn_is_fitted__(self) -> bool:
            return True

        def predict(self, x: Any) -> Any:
            return np.asarray(x)[:, 0]

    return ThresholdOptimizer(
        estimator=Scores(),
        constraints=constraint,
        objective="accuracy_score",
        prefit=True,
        predict_method="predict",
        grid_size=1000,
    )
