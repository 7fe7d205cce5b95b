"""From scores to figures that the gate reads."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.core.errors import SignalboxError
from pipelines.core.params import BiasAuditParams, Params
from pipelines.core.settings import validate_as
from pipelines.mlops.fairness.evidence import (
    NO_FEATURES,
    BiasAuditDetails,
    Scored,
    audit_scores,
    describe,
    feature_to_mitigate,
    groups_csv,
    what_if,
)
from tests.conftest import data_params

CONFIG = BiasAuditParams.model_validate(
    {
        "replicates": 100, "confidence": 0.95, "score_bins": 10, "min_share": 0.02,
        "mitigation": {"method": "none", "constraint": "demographic_parity"},
    }
)  # fmt: skip
DATA = data_params(
    sensitive={"colour": {}, "size": {"bins": [10.0]}}, intersections=[["colour", "size"]]
)


def scored(n: int = 2000, seed: int = 1) -> Scored:
    rng = np.random.default_rng(seed)
    colour = rng.choice(["red", "blue"], n)
    scores = np.clip(rng.random(n) - 0.3 * (colour == "red"), 0, 1)
    frame = pd.DataFrame({"colour": colour, "size": rng.integers(0, 20, n)})
    return Scored(frame, scores, (rng.random(n) < scores).astype("int8"))


def test_each_feature_and_the_worst_of_all_become_figures() -> None:
    result = audit_scores(scored(), 0.5, DATA, CONFIG)
    figures = {figure.id: figure for figure in describe(result, CONFIG, rows=2000)}
    red = figures["bias_audit.worst_impact_ratio:colour"]
    assert red.value is not None
    assert red.low is not None
    assert red.high is not None
    assert red.low <= red.value <= red.high < 0.8
    assert red.where == {"dimension": "colour", "lowest": "red", "highest": "blue"}
    assert "bias_audit.worst_impact_ratio:colour&size" in figures
    worst = figures["bias_audit.worst_impact_ratio"].value
    assert worst is not None
    assert worst <= red.value


def test_the_policy_in_params_names_figures_that_the_audit_measures(params: Params) -> None:
    frame = pd.DataFrame({"sex": ["F", "M"] * 50, "race": ["A"] * 50 + ["B"] * 50, "age": 30.0})
    rows = Scored(frame, np.linspace(0, 1, 100), np.arange(100, dtype="int8") % 2)
    result = audit_scores(rows, 0.5, params.data, CONFIG)
    measured = {figure.id for figure in describe(result, CONFIG, rows=100)}
    named = {c.figure for c in params.gate.checks if c.figure.startswith("bias_audit.")}
    assert named <= measured


def test_without_sensitive_features_every_figure_is_missing_with_the_reason() -> None:
    figures = describe(None, CONFIG, rows=5)
    assert figures
    assert all(figure.value is None and figure.missing == NO_FEATURES for figure in figures)
    assert groups_csv(None).count("\n") == 1


def test_the_feature_with_the_worst_ratio_is_mitigated() -> None:
    assert feature_to_mitigate(audit_scores(scored(), 0.5, DATA, CONFIG), CONFIG) == "colour"


def config_with(**mitigation: Any) -> BiasAuditParams:
    return CONFIG.model_copy(update={"mitigation": CONFIG.mitigation.model_copy(update=mitigation)})


def test_mitigation_shows_gain_and_cost(params: Params) -> None:
    both = params.model_copy(update={"data": DATA, "bias_audit": CONFIG})
    effect, why_not = what_if(scored(seed=2), scored(seed=3), "colour", 0.5, both)
    assert why_not == ""
    assert effect is not None
    gain = {row.name: row for row in effect.disparity}["demographic_parity_difference"]
    assert gain.after is not None
    assert gain.before is not None
    assert gain.after < gain.before
    assert "accuracy" in {row.name for row in effect.overall}


def test_the_evidence_is_read_as_it_was_written(params: Params) -> None:
    both = params.model_copy(update={"data": DATA, "bias_audit": CONFIG})
    effect, why_not = what_if(scored(seed=2), scored(seed=3), "colour", 0.5, both)
    told = BiasAuditDetails(audit_scores(scored(), 0.5, DATA, CONFIG), effect, why_not, 0.5)
    plain = told.to_dict()
    read = validate_as(BiasAuditDetails, plain, "evidence: ", "run bias_audit")
    assert read.mitigation == effect
    assert read.audit is not None
    assert read.audit.dimensions[0].impact_ratios == told.audit.dimensions[0].impact_ratios  # type: ignore[union-attr]
    assert read.audit.dimensions[0].groups == told.audit.dimensions[0].groups  # type: ignore[union-attr]


def test_a_feature_that_is_not_sensitive_cannot_be_mitigated_for(params: Params) -> None:
    both = params.model_copy(update={"data": DATA, "bias_audit": config_with(feature="x")})
    with pytest.raises(SignalboxError, match=r"bias_audit.mitigation.feature: 'x' is not in"):
        what_if(scored(), scored(), "x", 0.5, both)


def test_mitigation_that_cannot_be_fitted_says_why(params: Params) -> None:
    both = params.model_copy(update={"data": DATA, "bias_audit": CONFIG})
    tiny = scored(n=10)
    effect, why_not = what_if(tiny, tiny, "colour", 0.5, both)
    assert effect is None
    assert "at least two groups" in why_not


def test_a_group_of_too_few_people_is_counted_and_not_shown() -> None:
    rows = scored(500)
    rows.frame.loc[[0, 1], "colour"] = "gold"
    result = audit_scores(rows, 0.5, DATA, CONFIG)
    assert "gold" not in json.dumps(result.to_dict())
    assert "gold" not in groups_csv(result)
    (note,) = (note for note in result.notes if "fewer than 5 people" in note)
    assert "colour: 1" in note
    shown = audit_scores(rows, 0.5, DATA.model_copy(update={"min_cell": 0}), CONFIG)
    assert "gold" in json.dumps(shown.to_dict())


def test_a_rate_over_too_few_people_has_no_value_and_is_not_compared() -> None:
    rows = scored(500)
    blue = rows.frame["colour"] == "blue"
    rows.labels[blue] = 0
    rows.labels[blue.to_numpy().nonzero()[0][:2]] = 1
    colour = audit_scores(rows, 0.5, DATA, CONFIG).dimensions[0]
    group = next(group for group in colour.groups if group.group == "blue")
    assert group.rates["tpr"].value is None
    assert group.rates["tpr"].reason == "fewer than 5 actual positives (data.min_cell)"
    assert group.rates["selection_rate"].value is not None
    for found in colour.disparities:
        if found.rate == "tpr":
            assert "blue" not in (found.lowest, found.highest)
            assert "no actual positives" not in str(found.left_out), "there are two"


def test_a_chosen_reference_of_too_few_people_is_refused() -> None:
    rows = scored(500)
    rows.frame.loc[0, "colour"] = "gold"
    config = CONFIG.model_copy(update={"reference": {"colour": "gold"}})
    with pytest.raises(SignalboxError, match=r"reference group 'gold'.*data\.min_cell"):
        audit_scores(rows, 0.5, DATA, config)


def test_a_small_group_and_a_group_without_positives_are_audited() -> None:
    rows = scored(500)
    rows.frame.loc[rows.frame.index[:6], "colour"] = "gold"
    rows.labels[rows.frame["colour"] == "blue"] = 0
    result = audit_scores(rows, 0.5, DATA, CONFIG)
    colour = result.dimensions[0]
    roles = {group.group: group.role for group in colour.groups}
    assert roles["gold"] == "excluded"
    blue = next(group for group in colour.groups if group.group == "blue")
    assert blue.rates["tpr"].value is None
    assert blue.rates["tpr"].reason


def test_a_group_of_one_person_with_many_rows_is_not_shown() -> None:
    rows = scored(500)
    rows.frame.loc[rows.frame.index[:20], "colour"] = "gold"
    people = pd.Series(["one"] * 20 + [f"p{i}" for i in range(480)], dtype="str")
    of_people = Scored(rows.frame, rows.scores, rows.labels, people)
    keyed = DATA.model_copy(update={"subject_key": "id"})
    assert "gold" in json.dumps(audit_scores(rows, 0.5, DATA, CONFIG).to_dict())
    assert "gold" not in json.dumps(audit_scores(of_people, 0.5, keyed, CONFIG).to_dict())
