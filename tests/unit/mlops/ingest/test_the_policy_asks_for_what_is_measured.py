"""A check of the gate that asks for a figure nobody measures ends the first stage, not the last."""

from typing import Any

import pytest

from pipelines.core.errors import SignalboxError
from pipelines.core.files import read_json
from pipelines.core.params import Params
from pipelines.mlops.evaluation.metrics import METRICS
from pipelines.mlops.ingest import FIGURES, check_policy
from tests.conftest import ROOT


def asked_for(params: Params, figure: str, **data: Any) -> Params:
    """`params` whose only check is of `figure`."""
    check = params.gate.checks[0].model_copy(update={"figure": figure})
    return params.model_copy(
        update={
            "gate": params.gate.model_copy(update={"checks": [check]}),
            "data": params.data.model_copy(update=data),
        }
    )


def test_the_demos_policy_is_measured(params: Params) -> None:
    check_policy(params)


@pytest.mark.parametrize(
    ("figure", "nearest"),
    [
        ("evaluate.roc_auk", "evaluate.roc_auc"),
        ("validate.quarantine_share", "validate.quarantined_share"),
        ("drift.drift_share", "drift.drifted_share"),
        ("bias_audit.worst_impact:sex", "bias_audit.worst_impact_ratio"),
    ],
)
def test_a_misspelt_figure_is_named_with_the_nearest(
    params: Params, figure: str, nearest: str
) -> None:
    with pytest.raises(SignalboxError) as caught:
        check_policy(asked_for(params, figure))
    assert f"asks for {figure}, which " in str(caught.value)
    assert f"did you mean {nearest}?" in str(caught.value)


def test_figures_of_the_other_kind_of_decision_are_not_measured(params: Params) -> None:
    selects = {"positive": ">50K", "favourable": ">50K"}
    flags = {"positive": ">50K", "favourable": "<=50K"}
    check_policy(asked_for(params, "bias_audit.worst_fnr_ratio:sex", **selects))
    check_policy(asked_for(params, "bias_audit.worst_fpr_ratio:sex", **flags))
    with pytest.raises(SignalboxError, match="doesn't measure where the model is punitive"):
        check_policy(asked_for(params, "bias_audit.worst_fnr_ratio:sex", **flags))
    with pytest.raises(SignalboxError, match="doesn't measure where the model is assistive"):
        check_policy(asked_for(params, "bias_audit.worst_fdr_ratio:sex", **selects))


def test_stages_of_others_are_left_to_them(params: Params) -> None:
    check_policy(asked_for(params, "my_stage.anything"))


def test_the_list_is_what_the_stages_measure() -> None:
    assert set(METRICS) <= set(FIGURES["evaluate"])
    for stage in ("train", "evaluate", "drift", "split", "validate"):
        path = ROOT / f"metrics/{stage}.json"
        if path.exists():
            assert set(read_json(path)) <= set(FIGURES[stage]), stage
