"""A group is left out by what its rows can tell, never by its share of the table."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from pipelines.mlops.fairness import audit
from pipelines.mlops.fairness.significance import can_tell

from .frames import one_feature, selections

BY_ROWS = one_feature(compare_all=False)


def test_a_group_far_below_two_percent_is_compared_if_it_has_enough_rows() -> None:
    # 532 of 30,532 rows are 1.7 %; nine of them selected against half of the others.
    found = audit(selections({"few": (9, 532), "many": (14_700, 30_000)}), BY_ROWS)
    worst = found.figure("worst_impact_ratio")
    assert (worst.lowest, worst.highest, worst.left_out) == ("few", "many", ())
    assert worst.estimate.value == pytest.approx((9 / 532) / 0.49)
    assert worst.estimate.high is not None
    assert worst.estimate.high < 0.8


@pytest.mark.parametrize("chosen", [0, 1, 2, 3])
def test_three_rows_decide_no_gate_whatever_they_hold(chosen: int) -> None:
    groups = {"a": (480, 2000), "b": (470, 2000)}
    without = audit(selections(groups), BY_ROWS).figure("worst_impact_ratio").estimate
    found = audit(selections({**groups, "tiny": (chosen, 3)}), BY_ROWS)
    worst = found.figure("worst_impact_ratio")
    assert worst.estimate.value == without.value
    assert worst.estimate.low == pytest.approx(without.low, abs=0.02)
    (left_out,) = worst.left_out
    assert (left_out.group, left_out.n) == ("group: tiny", 3)
    assert left_out.reason == "3 rows, too few to tell"


def test_a_group_whose_rows_show_a_difference_is_compared_however_few_they_are() -> None:
    # Nearly nobody is selected: twelve rows could never show that they are selected too rarely, but
    # ten of them selected is no chance.
    groups = {"a": (40, 4000), "b": (42, 4000)}
    shown = audit(selections({**groups, "tiny": (10, 12)}), BY_ROWS).figure("worst_impact_ratio")
    silent = audit(selections({**groups, "tiny": (0, 12)}), BY_ROWS).figure("worst_impact_ratio")
    assert shown.highest == "tiny"
    assert [out.group for out in silent.left_out] == ["group: tiny"]


def test_each_rate_leaves_out_its_own_groups() -> None:
    # Sixty rows tell of selection; six positives among them tell nothing of the true positive rate.
    import pandas as pd

    from pipelines.mlops.fairness import FeatureSpec

    from .frames import table

    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"group": ["a"] * 2000 + ["b"] * 2000 + ["c"] * 60})
    frame["y"] = (rng.random(len(frame)) < 0.4).astype(int)
    frame.loc[frame["group"] == "c", "y"] = [1] * 6 + [0] * 54
    frame["decision"] = np.where(rng.random(len(frame)) < 0.7, frame["y"], 1 - frame["y"])
    found = audit(table(frame, (FeatureSpec(name="group"),)), BY_ROWS)
    assert found.figure("worst_impact_ratio").left_out == ()
    (out,) = found.figure("largest_tpr_difference").left_out
    assert (out.group, out.reason) == ("group: c", "6 actual positives, too few to tell")


def test_where_nothing_varies_everybody_takes_part() -> None:
    found = can_tell(np.array([0, 0, 0]), np.array([1000, 3, 0]), 0.95)
    assert found.tolist() == [True, True, False]
    assert can_tell(np.array([5]), np.array([9]), 0.95).tolist() == [True]


def test_two_groups_of_which_one_is_too_small_are_no_comparison() -> None:
    found = audit(selections({"many": (50, 100), "few": (1, 3)}), BY_ROWS)
    estimate = found.figure("worst_impact_ratio").estimate
    assert estimate.value is None
    assert estimate.reason is not None
    assert "fewer than two groups (few: 3 rows, too few to tell" in estimate.reason


@st.composite
def counts(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    totals = draw(st.lists(st.integers(0, 60), min_size=2, max_size=6))
    successes = [draw(st.integers(0, total)) for total in totals]
    return np.array(successes, np.int64), np.array(totals, np.int64)


@settings(max_examples=150, deadline=None)
@given(counts())
def test_it_is_fishers_test_of_the_extremes_and_of_what_was_seen(
    case: tuple[np.ndarray, np.ndarray],
) -> None:
    successes, totals = case
    n, k, groups = int(totals.sum()), int(successes.sum()), len(totals)
    found = can_tell(successes, totals, 0.95)
    if k in (0, n):
        assert found.tolist() == (totals > 0).tolist()
        return
    alpha = 0.05 / (2 * groups)

    def p(hits: int, rows: int, side: str) -> float:
        others = [[hits, rows - hits], [k - hits, n - rows - (k - hits)]]
        return float(fisher_exact(others, alternative=side).pvalue)

    for hits, rows, told in zip(successes, totals, found, strict=True):
        fewest, most = max(0, k - (n - rows)), min(rows, k)
        extremes = p(fewest, rows, "less") < alpha and p(most, rows, "greater") < alpha
        seen = p(hits, rows, "less") < alpha or p(hits, rows, "greater") < alpha
        assert told == (rows > 0 and (extremes or seen))


@settings(max_examples=60, deadline=None)
@given(counts())
def test_it_is_the_same_with_successes_and_failures_exchanged(
    case: tuple[np.ndarray, np.ndarray],
) -> None:
    successes, totals = case
    swapped = can_tell(totals - successes, totals, 0.95)
    assert can_tell(successes, totals, 0.95).tolist() == swapped.tolist()
