"""The benchmark scores as logparser does, and writes what others can score."""

import csv
import json
import sys
from pathlib import Path

import pytest

from benchmarks import log_data, log_templates


def test_a_line_is_right_when_its_whole_group_is_found() -> None:
    result = log_data.score(["a", "a", "b", "b"], [1, 1, 2, 3])
    assert result.ga == 0.5
    assert result.fga == pytest.approx(2 * 1 / (2 + 3))
    assert result.pairs == pytest.approx(2 * 1 / (2 + 1))
    assert log_data.score("ab", "xy").pairs == 1.0


def test_digits_are_refreshed_in_variables_only() -> None:
    assert log_templates.variable_digits("L3 took 15 ms", "L3 took <*> ms") == [8, 9]
    assert log_templates.variable_digits("L3 took 15 ms", "other <*>") == []


@pytest.mark.parametrize("inside", ["loghub_2k", "."])
def test_any_systems_in_the_layout_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], inside: str
) -> None:
    folder = tmp_path / inside / "Unheard"
    folder.mkdir(parents=True)
    with (folder / "Unheard_2k.log_structured_corrected.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("LineId", "Content", "EventId", "EventTemplate"))
        writer.writerows([(1, "took 5 ms", "E1", "took <*>"), (2, "took 6 ms", "E1", "took <*>")])
        writer.writerow((3, "idle", "E2", "idle"))
    (folder / "Unheard_2k.log").write_text("I took 5 ms\nI took 6 ms\nI idle\n")
    out = tmp_path / "out"
    command = ["log_templates", "--data", str(tmp_path), "--out", str(out), "--lines", "50"]
    monkeypatch.setattr(sys, "argv", command)
    assert log_templates.main() == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["systems"]["Unheard"]["ga"] == result["mean"]["ga"] == 1.0
    assert result["systems"]["Unheard"]["ga_raw"] == 1.0
    (speed,) = result["throughput"]
    assert speed["lines"] == 50
    assert speed["times_drain3"] is None
    with (out / "Unheard.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["LineId"] for row in rows] == ["1", "2", "3"]
    assert rows[0]["ClusterId"] == rows[1]["ClusterId"] != rows[2]["ClusterId"]
    assert rows[0]["Template"] == "took <*> ms"
