"""What ``signalbox run incidents`` says at its end, and what it refuses."""

import pytest
from typer.testing import CliRunner

from pipelines.aiops.incidents.model import Cause, Graph, Incident, IncidentsFile
from pipelines.aiops.lake.findings import Finding
from pipelines.aiops.lake.window import Window
from pipelines.cli.main import app
from pipelines.cli.release_run import incident_lines

WINDOW = Window.parse("20260302T000000Z_20260302T010000Z")


def content(*incidents: Incident, **scores: float) -> IncidentsFile:
    counts = {"findings": {"metric": 1200, "log": 3}}
    findings = {name: finding(name, score) for name, score in scores.items()}
    return IncidentsFile(WINDOW, {}, counts, Graph(), findings, incidents, synthetic=False)


def finding(name: str, score: float) -> Finding:
    return Finding(name, "metric", "spike", "", "", {}, 0, 1, score, "It rose.")


def incident(name: str, *causes: str, findings: tuple[str, ...] = ()) -> Incident:
    told = tuple(Cause(one, "", 1.0, ()) for one in causes)
    return Incident(name, "Slow", 0, 1, (), (), findings, (), told)


def test_findings_and_incidents_are_counted_and_suspects_named() -> None:
    assert incident_lines(content(incident("a", "pay", "web"), incident("b"))) == [
        "findings: 1,200 metric, 3 log",
        "incidents: 2, the worst first",
        "  a  Slow; first suspect: pay",
        "  b  Slow; first suspect: unknown",
    ]


def test_the_worst_comes_first() -> None:
    small, large = incident("a", findings=("f",)), incident("b", findings=("g",))
    lines = incident_lines(content(small, large, f=3.0, g=5.0))
    assert [line.split()[0] for line in lines[2:]] == ["b", "a"]


def test_many_are_cut() -> None:
    lines = incident_lines(content(*(incident(str(n)) for n in range(13))))
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
