"""What must hold for scores of every series."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.aiops.metrics import DEFAULTS, alarm_scores, score, spans
from pipelines.aiops.metrics.detect import told_from
from tests.unit.aiops.metrics.series import DAY, daily, noise

SEEDS = st.integers(0, 1000)
TOLD = told_from()


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.integers(200, 1000), st.floats(-1e6, 1e6))
def test_changing_the_future_changes_no_earlier_score(seed: int, cut: int, other: float) -> None:
    values = daily(3, 4, seed)
    changed = values.copy()
    changed[:, cut:] = other
    changed[1, cut:] = np.nan
    before, after = score(values).surprise, score(changed).surprise
    np.testing.assert_array_equal(before[:, :cut], after[:, :cut])
    early = score(values[:, :cut]).surprise
    np.testing.assert_array_equal(before[:, :cut], early)


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.floats(1e-3, 1e3), st.floats(-1e3, 1e3))
def test_neither_unit_nor_offset_matters(seed: int, scale: float, shift: float) -> None:
    values = daily(2, 6, seed)
    values[0, 900] += 40
    here = score(values).surprise
    there = score(values * scale + shift * scale).surprise
    # A young series has to move by a share of its level: the offset matters until it is older.
    old = slice(4 * DAY, None)
    np.testing.assert_allclose(here[:, old], there[:, old], rtol=5e-2, atol=5e-2)
    assert here[0, 900] > TOLD


@settings(max_examples=10, deadline=None)
@given(SEEDS)
def test_a_series_is_scored_alike_alone_and_among_others(seed: int) -> None:
    values = np.concatenate([noise(70, 2, seed), daily(3, 2, seed)])
    together = score(values).surprise
    np.testing.assert_array_equal(together[71], score(values[71:72]).surprise[0])


@settings(max_examples=10, deadline=None)
@given(SEEDS, st.sampled_from([np.nan, np.inf, -np.inf]), st.floats(0, 0.5))
def test_gaps_are_no_alarm_and_hide_none(seed: int, hole: float, share: float) -> None:
    values = noise(4, 4, seed)
    holes = np.random.default_rng(seed).random(values.shape) < share
    values[holes] = hole
    values[:, 1000] = 60.0
    surprise = score(values).surprise
    assert np.isfinite(surprise).all()
    holes[:, 1000] = False
    assert not surprise[holes].any()
    assert (surprise[:, 1000] > TOLD).all()


def test_a_series_that_starts_late_is_scored_as_if_the_others_were_not_there() -> None:
    values = noise(3, 5)
    late = 2 * DAY
    values[1, :late] = np.nan
    values[1, late + 700] += 60
    surprise = score(values).surprise
    assert not surprise[1, : late + DEFAULTS.first_judged].any()
    assert surprise[1, late + 700] > TOLD


def test_a_series_without_values_and_no_series_at_all_are_silent() -> None:
    values = noise(2, 2)
    values[0] = np.nan
    assert not score(values).surprise[0].any()
    assert score(np.empty((0, 50))).surprise.shape == (0, 50)
    assert score(np.zeros((3, 0))).surprise.shape == (3, 0)
    assert score(np.ones((1, 1))).surprise.shape == (1, 1)


def test_huge_values_do_not_overflow() -> None:
    values = noise(2, 4)
    values[0] *= 1e300
    values[1, 800] = 1e308
    surprise = score(values).surprise
    assert np.isfinite(surprise).all()
    assert surprise[1, 800] > TOLD


def test_what_happens_every_day_at_the_same_time_is_not_news() -> None:
    values = noise(1, 10, 3)
    values[0, 500::DAY] += 40
    surprise = score(values).surprise[0]
    first, last = surprise[500], surprise[500 + 8 * DAY]
    assert first > TOLD > last


def test_a_trend_is_not_news_and_a_spike_on_it_is() -> None:
    values = noise(1, 8) + np.arange(8 * DAY) * 0.05
    values[0, 2000] += 35
    surprise = score(values).surprise[0]
    assert surprise[2000] > TOLD
    assert (surprise[4 * DAY : 2000] > TOLD).mean() < 0.01


def test_one_event_is_one_alarm() -> None:
    values = noise(2, 6)
    values[0, 1000:1010] += 40
    surprise = score(values).surprise
    assert [left for left, _ in spans(surprise[0])] == [1000]
    emitted = alarm_scores(surprise)
    assert emitted[0, 1000] > 0.5
    assert not emitted[0, 1001:1010].any()
    assert emitted.min() >= 0
    assert emitted.max() < 1


def test_one_event_does_not_hide_the_next() -> None:
    values = noise(1, 6)
    for start in (1000, 1060, 1150, 1400):
        values[0, start : start + 6] += 40
    surprise = score(values).surprise[0]
    starts = [left for left, _ in spans(surprise)]
    assert [s for s in (1000, 1060, 1150, 1400) if s in starts] == [1000, 1060, 1150, 1400]
    assert (surprise[[1000, 1060, 1150, 1400]] > TOLD).all()


def test_a_much_larger_surprise_ends_an_event() -> None:
    surprise = np.zeros(300)
    surprise[100:200] = 9.0
    surprise[150:160] = 40.0
    assert spans(surprise) == [(100, 149), (150, 199)]


def test_a_square_wave_is_learnt_whenever_it_begins() -> None:
    for period in (200, 288):
        values = noise(1, 14, 5) * 0.01
        columns = np.arange(values.shape[1])
        high = (columns % period < period // 3) & (columns >= 4 * period)
        values[0] += np.where(high, 10.0, 0.0)
        surprise = score(values).surprise[0]
        assert (surprise[4 * period : 5 * period] > TOLD).any()
        assert not (surprise[8 * period :] > TOLD).any()


def test_a_new_level_becomes_the_normal_one() -> None:
    values = noise(1, 8)
    values[0, 1000:] += 30
    surprise = score(values).surprise[0]
    assert surprise[1000] > TOLD
    assert not (surprise[1000 + 2 * DEFAULTS.absorb :] > TOLD).any()


def test_details_explain_the_score() -> None:
    values = daily(1, 6)
    values[0, 1200] += 30
    scores = score(values, details=True)
    assert scores.parts is not None
    assert scores.expected is not None
    assert scores.scale is not None
    discord, spike, level = scores.parts[:, 0, 1200]
    raw = discord + (spike + level) / 4 * min(1, discord / 3)
    assert scores.surprise[0, 1200] == pytest.approx(raw, rel=1e-4)
    usual = slice(2 * DAY, 1190)
    off = np.abs(values[0] - scores.expected[0]) / scores.scale[0]
    assert (off[usual] < 6).mean() > 0.99
    assert off[1200] > 6
