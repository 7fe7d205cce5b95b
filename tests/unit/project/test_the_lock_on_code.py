"""A stage of a project runs the code that its lock names, or it doesn't run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.core.errors import SignalboxError
from pipelines.project import lock
from pipelines.project.lock import (
    Lock,
    foreign_code,
    parse_lock,
    require_current,
    run_stage_of_lock,
    stage_hash,
)
from pipelines.project.skeleton import write_skeleton
from tests.conftest import ROOT
from tests.unit.project.conftest import change


def test_the_hash_follows_every_file_that_the_stage_runs_and_no_other(site: Path) -> None:
    ingest, report = stage_hash("ingest"), stage_hash("report")
    change(site, "pipelines/shared/a.py", "ran", "runs")
    assert stage_hash("ingest") != ingest
    assert stage_hash("report") == report
    (site / "pipelines/shared/__pycache__").mkdir()
    again = stage_hash("ingest")
    (site / "pipelines/shared/__pycache__/a.pyc").write_text("x")
    assert stage_hash("ingest") == again
    (site / "pipelines/shared/new.html").write_text("x")
    assert stage_hash("ingest") != again


def test_a_file_that_moved_is_another_code(site: Path) -> None:
    before = stage_hash("ingest")
    (site / "pipelines/shared/a.py").rename(site / "pipelines/shared/b.py")
    assert stage_hash("ingest") != before


def test_a_stage_runs_if_its_code_is_the_locks(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[str] = []
    monkeypatch.setattr(lock.runpy, "run_module", lambda name, **_: ran.append(name))
    monkeypatch.setattr(sys, "argv", ["signalbox", "stage", "ingest"])
    run_stage_of_lock("ingest", project)
    assert ran == ["pipelines.first"]
    assert sys.argv == ["pipelines.first"]


def test_a_stage_refuses_other_code_and_says_what_to_do(
    site: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(site, "pipelines/first.py", "ran", "runs")
    with pytest.raises(SystemExit) as ended:
        run_stage_of_lock("ingest", project)
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert told.startswith("ingest: error: signalbox.lock: stage ingest belongs to code of")
    assert "run signalbox upgrade" in told
    assert foreign_code(project, "ingest")
    assert not foreign_code(project, "report")


@pytest.mark.parametrize("stage", ["ingset", "report"])
def test_a_stage_that_is_not_there_or_not_locked_is_refused(
    project: Path, stage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    known = lock.read_lock(project)
    kept = {name: code for name, code in known.stages.items() if name != "report"}
    (project / "signalbox.lock").write_text(Lock(known.version, kept).text)
    with pytest.raises(SystemExit) as ended:
        run_stage_of_lock(stage, project)
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert ("there is no stage 'ingset'; there are ingest, report" in told) is (stage == "ingset")
    assert ("signalbox.lock has no stage report; run signalbox upgrade" in told) is (
        stage == "report"
    )


def test_without_a_lock_no_stage_runs(site: Path, tmp_path: Path) -> None:
    with pytest.raises(SignalboxError, match=r"signalbox\.lock is missing; restore it from git"):
        require_current(tmp_path, "ingest")


@pytest.mark.parametrize("text", ["", "[]", "stages: {}", "signalbox: 1\nstages: 5", "{"])
def test_a_lock_that_is_none_is_an_error(text: str) -> None:
    with pytest.raises(SignalboxError, match=r"signalbox\.lock: not readable; restore it from git"):
        parse_lock(text)


def test_the_lock_reads_as_it_was_written() -> None:
    written = Lock("1.2", {"a": "1" * 64, "b": "2" * 64}, {"a": "3" * 64})
    assert parse_lock(written.text) == written


def test_the_command_starts_without_what_a_stage_does_not_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DVC starts it for every stage."""
    (tmp_path / ".dvc").mkdir()
    write_skeleton(tmp_path, name="churn", products=["model"])
    (tmp_path / "params.yaml").write_text("data: {}\n")
    code = (
        "import runpy, sys\n"
        "runpy.run_module = lambda *a, **k: print(sorted(sys.modules))\n"
        "sys.argv[1:] = ['stage', 'train']\n"
        "from pipelines.cli import start\nstart()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "'pipelines.project.lock'" in done.stdout
    for heavy in ("typer", "rich", "pydantic", "pandas", "ruamel.yaml", "pipelines.cli.main"):
        assert f"'{heavy}'" not in done.stdout
