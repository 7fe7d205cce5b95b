"""Statistics against published values, SciPy's scalar functions, and exact enumeration."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import binom, binomtest, false_discovery_control

from pipelines.core.stats import (
    benjamini_hochberg,
    bonferroni_level,
    clopper_pearson_lower,
    clopper_pearson_upper,
    false_discovery_rates,
    false_discovery_scores,
    mover_difference,
    mover_ratio_interval,
    newcombe_interval,
    normal_quantile,
    wilson_interval,
)

Z = normal_quantile(0.95)
COUNTS = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
NEWCOMBES_TABLE = {  # Newcombe (1998), table II, method 10, level 0.95
    (56, 70, 48, 80): (0.0524, 0.3339),
    (9, 10, 3, 10): (0.1705, 0.8090),
    (6, 7, 2, 7): (0.0582, 0.8062),
    (5, 56, 0, 29): (-0.0381, 0.1926),
    (0, 10, 0, 20): (-0.1611, 0.2775),
    (0, 10, 0, 10): (-0.2775, 0.2775),
    (10, 10, 0, 20): (0.6791, 1.0),
    (10, 10, 0, 10): (0.6075, 1.0),
}


def coverage(low: np.ndarray, high: np.ndarray, n: int, p: np.ndarray) -> np.ndarray:
    """Chance that the interval of a count of n holds p, summed over all counts."""
    held = (low[:, None] <= p) & (p <= high[:, None])
    return np.asarray((binom.pmf(np.arange(n + 1)[:, None], n, p) * held).sum(axis=0))


@pytest.mark.parametrize(("level", "z"), [(0.9, 1.644854), (0.95, 1.959964), (0.99, 2.575829)])
def test_a_normal_quantile_is_that_of_the_tables(level: float, z: float) -> None:
    assert normal_quantile(level) == pytest.approx(z, abs=5e-7)


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0, float("nan")])
def test_a_level_outside_0_and_1_is_refused(level: float) -> None:
    with pytest.raises(ValueError, match="a confidence level is inside"):
        normal_quantile(level)


@given(st.lists(COUNTS, min_size=1, max_size=4), st.sampled_from([0.8, 0.95, 0.999]))
def test_wilson_equals_scipys(counts: list[tuple[int, int]], level: float) -> None:
    k, n = np.array(counts).T
    low, high = wilson_interval(k / n, n, normal_quantile(level))
    theirs = [binomtest(*count).proportion_ci(level, "wilson") for count in counts]
    assert low == pytest.approx([each.low for each in theirs], abs=1e-12)
    assert high == pytest.approx([each.high for each in theirs], abs=1e-12)


@given(st.floats(0, 1), st.floats(0.5, 1e9), st.floats(0.01, 40))
def test_wilson_holds_the_share_and_stays_inside_0_and_1(share: float, n: float, z: float) -> None:
    low, high = (float(limit) for limit in wilson_interval(share, n, z))
    assert 0 <= low <= share <= high <= 1
    assert (low == 0) or share > 0
    assert (high == 1) or share < 1


def test_wilson_covers_as_often_as_it_says_on_average() -> None:
    n, p = 40, np.linspace(0.005, 0.995, 397)
    held = coverage(*wilson_interval(np.arange(n + 1) / n, n, Z), n, p)
    assert held.mean() == pytest.approx(0.95, abs=0.01)
    assert held.min() > 0.83  # it dips near 0 and 1 (Brown, Cai and DasGupta 2001)


@pytest.mark.parametrize(("table", "limits"), NEWCOMBES_TABLE.items())
def test_newcombe_equals_his_paper(
    table: tuple[int, int, int, int], limits: tuple[float, float]
) -> None:
    a, a_n, b, b_n = table
    found = newcombe_interval(a / a_n, a_n, b / b_n, b_n, Z)
    assert [float(limit) for limit in found] == pytest.approx(limits, abs=5.1e-5)


@given(COUNTS, COUNTS)
def test_a_difference_the_other_way_round_has_the_negative_interval(
    a: tuple[int, int], b: tuple[int, int]
) -> None:
    one, other = (a[0] / a[1], a[1]), (b[0] / b[1], b[1])
    low, high = newcombe_interval(*one, *other, Z)
    low_back, high_back = newcombe_interval(*other, *one, Z)
    assert (float(low), float(high)) == (-float(high_back), -float(low_back))
    assert -1 <= low <= one[0] - other[0] <= high <= 1


def test_newcombe_covers_as_often_as_it_says_on_average() -> None:
    n, m = 20, 30
    a, b = np.arange(n + 1)[:, None] / n, np.arange(m + 1) / m
    low, high = newcombe_interval(a, n, b, m, Z)  # shapes (n + 1, m + 1)
    held = [
        float(
            binom.pmf(np.arange(n + 1), n, p)
            @ ((low <= p - q) & (p - q <= high))
            @ binom.pmf(np.arange(m + 1), m, q)
        )
        for p in np.linspace(0.05, 0.95, 19)
        for q in np.linspace(0.05, 0.95, 19)
    ]
    assert np.mean(held) == pytest.approx(0.95, abs=0.01)
    assert min(held) > 0.87


def test_the_interval_of_a_difference_is_pythagorean() -> None:
    low, high = mover_difference(10.0, (7.0, 14.0), 4.0, (1.0, 8.0))
    assert (float(low), float(high)) == (6 - math.hypot(3, 4), 6 + math.hypot(4, 3))


@given(COUNTS, COUNTS)
def test_limits_of_a_ratio_are_where_the_difference_touches_0(
    a: tuple[int, int], b: tuple[int, int]
) -> None:
    """MOVER-R by its definition: r is a limit if the interval of a - r b ends at 0."""
    assume(b[0] > 0)
    p, q = a[0] / a[1], b[0] / b[1]
    (a_low, a_high), (b_low, b_high) = wilson_interval(p, a[1], Z), wilson_interval(q, b[1], Z)
    low, high = mover_ratio_interval(p, a[1], q, b[1], Z)

    def lower(r: float) -> float:
        return float(p - r * q - math.hypot(p - a_low, r * (b_high - q)))

    def upper(r: float) -> float:
        return float(p - r * q + math.hypot(a_high - p, r * (q - b_low)))

    assert float(low) <= p / q * (1 + 1e-12)
    assert float(high) >= p / q * (1 - 1e-12)
    if p:
        assert float(low) == pytest.approx(brentq(lower, 0, p / q, xtol=1e-13), abs=1e-6)
    assert float(high) == pytest.approx(brentq(upper, p / q, 1e9, xtol=1e-13), rel=1e-6)


def test_a_ratio_over_0_has_no_interval() -> None:
    low, high = mover_ratio_interval([0.5, 0.0, 0.0], 10, [0.0, 0.0, 0.5], 10, Z)
    assert np.isnan(low).tolist() == np.isnan(high).tolist() == [True, True, False]
    assert low[2] == 0 < high[2] < np.inf


def test_columns_broadcast_to_all_pairs() -> None:
    share, n = np.array([0.0, 0.25, 1.0]), np.array([8, 8, 3])
    low, high = newcombe_interval(share[:, None], n[:, None], share, n, Z)
    for i in range(3):
        for j in range(3):
            expected = newcombe_interval(share[i], n[i], share[j], n[j], Z)
            assert (low[i, j], high[i, j]) == expected


@given(st.lists(COUNTS, min_size=1, max_size=4), st.sampled_from([0.8, 0.95, 1 - 1e-6]))
def test_clopper_pearson_equals_scipys(counts: list[tuple[int, int]], level: float) -> None:
    k, n = np.array(counts).T
    low, high = clopper_pearson_lower(k, n, level), clopper_pearson_upper(k, n, level)
    above = [binomtest(*each, alternative="greater").proportion_ci(level) for each in counts]
    below = [binomtest(*each, alternative="less").proportion_ci(level) for each in counts]
    assert low == pytest.approx([each.low for each in above], abs=1e-9)
    assert high == pytest.approx([each.high for each in below], abs=1e-9)


@given(COUNTS, st.sampled_from([0.8, 0.95, 0.999]))
def test_at_an_exact_bound_what_was_seen_has_just_the_chance_left(
    counts: tuple[int, int], level: float
) -> None:
    k, n = counts
    low, high = clopper_pearson_lower(k, n, level), clopper_pearson_upper(k, n, level)
    if k > 0:
        assert binom.sf(k - 1, n, low) == pytest.approx(1 - level, rel=1e-6)
    if k < n:
        assert binom.cdf(k, n, high) == pytest.approx(1 - level, rel=1e-6)
    assert (low == 0) == (k == 0)
    assert (high == 1) == (k == n)


def test_an_exact_bound_covers_at_least_as_often_as_it_says_everywhere() -> None:
    n, p = 25, np.linspace(0.001, 0.999, 999)
    k = np.arange(n + 1)
    assert coverage(clopper_pearson_lower(k, n, 0.95), np.ones(n + 1), n, p).min() >= 0.95
    assert coverage(np.zeros(n + 1), clopper_pearson_upper(k, n, 0.95), n, p).min() >= 0.95


def test_nothing_seen_of_few_proves_little_and_of_none_nothing() -> None:
    # The rule of three: 1 - 0.05 ** (1 / n), about 3 / n.
    high = clopper_pearson_upper(0, [10, 300, 0], 0.95)
    assert high == pytest.approx([1 - 0.05 ** (1 / 10), 1 - 0.05 ** (1 / 300), 1.0])
    assert clopper_pearson_lower(0, 0, 0.95) == 0


def test_bounds_pay_for_every_candidate_tried() -> None:
    assert [bonferroni_level(0.05, tried) for tried in (0, 1, 10)] == [0.95, 0.95, 0.995]


P_VALUES = st.lists(st.floats(0, 1), max_size=40)


@given(P_VALUES)
def test_benjamini_hochberg_equals_scipys(p: list[float]) -> None:
    assert benjamini_hochberg(p) == pytest.approx(false_discovery_control(p), rel=1e-12)


def test_benjamini_hochberg_equals_a_hand_computed_example() -> None:
    found = benjamini_hochberg([0.01, 0.04, 0.03, 0.5])
    assert found.tolist() == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.5])


@given(P_VALUES.filter(bool), st.integers(0, 20))
def test_tests_whose_p_values_were_not_kept_count_as_certain(p: list[float], more: int) -> None:
    all_of_them = false_discovery_control(p + [1.0] * more)
    found = benjamini_hochberg(p, len(p) + more)
    assert found == pytest.approx(all_of_them[: len(p)], rel=1e-12)


@given(st.lists(st.floats(0, 100), max_size=30))
def test_the_rarer_has_the_smaller_rate_whatever_the_order(expected: list[float]) -> None:
    rates = false_discovery_rates(expected)
    assert np.diff(rates[np.argsort(expected)]).min(initial=0.0) >= 0
    assert false_discovery_rates(expected[::-1])[::-1].tolist() == rates.tolist()


def test_few_false_findings_where_nothing_is_to_be_found() -> None:
    rng = np.random.default_rng(1)
    runs = [(benjamini_hochberg(rng.uniform(size=200)) <= 0.05).any() for _ in range(1000)]
    assert np.mean(runs) == pytest.approx(0.05, abs=0.02)  # three standard errors


@given(st.lists(st.floats(0, 12), max_size=30), st.integers(30, 10**6))
def test_scores_are_logarithms_of_the_rates(rareness: list[float], tests: int) -> None:
    found = false_discovery_scores(rareness, tests)
    rates = benjamini_hochberg(10.0 ** -np.array(rareness), tests)
    assert 10.0**-found == pytest.approx(rates, rel=1e-9)


def test_scores_know_chances_below_the_smallest_float() -> None:
    # 1e-4, 1e-6, 1e-2 at 1,000 points: rates 5e-2, 1e-3, and 10/3, which is hopeless.
    found = false_discovery_scores([4.0, 6.0, 2.0], 1000)
    assert found == pytest.approx([4 - np.log10(500), 3.0, 0.0])
    assert false_discovery_scores([900.0, 700.0], 100).tolist() == [898.0, 700 - np.log10(50)]
    assert [false_discovery_scores([2.0], tests).tolist() for tests in (0, 1)] == [[2.0], [2.0]]
    assert math.copysign(1, false_discovery_scores([0.0], 0)[0]) == 1
