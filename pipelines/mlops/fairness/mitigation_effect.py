"""Before and after, on the same rows: what a changed decision rule gains and costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipelines.mlops.fairness.bootstrap import draw_confusions, percentile_interval
from pipelines.mlops.fairness.estimates import Estimate, finite
from pipelines.mlops.fairness.extremes import PARITY_NAMES, spread
from pipelines.mlops.fairness.groups import UNKNOWN, order_levels
from pipelines.mlops.fairness.rates import Floats, rates

_RATES: Final = ("accuracy", "selection_rate", "tpr", "fpr", "tnr", "precision")


@dataclass(frozen=True)
class BeforeAfter:
    """One measure before and after; ``change`` is after minus before, paired by row."""

    name: str
    before: float | None
    after: float | None
    change: Estimate


@dataclass(frozen=True)
class GroupEffect:
    """What happens to one group.

    Attributes
    ----------
    group, n
        Which, and its test rows.
    mitigated : bool
        Whether it has thresholds of its own; if not, ``reason`` says why.
    before, after : dict of str to float or None
        Its rates.
    gained, lost : int
        People who would now be selected, and those who no longer would.
    """

    group: str
    n: int
    mitigated: bool
    reason: str | None
    before: dict[str, float | None]
    after: dict[str, float | None]
    gained: int
    lost: int


@dataclass(frozen=True, eq=False)
class DecisionTable:
    """Counts of group, truth, decision before, decision after; shape (G, 2, 2, 2)."""

    labels: tuple[str, ...]
    counts: NDArray[np.int64]

    @classmethod
    def make(
        cls,
        groups: NDArray[np.object_],
        y: NDArray[np.int64],
        before: NDArray[np.bool_],
        after: NDArray[np.bool_],
    ) -> DecisionTable:
        """Count rows."""
        labels = order_levels(groups.tolist())
        position = {label: index for index, label in enumerate(labels)}
        codes = np.array([position[label] for label in groups.tolist()], np.int64)
        index = ((codes * 2 + y) * 2 + before) * 2 + after
        counts = np.bincount(index, minlength=len(labels) * 8).astype(np.int64)
        return cls(labels, counts.reshape(-1, 2, 2, 2))


def paired_changes(
    table: DecisionTable, *, replicates: int, level: float, seed: int
) -> tuple[tuple[BeforeAfter, ...], tuple[BeforeAfter, ...]]:
    """Compute overall measures and disparities, before and after, with paired intervals.

    A replicate draws whole rows (truth and both decisions together), so the change keeps the
    pairing and its interval is as narrow as the data allow.

    Parameters
    ----------
    table : DecisionTable
    replicates : int
    level : float
    seed : int

    Returns
    -------
    overall, disparity : tuples of BeforeAfter
    """
    groups = len(table.labels)
    (drawn,) = draw_confusions(
        table.counts.reshape(groups, 8),
        [(np.arange(groups), groups)],
        replicates=replicates,
        rng=np.random.default_rng(seed),
    )
    both = np.concatenate([table.counts.reshape(groups, 8, 1), drawn], axis=2)  # observed first
    both = both.reshape(groups, 2, 2, 2, -1)
    before = both.sum(axis=3).reshape(groups, 4, -1)
    after = both.sum(axis=2).reshape(groups, 4, -1)
    known = [index for index, label in enumerate(table.labels) if label != UNKNOWN]
    n = int(table.counts.sum())
    compared = int(table.counts[known].sum())
    return (
        _changes(_overall(before), _overall(after), n, level),
        _changes(_disparity(before[known]), _disparity(after[known]), compared, level),
    )


def group_effects(table: DecisionTable, kept: Mapping[str, str]) -> tuple[GroupEffect, ...]:
    """Describe the effect on every group; ``kept`` maps unmitigated groups to the reason."""
    before = table.counts.sum(axis=3).reshape(-1, 4)
    after = table.counts.sum(axis=2).reshape(-1, 4)
    rates_before, rates_after = rates(before, _RATES), rates(after, _RATES)
    return tuple(
        GroupEffect(
            group=label,
            n=int(before[g].sum()),
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


def _disparity(confusion: NDArray[np.int64]) -> dict[str, Floats]:
    found = dict(zip(_RATES, rates(confusion, _RATES), strict=True))
    result = {
        f"{notion}_{kind}": spread(found[rate], kind)
        for notion, rate in PARITY_NAMES.items()
        for kind in ("difference", "ratio")
    }
    for kind, worse in (("difference", np.maximum), ("ratio", np.minimum)):
        parts = [result[f"{name}_{kind}"] for name in ("equal_opportunity", "false_positive_rate")]
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
    defined = value is not None
    method = f"paired percentile bootstrap, {len(values) - 1} replicates"
    return Estimate(
        value=value,
        low=finite(float(interval.low)) if defined else None,
        high=finite(float(interval.high)) if defined else None,
        level=level,
        n=n,
        method=method,
        undefined_share=float(interval.undefined),
        reason=None if defined else "undefined before or after",
    )
