"""Limits over all pairs are those of the single pairs, put together."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.stats import mover_ratio_interval, newcombe_interval
from pipelines.mlops.fairness.estimates import Family, _limits, worst_estimate

GROUP = st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
GROUPS = st.lists(GROUP, min_size=2, max_size=5)
CRITICAL = 2.5


def family(groups: list[tuple[int, int]]) -> Family:
    successes, totals = (np.array(column) for column in zip(*groups, strict=True))
    return Family(successes, totals, np.full(100, CRITICAL))


@given(GROUPS)
def test_differences(groups: list[tuple[int, int]]) -> None:
    limits = [
        newcombe_interval(a / a_n, a_n, b / b_n, b_n, CRITICAL)
        for (a, a_n), (b, b_n) in permutations(groups, 2)
    ]
    expected = max(float(low) for low, _ in limits), max(float(high) for _, high in limits)
    found = _limits([family(groups)], CRITICAL, "difference")
    assert found == pytest.approx(expected, abs=1e-9)


@given(GROUPS.filter(lambda groups: any(successes for successes, _ in groups)))
def test_ratios(groups: list[tuple[int, int]]) -> None:
    limits = [
        mover_ratio_interval(a / a_n, a_n, b / b_n, b_n, CRITICAL)
        for (a, a_n), (b, b_n) in permutations(groups, 2)
        if b
    ]
    expected = min(float(low) for low, _ in limits), min(float(high) for _, high in limits)
    found = _limits([family(groups)], CRITICAL, "ratio")
    assert found == pytest.approx(expected, abs=1e-9)


def test_the_worst_of_several_families_takes_the_worst_limits() -> None:
    wide, narrow = family([(10, 100), (50, 100)]), family([(49, 100), (50, 100)])
    alone = worst_estimate(0.4, np.zeros(100), [wide], kind="difference", n=1, level=0.95)
    both = worst_estimate(0.4, np.zeros(100), [narrow, wide], kind="difference", n=1, level=0.95)
    assert (both.low, both.high) == (alone.low, alone.high)


def test_groups_that_never_vary_give_the_multiplier_of_one_comparison() -> None:
    still = Family.make(
        np.array([0, 5]), np.array([5, 5]), np.array([[0.0] * 50, [1.0] * 50]), "difference"
    )
    found = worst_estimate(1.0, np.ones(50), [still], kind="difference", n=10, level=0.95)
    assert found.critical == pytest.approx(1.96, abs=0.001)
    assert found.low < 0.6 < 1.0 == found.high  # type: ignore[operator]
