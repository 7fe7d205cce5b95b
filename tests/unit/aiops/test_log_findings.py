"""Logs of a window: findings with lines and plots, whatever is remembered of earlier days."""

from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.aiops import log_anomalies
from pipelines.aiops.lake.findings import read_findings
from pipelines.aiops.lake.window import Window
from pipelines.aiops.params import AiopsParams
from pipelines.core.errors import SignalboxError
from tests.support.aiops_world import CULPRIT
from tests.unit.aiops.conftest import WORLD

DAY = Window(WORLD.at(0), WORLD.at(24))
HOUR = Window(WORLD.at(10), WORLD.at(11))


def test_the_new_message_is_found_with_its_first_lines(params: AiopsParams, tmp_path: Path) -> None:
    file = read_findings(log_anomalies.run(params, HOUR, tmp_path))
    new = [one for one in file.findings if one.kind == "new_template"]
    assert [one.service for one in new] == [CULPRIT]
    lines = (file.lines or {})[new[0].id]
    assert len(lines) == 5
    assert lines[0].severity == "error"
    assert lines[0].body.startswith("payment provider refused transaction")
    assert [line.at_us for line in lines] == sorted(line.at_us for line in lines)


def test_a_plot_shows_the_time_before_the_finding_too(params: AiopsParams, tmp_path: Path) -> None:
    file = read_findings(log_anomalies.run(params, HOUR, tmp_path))
    (new,) = (one for one in file.findings if one.kind == "new_template")
    plot = file.plots[new.id]
    place = (new.start_us - plot.start_us) // plot.step_us
    assert place >= 100
    assert set(plot.values[:place]) == {0.0}
    assert sum(value or 0 for value in plot.values[place:]) == 120
    assert plot.unit == "lines"


def test_what_is_remembered_changes_nothing(params: AiopsParams, tmp_path: Path) -> None:
    first = log_anomalies.run(params, HOUR, tmp_path / "a").read_bytes()
    assert (Path(params.analysis.state) / "logs").is_dir()
    again = log_anomalies.run(params, HOUR, tmp_path / "b").read_bytes()
    fresh = params.analysis.model_copy(update={"state": str(tmp_path / "other")})
    anew = params.model_copy(update={"analysis": fresh})
    log_anomalies.run(anew, DAY, tmp_path / "c")
    assert log_anomalies.run(anew, HOUR, tmp_path / "d").read_bytes() == first == again


def test_a_window_without_lines_is_a_normal_end(params: AiopsParams, tmp_path: Path) -> None:
    file = read_findings(log_anomalies.run(params, HOUR.moved(timedelta(days=365)), tmp_path))
    assert file.findings == []
    assert file.counts["skipped"] == {"no lines in the window": 1}


def test_a_lake_without_logs_is_a_normal_end(params: AiopsParams, tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    empty = params.analysis.model_copy(update={"lake": str(tmp_path / "lake")})
    path = log_anomalies.run(params.model_copy(update={"analysis": empty}), HOUR, tmp_path)
    assert read_findings(path).counts["skipped"] == {"the lake has no logs": 1}


def test_a_lake_that_is_not_there_is_named(params: AiopsParams, tmp_path: Path) -> None:
    none = params.analysis.model_copy(update={"lake": str(tmp_path / "none")})
    with pytest.raises(SignalboxError, match=r"no such lake \(aiops\.analysis\.lake\)"):
        log_anomalies.run(params.model_copy(update={"analysis": none}), HOUR, tmp_path)
