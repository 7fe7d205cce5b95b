"""``signalbox verify``: exit codes, the table, and the JSON, without running a pipeline."""

import io
import json
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.cli.main import app
from pipelines.cli.verify_commands import show
from pipelines.verification.results import Check, Finding, Status, Verification, conclude


def invoke(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["verify", *arguments], env={"COLUMNS": "200"})
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A project whose files are there but say nothing."""
    (tmp_path / "reports").mkdir()
    (tmp_path / "dvc.yaml").write_text("stages: {a: {cmd: x, outs: [reports/model_release.json]}}")
    (tmp_path / "dvc.lock").write_text("stages: {a: {cmd: y, outs: []}}")
    (tmp_path / "params.yaml").write_text("{}")
    (tmp_path / "reports/model_release.json").write_text("{}")
    return tmp_path


def test_no_such_report_is_wrong_usage(toy: Path) -> None:
    code, out, err = invoke(str(toy / "none.json"), "--project", str(toy))
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert "none.json: no such file" in err


def test_a_folder_without_a_project_is_wrong_usage(tmp_path: Path) -> None:
    code, _, err = invoke("report.json", "--project", str(tmp_path))
    assert code == 2
    assert "start in a clone of the project" in err


def test_an_unknown_commit_is_wrong_usage(toy: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(toy)], check=True)
    report = str(toy / "reports/model_release.json")
    code, _, err = invoke(report, "--project", str(toy), "--rev", "--upload-pack=x")
    assert code == 2
    assert "no such commit" in err


def test_differences_are_named_in_table_and_json(toy: Path) -> None:
    report = str(toy / "reports/model_release.json")
    code, out, _ = invoke(report, "--project", str(toy), "--hashes-only")
    assert code == 1
    assert "✗" in out
    assert "command of stage 'a' isn't the one that ran; expected y, found x" in out
    assert "DIFFERS" in out
    code, out, _ = invoke(report, "--project", str(toy), "--hashes-only", "--json")
    found = json.loads(out)
    assert code == found["exit_code"] == 1
    assert found["schema"] == "signalbox.verification/1"
    assert found["verdict"] == "differs"
    assert found["first"]["path"] == "dvc.yaml"
    statuses = {check["id"]: check["status"] for check in found["checks"]}
    assert statuses["commit"] == "missing"
    assert statuses["form"] == "differs"
    assert statuses["ledger"] == "skipped"


def test_damaged_files_of_the_project_are_findings_and_no_crash(toy: Path) -> None:
    for name, content in (("dvc.lock", b"\xff"), ("params.yaml", b"a: ["), ("dvc.yaml", b"[]")):
        before = (toy / name).read_bytes()
        (toy / name).write_bytes(content)
        code, out, _ = invoke(str(toy / "reports/model_release.json"), "--project", str(toy))
        (toy / name).write_bytes(before)
        assert code == 1
        assert f"first {name}: " in out


def test_a_difference_outweighs_a_missing_file() -> None:
    absent = Finding("a", "isn't there", status=Status.MISSING)
    wrong = Finding("b", "differs")
    result = Verification("r", checks=[conclude("x", "X", "", [absent, wrong])])
    assert result.verdict == "differs"
    assert result.findings[0].path == "b"
    result = Verification("r", checks=[conclude("x", "X", "", [absent])])
    assert result.exit_code == 3


def test_what_was_not_checked_is_said_and_does_not_fail() -> None:
    checks = [Check("ledger", "ledger", Status.SKIPPED, "no ledger"), conclude("x", "X", "ok", [])]
    result = Verification("r", checks=checks)
    assert result.exit_code == 0
    assert result.as_dict()["not_checked"] == ["no ledger"]


def test_the_output_begins_with_verdict_and_hint_and_folds_the_rest() -> None:
    from rich.console import Console

    wrong = [Finding(f"file-{n}", "differs") for n in range(40)]
    notes = (Finding("other/a", "isn't there", status=Status.MISSING),)
    result = Verification(
        "r",
        checks=[
            conclude("x", "X", "", wrong),
            Check("others", "other products", Status.SKIPPED, "1 isn't here", notes),
        ],
        hint="this report is released as model_release@v1.0.0",
    )
    console = Console(width=120, record=True, file=io.StringIO())
    show(console, result)
    lines = console.export_text().splitlines()
    assert lines[0] == "DIFFERS: first file-0: differs (and 39 more)"
    assert lines[1] == result.hint
    assert len(lines) < 12
    assert "and 37 more: --verbose shows them" in lines[-1]
    show(console, result, verbose=True)
    told = console.export_text()
    assert "file-39: differs" in told
    assert "other/a: isn't there" in told


def test_what_the_report_does_not_rest_on_is_no_fault() -> None:
    notes = (Finding("other/a", "isn't there", status=Status.MISSING),)
    others = Check("others", "other products", Status.SKIPPED, "1 isn't here", notes)
    result = Verification("r", checks=[conclude("x", "X", "ok", []), others])
    assert (result.verdict, result.exit_code) == ("verified", 0)
    assert result.as_dict()["first"] is None
    assert result.findings == list(notes)
