"""The stage writes one page and one JSON, the same for the same evidence."""

import json
from pathlib import Path

import pytest

from pipelines.aiops import report_rules
from pipelines.aiops.alerting.evidence import EXPORT_SUMMARY
from pipelines.aiops.gate_rules import RULE_STAGES
from pipelines.aiops.gate_rules import STAGE as GATE_STAGE
from pipelines.aiops.params import artifacts, load_aiops_params
from pipelines.aiops.product import ALERT_NOISE_REDUCTION
from pipelines.aiops.report.rules import evidence
from pipelines.core.artifacts import evidence_of
from pipelines.core.errors import SignalboxError
from pipelines.core.files import read_json, sha256_path, write_json

from . import cases


def test_the_same_evidence_gives_the_same_bytes(here):
    report_rules.main(cases.leave())
    first = report_rules.HTML.read_bytes(), report_rules.JSON.read_bytes()
    report_rules.main(load_aiops_params())
    assert (report_rules.HTML.read_bytes(), report_rules.JSON.read_bytes()) == first


def test_the_record_holds_decision_figures_artifacts_and_params(here):
    own = {"mine_rules": {"expiry_days": 30}, "report_rules": {"owner": "on-call"}}
    report_rules.main(cases.leave(aiops=own))
    told = json.loads(report_rules.JSON.read_text())
    assert (told["schema"], told["kind"]) == ("signalbox.report/1", "alert_noise_reduction")
    assert told["decision"]["verdict"] == "approve"
    assert told["about"]["owner"] == "on-call"
    assert told["params"]["aiops"]["mine_rules"]["expiry_days"] == 30
    assert told["params"]["aiops"]["mine_rules"]["examples"] == 3
    assert [rule["id"] for rule in told["rules"]] == [rule["id"] for rule in cases.rules()]
    assert {rule["exported"] for rule in told["rules"] if rule["id"] == "hold-1"} == {False}
    assert told["outcome"]["saved_share"] == 0.57
    assert told["missed"] == []
    for figure in told["figures"]:
        assert figure["source"]["sha256"] == sha256_path(Path(figure["source"]["path"]))
    assert artifacts.PAGES_PER_DAY.as_posix() in told["artifacts"]


def test_reports_and_stages_name_the_same_things():
    assert (*RULE_STAGES, GATE_STAGE) == evidence.STAGES
    assert ALERT_NOISE_REDUCTION.name == report_rules.KIND
    assert Path(ALERT_NOISE_REDUCTION.report) == evidence.HTML


def test_missing_evidence_is_an_error_that_names_the_file(here):
    params = cases.leave()
    evidence_of("replay_rules").unlink()
    with pytest.raises(SignalboxError, match=r"evidence/replay_rules\.json"):
        report_rules.main(params)


def test_evidence_of_another_form_is_an_error_that_names_the_key(here):
    params = cases.leave(incidents=[{**cases.INCIDENTS[0], "delay_seconds": "long"}])
    with pytest.raises(
        SignalboxError, match=r"replay_rules\.json: details\.incidents\.0\.delay_seconds"
    ):
        report_rules.main(params)


def test_a_summary_of_another_form_is_an_error_that_names_the_file(here):
    params = cases.leave()
    told = {**read_json(EXPORT_SUMMARY), "changed_lines": "many"}
    write_json(EXPORT_SUMMARY, told)
    with pytest.raises(SignalboxError, match=r"rules/export/summary\.json: changed_lines"):
        report_rules.main(params)
