"""NAB's scoring against cases worked by hand from its published rules."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks.nab_scoring import (
    LOW_FP,
    Series,
    at_threshold,
    board,
    joined,
    load,
    optimised,
    probation,
    scaled_sigmoid,
    sweep,
    worth,
)


def series(rows: int, *windows: tuple[int, int], name: str = "a") -> Series:
    return Series("g", name, np.arange(rows) * 300_000_000, np.zeros(rows), windows)


def scores(rows: int, **at: float) -> np.ndarray:
    found = np.zeros(rows)
    for row, score in at.items():
        found[int(row[1:])] = score
    return found


def sigmoid(x: float) -> float:
    return 2 / (1 + math.exp(5 * x)) - 1


def test_the_scaled_sigmoid_has_the_published_values() -> None:
    assert scaled_sigmoid(-1.0) == pytest.approx(0.98661, abs=1e-5)
    assert scaled_sigmoid(-0.5) == pytest.approx(0.84828, abs=1e-5)
    assert scaled_sigmoid(0.0) == 0.0
    assert scaled_sigmoid(1.0) == pytest.approx(-0.98661, abs=1e-5)
    assert scaled_sigmoid(3.0) == -1.0


def test_probation_is_15_percent_of_at_most_5000_rows() -> None:
    assert probation(100) == 15
    assert probation(4032) == 604
    assert probation(22695) == 750


def test_a_perfect_detector_gets_100() -> None:
    one, two = series(100, (40, 49), (70, 79)), series(100, name="b")
    b = board([one, two])
    outcome = optimised(b, np.concatenate([scores(100, r40=1.0, r70=1.0), np.zeros(100)]))
    assert outcome.score == pytest.approx(100)
    assert (outcome.windows_found, outcome.false_alarms) == (2, 0)


def test_a_detector_that_never_fires_gets_0() -> None:
    b = board([series(100, (40, 49))])
    assert at_threshold(b, np.zeros(100), 0.5).score == 0
    # Constant scores leave only all or nothing; nothing is better.
    assert optimised(b, np.full(100, 0.5)).score == 0


def test_a_late_detection_is_worth_less() -> None:
    # Row 45 of the window 40..49: -(49 - 45 + 1) / 10 = -0.5.
    b = board([series(100, (40, 49))])
    outcome = optimised(b, scores(100, r45=0.9))
    expected = sigmoid(-0.5) / sigmoid(-1.0)
    assert outcome.raw == pytest.approx(expected)
    assert outcome.score == pytest.approx(100 * (expected + 1) / 2)


def test_only_the_earliest_detection_of_a_window_counts() -> None:
    b = board([series(100, (40, 49))])
    early_only = at_threshold(b, scores(100, r42=0.9), 0.5)
    both = at_threshold(b, scores(100, r42=0.6, r48=0.9), 0.5)
    assert both.raw == early_only.raw


def test_a_false_alarm_costs_its_weight_and_less_just_after_a_window() -> None:
    one = series(100, (40, 49))
    gain, _ = worth(one)
    assert gain[30] == pytest.approx(-0.11)
    assert gain[52] == pytest.approx(0.11 * sigmoid(3 / 9))
    assert gain[49 + 27] == pytest.approx(-0.11)
    assert worth(one, LOW_FP)[0][30] == pytest.approx(-0.22)
    outcome = at_threshold(board([one]), scores(100, r40=1.0, r30=1.0), 0.5)
    assert outcome.raw == pytest.approx(1 - 0.11)
    assert outcome.precision == 0.5


def test_detections_in_the_probation_count_neither_way() -> None:
    b = board([series(100, (40, 49))])
    assert at_threshold(b, scores(100, r3=1.0), 0.5).raw == -1


def test_one_threshold_serves_all_series() -> None:
    # Series b is noisy at 0.7: to find the window of a at 0.6 costs more than it brings.
    a, b = series(100, (40, 49)), series(100, name="b")
    noisy = np.zeros(100)
    noisy[20:60] = 0.7
    found = joined([a, b], {"g/a": scores(100, r40=0.6), "g/b": noisy})
    assert optimised(board([a, b]), found).score == 0
    assert optimised(board([a]), found[:100]).score == pytest.approx(100)


def test_the_sweep_agrees_with_scoring_at_each_threshold() -> None:
    rng = np.random.default_rng(5)
    b = board([series(300, (60, 90), (200, 210)), series(200, (50, 80), name="b")])
    found = np.round(rng.random(500), 2)
    for threshold, total in zip(*sweep(b, found), strict=True):
        assert total == pytest.approx(at_threshold(b, found, threshold).raw)


def test_files_are_read_with_windows_by_time_stamp(tmp_path: Path) -> None:
    (tmp_path / "nab" / "data" / "g").mkdir(parents=True)
    (tmp_path / "nab" / "labels").mkdir()
    lines = ["timestamp,value"] + [f"2014-04-01 00:{m:02d}:00,{m}.5" for m in range(10)]
    (tmp_path / "nab" / "data" / "g" / "a.csv").write_text("\n".join(lines))
    windows = {"g/a.csv": [["2014-04-01 00:03:00.000000", "2014-04-01 00:05:00.000000"]]}
    (tmp_path / "nab" / "labels" / "combined_windows.json").write_text(json.dumps(windows))
    (found,) = load(tmp_path)
    assert found.windows == ((3, 5),)
    assert found.values[3] == 3.5
    assert found.at[1] - found.at[0] == 60_000_000
    with pytest.raises(SystemExit, match="combined_windows"):
        load(tmp_path / "nab" / "data")
