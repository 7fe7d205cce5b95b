"""The chapter on compliance: what evidence decides, and where the rest is."""

import json
from pathlib import Path

import pytest

from pipelines.cli.compliance_commands import HTML, JSON, write
from pipelines.mlops import report
from pipelines.mlops.compliance.crosswalk import as_data
from pipelines.release.ledger import Ledger
from pipelines.reporting.page import render
from tests.support.markup import Page

from . import cases


def made() -> Page:
    return Page(render(report.make_page(report.gather_inputs(cases.leave()))))


def test_it_says_what_is_kept_elsewhere_and_leads_there(here: Path) -> None:
    page = made()
    chapter = next(e for e in page.all("h2") if e.attributes.get("id") == "compliance")
    assert chapter.text.partition(" ")[2] == "Compliance and approval"
    links = [e.attributes["href"] for e in page.all("a")]
    assert "compliance.html" in links
    assert "compliance.html#ai_act.9.6-8" in links


def test_every_link_arrives_in_the_compliance_report(
    here: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("SIGNALBOX_KEYS", str(tmp_path_factory.mktemp("keys")))
    page = made()
    write(here)
    there = Page((here / HTML).read_text())
    ids = {e.attributes["id"] for e in there.elements if "id" in e.attributes}
    links = [e.attributes["href"] for e in page.all("a")]
    places = {link.split("#")[1] for link in links if link.startswith("compliance.html#")}
    assert len(places) > 10
    assert places <= ids


def test_the_table_says_of_evidence_what_the_compliance_report_says(
    here: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("SIGNALBOX_KEYS", str(tmp_path_factory.mktemp("keys")))
    params = cases.leave()
    Path("release.yaml").write_text("compliance: {sex: sex, race: race}")
    write(here)
    record = json.loads((here / JSON).read_text())
    whole = {one["id"]: [c["shown"] for c in one["checks"]] for one in record["requirements"]}
    mine = as_data(report.gather_inputs(params))
    for part in mine:
        shown = [check["shown"] for check in part["checks"]]
        assert set(shown) <= set(whole[part["id"]])
        assert len(shown) + part["others"] == len(whole[part["id"]])
    texts = {check["shown"] for part in mine for check in part["checks"]}
    assert not any("ledger" in text or "release.yaml" in text for text in texts)


def test_ledger_documents_and_settings_change_no_byte(
    here: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("SIGNALBOX_KEYS", str(tmp_path_factory.mktemp("keys")))
    params = cases.leave()
    report.main(params)
    before = Path("reports/model_release.html").read_bytes()
    Ledger.of(here).append("release", "model_release", {"version": "v1.0.0"})
    Path("risks.md").write_text("Many.")
    Path("release.yaml").write_text("compliance: {risks: risks.md, sex: gender, contest: Call us}")
    report.main(params)
    assert Path("reports/model_release.html").read_bytes() == before


def test_a_requirement_that_needs_more_than_evidence_is_never_met_here(here: Path) -> None:
    found = as_data(report.gather_inputs(cases.leave()))
    assert {part["status"] for part in found if part["others"]} <= {"partly", "missing", "not met"}
    assert "met" in {part["status"] for part in found if not part["others"]}


def test_missing_evidence_is_red(here: Path) -> None:
    inputs = report.gather_inputs(cases.leave())
    inputs.evidence["train"].details.pop("importance", None)
    found = {part["id"]: part for part in as_data(inputs)}
    checks = {check["shown"]: check["found"] for check in found["gdpr.22"]["checks"]}
    assert checks["What the model leans on: not in evidence/train.json"] is False
    assert found["gdpr.22"]["status"] == "partly"


def test_parameters_of_alert_rules_are_not_in_a_models_report(here: Path) -> None:
    params = cases.leave()
    changed = params.model_copy(update={"aiops": {"threshold": 3}})
    record = report.make_record(report.gather_inputs(changed))
    assert record["params"] == report.make_record(report.gather_inputs(params))["params"]
    assert "aiops" not in record["params"]
