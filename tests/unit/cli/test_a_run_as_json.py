"""``signalbox run`` and ``answer`` with ``--json``: progress on stderr, the result on stdout."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from docs.make_commands import RESULTS
from pipelines.cli import release_run
from pipelines.cli.airflow_stack import Stack
from pipelines.cli.main import app
from pipelines.core.evidence import Evidence, write_evidence
from pipelines.release.ledger import Ledger
from tests.support.shapes import faults

CHECKS = [
    {"id": "ranking", "verdict": "pass", "figure": {"value": 0.9, "low": 0.8, "high": 0.95}},
    {"id": "drift", "verdict": "fail", "figure": {"value": 0.5}},
]
POLICY = [
    {"id": "ranking", "compare": "at_least", "threshold": 0.8},
    {"id": "drift", "compare": "at_most", "threshold": 0.3},
]


class Api:
    """An Airflow in which one question waits and every run ends well."""

    def __init__(self, *_: object) -> None: ...

    def wait_for_dag(self, _: str) -> None: ...

    def trigger(self, *_: object) -> str:
        return "manual__1"

    def waiting(self, _: str) -> dict[str, str]:
        return {"manual__1": "approve_release"}

    def answer(self, *_: object, **__: object) -> None: ...


@pytest.fixture(autouse=True)
def _no_airflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def stack(console: Console) -> Iterator[Stack]:
        console.print("starting Airflow")
        yield Stack(1, 1, 0.0)

    def applied(console: Console, ref: str) -> None:
        console.print(f"run saved as {ref}")

    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    monkeypatch.setattr(release_run, "PROJECT", tmp_path)
    monkeypatch.setattr(release_run, "AirflowApi", Api)
    monkeypatch.setattr(release_run, "_stack", stack)
    monkeypatch.setattr(release_run, "_apply", applied)
    monkeypatch.setattr(release_run, "follow", lambda *_: "success")
    details = {"checks": CHECKS, "policy": POLICY, "decision": "reject", "because": ["drift"]}
    write_evidence(
        tmp_path / "evidence/gate.json",
        Evidence(stage="gate", inputs={}, figures=[], details=details),
    )
    Ledger.of(tmp_path).append(
        "run", "model_release",
        {"dag": "model_release", "run_id": "manual__1", "run": "model_release/1",
         "commit": "a" * 40},
    )  # fmt: skip


def call(*words: str) -> Any:
    return CliRunner().invoke(app, list(words))


def test_a_run_tells_progress_on_stderr_and_prints_its_result() -> None:
    done = call("run", "model_release", "--json")
    assert done.exit_code == 0, done.stderr
    [found] = json.loads(done.stdout)
    assert faults([found], RESULTS["run"]) == []
    assert (found["decision"], found["because"]) == ("reject", ["drift"])
    assert found["saved"] == "model_release/1"
    assert found["url"].endswith("/dags/model_release/runs/manual__1")
    for told in ("starting Airflow", "run saved as", "decision: reject", "approval: nobody was"):
        assert told in done.stderr


@pytest.mark.parametrize("width", ["80", "140"])
def test_the_table_of_checks_fits_the_screen(width: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", width)
    lines = call("run", "model_release").output.splitlines()
    [drift] = [line for line in lines if line.strip().startswith("drift")]
    assert drift.split() == ["drift", "0.500", "≤", "0.3", "✗", "fail"]
    assert "because:  drift" in lines
    urls = [line for line in lines if line.startswith("http")]
    assert max(len(line.rstrip()) for line in lines if line not in urls) <= int(width)
    assert "…" not in "".join(lines)


def test_an_answer_prints_what_came_of_it() -> None:
    done = call("answer", "model_release", "--approve", "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert faults(found, RESULTS["answer"]) == []
    assert (found["task"], found["approved"]) == ("approve_release", True)
    assert "release:  none" in done.stderr


def test_a_run_that_waits_for_nothing_is_told_with_those_that_do() -> None:
    done = call("answer", "model_release", "--run", "manual__2", "--approve")
    assert done.exit_code == 1
    assert "no run waits for an answer as 'manual__2' (waiting: manual__1)" in done.stderr
