"""Durations are taken apart without loss, and lengths of time agree with the calendar."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core import time
from pipelines.core.time import (
    DAYS,
    PROMETHEUS_HOURS,
    WORDS,
    in_one_unit,
    largest_parts,
    parts,
    prometheus,
)

LENGTHS = st.integers(0, 400 * 86_400)


@given(LENGTHS, st.sampled_from([DAYS, WORDS, PROMETHEUS_HOURS]))
def test_parts_add_up_to_the_duration(seconds: int, units: list[tuple[int, str]]) -> None:
    sizes = {unit: size for size, unit in units}
    found = parts(seconds, units)
    assert sum(count * sizes[unit] for count, unit in found) == seconds
    assert all(count > 0 for count, _ in found)
    assert [sizes[unit] for _, unit in found] == sorted((sizes[u] for _, u in found), reverse=True)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, []),
        (59, [(59, "s")]),
        (3600, [(1, "h")]),
        (86_403, [(1, "d")]),
        (90_061, [(1, "d"), (1, "h")]),
        (315, [(5, "min"), (15, "s")]),
    ],
)
def test_the_largest_unit_and_the_next_are_shown(
    seconds: int, shown: list[tuple[int, str]]
) -> None:
    assert largest_parts(seconds) == shown


@given(LENGTHS)
def test_what_is_shown_lacks_less_than_its_last_unit(seconds: int) -> None:
    sizes = {unit: size for size, unit in DAYS}
    shown = largest_parts(seconds)
    kept = sum(count * sizes[unit] for count, unit in shown)
    assert 0 <= seconds - kept < (sizes[shown[0][1]] if shown else 1)


@pytest.mark.parametrize(
    ("seconds", "days", "hours"),
    [(0, "0s", "0s"), (5400, "1h30m", "1h30m"), (90_061, "1d1h1m1s", "25h1m1s"), (-1, "0s", "0s")],
)
def test_prometheus_durations(seconds: int, days: str, hours: str) -> None:
    assert (prometheus(seconds), prometheus(seconds, PROMETHEUS_HOURS)) == (days, hours)


@pytest.mark.parametrize(
    ("us", "shown"),
    [
        (0.5, (0.5, "µs")),
        (999, (999, "µs")),
        (1000, (1, "ms")),
        (1_500_000, (1.5, "s")),
        (7_200_000_000, (120, "min")),
    ],
)
def test_the_length_of_a_call_has_one_unit(us: float, shown: tuple[float, str]) -> None:
    assert in_one_unit(us) == shown


def test_lengths_of_time_are_microseconds_and_milliseconds() -> None:
    micro, milli = timedelta(microseconds=1), timedelta(milliseconds=1)
    assert timedelta(seconds=1) == time.SECOND_US * micro
    assert timedelta(minutes=1) == time.MINUTE_US * micro
    assert timedelta(hours=1) == time.HOUR_US * micro == time.HOUR_MS * milli
    assert timedelta(days=1) == time.DAY_US * micro == time.DAY_MS * milli
    assert time.EPOCH.timestamp() == 0
