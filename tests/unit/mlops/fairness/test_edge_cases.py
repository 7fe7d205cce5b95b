"""Groups that are too small, too alike or too alone."""

from __future__ import annotations

import json
import math
from typing import Any

import pandas as pd
import pytest

from pipelines.mlops.fairness import AuditConfig, FeatureSpec, audit

from .frames import SPECS, one_feature, people, selections, table

GROUP = (FeatureSpec(name="group"),)
FULL = AuditConfig(
    features=SPECS, intersections=(("sex", "race"), ("sex", "race", "age")), replicates=200
)


def numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [number for item in value.values() for number in numbers(item)]
    if isinstance(value, list):
        return [number for item in value for number in numbers(item)]
    assert value is None or isinstance(value, bool | int | float | str)
    return [value] if isinstance(value, float) else []


def test_every_number_of_the_result_is_finite_and_the_result_is_json() -> None:
    found = audit(table(people(400)), FULL.model_copy(update={"compare_all": True})).to_dict()
    assert all(math.isfinite(number) for number in numbers(found))
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_the_same_table_gives_the_same_bytes() -> None:
    frame = people()
    shuffled = frame.sample(frac=1, random_state=3)
    first, second = (json.dumps(audit(table(f), FULL).to_dict()) for f in (frame, shuffled))
    assert first == second


def test_a_missing_value_always_comes_with_a_reason() -> None:
    found = audit(table(people(60)), FULL.model_copy(update={"compare_all": True})).to_dict()

    def check(value: Any) -> None:
        if isinstance(value, dict):
            if "reason" in value and "value" in value and value["value"] is None:
                assert value["reason"]
            for item in value.values():
                check(item)
        elif isinstance(value, list):
            for item in value:
                check(item)

    check(found)


def test_a_group_with_one_member_has_wilsons_interval_not_certainty() -> None:
    found = audit(selections({"many": (60, 100), "one": (0, 1)}), one_feature())
    one = found.dimensions[0].groups[1]
    rate = one.rates["selection_rate"]
    assert (one.n, rate.value, rate.method) == (1, 0.0, "Wilson score")
    assert rate.low == 0.0
    assert rate.high == pytest.approx(0.793, abs=1e-3)
    assert rate.bootstrap == (0.0, 0.0)  # shown, so that the collapse can be seen
    assert rate.undefined_share == pytest.approx(math.exp(-1), abs=0.1)


def test_a_group_without_selections_does_not_fail_a_gate_with_certainty() -> None:
    found = audit(selections({"many": (60, 100), "few": (0, 5)}), one_feature())
    worst = found.figure("worst_impact_ratio")
    assert worst.estimate.value == 0.0
    assert worst.estimate.low == 0.0
    assert worst.estimate.high is not None
    assert worst.estimate.high > 0.6
    assert "simultaneous" in worst.estimate.method
    assert (worst.lowest, worst.lowest_n) == ("few", 5)


def test_a_group_without_positives_has_no_tpr_and_is_left_out_by_name() -> None:
    frame = pd.DataFrame(
        {
            "group": ["a"] * 8 + ["b"] * 8 + ["c"] * 4,
            "y": [1, 1, 1, 1, 0, 0, 0, 0] * 2 + [0] * 4,
            "decision": [1, 1, 0, 0, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 1, 0, 1, 0, 0],
        }
    )
    found = audit(table(frame, GROUP), one_feature()).dimensions[0]
    tpr = found.groups[2].rates["tpr"]
    assert (tpr.value, tpr.low, tpr.reason) == (None, None, "no actual positives")
    gap = next(d for d in found.disparities if d.name == "equal_opportunity_difference")
    assert [(out.group, out.reason) for out in gap.left_out] == [("c", "no actual positives")]
    assert gap.estimate.value == 0.25
    against = next(g for g in found.gaps if g.group == "c" and g.rate == "tpr")
    assert against.difference.reason == "no actual positives in c"


def test_a_single_group_has_rates_but_nothing_to_compare() -> None:
    found = audit(selections({"only": (5, 10)}), one_feature())
    dimension = found.dimensions[0]
    assert dimension.groups[0].rates["selection_rate"].value == 0.5
    assert dimension.tests == ()
    assert {d.estimate.reason for d in dimension.disparities} == {
        "fewer than two groups to compare"
    }
    for figure in found.summary:
        assert figure.estimate.value is None
        assert figure.dimension is None


def test_when_every_group_is_excluded_nothing_is_compared() -> None:
    groups = {f"g{i}": (2, 5) for i in range(10)}
    dimension = audit(selections(groups), one_feature(compare_all=False)).dimensions[0]
    assert len(dimension.exclusions) == 10
    assert dimension.reference is None
    assert dimension.impact_ratios == ()


def test_only_unknown_groups_is_not_a_comparison() -> None:
    frame = pd.DataFrame({"group": [None] * 6, "y": [0, 1] * 3, "decision": [1, 0] * 3})
    dimension = audit(table(frame, GROUP), one_feature()).dimensions[0]
    assert dimension.unknown.share == 1.0
    assert all(d.estimate.value is None for d in dimension.disparities)


def test_bands_without_rows_are_named() -> None:
    frame = people()
    young = frame[frame["age"] < 45]
    dimension = audit(table(young, SPECS[2:]), one_feature(features=SPECS[2:])).dimensions[0]
    assert dimension.empty_groups == ("45\u201364", "65+")
