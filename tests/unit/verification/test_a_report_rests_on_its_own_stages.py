"""A report is held against its own stages, at the release that it is of; the rest is a note."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.release.lifecycle import release
from pipelines.verification.results import Status, Verification
from pipelines.verification.verify import Depth, open_project, verify_report
from tests.unit.release.lifecycle.product import PRODUCT, commit, consent, git, make_project

REPORT = "reports/model_release.json"
HASHES = Depth(rederive=False)


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def run(project: Path, text: str) -> str:
    """Commit what a run of two products leaves; the other product's artifacts aren't here."""
    files = {
        "models/model.skops": f"model {text}",
        "models/model.json": "info",
        "data/split/train.parquet": "rows",
        "evidence/gate.json": json.dumps({"details": {"decision": "approve", "checks": []}}),
        "metrics/gate.json": json.dumps({"verdict": "approve"}),
        "evidence/ingest.json": json.dumps({"inputs": {}}),
        "reports/model_release.html": f"<title>{text}</title>",
        REPORT: json.dumps({"kind": "model_release", "text": text}),
    }
    for name, content in files.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(content)
    pointer = "released/model_release.json"
    stages: dict[str, Any] = {
        "mine": {"cmd": "x", "deps": [pointer], "outs": list(files)},
        "other": {"cmd": "y", "deps": ["telemetry/raw"], "outs": ["telemetry/table"]},
    }
    (project / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    (project / "params.yaml").write_text("{}\n")
    absent = {"raw": "a" * 32, "table": "b" * 32}
    lock = {
        name: {
            "cmd": stage["cmd"],
            **{
                key: [
                    {
                        "path": path,
                        "md5": md5(project / path)
                        if (project / path).exists()
                        else absent[Path(path).name],
                    }
                    for path in stage[key]
                ]
                for key in ("deps", "outs")
            },
        }
        for name, stage in stages.items()
    }
    (project / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": lock}))
    return commit(project, f"run {text}")


@pytest.fixture
def released(tmp_path: Path) -> Path:
    project = make_project(tmp_path / "project")
    made = run(project, "one")
    consent(project, made)
    release(project, PRODUCT, made)
    commit(project, "released")
    return project


def look(project: Path, report: Path | None = None, rev: str | None = None) -> Verification:
    return verify_report(
        report or project / REPORT, open_project(project), Depth(rederive=False, rev=rev)
    )


def statuses(result: Verification) -> dict[str, Status]:
    """Of the checks of hashes; what the little report says has no form to check."""
    return {check.id: check.status for check in result.checks if check.id != "form"}


def test_a_released_report_is_verified_at_its_tag_and_that_is_said(released: Path) -> None:
    found = look(released)
    assert "released as model_release@v1.0.0" in found.hint
    assert found.commit == git(released, "rev-parse", "model_release@v1.0.0^{commit}")
    states = statuses(found)
    assert {states[name] for name in ("commit", "pipeline", "copy", "inputs", "outs", "tags")} == {
        Status.OK
    }
    assert states["work_tree"] is Status.OK
    assert states["others"] is Status.SKIPPED
    assert "missing" not in states


def test_artifacts_of_other_products_are_a_note_that_names_how_many(released: Path) -> None:
    (others,) = [check for check in look(released).checks if check.id == "others"]
    assert others.sentence.startswith("2 artifacts of other products aren't here")
    assert {finding.path for finding in others.findings} == {"telemetry/raw", "telemetry/table"}


@pytest.mark.parametrize("name", ["evidence/gate.json", "models/model.skops", "release.yaml"])
def test_what_was_changed_around_the_report_is_found(released: Path, name: str) -> None:
    (released / name).write_text("tampered")
    found = look(released)
    assert statuses(found)["work_tree"] is Status.DIFFERS
    assert name in {finding.path for finding in found.faults}


def test_a_later_run_leaves_a_copy_of_the_released_report_verifiable(
    released: Path, tmp_path: Path
) -> None:
    filed = tmp_path / "filed.json"
    filed.write_bytes((released / REPORT).read_bytes())
    run(released, "two")
    (released / "release.yaml").write_text("approval: {approvers: [x]}")
    found = look(released, filed)
    assert "released as model_release@v1.0.0" in found.hint
    assert "work_tree" not in statuses(found)
    assert statuses(found)["outs"] is statuses(found)["commit"] is Status.OK
    assert look(released).hint == ""  # of the later run, which is not released


def test_of_two_versions_with_the_same_report_the_newer_counts(released: Path) -> None:
    head = git(released, "for-each-ref", "--format=%(contents)", "refs/tags/model_release@v1.0.0")
    target = "model_release@v1.0.0^{commit}"
    git(released, "tag", "--annotate", "--message", head, "model_release@v1.10.0", target)
    git(released, "tag", "--annotate", "--message", head, "model_release@v1.9.0", target)
    assert "model_release@v1.10.0" in look(released).hint


def test_a_report_of_a_saved_run_or_an_older_commit_is_traced(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    first = run(project, "one")
    filed = tmp_path / "filed.json"
    filed.write_bytes((project / REPORT).read_bytes())
    run(project, "two")
    assert f"--rev {first}" in look(project, filed).hint
    git(project, "update-ref", "refs/runs/model_release/manual__1", first)
    assert "--rev refs/runs/model_release/manual__1" in look(project, filed).hint
    filed.write_text('{"kind": "model_release"}')
    assert look(project, filed).hint == ""


@pytest.mark.parametrize("what", ["", "dvc.lock", REPORT])
def test_what_git_replace_shows_is_not_verified(released: Path, what: str) -> None:
    first = git(released, "rev-parse", "model_release@v1.0.0^{commit}")
    second = run(released, "two")
    git(released, "checkout", "--quiet", "-B", "main", f"{second}~1")
    git(released, "replace", f"{first}:{what}" if what else first,
        f"{second}:{what}" if what else second)  # fmt: skip
    found = look(released, rev="model_release@v1.0.0")
    states = statuses(found)
    assert {states[name] for name in ("commit", "copy", "outs", "inputs")} == {Status.OK}


def test_missing_outs_come_from_the_cache_without_dvc(
    released: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.verification import scratch

    monkeypatch.setattr(scratch, "call_dvc", lambda *_: pytest.fail("DVC was started"))
    path = released / "models/model.skops"
    stored = released / ".dvc/cache/files/md5" / md5(path)[:2] / md5(path)[2:]
    stored.parent.mkdir(parents=True)
    path.rename(stored)
    git(released, "rm", "--quiet", "--cached", "models/model.skops")
    (released / ".gitignore").write_text("/models/model.skops\n")
    commit(released, "the model is DVC's")
    found = look(released, rev="HEAD")
    assert statuses(found)["outs"] is Status.OK
    stored.write_text("flipped")
    assert statuses(look(released, rev="HEAD"))["outs"] is Status.DIFFERS
