"""The what-if: cost beside gain, and groups that can't be fitted."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from pipelines.mlops.fairness import Mitigation, MitigationConfig, mitigate

from .frames import people


def what_if(
    fit: pd.DataFrame,
    test: pd.DataFrame,
    constraint: str = "demographic_parity",
    *,
    favourable: bool = True,
) -> Mitigation:
    return mitigate(
        scores_validation=fit["score"],
        y_validation=fit["y"],
        groups_validation=fit["sex"],
        scores_test=test["score"],
        y_test=test["y"],
        groups_test=test["sex"],
        config=MitigationConfig.model_validate(
            {
                "constraint": constraint,
                "replicates": 200,
                "favourable_is_positive": favourable,
            }
        ),
    )


FIT, TEST = people(3000, seed=1), people(3000, seed=2)


@pytest.mark.parametrize(
    ("constraint", "measure"),
    [
        ("demographic_parity", "demographic_parity_difference"),
        ("equalized_odds", "equalized_odds_difference"),
    ],
)
def test_the_gap_shrinks_and_the_cost_is_shown(constraint: str, measure: str) -> None:
    found = what_if(FIT, TEST, constraint)
    gain = next(item for item in found.disparity if item.name == measure)
    cost = next(item for item in found.overall if item.name == "accuracy")
    assert gain.after < gain.before / 2  # type: ignore[operator]
    assert gain.change.high < 0  # type: ignore[operator]
    assert cost.before == pytest.approx((TEST["decision"] == TEST["y"]).mean())
    assert cost.change.value == pytest.approx(cost.after - cost.before)  # type: ignore[operator]
    assert all(group.mitigated for group in found.groups)


@pytest.mark.parametrize(("favourable", "rate"), [(True, "tpr"), (False, "tnr")])
def test_equal_opportunity_is_about_those_whose_true_label_is_favourable(
    favourable: bool, rate: str
) -> None:
    found = what_if(FIT, TEST, "equal_opportunity", favourable=favourable)
    by_hand = [
        max(rates) - min(rates)
        for rates in (
            [getattr(group, side)[rate] for group in found.groups] for side in ("before", "after")
        )
    ]
    gain = next(d for d in found.disparity if d.name == "equal_opportunity_difference")
    assert (gain.before, gain.after) == pytest.approx(by_hand, abs=1e-12)
    assert gain.after < gain.before / 2  # type: ignore[operator]


def test_the_impact_ratio_of_a_punitive_decision_is_that_of_not_being_flagged() -> None:
    found = what_if(FIT, TEST, favourable=False)
    ratio = next(d for d in found.disparity if d.name == "demographic_parity_ratio")
    spared = 1 - TEST.groupby("sex")["decision"].mean()
    assert ratio.before == pytest.approx(spared.min() / spared.max(), abs=1e-12)


def test_the_seed_fixes_the_random_decisions() -> None:
    first, second = (json.dumps(what_if(FIT, TEST, "equalized_odds").to_dict()) for _ in range(2))
    assert first == second


def test_groups_that_cannot_be_fitted_keep_their_decision_with_a_reason() -> None:
    fit, test = FIT.copy(), TEST.copy()
    fit.loc[:29, "sex"] = "all positive"
    fit.loc[:29, "y"] = 1
    fit.loc[30:34, "sex"] = "few"
    test.loc[:49, "sex"] = "all positive"
    test.loc[50:99, "sex"] = "few"
    test.loc[100:149, "sex"] = "new"
    test.loc[150:199, "sex"] = None
    effects = {effect.group: effect for effect in what_if(fit, test).groups}
    reasons = {name: e.reason for name, e in effects.items() if not e.mitigated}
    assert reasons == {
        "all positive": "every validation row has outcome 1",
        "few": "5 validation rows, fewer than 20",
        "new": "0 validation rows, fewer than 20",
        "unknown": "the group is not known",
    }
    for name in reasons:
        assert effects[name].before == effects[name].after
        assert (effects[name].gained, effects[name].lost) == (0, 0)
    assert effects["Female"].gained > 0


def test_one_fittable_group_is_a_clear_error() -> None:
    with pytest.raises(ValueError, match="at least two groups"):
        what_if(FIT[FIT["sex"] == "Male"], TEST)


def test_missing_scores_are_an_error() -> None:
    broken = FIT.copy()
    broken.loc[3, "score"] = np.nan
    with pytest.raises(ValueError, match="missing score"):
        what_if(broken, TEST)
