"""Findings in a table of metrics."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.aiops.metrics import detect
from pipelines.core.errors import SignalboxError
from tests.unit.aiops.metrics.series import DAY, START, STEP, daily, metrics, noise

AT = START + 1200 * STEP


def kinds(table: pa.Table, **options: object) -> list[tuple[str, str]]:
    found = detect(table, **options)  # type: ignore[arg-type]
    return [(f.kind, f.instance) for f in found.findings]


def test_quiet_series_have_no_findings() -> None:
    found = detect(metrics(np.concatenate([noise(30), daily(30)])))
    assert found.findings == []
    assert found.series == 60
    assert found.points > 60 * 4 * DAY


def test_a_spike_is_found_with_its_band_and_sentence() -> None:
    values = noise(20)
    values[3, 1200] += 40
    (finding,) = detect(metrics(values)).findings
    assert (finding.kind, finding.service, finding.instance) == ("spike", "web", "p3")
    assert finding.start_us == AT
    assert finding.observed == pytest.approx(values[3, 1200])
    assert finding.expected_low is not None
    assert finding.expected_high is not None
    assert -6 < finding.expected_low < 0 < finding.expected_high < 6
    assert finding.score > 1
    assert "load of web: a spike from 2026-01-05 04:00:00 UTC" in finding.sentence
    assert finding.labels["__name__"] == "load"


def test_a_new_level_is_one_finding() -> None:
    values = noise(20)
    values[3, 1200:] += 30
    (finding,) = detect(metrics(values)).findings
    assert finding.kind == "level_shift"
    assert finding.start_us == AT
    assert finding.end_us > AT + 12 * STEP


def test_a_ramp_is_a_trend_change() -> None:
    values = noise(20)
    values[3, 1200:1500] += np.arange(300) * 3.0
    assert ("trend_change", "p3") in kinds(metrics(values), false_alarm_rate=float("inf"))


def test_a_lost_rhythm_is_found_although_no_value_is_odd() -> None:
    values = noise(3) / 5 + 10 * np.sin(np.arange(6 * DAY) * 2 * np.pi / 24)
    values[1, 1200:1300] = noise(1, 1, 9)[0, :100] / 5
    found = detect(metrics(values)).findings
    assert [(f.kind, f.instance) for f in found][:1] == [("season_broken", "p1")]
    assert AT <= found[0].start_us <= AT + 24 * STEP


def test_a_line_that_goes_flat_is_found_once() -> None:
    values = daily(20)
    values[3, 1200:1500] = 4.25
    assert kinds(metrics(values)) == [("flat_line", "p3")]


def test_a_gap_is_found_and_one_at_the_end_as_well() -> None:
    values = noise(20)
    values[3, 1200:1300] = np.nan
    values[4, 1600:] = np.nan
    found = detect(metrics(values)).findings
    assert [(f.kind, f.instance) for f in found] == [("missing_data", "p3"), ("missing_data", "p4")]
    assert found[0].start_us == AT
    assert found[0].end_us == AT + 99 * STEP
    assert "for 100 points in a row" in found[0].sentence


def test_series_with_many_gaps_have_no_unusual_ones() -> None:
    values = noise(5)
    values[:, np.arange(values.shape[1]) % 30 < 12] = np.nan
    assert kinds(metrics(values)) == []


def test_a_constant_series_is_silent_until_it_moves() -> None:
    values = np.full((20, 6 * DAY), 5.0)
    values[3, 1200] = 6.0
    assert kinds(metrics(values)) == [("spike", "p3")]


def test_a_counter_is_judged_by_its_rate_and_may_reset() -> None:
    values = np.cumsum(np.abs(noise(20)), axis=1)
    values[3, 900:] -= values[3, 900]
    values[4, 1200:] += np.arange(values.shape[1] - 1200) * 40.0
    for kind in ("counter", "unknown"):
        found = detect(metrics(values, kind)).findings
        assert [(f.kind, f.instance) for f in found] == [("level_shift", "p4")]
        assert found[0].evidence["rate_per_second"]
        assert "per second" in found[0].sentence


def test_a_series_that_starts_today_raises_nothing() -> None:
    values = daily(20)
    values[3, : 5 * DAY] = np.nan
    assert kinds(metrics(values)) == []


def test_order_and_duplicates_of_rows_change_nothing() -> None:
    values = noise(6)
    values[3, 1200] += 40
    table = metrics(values)
    order = np.random.default_rng(1).permutation(len(table))
    twice = pa.concat_tables([table.take(order), table.slice(0, 500)])
    assert detect(twice).findings == detect(table).findings


def test_only_events_from_the_given_time_on_are_reported() -> None:
    values = noise(20)
    values[3, 900] += 60
    values[5, 1500] += 60
    found = detect(metrics(values), since_us=AT).findings
    assert [f.start_us for f in found] == [START + 1500 * STEP]


def test_a_later_run_finds_the_same_as_one_on_time() -> None:
    values = noise(20)
    values[3, 1200] += 60
    late, on_time = detect(metrics(values)), detect(metrics(values[:, :1300]))
    assert [f.id for f in late.findings] == [f.id for f in on_time.findings]


def test_series_beyond_the_limit_are_counted_not_judged() -> None:
    found = detect(metrics(noise(5)), max_series=3)
    assert found.series == 3
    assert found.skipped == {"more series than the limit": 2}
    few = detect(metrics(noise(5, 0.05)))
    assert few.skipped == {"too few points": 5}
    assert few.findings == []


def test_script_tags_in_labels_stay_text() -> None:
    values = noise(3)
    values[1, 1200] += 60
    (finding,) = detect(metrics(values, name="<script>", service="<img src=x>")).findings
    assert finding.service == "<img src=x>"
    assert finding.labels["__name__"] == "<script>"


def test_a_missing_column_is_named() -> None:
    with pytest.raises(SignalboxError, match="column kind is missing"):
        detect(metrics(noise(1)).drop_columns(["kind"]))


def test_an_empty_table_has_no_findings() -> None:
    found = detect(metrics(np.empty((0, 5))))
    assert (found.findings, found.series, found.points) == ([], 0, 0)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 100), st.integers(1, 60))
def test_the_same_data_weeks_later_give_the_same_findings(seed: int, weeks: int) -> None:
    values = daily(2, 4, seed)
    values[0, 700] += 40
    values[1, 900:] += 20
    later = weeks * 7 * DAY * STEP
    here, there = detect(metrics(values)), detect(metrics(values, start=START + later))
    assert [(f.kind, f.start_us, f.end_us, f.score) for f in here.findings] == [
        (f.kind, f.start_us - later, f.end_us - later, f.score) for f in there.findings
    ]
    assert here.findings


def test_more_series_do_not_hide_what_one_alone_shows() -> None:
    few, many = noise(1), noise(60, seed=7)
    few[0, 1200] += 30
    many[3] = few[0]
    alone = detect(metrics(few)).findings
    mine = [f for f in detect(metrics(many)).findings if f.instance == "p3"]
    assert [(f.start_us, f.score) for f in mine] == [(f.start_us, f.score) for f in alone]
    assert alone


def test_a_young_series_tells_large_changes_and_says_how_young_it_is() -> None:
    values = np.full((1, 24), 0.07)
    values = np.concatenate([values.repeat(5, axis=1), np.full((1, 40), 1.0)], axis=1)
    (finding,) = detect(metrics(values)).findings
    assert finding.start_us == START + 120 * STEP
    assert "10 h of history; only large changes are told" in finding.sentence
    slight = detect(metrics(np.where(values > 0.5, 0.071, values)))
    assert slight.findings == []


def test_series_with_too_little_history_are_counted_as_not_judged() -> None:
    found = detect(metrics(noise(5, 0.2)))
    assert (found.series, found.points) == (0, 0)
    assert found.skipped == {"too little history": 5}
