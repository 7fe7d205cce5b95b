"""The worst cases over all dimensions: the few figures a release gate looks at."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import numpy as np

from pipelines.mlops.fairness.estimates import missing
from pipelines.mlops.fairness.extremes import Replicated
from pipelines.mlops.fairness.result import SummaryFigure
from pipelines.mlops.fairness.simultaneous import worst_estimate

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
