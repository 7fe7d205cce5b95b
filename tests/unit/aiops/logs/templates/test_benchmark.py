"""The benchmark scores as logparser does, and writes what others can score."""

import csv
import gzip
import json
import sys
from pathlib import Path

import pytest

from benchmarks import log_data, log_templates
from benchmarks.log_data import LogSet
from pipelines.aiops.logs.templates.words import Evidence


def test_a_line_is_right_when_its_whole_group_is_found() -> None:
    result = log_data.score(["a", "a", "b", "b"], [1, 1, 2, 3])
    assert result.ga == 0.5
    assert result.fga == pytest.approx(2 * 1 / (2 + 3))
    assert result.pairs == pytest.approx(2 * 1 / (2 + 1))
    assert log_data.score("ab", "xy").pairs == 1.0


def test_texts_count_when_the_whole_group_is_of_one_template() -> None:
    truth = ["a <*> b", "a <*> b", "c", "d <*>"]
    texts = ["a  <*><*> b", "a  <*><*> b", "c", "d <*>"]
    result = log_data.score(truth, [1, 1, 2, 2], texts)
    assert result.pa == 1.0
    assert result.fta == pytest.approx(2 * 1 / (3 + 2))
    assert result.agreed == 0.5


def test_a_stray_line_costs_a_group_but_not_its_agreement() -> None:
    result = log_data.score(["a"] * 200, [1] * 199 + [2])
    assert (result.ga, result.agreed) == (0.0, 199 / 200)


def write_set(path: Path, rows: list[tuple[str, ...]], names: tuple[str, ...]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", newline="") if path.suffix == ".gz" else path.open("w") as file:
        csv.writer(file).writerows([names, *rows])


def test_both_sizes_of_a_system_are_read_whole_and_by_name(tmp_path: Path) -> None:
    names = ("LineId", "Content", "EventId", "EventTemplate")
    small = tmp_path / "loghub_2k" / "Some" / "Some_2k.log_structured_corrected.csv"
    write_set(small, [("1", "a 1", "E1", "a <*>")], names)
    write_set(small.with_name("Some_2k.log_structured.csv"), [("1", "a 1", "E1", "wrong")], names)
    packed = tmp_path / "loghub2_some" / "Some_full.log_structured.csv.gz"
    write_set(packed, [("1", "b 1", "E1", "b <*>"), ("2", "b 2", "E1", "b <*>")], names)
    both = log_data.log_sets(tmp_path)
    assert [(s.name, s.templates[0]) for s in both] == [("Some", "a <*>"), ("Some_full", "b <*>")]
    (full,) = log_data.log_sets(packed.parent)
    assert (full.name, full.content) == ("Some", ["b 1", "b 2"])


def test_a_set_without_truth_is_mined_and_not_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [f"2024-01-0{i} 10:00:00 INFO took {i} ms" for i in range(1, 4)]
    (tmp_path / "Bare_2k.log").write_text("\n".join(lines) + "\n")
    command = ["log_templates", "--data", str(tmp_path), "--out", str(tmp_path), "--lines", ""]
    monkeypatch.setattr(sys, "argv", command)
    assert log_templates.main() == 0
    assert "mean" not in json.loads(capsys.readouterr().out.splitlines()[-1])
    with (tmp_path / "Bare.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["LineId"] for row in rows] == ["1", "2", "3"]
    assert {row["Template"] for row in rows} == {"took <*> ms"}


def test_an_interpreter_without_drain3_is_an_error_that_says_so() -> None:
    with pytest.raises(SystemExit, match="no package drain3"):
        log_templates.drain3(sys.executable, ["a 1"], "plain")


def test_evidence_is_chosen_without_the_set_that_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = [f"one two three went to {n} late" for n in ("al", "bo", "cy", "di")]
    one = LogSet("One", lines, ["x"] * 4, ["E1"] * 4, ["1", "2", "3", "4"], [])
    other = LogSet("Other", lines, lines, lines, ["1", "2", "3", "4"], [])
    monkeypatch.setattr(
        log_templates,
        "choices",
        lambda: [Evidence(words=9, words_beside_many=9), Evidence(words=3, words_beside_many=3)],
    )
    result = log_templates.leave_one_out([one, other])["sets"]
    # What suits the other set is what each is judged by, and they want opposite things.
    assert result["One"]["ga"] == result["Other"]["ga"] == 0.0


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
