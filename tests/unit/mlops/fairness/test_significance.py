"""Tests of significance and effect sizes."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import fisher_exact, hypergeom

from pipelines.mlops.fairness import audit
from pipelines.mlops.fairness.rates import Proportion
from pipelines.mlops.fairness.significance import (
    cohens_h,
    fisher_p_value,
    holm,
    odds_ratio,
    two_proportion_z,
)

from .frames import one_feature, selections

SMALL = st.integers(1, 60).flatmap(
    lambda n: st.builds(Proportion, successes=st.integers(0, n), total=st.just(n))
)


@given(SMALL, SMALL)
def test_fisher_is_the_sum_over_tables_no_likelier_than_the_observed(
    a: Proportion, b: Proportion
) -> None:
    selected, rows = a.successes + b.successes, a.total + b.total
    support = np.arange(max(0, selected - b.total), min(selected, a.total) + 1)
    chances = hypergeom.pmf(support, rows, selected, a.total)
    seen = hypergeom.pmf(a.successes, rows, selected, a.total)
    expected = chances[chances <= seen * (1 + 1e-7)].sum()
    assert fisher_p_value(a, b) == pytest.approx(expected, rel=1e-7)


def test_fisher_equals_scipys_for_the_tea_taster() -> None:
    assert fisher_p_value(Proportion(3, 4), Proportion(1, 4)) == pytest.approx(34 / 70)
    assert fisher_exact([[3, 1], [1, 3]]).pvalue == pytest.approx(34 / 70)


def test_fisher_is_quick_for_ten_million_rows() -> None:
    start = time.perf_counter()
    p = fisher_p_value(Proportion(900_000, 3_000_000), Proportion(2_095_000, 7_000_000))
    assert time.perf_counter() - start < 1
    z, z_p = two_proportion_z(Proportion(900_000, 3_000_000), Proportion(2_095_000, 7_000_000))
    assert z is not None
    assert p == pytest.approx(z_p, rel=0.01)


def test_holm_equals_a_hand_computed_example() -> None:
    # Sorted: .01*4, .02*3=.06, .03*2=.06, .04*1=.04 -> made monotone .06.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_effect_sizes_equal_textbook_values() -> None:
    # Cohen (1988), table 6.2.2: phi(.50) = 1.571, phi(.25) = 1.047.
    half, quarter = Proportion(50, 100), Proportion(25, 100)
    assert cohens_h(half, quarter) == pytest.approx(math.pi / 2 - math.pi / 3)
    assert odds_ratio(half, quarter) == pytest.approx(3.0)
    assert odds_ratio(Proportion(0, 10), half) is None


def test_the_correction_counts_every_test_of_the_audit() -> None:
    found = audit(selections({"a": (60, 100), "b": (40, 100), "c": (55, 100)}), one_feature())
    tests = found.dimensions[0].tests
    assert found.tests_corrected == len(tests) == 2
    assert [test.reference for test in tests] == ["a", "a"]
    assert [test.holm_p for test in tests] == pytest.approx(holm([t.fisher_p for t in tests]))
    assert [test.significant for test in tests] == [True, False]


def test_z_is_undefined_when_everybody_is_selected() -> None:
    assert two_proportion_z(Proportion(5, 5), Proportion(3, 3)) == (None, None)
