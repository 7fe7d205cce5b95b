"""Impact ratios on textbook examples, exclusions and the choice of reference."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.core.stats import mover_ratio_interval, normal_quantile
from pipelines.mlops.fairness import audit

from .frames import SPECS, one_feature, people, selections, table


def test_the_example_of_the_uniform_guidelines() -> None:
    # EEOC, questions and answers on the Uniform Guidelines, no. 12: 80 White applicants of whom 48
    # are hired, 40 Black applicants of whom 12 are: 30 % / 60 % = 50 %, less than four-fifths.
    found = audit(selections({"Black": (12, 40), "White": (48, 80)}), one_feature())
    black, white = found.dimensions[0].impact_ratios
    assert (black.group, black.versus, black.estimate.value) == ("Black", "White", 0.5)
    assert black.below_four_fifths is True
    assert (white.estimate.value, white.below_four_fifths) == (1.0, False)


def test_a_table_by_sex_as_the_new_york_rule_wants_it() -> None:
    # 6 RCNY 5-301: selection rate of a category over that of the most selected category.
    found = audit(selections({"Male": (667, 1390), "Female": (555, 1181)}), one_feature())
    ratios = {item.group: item.estimate.value for item in found.dimensions[0].impact_ratios}
    assert ratios == {"Male": 1.0, "Female": pytest.approx((555 / 1181) / (667 / 1390))}
    assert round(ratios["Female"] or 0, 2) == 0.98


def test_small_groups_are_left_out_of_ratios_but_reported() -> None:
    found = audit(
        selections({"big": (50, 100), "other": (40, 100), "tiny": (3, 3)}),
        one_feature(compare_all=False, exclusion_reason="too small"),
    ).dimensions[0]
    assert [item.group for item in found.impact_ratios] == ["big", "other"]
    (tiny,) = found.exclusions
    assert (tiny.group, tiny.n, tiny.selection_rate, tiny.reason) == ("tiny", 3, 1.0, "too small")
    assert tiny.share == pytest.approx(3 / 203)
    assert [row.role for row in found.groups] == ["compared", "compared", "excluded"]


def test_unknown_groups_are_counted_and_not_compared() -> None:
    frame = people()
    found = audit(
        table(frame, SPECS[:2]),
        one_feature(features=SPECS[:2], intersections=(("sex", "race"),)),
    )
    race, crossed = found.dimensions[1:]
    unknown = int((frame["race"] == "?").sum())
    assert (race.unknown.n, race.unknown.groups) == (unknown, ("unknown",))
    assert crossed.unknown.n == unknown
    assert crossed.unknown.groups == ("Female & unknown", "Male & unknown")
    assert "unknown" not in {item.group for item in race.impact_ratios}
    assert sum(row.n for row in race.groups) == len(frame)


def test_the_reference_is_the_largest_the_highest_or_the_named_group() -> None:
    counts = selections({"large": (30, 100), "high": (30, 50), "named": (1, 5)})
    by = {
        "largest": one_feature(),
        "highest_rate": one_feature(reference="highest_rate"),
        "named": one_feature(reference_groups={"group": "named"}, compare_all=False),
    }
    chosen = {how: audit(counts, config).dimensions[0].reference for how, config in by.items()}
    assert chosen == {"largest": "large", "highest_rate": "high", "named": "named"}


def test_a_reference_that_is_not_there_is_an_error() -> None:
    counts = selections({"a": (1, 5), "b": (1, 5)})
    with pytest.raises(ValueError, match=r"'c' of 'group' is not in the data; there are: a, b"):
        audit(counts, one_feature(reference_groups={"group": "c"}))
    with pytest.raises(ValueError, match="not audited"):
        audit(counts, one_feature(reference_groups={"sex": "a"}))


def test_nobody_selected_has_no_impact_ratio_and_a_reason() -> None:
    found = audit(selections({"a": (0, 50), "b": (0, 70)}), one_feature())
    for item in found.dimensions[0].impact_ratios:
        assert item.estimate.value is None
        assert item.estimate.reason == "nobody was selected in any compared group"
    assert found.figure("worst_impact_ratio").estimate.reason == (
        "selection_rate is 0 in every compared group"
    )


def _pair(a: tuple[int, int], b: tuple[int, int], level: float) -> tuple[float, float]:
    z = normal_quantile(level)
    low, high = mover_ratio_interval(a[0] / a[1], a[1], b[0] / b[1], b[1], z)
    return float(low), float(high)


def test_the_interval_is_that_of_the_ratio_to_the_best_whichever_group_it_is() -> None:
    groups = {"a": (60, 100), "b": (55, 100), "c": (20, 80)}
    found = audit(selections(groups), one_feature()).dimensions[0].impact_ratios
    for ratio in found:
        others = [groups[name] for name in groups if name != ratio.group]
        alone = [_pair(groups[ratio.group], other, 0.95)[0] for other in others]
        together = [_pair(groups[ratio.group], other, 0.975)[1] for other in others]
        assert ratio.estimate.low == pytest.approx(min(*alone, 1))
        assert ratio.estimate.high == pytest.approx(min(*together, 1))
        assert ratio.estimate.low <= ratio.estimate.value <= ratio.estimate.high  # type: ignore[operator]


def test_two_groups_have_the_interval_of_their_ratio() -> None:
    found = audit(selections({"a": (60, 100), "b": (30, 90)}), one_feature())
    ratio = next(r for r in found.dimensions[0].impact_ratios if r.group == "b")
    expected = _pair((30, 90), (60, 100), 0.95)
    assert (ratio.estimate.low, ratio.estimate.high) == pytest.approx(expected)


def test_the_only_group_with_a_selected_row_need_not_be_the_best() -> None:
    found = audit(selections({"a": (3, 7), "b": (0, 6)}), one_feature())
    ratio = next(r for r in found.dimensions[0].impact_ratios if r.group == "a")
    upper = _pair((0, 6), (3, 7), 0.95)[1]
    assert upper > 1
    assert (ratio.estimate.low, ratio.estimate.high) == (pytest.approx(1 / upper), 1)


def test_groups_that_are_alike_have_1_in_their_interval() -> None:
    rng = np.random.default_rng(0)
    held, count = 0, 0
    for _ in range(200):
        drawn = {
            name: (int(rng.binomial(n, 0.4)), n) for name, n in (("a", 300), ("b", 200), ("c", 60))
        }
        for ratio in (
            audit(selections(drawn), one_feature(replicates=100)).dimensions[0].impact_ratios
        ):
            if ratio.group != ratio.versus:
                held += ratio.estimate.high == 1
                count += 1
    assert held >= 0.93 * count
