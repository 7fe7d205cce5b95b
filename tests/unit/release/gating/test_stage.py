"""The stage as a whole: from files to files."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import Evidence, write_evidence
from pipelines.core.files import sha256_file
from pipelines.core.params import load_params
from pipelines.mlops import gate
from pipelines.release import gating

from .cases import check, figure

PROJECT = Path(__file__).parents[4]


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(PROJECT / "params.yaml", tmp_path)
    return tmp_path


def params_with(*checks):
    raw = yaml.safe_load(Path("params.yaml").read_text())
    raw["gate"]["checks"] = [one.model_dump() for one in checks]
    Path("params.yaml").write_text(yaml.safe_dump(raw))
    return load_params()


def leave(*figures, stage="evaluate"):
    path = Path(f"evidence/{stage}.json")
    write_evidence(path, Evidence(stage=stage, inputs={}, figures=list(figures)))
    return path


def decision():
    return json.loads(Path("evidence/gate.json").read_text())["details"]


def test_a_decision_names_check_figure_file_and_hash(workspace, capsys):
    path = leave(figure())
    gate.main(params_with(check()))
    entry = decision()["checks"][0]
    assert decision()["decision"] == "approve"
    assert entry["figure"]["value"] == 0.9
    assert entry["evidence"] == {"path": "evidence/evaluate.json", "sha256": sha256_file(path)}
    assert entry["sentence"] == (
        "ROC AUC is 0.9 (95% interval 0.88 to 0.92); "
        "the whole interval keeps to the required minimum of 0.85."
    )
    assert "gate: APPROVE" in capsys.readouterr().out


def test_a_rejection_is_a_normal_end_and_says_why(workspace, capsys):
    leave(figure(value=0.7, low=0.6, high=0.8))
    gate.main(params_with(check()))
    assert decision()["because"] == ["ranking"]
    out = capsys.readouterr().out
    assert "gate: REJECT (because of: ranking)" in out
    assert "the whole interval misses the required minimum of 0.85" in out


def test_metrics_hold_the_verdict_by_name(workspace):
    leave(figure())
    gate.main(params_with(check(), check(id="open", threshold=0.9)))
    metrics = json.loads(Path("metrics/gate.json").read_text())
    assert metrics["verdict"] == "review"
    assert metrics["checks"] == {"ranking": "pass", "open": "inconclusive"}
    assert metrics["counts"]["pass"] == 1


def test_a_missing_file_is_a_fail_and_not_a_crash(workspace):
    gate.main(params_with(check()))
    entry = decision()["checks"][0]
    assert (entry["verdict"], entry["evidence"]["sha256"]) == ("fail", None)
    assert "No evidence is a fail" in entry["sentence"]


def test_a_figure_without_interval_says_so(workspace):
    leave(figure(low=None, high=None, level=None))
    gate.main(params_with(check()))
    assert (
        "has no interval and is compared as a single number" in decision()["checks"][0]["sentence"]
    )


def test_a_policy_that_asks_an_unknown_stage_is_an_error_with_its_key(workspace):
    params = params_with(check(), check(id="typo", figure="evalute.roc_auc"))
    with pytest.raises(SignalboxError, match=r"gate\.checks\.1\.figure: 'evalute\.roc_auc'"):
        gate.main(params)


@pytest.mark.parametrize("threshold", [None, float("nan"), float("inf"), "0.8"])
def test_a_threshold_must_be_a_number(workspace, threshold):
    raw = yaml.safe_load(Path("params.yaml").read_text())
    raw["gate"]["checks"][0]["threshold"] = threshold
    Path("params.yaml").write_text(yaml.safe_dump(raw))
    with pytest.raises(SignalboxError, match=r"gate\.checks\.0\.threshold"):
        load_params()


def test_evidence_of_another_stage_is_an_error(workspace):
    leave(figure()).rename("evidence/drift.json")
    with pytest.raises(SignalboxError, match="holds evidence of stage 'evaluate'"):
        gate.main(params_with(check()))


def test_evidence_about_two_models_is_an_error(workspace):
    leave(figure())
    for stage, sha256 in (("evaluate", "a" * 64), ("bias_audit", "b" * 64)):
        inputs = {"models/model.skops": sha256}
        write_evidence(Path(f"evidence/{stage}.json"), Evidence(stage=stage, inputs=inputs))
    with pytest.raises(SignalboxError, match=r"different versions of models/model\.skops"):
        gate.main(params_with(check()))


def test_the_same_evidence_gives_the_same_bytes(workspace):
    leave(figure())
    params = params_with(check())
    gate.main(params)
    first = Path("evidence/gate.json").read_bytes()
    gate.main(params)
    assert Path("evidence/gate.json").read_bytes() == first


def test_the_policy_of_the_project_asks_only_known_stages():
    gating.check_names(load_params(PROJECT / "params.yaml").gate.checks, gating.MODEL_STAGES)


def test_stages_are_those_of_dvc_yaml():
    stage = yaml.safe_load((PROJECT / "dvc.yaml").read_text())["stages"]["gate"]
    evidence = [d for d in stage["deps"] if d.startswith("evidence/")]
    assert evidence == [f"evidence/{name}.json" for name in gating.MODEL_STAGES]


def test_another_products_gate_has_files_and_figures_of_its_own_name(workspace, capsys):
    leave(figure(id="simulate.pages_saved"), stage="simulate")
    wanted = check(figure="simulate.pages_saved")
    gating.run_gate("gate_rules", [wanted], ("simulate",), "aiops.gate_rules.checks")
    evidence = json.loads(Path("evidence/gate_rules.json").read_text())
    assert evidence["stage"] == "gate_rules"
    assert next(f["id"] for f in evidence["figures"]) == "gate_rules.passed"
    assert json.loads(Path("metrics/gate_rules.json").read_text())["verdict"] == "approve"
    assert "gate_rules: APPROVE" in capsys.readouterr().out
    assert not Path("evidence/gate.json").exists()


def test_an_error_in_another_products_policy_names_its_key(workspace):
    with pytest.raises(SignalboxError, match=r"params\.yaml: aiops\.gate_rules\.checks\.0\.figure"):
        gating.run_gate("gate_rules", [check()], ("simulate",), "aiops.gate_rules.checks")
