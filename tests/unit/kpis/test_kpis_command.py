import json
from pathlib import Path

import typer
from typer.testing import CliRunner

from pipelines.base.evidence import Evidence, Figure, write_evidence
from pipelines.cli.kpi_commands import kpis

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
