"""What must hold for scores of every series."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.aiops.metrics import DEFAULTS, alarm_scores, alarms, score
from tests.unit.aiops.metrics.series import DAY, STEP, daily, noise

SEEDS = st.integers(0, 1000)


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.integers(200, 1000), st.floats(-1e6, 1e6))
def test_changing_the_future_changes_no_earlier_score(seed: int, cut: int, other: float) -> None:
    values = daily(3, 4, seed)
    changed = values.copy()
    changed[:, cut:] = other
    changed[1, cut:] = np.nan
    before, after = score(values, STEP).surprise, score(changed, STEP).surprise
    np.testing.assert_array_equal(before[:, :cut], after[:, :cut])
    early = score(values[:, :cut], STEP).surprise
    np.testing.assert_array_equal(before[:, :cut], early)


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.floats(1e-3, 1e3), st.floats(-1e4, 1e4))
def test_neither_unit_nor_offset_matters(seed: int, scale: float, shift: float) -> None:
    values = daily(2, 4, seed)
    values[0, 900] += 40
    here = score(values, STEP).surprise
    there = score(values * scale + shift * scale, STEP).surprise
    np.testing.assert_allclose(here, there, rtol=1e-2, atol=1e-2)
    assert here[0, 900] > DEFAULTS.alarm


@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_a_series_is_scored_alike_alone_and_among_others(seed: int) -> None:
    values = np.concatenate([noise(70, 2, seed), daily(3, 2, seed)])
    together = score(values, STEP).surprise
    np.testing.assert_array_equal(together[71], score(values[71:72], STEP).surprise[0])


@settings(max_examples=10, deadline=None)
@given(SEEDS, st.sampled_from([np.nan, np.inf, -np.inf]), st.floats(0, 0.5))
def test_gaps_are_no_alarm_and_hide_none(seed: int, hole: float, share: float) -> None:
    values = noise(4, 4, seed)
    holes = np.random.default_rng(seed).random(values.shape) < share
    values[holes] = hole
    values[:, 1000] = 60.0
    surprise = score(values, STEP).surprise
    assert np.isfinite(surprise).all()
    holes[:, 1000] = False
    assert not surprise[holes].any()
    assert (surprise[:, 1000] > DEFAULTS.alarm).all()


def test_a_series_that_starts_late_is_scored_as_if_the_others_were_not_there() -> None:
    values = noise(3, 5)
    late = 2 * DAY
    values[1, :late] = np.nan
    values[1, late + 700] += 60
    surprise = score(values, STEP).surprise
    assert not surprise[1, : late + 144].any()
    assert surprise[1, late + 700] > DEFAULTS.alarm


def test_a_series_without_values_and_no_series_at_all_are_silent() -> None:
    values = noise(2, 2)
    values[0] = np.nan
    assert not score(values, STEP).surprise[0].any()
    assert score(np.empty((0, 50)), STEP).surprise.shape == (0, 50)
    assert score(np.zeros((3, 0)), STEP).surprise.shape == (3, 0)
    assert score(np.ones((1, 1)), STEP).surprise.shape == (1, 1)


def test_huge_values_do_not_overflow() -> None:
    values = noise(2, 4)
    values[0] *= 1e300
    values[1, 800] = 1e308
    surprise = score(values, STEP).surprise
    assert np.isfinite(surprise).all()
    assert surprise[1, 800] > DEFAULTS.alarm


def test_what_happens_every_day_at_the_same_time_is_not_news() -> None:
    values = noise(1, 10, 3)
    values[0, 500::DAY] += 40
    surprise = score(values, STEP).surprise[0]
    first, last = surprise[500], surprise[500 + 8 * DAY]
    assert first > DEFAULTS.alarm > last


def test_a_trend_is_not_news_and_a_spike_on_it_is() -> None:
    values = noise(1, 8) + np.arange(8 * DAY) * 0.05
    values[0, 2000] += 25
    surprise = score(values, STEP).surprise[0]
    assert surprise[2000] > DEFAULTS.alarm
    assert (surprise[4 * DAY : 2000] > DEFAULTS.alarm).mean() < 0.01


def test_one_event_is_one_alarm() -> None:
    values = noise(2, 6)
    values[0, 1000:1010] += 40
    surprise = score(values, STEP).surprise
    rows, columns = alarms(surprise, STEP)
    assert [c for r, c in zip(rows.tolist(), columns.tolist(), strict=True) if r == 0] == [1000]
    emitted = alarm_scores(surprise, STEP)
    assert emitted[0, 1000] > 0.5
    assert not emitted[0, 1001:1010].any()
    assert emitted.min() >= 0
    assert emitted.max() < 1


def test_details_explain_the_score() -> None:
    values = daily(1, 6)
    values[0, 1200] += 30
    scores = score(values, STEP, details=True)
    assert scores.parts is not None
    assert scores.low is not None
    assert scores.high is not None
    np.testing.assert_allclose(scores.parts.sum(axis=0), scores.surprise, rtol=1e-5)
    assert scores.high[0, 1200] < values[0, 1200]
    usual = slice(4 * DAY, 1190)
    inside = (values[0] >= scores.low[0]) & (values[0] <= scores.high[0])
    assert inside[usual].mean() > 0.95
    # The season's band, not one around the level: narrower than the season's swing.
    assert (scores.high[0] - scores.low[0])[1190] < 15
