"""From raw events to alerts: evaluation times, names of the day, one alert where events overlap."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.simulator.world.events import Events, Ints, fault_events, join, noise_events
from pipelines.simulator.world.model import Renamed, Timeline, World

OPEN = np.int64(2**53)
"""End, in milliseconds, of an alert that still fires when the history ends."""


@dataclass(frozen=True)
class Alerts:
    """Alerts as monitoring saw them; sorted by start. Arrays have shape (rows,).

    Attributes
    ----------
    series
        Position in the rows of `keys`.
    keys
        Rule, service, instance, generation of each series, shape (series, 4).
    start, end
        Milliseconds since the world's start; `OPEN` = still firing.
    fault, noise
        What it comes from; a real fault wins where both overlap.
    """

    series: Ints
    keys: Ints
    start: Ints
    end: Ints
    fault: NDArray[np.int32]
    noise: NDArray[np.int32]
    early: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.start)


def build_alerts(world: World, timeline: Timeline) -> Alerts:
    """Draw all alerts of a world."""
    events = join([fault_events(world, timeline), noise_events(world, timeline)])
    born = np.array([other_service.since for other_service in world.services])
    inside = (events.start >= 0) & (events.start < world.seconds - 2 * world.interval / 1000)
    events = events.where(inside & (events.start >= born[events.service]))
    rule = _renamed(events.rule, events.start, world.renamed_rules)
    service = _renamed(events.service, events.start, world.renamed_services)
    generation = _generation(world, timeline, events)
    start, end = _evaluated(world, events)
    columns = [rule, service, events.instance.astype(np.int64), generation]
    keys, series = _series(columns)
    return _merged(events, series, keys, start, end)


def _renamed(
    index: NDArray[np.int32], start: NDArray[np.float64], names: tuple[Renamed, ...]
) -> Ints:
    found = index.astype(np.int64)
    for renaming in names:
        found[(index == renaming.old) & (start >= renaming.at)] = renaming.new
    return found


def _generation(world: World, timeline: Timeline, events: Events) -> Ints:
    """How often the service was deployed before: containers get new names each time."""
    if not world.style.churn:
        return np.zeros(len(events), np.int64)
    deployed = [
        deployment for deployment in timeline.deployments if deployment.kind == "deployment"
    ]
    span = world.seconds * 2
    times = np.sort(
        np.array([deployment.service * span + deployment.at for deployment in deployed])
    )
    first = np.searchsorted(times, np.arange(len(world.services)) * span)
    before = np.searchsorted(times, events.service * span + events.start, side="right")
    generation = before - first[events.service]
    generation[events.instance < 0] = 0
    return generation.astype(np.int64)


def _evaluated(world: World, events: Events) -> tuple[Ints, Ints]:
    """Start and end at the next evaluation of the rule; never of no length."""
    offset = np.array([rule.offset for rule in world.rules])[events.rule]
    step, last = world.interval, int(world.seconds * 1000)
    begin = _next(events.start, offset, step)
    finite = np.where(np.isfinite(events.end), events.end, world.seconds * 2)
    end = np.maximum(_next(finite, offset, step), begin + step)
    return begin, np.where(end >= last, OPEN, end)


def _next(time: NDArray[np.float64], offset: Ints, step: int) -> Ints:
    turns = np.ceil((np.floor(time * 1000) - offset) / step)
    return np.maximum(turns, 0).astype(np.int64) * step + offset


def _series(columns: list[Ints]) -> tuple[Ints, Ints]:
    """Find the different rows of some columns; return them and each one's number."""
    low = [int(column.min(initial=0)) for column in columns]
    size = [
        int(column.max(initial=0)) - first + 1 for column, first in zip(columns, low, strict=True)
    ]
    code = np.zeros(len(columns[0]), np.int64)
    for column, first, width in zip(columns, low, size, strict=True):
        code = code * width + (column - first)
    found, series = np.unique(code, return_inverse=True)
    keys = np.empty((len(found), len(columns)), np.int64)
    for n in range(len(columns) - 1, -1, -1):
        keys[:, n] = found % size[n] + low[n]
        found = found // size[n]
    return keys, series.astype(np.int64)


def _merged(events: Events, series: Ints, keys: Ints, start: Ints, end: Ints) -> Alerts:
    """Make one alert of what overlaps or touches in a series; sort by start."""
    order = np.lexsort((end, start, series))
    series, start, end = series[order], start[order], end[order]
    span = np.int64(2) * max(int(start.max(initial=0)), 1) + 1
    reach = np.maximum.accumulate(series * span + np.minimum(end, span - 1))
    new = np.ones(len(start), bool)
    new[1:] = series[1:] * span + start[1:] > reach[:-1]
    new[1:] |= series[1:] != series[:-1]
    first = np.flatnonzero(new)
    if not len(first):
        first = np.empty(0, np.int64)
        return Alerts(series, keys, start, end, events.fault, events.noise, events.early)
    fault = events.fault[order]
    # Early means that all of it was early; what is noise was never early.
    early = np.minimum.reduceat(events.early[order] | (fault < 0), first)
    fault = np.maximum.reduceat(fault, first)
    noise = events.noise[order][first]
    merged = Alerts(
        series[first], keys, start[first], np.maximum.reduceat(end, first), fault,
        np.where(fault >= 0, -1, noise).astype(np.int32), early & (fault >= 0),
    )  # fmt: skip
    by_start = np.lexsort((merged.series, merged.start))
    return Alerts(
        merged.series[by_start], keys, merged.start[by_start], merged.end[by_start],
        merged.fault[by_start], merged.noise[by_start], merged.early[by_start],
    )  # fmt: skip
