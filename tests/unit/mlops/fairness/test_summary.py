"""The worst case over dimensions, its interval, and what noise does to it."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.core.stats import newcombe_interval, normal_quantile
from pipelines.mlops.fairness import AuditConfig, audit, estimates
from pipelines.mlops.fairness.estimates import WorstEstimate

from .frames import SPECS, one_feature, people, selections, table

CONFIG = AuditConfig(features=SPECS, intersections=(("sex", "race"),), replicates=300)


def test_the_summary_is_the_worst_disparity_of_all_dimensions() -> None:
    found = audit(table(people()), CONFIG)
    ratios, gaps = [], []
    for dimension in found.dimensions:
        named = {d.name: d.estimate.value for d in dimension.disparities}
        ratios.append(named["demographic_parity_ratio"])
        gaps.append(named["equal_opportunity_difference"])
    assert found.figure("worst_impact_ratio").estimate.value == min(ratios)
    assert found.figure("largest_tpr_difference").estimate.value == max(gaps)


def test_an_interval_always_holds_its_value() -> None:
    for figure in audit(table(people(500)), CONFIG).summary:
        estimate = figure.estimate
        assert estimate.low <= estimate.value <= estimate.high  # type: ignore[operator]


def test_the_interval_of_the_worst_gap_holds_the_truth_when_groups_are_equal() -> None:
    # Ten groups with one and the same true rate: extremes differ by chance alone.
    rng = np.random.default_rng(5)
    held, by_percentiles, audits = 0, 0, 60
    for _ in range(audits):
        counts = {f"g{i}": (int(rng.binomial(300, 0.5)), 300) for i in range(10)}
        found = audit(selections(counts), one_feature()).figure("worst_impact_ratio").estimate
        assert isinstance(found, WorstEstimate)
        assert found.percentile is not None
        assert found.bias is not None
        assert found.bias < 0  # a replicate is noisier than the data
        held += found.high == 1.0
        by_percentiles += found.percentile[1] == 1.0
    assert held >= 0.85 * audits  # 95 % nominal; three standard errors below
    assert by_percentiles == 0  # why the plain interval is not the one a gate looks at


def test_with_two_groups_it_is_an_ordinary_interval() -> None:
    found = (
        audit(selections({"a": (300, 1000), "b": (240, 1000)}), one_feature(replicates=4000))
        .figure("largest_selection_rate_difference")
        .estimate
    )
    usual = newcombe_interval(0.3, 1000, 0.24, 1000, normal_quantile(0.95))
    assert (found.low, found.high) == pytest.approx(usual, abs=0.004)


def test_intervals_of_many_groups_are_bounded_not_visited(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    counts = selections({f"g{i}": (int(rng.binomial(200, 0.4)), 200) for i in range(12)})
    exact = audit(counts, one_feature()).figure("worst_impact_ratio").estimate
    monkeypatch.setattr(estimates, "_ALL_PAIRS", 2)
    bounded = audit(counts, one_feature()).figure("worst_impact_ratio").estimate
    assert isinstance(exact, WorstEstimate)
    assert isinstance(bounded, WorstEstimate)
    assert exact.critical < bounded.critical < 1.5 * exact.critical


def test_a_clear_gap_is_seen() -> None:
    counts = selections({"a": (500, 1000), "b": (300, 1000), "c": (480, 1000)})
    figure = audit(counts, one_feature()).figure("worst_impact_ratio")
    assert (figure.lowest, figure.highest) == ("b", "a")
    assert figure.estimate.value == pytest.approx(0.6)
    assert figure.estimate.high < 0.8  # type: ignore[operator]
