"""What ``signalbox run incidents`` says at its end, and what it refuses."""

from typing import Any

import pytest
from typer.testing import CliRunner

from pipelines.cli.incidents_run import outcome_lines
from pipelines.cli.main import app


def content(*incidents: dict[str, Any]) -> dict[str, Any]:
    return {"counts": {"findings": {"metric": 1200, "log": 3}}, "incidents": list(incidents)}


def incident(name: str, *causes: str) -> dict[str, Any]:
    return {"id": name, "title": "Slow", "causes": [{"service": one} for one in causes]}


def test_findings_and_incidents_are_counted_and_suspects_named() -> None:
    assert outcome_lines(content(incident("a", "pay", "web"), incident("b"))) == [
        "findings: 1,200 metric, 3 log",
        "incidents: 2",
        "  a  Slow; first suspect: pay",
        "  b  Slow; first suspect: unknown",
    ]


def test_many_are_cut() -> None:
    lines = outcome_lines(content(*(incident(str(n)) for n in range(13))))
    assert lines[-1] == "  and 3 more: signalbox incidents list"
    assert len(lines) == 13


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["incidents", "-p", "aiops.analysis.hours=1"], "takes no --param"),
        (["accidents"], "there are model_release, alert_noise_reduction, incidents"),
    ],
)
def test_what_cannot_be_run_is_said_before_airflow_starts(arguments: list[str], told: str) -> None:
    done = CliRunner().invoke(app, ["run", *arguments])
    assert done.exit_code == 1
    assert told in " ".join(done.output.split())
