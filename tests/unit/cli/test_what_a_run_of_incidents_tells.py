"""What ``signalbox run incidents`` says at its end, and what it refuses."""

from typing import Any

import pytest
from typer.testing import CliRunner

from pipelines.cli.incidents_run import outcome_lines
from pipelines.cli.main import app


def content(*incidents: dict[str, Any], **scores: float) -> dict[str, Any]:
    return {
        "format": "signalbox-incidents-1",
        "window": {"start": "2026-03-02T00:00:00Z", "end": "2026-03-02T01:00:00Z"},
        "counts": {"findings": {"metric": 1200, "log": 3}},
        "findings": {name: finding(name, score) for name, score in scores.items()},
        "incidents": list(incidents),
    }


def finding(name: str, score: float) -> dict[str, Any]:
    return {"id": name, "signal": "metric", "kind": "spike", "start_us": 0, "end_us": 1,
            "score": score, "sentence": "It rose."}  # fmt: skip


def incident(name: str, *causes: str, findings: tuple[str, ...] = ()) -> dict[str, Any]:
    told = [{"service": one, "score": 1.0} for one in causes]
    return {"id": name, "title": "Slow", "start_us": 0, "end_us": 1, "causes": told,
            "findings": findings}  # fmt: skip


def test_findings_and_incidents_are_counted_and_suspects_named() -> None:
    assert outcome_lines(content(incident("a", "pay", "web"), incident("b"))) == [
        "findings: 1,200 metric, 3 log",
        "incidents: 2, the worst first",
        "  a  Slow; first suspect: pay",
        "  b  Slow; first suspect: unknown",
    ]


def test_the_worst_comes_first() -> None:
    small, large = incident("a", findings=("f",)), incident("b", findings=("g",))
    lines = outcome_lines(content(small, large, f=3.0, g=5.0))
    assert [line.split()[0] for line in lines[2:]] == ["b", "a"]


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
