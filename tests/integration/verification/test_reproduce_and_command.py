"""``signalbox verify`` on real projects: a fresh clone, an older commit, a forged training."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipelines.cli.main import app
from pipelines.verification.verify import Depth, open_project, verify_report
from tests.integration.verification.test_forgeries_whose_hashes_agree_are_found import (
    GATE,
    PAGE,
    REPORT,
    cover_up,
    edit_json,
)
from tests.support.small_project import call, commit

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def verify(project: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON of the command."""
    command = ["verify", "--project", str(project), "--json", *arguments]
    result = CliRunner().invoke(app, command)
    return result.exit_code, json.loads(result.stdout)


@pytest.fixture
def scratch_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders go."""
    place = tmp_path / "scratch"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def test_a_fresh_clone_without_artifacts_reproduces_the_report(
    proven: Path, tmp_path: Path, scratch_place: Path
) -> None:
    clone = tmp_path / "clone"
    call(tmp_path, "git", "clone", "--quiet", str(proven), str(clone))
    report = str(proven / "reports/model_release.html")
    code, found = verify(clone, report, "--reproduce")
    assert (code, found["verdict"], found["first"]) == (0, "verified", None)
    statuses = {check["id"]: check["status"] for check in found["checks"]}
    assert statuses["reproduce"] == statuses["reproduce:report"] == statuses["sources"] == "ok"
    assert not list(scratch_place.iterdir())
    code, found = verify(clone, report, "--hashes-only")
    assert (code, found["verdict"]) == (3, "cannot_verify")


def test_a_forged_score_of_the_search_needs_reproduce_and_is_found_by_it(
    copy: Path, scratch_place: Path
) -> None:
    def better(evidence: Any) -> None:
        figure = next(f for f in evidence["figures"] if f["id"] == "train.cv_roc_auc")
        figure["value"] = 0.99

    edit_json(copy / "evidence/train.json", better)
    cover_up(copy, GATE, PAGE)
    depth = Depth(rederive=False, reproduce=True)
    result = verify_report(copy / REPORT, open_project(copy), depth)
    assert result.exit_code == 1
    (check,) = [check for check in result.checks if check.id == "reproduce"]
    named = {finding.path for finding in check.findings}
    assert "evidence/train.json" in named
    assert "models/model.skops" not in named
    assert not list(scratch_place.iterdir())


def test_a_report_of_an_older_commit_verifies_against_that_commit(
    copy: Path, scratch_place: Path
) -> None:
    (copy / "params.yaml").write_text(
        (copy / "params.yaml").read_text().replace("threshold: 0.85", "threshold: 0.8")
    )
    filed = copy.parent / "filed.json"
    filed.write_bytes((copy / REPORT).read_bytes())
    call(copy, "dvc", "repro")
    commit(copy, "another policy")
    assert verify(copy, str(copy / REPORT), "--hashes-only")[0] == 0
    assert verify(copy, str(filed), "--hashes-only")[0] == 1
    assert verify(copy, str(filed), "--hashes-only", "--rev", "HEAD~1")[0] == 0
    assert not list(scratch_place.iterdir())
