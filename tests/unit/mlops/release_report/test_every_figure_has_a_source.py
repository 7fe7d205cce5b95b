"""The JSON can be checked against the artifacts by anybody, figure by figure."""

import json
from pathlib import Path

import pytest

from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import read_evidence
from pipelines.core.files import sha256_path
from pipelines.mlops import report
from tests.support.markup import Page

from . import cases


@pytest.fixture
def written(here):
    report.main(cases.leave())
    return json.loads(Path("reports/model_release.json").read_text(encoding="utf-8"))


def test_every_figure_of_the_evidence_is_in_the_record(written):
    files = sorted(Path("evidence").glob("*.json"))
    measured = {figure.id for file in files for figure in read_evidence(file).figures}
    assert {figure["id"] for figure in written["figures"]} == measured


def test_every_figure_can_be_read_again_from_a_file_with_that_hash(written):
    for entry in written["figures"]:
        source = entry.pop("source")
        path = Path(source["path"])
        assert sha256_path(path) == source["sha256"]
        figure = read_evidence(path).figure(entry["id"])
        assert figure is not None
        assert figure.model_dump(mode="json") == entry


def test_every_artifact_leads_down_to_known_inputs(written):
    artifacts = written["artifacts"]
    for path, artifact in artifacts.items():
        assert sha256_path(Path(path)) == artifact["sha256"]
        assert set(artifact["inputs"]) <= set(artifacts)
    assert artifacts["evidence/gate.json"]["inputs"] == [
        f"evidence/{stage}.json"
        for stage in sorted(("ingest", "validate", "split", "train", "evaluate", "bias_audit",
                             "drift"))
    ]  # fmt: skip


def test_the_decision_is_the_gate_s(written):
    details = read_evidence(Path("evidence/gate.json")).details
    assert written["schema"] == "signalbox.report/1"
    assert written["decision"]["verdict"] == details["decision"] == "reject"
    assert written["decision"]["because"] == ["ratio"]
    checks = {check["id"]: check["verdict"] for check in written["decision"]["checks"]}
    assert checks == {"ranking": "pass", "regression": "not_applicable", "ratio": "fail"}


def test_the_page_lists_every_figure_and_every_full_hash(written):
    page = Page(Path("reports/model_release.html").read_text(encoding="utf-8"))
    codes = {element.text for element in page.all("code")}
    assert {figure["id"] for figure in written["figures"]} <= codes
    hashes = {e.text for e in page.all("span") if e.attributes.get("class") == "hash"}
    assert {artifact["sha256"] for artifact in written["artifacts"].values()} <= hashes


def test_the_same_evidence_gives_the_same_bytes(here):
    params = cases.leave()
    outs = [Path("reports/model_release.html"), Path("reports/model_release.json")]
    report.main(params)
    first = [out.read_bytes() for out in outs]
    report.main(params)
    assert [out.read_bytes() for out in outs] == first
    assert str(here).encode() not in b"".join(first)


def test_evidence_from_two_versions_of_one_artifact_is_refused(here):
    params = cases.leave()
    path = Path("evidence/evaluate.json")
    path.write_text(path.read_text().replace('"models/model.json": "', '"models/model.json": "0'))
    with pytest.raises(SignalboxError, match=r"one version of .*dvc repro"):
        report.main(params)


def test_a_gate_older_than_its_evidence_is_refused(here):
    params = cases.leave()
    path = Path("evidence/drift.json")
    path.write_text(path.read_text().replace("0.1", "0.2"))
    with pytest.raises(SignalboxError, match=r"evidence/gate\.json: .*dvc repro"):
        report.main(params)


def test_details_that_cannot_be_read_are_named(here):
    params = cases.leave({"split": {"parts": {"train": {"rows": "many"}}}})
    with pytest.raises(SignalboxError, match=r"evidence/split\.json: details\.parts\.train\.rows"):
        report.main(params)
