import json
from pathlib import Path

import typer
from typer.testing import CliRunner

from pipelines.cli.compliance_commands import kpis
from pipelines.core.evidence import Evidence, Figure, write_evidence
from pipelines.core.files import write_json

app = typer.Typer()
app.command()(kpis)

ERROR = Figure(id="evaluate.error", label="error", value=0.05, method="count", n=10)


def test_the_command_shows_values_and_fails_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "release.yaml").write_text(
        "kpis:\n  definitions:\n    - {id: right, owner: '[bold]us', measures: share decided right,"
        " formula: 1 - evaluate.error, target: 0.9, direction: at_least, unit: share}\n"
    )
    run = CliRunner().invoke
    empty = run(app, ["--project", str(tmp_path)])
    assert empty.exit_code == 1
    assert "no evidence" in empty.output
    write_evidence(
        tmp_path / "evidence/evaluate.json",
        Evidence(stage="evaluate", inputs={}, figures=[ERROR]),
    )
    shown = run(app, ["--project", str(tmp_path)])
    assert shown.exit_code == 0, shown.output
    assert "met" in shown.output
    assert "[bold]us" in shown.output
    [found] = json.loads(run(app, ["--project", str(tmp_path), "--json"]).output)
    assert (found["value"], found["met"], found["trend"]) == (0.95, True, [])


def test_days_of_monitoring_give_value_and_trend_of_live_kpis(tmp_path: Path) -> None:
    (tmp_path / "release.yaml").write_text(
        "kpis:\n  definitions:\n    - {id: right, owner: us, measures: decided right,"
        " formula: live.accuracy, target: 0.8, direction: at_least}\n"
    )
    write_evidence(
        tmp_path / "evidence/evaluate.json", Evidence(stage="evaluate", inputs={}, figures=[ERROR])
    )
    accuracy = ERROR.model_copy(update={"id": "live.accuracy"})
    for day, value, product in (
        ("01", 0.9, "model_release"),
        ("02", None, "model_release"),
        ("03", 0.7, "model_release"),
        ("04", 0.1, "rules"),
    ):
        figure = accuracy.model_copy(update={"value": value}).model_dump()
        result = {"product": product, "until": f"2026-01-{day}T05:00:00+00:00", "figures": [figure]}
        write_json(tmp_path / f"monitoring/2026-01-{day}.json", result)
    run = CliRunner().invoke
    [found] = json.loads(run(app, ["--project", str(tmp_path), "--json"]).output)
    assert (found["value"], found["met"]) == (0.7, False)
    assert [(p["run"], p["value"]) for p in found["trend"]] == [
        ("2026-01-01", 0.9),
        ("2026-01-02", None),
        ("2026-01-03", 0.7),
    ]
    (tmp_path / "monitoring/2026-01-05.json").write_text("[]")
    broken = run(app, ["--project", str(tmp_path)])
    assert broken.exit_code == 1
    assert "2026-01-05.json: not a result of monitoring" in broken.stderr
