"""A report is input from a stranger: nothing in it is followed out of the project."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.core.errors import SignalboxError
from pipelines.verification import document
from pipelines.verification.chain import sha256_findings
from pipelines.verification.document import read_document, recognise
from pipelines.verification.figures import check_form, check_sources
from pipelines.verification.project import OutsideError, Project
from pipelines.verification.results import Status
from tests.conftest import ROOT

HASH = "0" * 64


def report(**changes: object) -> dict[str, object]:
    figure = {
        "id": "evaluate.roc_auc",
        "label": "ROC AUC",
        "value": 0.9,
        "method": "by hand",
        "n": 3,
        "source": {"path": "evidence/evaluate.json", "sha256": HASH},
    }
    whole: dict[str, object] = {
        "schema": "signalbox.report/1",
        "kind": "model_release",
        "about": {},
        "decision": {"verdict": "approve", "because": [], "checks": []},
        "figures": [figure],
        "artifacts": {},
        "params": {},
    }
    return {**whole, **changes}


@pytest.mark.parametrize(
    "name",
    ["../secret", "/etc/passwd", "a/../../secret", "..", "", "a\\..\\b", "a\0b", "link", "dir/x"],
)
def test_no_path_leads_out_of_the_project(tmp_path: Path, name: str) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (tmp_path / "secret").write_text("s")
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "dir").symlink_to(tmp_path)
    with pytest.raises(OutsideError, match="not read"):
        Project(root).locate(name)
    (finding,) = sha256_findings(Project(root), "report", name, HASH)
    assert finding.path == "report"
    assert finding.found == ""


def test_a_report_that_names_such_a_path_differs(tmp_path: Path) -> None:
    source = {"path": "../../etc/passwd", "sha256": HASH}
    figures = [{**report()["figures"][0], "source": source}]  # type: ignore[index]
    path = tmp_path / "reports/model_release.json"
    path.parent.mkdir()
    path.write_text(json.dumps(report(figures=figures)))
    check, found = check_form(Project(tmp_path), "reports/model_release.json")
    assert check.status is Status.OK
    assert found is not None
    check = check_sources(Project(tmp_path), found, "reports/model_release.json")
    assert check.status is Status.DIFFERS
    assert "isn't a path inside the project" in check.sentence


def test_a_link_into_the_cache_of_dvc_is_followed(tmp_path: Path) -> None:
    root, cache = tmp_path / "project", tmp_path / "cache"
    (root / ".dvc").mkdir(parents=True)
    cache.mkdir()
    (root / ".dvc/config.local").write_text(f"[cache]\n    dir = {cache}\n")
    (cache / "object").write_text("o")
    (root / "out").symlink_to(cache / "object")
    assert Project(root).hashed("out") is not None


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"{}", "not a report"),
        (b"[1]", "not a report"),
        (b'{"a": NaN}', "NaN"),
        (b"[" * 200_000, "not valid JSON"),
        (json.dumps(report(schema="other/1")).encode(), "schema"),
        (json.dumps(report(figures=[{"id": 3}])).encode(), "figures.0"),
        (json.dumps(report(artifacts={"a": {"sha256": "short"}})).encode(), "artifacts.a"),
        (b'{"value": ' + b"9" * 5000 + b"}", "not valid JSON"),
    ],
)
def test_what_is_no_report_is_said_in_one_line(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(content)
    with pytest.raises(SignalboxError, match=says) as caught:
        read_document(path, "report.json")
    assert "\n" not in str(caught.value)


def test_a_huge_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "MAX_BYTES", 10)
    path = tmp_path / "report.json"
    path.write_text(json.dumps(report()))
    with pytest.raises(SignalboxError, match="has at most 10"):
        read_document(path, "report.json")


OUTS = {"reports/model_release.json", "reports/model_release.html", "reports/alert_rules.json",
        "reports/alert_rules.html"}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "stands_for"),
    [
        ("copy.json", '{"kind": "model_release"}', "reports/model_release.json"),
        ("copy.json", '{"kind": "alert_rules"}', "reports/alert_rules.json"),
        ("copy.json", '{"kind": "../alert_rules"}', "reports/model_release.json"),
        ("alert_rules.json", "{", "reports/alert_rules.json"),
        ("alert_rules.html", "<p>", "reports/alert_rules.html"),
        ("copy.htm", "<p>", "reports/model_release.html"),
        ("unknown.json", '["kind"]', "reports/model_release.json"),
    ],
)
def test_a_report_is_that_of_the_product_it_names(
    tmp_path: Path, name: str, content: str, stands_for: str
) -> None:
    (tmp_path / name).write_text(content)
    given = recognise(tmp_path / name, OUTS)
    assert given.stands_for == stands_for
    assert given.json_name == stands_for.replace(".html", ".json")


@pytest.mark.parametrize(
    ("told", "same"),
    [
        ({"aiops": {"hours": 3}}, True),
        ({"aiops": {"hours": 3, "default": 1}}, True),
        ({"aiops": {"hours": 3, "until": None}}, True),
        ({"aiops": {"hours": 4}}, False),
        ({"aiops": {"default": 1}}, False),
        ({"aiops": {}}, False),
    ],
)
def test_parameters_of_another_product_may_be_told_with_their_defaults(
    told: dict[str, Any], same: bool
) -> None:
    from pipelines.core.params import load_params
    from pipelines.verification.figures import _asked

    known = load_params(ROOT / "params.yaml").model_copy(update={"aiops": {"hours": 3}})
    assert (_asked(known, told) == told) is same


@pytest.mark.parametrize("name", ["none.json", "folder.json", "text.txt"])
def test_only_files_of_reports_are_taken(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "text.txt").touch()
    with pytest.raises(SignalboxError, match=name):
        recognise(tmp_path / name)
