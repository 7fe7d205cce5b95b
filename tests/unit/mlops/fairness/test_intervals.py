"""Closed-form intervals against published values, SciPy, and each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from pipelines.mlops.fairness.intervals import (
    Proportion,
    mover_ratio,
    newcombe_difference,
    wilson,
)

SOME = st.integers(1, 500).flatmap(
    lambda n: st.builds(Proportion, successes=st.integers(0, n), total=st.just(n))
)


@given(SOME)
def test_wilson_equals_scipys(proportion: Proportion) -> None:
    expected = binomtest(proportion.successes, proportion.total).proportion_ci(0.95, "wilson")
    assert wilson(proportion, 0.95) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_newcombe_equals_his_paper() -> None:
    # Newcombe (1998), table II, method 10: examples (a) and (c).
    a = newcombe_difference(Proportion(56, 70), Proportion(48, 80), 0.95)
    assert a == pytest.approx((0.0524, 0.3339), abs=5e-5)
    c = newcombe_difference(Proportion(6, 7), Proportion(2, 7), 0.95)
    assert c == pytest.approx((0.0582, 0.8062), abs=5e-5)


@given(SOME, SOME)
def test_a_ratio_lies_in_its_interval_and_the_inverse_has_the_inverse_one(
    a: Proportion, b: Proportion
) -> None:
    limits = mover_ratio(a, b, 0.95)
    if b.successes == 0:
        assert limits is None
        return
    assert limits is not None
    low, high = limits
    assert low - 1e-9 <= a.value / b.value <= high + 1e-9
    inverse = mover_ratio(b, a, 0.95)
    if inverse is not None and low > 0 and inverse[0] > 0:
        assert inverse == pytest.approx((1 / high, 1 / low), rel=1e-6)
