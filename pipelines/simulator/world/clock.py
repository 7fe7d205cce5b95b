"""Local time of a world: where its days, nights and weeks begin, across changes of the clock."""

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from pipelines.simulator.world.model import World

STEP = 900.0
"""Seconds of one step of a traffic curve: every offset from UTC is a multiple of it."""


@lru_cache(maxsize=4096)
def local_seconds(start: datetime, timezone: str, day: int, minute: int) -> float:
    """When a local minute of the `day`-th local day comes, in seconds since the start."""
    zone = ZoneInfo(timezone)
    first: date = start.astimezone(zone).date()
    local = datetime.combine(first + timedelta(days=day), time(), zone)
    wall = local.replace(hour=minute // 60 % 24, minute=minute % 60)
    return (wall.astimezone(start.tzinfo) - start).total_seconds()


def weekday(world: World, day: int) -> int:
    """Weekday of the `day`-th local day; 0 = Monday."""
    first = world.start.astimezone(ZoneInfo(world.timezone)).date()
    return (first + timedelta(days=day)).weekday()


def local_hours(world: World) -> NDArray[np.float64]:
    """Hours since the local Monday 00:00 at every `STEP`, shape (steps,)."""
    steps = int(world.seconds // STEP)
    hours = np.empty(steps)
    for day in range(-1, world.days + 2):
        begin = local_seconds(world.start, world.timezone, day, 0)
        until = local_seconds(world.start, world.timezone, day + 1, 0)
        first, last = (min(max(int(edge // STEP), 0), steps) for edge in (begin, until))
        since = np.arange(first, last) * STEP - begin
        # A day that is an hour shorter or longer: stretched, it is only the shape of traffic.
        hours[first:last] = weekday(world, day) * 24 + since * 24 / (until - begin)
    return hours


def traffic(world: World) -> NDArray[np.float64]:
    """Traffic at every `STEP` relative to its highest, with daily and weekly shape."""
    hours = local_hours(world)
    hour = hours % 24
    day = 0.45 + 0.4 * np.sin((hour - 8.5) * np.pi / 12) + 0.15 * np.sin((hour - 7) * np.pi / 6)
    weekend = np.where(hours >= 120, 0.65, 1.0)
    return np.clip(day * weekend, 0.08, 1.0)


def awake(world: World) -> NDArray[np.bool_]:
    """Whether people are at work, at every `STEP`."""
    hours = local_hours(world)
    begin, end = world.shift
    return (hours < 120) & (hours % 24 >= begin) & (hours % 24 < end)


def draw_times(
    rng: np.random.Generator, weights: NDArray[np.float64], since: float, until: float, n: int
) -> NDArray[np.float64]:
    """Draw `n` moments between two times, more where the curve is higher."""
    grid = np.arange(len(weights) + 1) * STEP
    total = np.concatenate([[0.0], np.cumsum(weights)])
    low, high = np.interp([since, until], grid, total)
    return np.asarray(np.interp(low + rng.random(n) * (high - low), total, grid))
