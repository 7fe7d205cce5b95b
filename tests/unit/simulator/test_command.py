import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.aiops.params import AiopsParams
from pipelines.aiops.params.artifacts import SIMULATED
from pipelines.cli.main import app
from pipelines.simulator import simulate as stage
from tests.unit.simulator.worlds import rows, tiny


def test_the_command_writes_a_world_and_tells_about_it(here: Path) -> None:
    (here / "params.yaml").write_text("aiops: {simulate: {services: 6}}\n")
    given = ["simulate", "--seed", "5", "--days", "3", "--alerts", "200", "--out", "w", "--json"]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert (told["seed"], told["days"], told["folder"]) == (5, 3, "w")
    assert told["synthetic"] is True
    assert told["alerts"] == len(rows(here / "w", "alerts")) == sum(told["causes"].values())


@pytest.mark.slow
def test_the_command_writes_as_many_days_of_signals_as_wanted(here: Path) -> None:
    (here / "params.yaml").write_text("aiops: {simulate: {services: 6, signals: {days: 3}}}\n")
    given = ["simulate", "--days", "3", "--alerts", "200"]
    done = CliRunner().invoke(app, [*given, "--signal-days", "1", "--out", "one"])
    assert done.exit_code == 0, done.output
    assert "days of them, at the end: 1" in done.output
    assert len(list((here / "one" / "logs").iterdir())) == 1
    done = CliRunner().invoke(app, [*given, "--signal-days", "0", "--out", "none"])
    assert done.exit_code == 0, done.output
    assert not (here / "none" / "logs").exists()


def test_a_folder_in_use_is_one_line_and_exit_code_1(here: Path) -> None:
    (here / "params.yaml").write_text("aiops: {}\n")
    (here / "w").mkdir()
    (here / "w" / "mine.txt").write_text("mine")
    done = CliRunner().invoke(app, ["simulate", "--days", "2", "--alerts", "50", "--out", "w"])
    assert done.exit_code == 1
    assert "holds something else" in done.output


def test_the_stage_writes_where_dvc_expects_it(here: Path) -> None:
    stage.main(AiopsParams(simulate=tiny(1)))
    assert len(rows(here / SIMULATED, "alerts"))
