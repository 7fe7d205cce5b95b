"""What would it cost to close the gap? Post-processing with thresholds per group, as a what-if.

Fairlearn's ``ThresholdOptimizer`` (Hardt, Price and Srebro 2016, NeurIPS) is fitted on validation
scores and judged on test scores; what it gains in parity stands beside what it costs in accuracy.

It is a what-if, not a recommendation. Different cut-offs by race or sex are themselves unlawful in
some uses (for employment tests in the United States: 42 U.S.C. 2000e-2(l)), they need the sensitive
attribute at decision time, and fairlearn's solution decides some people's cases at random.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipelines.mlops.fairness.estimates import plain
from pipelines.mlops.fairness.groups import UNKNOWN, order_levels
from pipelines.mlops.fairness.mitigation_effect import (
    BeforeAfter,
    DecisionTable,
    GroupEffect,
    group_effects,
    paired_changes,
)

Bools = NDArray[np.bool_]


class MitigationConfig(BaseModel):
    """Parameters of the what-if.

    Parameters
    ----------
    constraint : {"demographic_parity", "equalized_odds"}
        What should be equal between groups.
    threshold : float
        The present decision: selected when the score is at least this.
    min_rows : int
        Validation rows a group needs for thresholds of its own.
    replicates, level, seed
        Bootstrap replicates and level of the intervals; the seed also fixes the random decisions.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    constraint: Literal["demographic_parity", "equalized_odds"] = "demographic_parity"
    threshold: float = Field(default=0.5, ge=0, le=1)
    min_rows: int = Field(default=20, ge=2)
    replicates: int = Field(default=1000, ge=100, le=100_000)
    level: float = Field(default=0.95, gt=0, lt=1)
    seed: int = Field(default=0, ge=0, lt=2**32)


@dataclass(frozen=True)
class Mitigation:
    """Gain and cost side by side, on the test rows.

    Attributes
    ----------
    constraint, threshold, rows_validation, rows_test
        What was asked.
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
) -> Mitigation:
    """Fit thresholds per group on validation rows and show their effect on test rows.

    A group gets thresholds of its own if the validation rows hold enough of it, with both outcomes;
    fairlearn can't fit any other. The rest (also groups seen only in the test rows, and
    ``unknown``) keep the present decision and are named with the reason.

    Parameters
    ----------
    scores_validation, scores_test : array-like of float, shapes (V,) and (T,)
        Scores of a model that is already fitted.
    y_validation, y_test : array-like of 0 and 1
        Truth.
    groups_validation, groups_test : array-like of str
        Group labels; a missing one counts as ``unknown``.
    config : MitigationConfig

    Returns
    -------
    Mitigation

    Raises
    ------
    ValueError
        Lengths differ, there are no test rows, or fewer than two groups can be fitted.
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
    table = DecisionTable.make(test.groups, test.y, before, after)
    overall, disparity = paired_changes(
        table, replicates=config.replicates, level=config.level, seed=config.seed
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
    fit = fit.where(~np.isin(fit.groups, list(kept)))
    touched = ~np.isin(test.groups, list(kept))
    after = before.copy()
    if not bool(touched.any()):
        return after
    changed = test.where(touched)
    optimizer = _optimizer(config.constraint)
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
