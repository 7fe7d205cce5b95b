"""The worst case over dimensions, its interval, and what noise does to it."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.mlops.fairness import AuditConfig, audit

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


def test_equal_groups_are_not_declared_unfair_by_noise() -> None:
    # Eight groups with one and the same true rate: extremes differ by chance alone.
    rng = np.random.default_rng(5)
    missed = 0
    for _ in range(20):
        counts = {f"g{i}": (int(rng.binomial(300, 0.5)), 300) for i in range(8)}
        figure = audit(selections(counts), one_feature()).figure("worst_impact_ratio")
        assert figure.bias is not None
        assert figure.bias < 0  # a replicate is noisier than the data
        missed += figure.estimate.high < 0.8  # type: ignore[operator]
    assert missed == 0


def test_a_clear_gap_is_seen() -> None:
    counts = selections({"a": (500, 1000), "b": (300, 1000), "c": (480, 1000)})
    figure = audit(counts, one_feature()).figure("worst_impact_ratio")
    assert (figure.lowest, figure.highest) == ("b", "a")
    assert figure.estimate.value == pytest.approx(0.6)
    assert figure.estimate.high < 0.8  # type: ignore[operator]
