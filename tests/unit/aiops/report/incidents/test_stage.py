"""The stage: equal input gives equal bytes, wherever; files of two runs are not mixed."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipelines.aiops import report_incidents
from pipelines.aiops.params import AiopsParams
from pipelines.aiops.params.artifacts import INCIDENTS, MOVED
from pipelines.aiops.report.incidents.evidence import LOGS, MAP, METRICS
from pipelines.core.errors import SignalboxError
from pipelines.core.files import read_json, sha256_file, write_json
from pipelines.mlops.compliance import library

from . import cases
from .conftest import PAGES


def made(place: Path) -> dict[str, bytes]:
    report_incidents.run(place, cases.ABOUT)
    return {path.name: path.read_bytes() for path in sorted((place / "reports").iterdir())}


def change(path: Path, **more: Any) -> None:
    write_json(path, {**read_json(path), **more})


def test_equal_input_gives_equal_bytes_in_another_place(tmp_path: Path) -> None:
    first = made(cases.leave(tmp_path / "one"))
    shutil.copytree(tmp_path / "one", tmp_path / "two" / "deeper")
    assert made(tmp_path / "two" / "deeper") == first
    assert set(first) == {f"{name}.{kind}" for name in PAGES for kind in ("html", "json")}
    assert str(tmp_path).encode() not in b"".join(first.values())


def test_every_artifact_stands_there_with_its_hash(place: Path) -> None:
    for name in PAGES:
        told = json.loads((place / f"reports/{name}.json").read_text(encoding="utf-8"))
        html = (place / f"reports/{name}.html").read_text(encoding="utf-8")
        own = [path for path in told["artifacts"] if not path.startswith("telemetry/")]
        assert own
        for path in own:
            sha256 = sha256_file(place / path)
            assert told["artifacts"][path]["sha256"] == sha256
            assert sha256 in html


def test_the_jsons_are_reports_that_can_be_verified(place: Path) -> None:
    from pipelines.verification.document import read_document

    for name in PAGES:
        document = read_document(place / f"reports/{name}.json", name)
        assert document.kind == name
        assert document.figures


def test_the_library_says_what_the_reports_come_to(place: Path) -> None:
    listed = {one.href: (one.title, one.says) for one in library.find(place / "reports")}
    assert listed["incidents.html"] == ("Incidents", "3 incidents")
    assert listed["anomalies.html"] == ("Anomalies in metrics and logs", "6 anomalies")
    assert listed["service_map.html"] == ("Service map", "5 services")


@pytest.mark.parametrize("path", [METRICS, LOGS, MAP, MOVED, INCIDENTS])
def test_a_missing_or_foreign_file_is_named(path: Path, tmp_path: Path) -> None:
    cases.leave(tmp_path)
    change(tmp_path / path, format="something/9")
    with pytest.raises(SignalboxError, match=f"{path}: not of format signalbox"):
        report_incidents.run(tmp_path, cases.ABOUT)
    (tmp_path / path).unlink()
    with pytest.raises(SignalboxError, match=f"{path}: no such file"):
        report_incidents.run(tmp_path, cases.ABOUT)


def test_a_wrong_key_is_named(tmp_path: Path) -> None:
    cases.leave(tmp_path)
    change(tmp_path / INCIDENTS, incidents=[{"id": "a"}], inputs={})
    with pytest.raises(SignalboxError, match=r"incidents\.0\.title.*run group_incidents again"):
        report_incidents.run(tmp_path, cases.ABOUT)


def test_findings_of_another_window_are_not_mixed_in(tmp_path: Path) -> None:
    cases.leave(tmp_path)
    other = {"start": "2024-03-08T10:00:00Z", "end": "2024-03-08T12:00:00Z"}
    change(tmp_path / LOGS, window=other)
    with pytest.raises(SignalboxError, match=r"2024-03-08T10:00 .* of one window"):
        report_incidents.run(tmp_path, cases.ABOUT)


def test_incidents_of_older_findings_are_not_mixed_in(tmp_path: Path) -> None:
    cases.leave(tmp_path)
    change(tmp_path / METRICS, counts={"series": 1})
    with pytest.raises(
        SignalboxError, match=r"another version of anomalies/metric_anomalies\.json"
    ):
        report_incidents.run(tmp_path, cases.ABOUT)


def test_missing_evidence_is_an_error(tmp_path: Path) -> None:
    cases.leave(tmp_path)
    (tmp_path / "evidence/map_services.json").unlink()
    with pytest.raises(SignalboxError, match=r"evidence/map_services.json: no such file"):
        report_incidents.run(tmp_path, cases.ABOUT)


def test_the_stage_works_in_the_projects_root(tmp_path: Path, monkeypatch: Any) -> None:
    cases.leave(tmp_path)
    monkeypatch.chdir(tmp_path)
    section = AiopsParams.model_validate({"report_incidents": {"title": "Ours"}, "mine_rules": {}})
    report_incidents.main(section)
    html = Path("reports/incidents.html").read_text(encoding="utf-8")
    assert "<h1>Ours</h1>" in html


def test_nothing_is_fetched_and_only_the_maps_script_may_run(place: Path) -> None:
    for name in PAGES:
        html = (place / f"reports/{name}.html").read_text(encoding="utf-8")
        [policy] = re.findall(r'Content-Security-Policy" content="([^"]+)"', html)
        assert ("script-src" in policy) == (name == "service_map")
        assert "http://" not in html
        assert "https://" not in html
