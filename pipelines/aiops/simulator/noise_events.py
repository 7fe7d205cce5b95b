"""Alerts of noise patterns, a pattern at a time and vectorised within it."""

from collections.abc import Callable

import numpy as np

from pipelines.aiops.simulator.clock import STEP, draw_times, local_seconds, traffic, weekday
from pipelines.aiops.simulator.events import Events, Floats, join, of_one, some_instances
from pipelines.aiops.simulator.model import Noise, Timeline, World
from pipelines.aiops.simulator.randomness import stream

SHORTEST = 15.0
BUSIEST = 0.3
"""Share of its time that a series fires at most: more would be one long alert."""

Spans = tuple[Floats, Floats]


def noise_events(world: World, timeline: Timeline) -> Events:
    """Draw the alerts of all patterns."""
    curve = traffic(world) + 0.15
    flat = np.ones(int(world.seconds // STEP))
    deployed = _deployed(world, timeline)
    parts = []
    for pattern in timeline.noise:
        rng = stream(world.seed, "noise", pattern.index)
        draw = _DRAWS.get(pattern.family, _scattered)
        weights = curve if pattern.family in {"blip", "flapping"} else flat
        spans = draw(rng, world, pattern, weights, deployed.get(pattern.service, np.empty(0)))
        parts.append(_at_instances(rng, world, pattern, spans))
    return join(parts)


def _deployed(world: World, timeline: Timeline) -> dict[int, Floats]:
    found: dict[int, list[float]] = {}
    for one in timeline.deployments:
        found.setdefault(one.service, []).append(one.at)
    return {service: np.array(times) for service, times in found.items()}


def _events(world: World, pattern: Noise) -> float:
    """Events that make a pattern's budget; one event hits several instances."""
    return pattern.budget / pattern.hits


def _durations(rng: np.random.Generator, world: World, pattern: Noise, n: int) -> Floats:
    """Draw how long alerts last: shapes differ, and a few have a long tail."""
    instances = 1 if pattern.hits == 1 else world.services[pattern.service].instances
    room = BUSIEST * (pattern.until - pattern.since) * instances / max(pattern.budget, 1.0)
    typical = max(SHORTEST, min(pattern.typical, room))
    if pattern.shape == "uniform":
        drawn = rng.uniform(0.3, 1.7, n) * typical
    elif pattern.shape == "exponential":
        drawn = rng.exponential(typical, n)
    else:
        drawn = rng.lognormal(np.log(typical), 0.6, n)
    drawn = np.clip(drawn, SHORTEST, pattern.longest)
    longer = np.where(rng.random(n) < pattern.tail, rng.uniform(5, 15, n), 1.0)
    return np.asarray(drawn * longer)


def _scattered(
    rng: np.random.Generator, world: World, pattern: Noise, weights: Floats, _: Floats
) -> Spans:
    """Independent events, more of them where the curve is higher."""
    n = int(rng.poisson(_events(world, pattern)))
    start = draw_times(rng, weights, pattern.since, pattern.until, n)
    return start, start + _durations(rng, world, pattern, n)


def _flapping(
    rng: np.random.Generator, world: World, pattern: Noise, weights: Floats, _: Floats
) -> Spans:
    """Sessions in which an alert comes and goes many times."""
    cycles = float(rng.uniform(8, 30))
    n = int(rng.poisson(_events(world, pattern) / cycles))
    begin = draw_times(rng, weights, pattern.since, pattern.until, n)
    each = rng.poisson(cycles, n) + 2
    session = np.repeat(np.arange(n), each)
    on = _durations(rng, world, pattern, len(session))
    off = rng.uniform(60, 420, len(session))
    total = np.cumsum(on + off) - on - off
    first = np.cumsum(each) - each
    start = begin[session] + total - total[first][session] if n else total
    return start, start + on


def _at_hours(
    rng: np.random.Generator, world: World, pattern: Noise, _: Floats, __: Floats
) -> Spans:
    """At fixed local hours on some weekdays, and over when the hour is over."""
    begin = np.array(
        [
            local_seconds(world.start, world.timezone, day, pattern.minute)
            for day in range(-1, world.days + 1)
            if weekday(world, day) in pattern.weekdays
        ]
    )
    begin = begin[(begin >= pattern.since) & (begin < pattern.until)]
    if not len(begin):
        return np.empty(0), np.empty(0)
    each = _events(world, pattern) / len(begin)
    surely = rng.random(len(begin)) < min(each, 0.97)
    nights = np.repeat(begin, rng.poisson(max(0.0, each - 1), len(begin)) + surely)
    length = pattern.length * 60.0
    start = nights + rng.uniform(0, 0.8, len(nights)) * length
    longest = nights + length - start
    return start, start + np.minimum(_durations(rng, world, pattern, len(start)), longest)


def _after_deployments(
    rng: np.random.Generator, world: World, pattern: Noise, _: Floats, deployed: Floats
) -> Spans:
    """In the minutes after a deployment, while instances are replaced."""
    times = deployed[(deployed >= pattern.since) & (deployed < pattern.until)]
    if not len(times):
        return np.empty(0), np.empty(0)
    each = min(12.0, _events(world, pattern) / len(times))
    begin = np.repeat(times, rng.poisson(each, len(times)))
    start = begin + rng.uniform(30, 420, len(begin))
    return start, start + _durations(rng, world, pattern, len(start))


def _always(rng: np.random.Generator, world: World, pattern: Noise, _: Floats, __: Floats) -> Spans:
    """Fire from the first moment on; monitoring was restarted now and then."""
    gaps = np.sort(rng.uniform(0, world.seconds, int(rng.integers(0, 4))))
    start = np.concatenate([[0.0], gaps + 300])
    return start, np.concatenate([gaps, [np.inf]])


_DRAWS: dict[str, Callable[[np.random.Generator, World, Noise, Floats, Floats], Spans]] = {
    "flapping": _flapping,
    "nightly": _at_hours,
    "weekly": _at_hours,
    "deployment": _after_deployments,
    "watchdog": _always,
}


def _at_instances(rng: np.random.Generator, world: World, pattern: Noise, spans: Spans) -> Events:
    """Repeat events for the instances they hit: within a minute of each other."""
    start, end = spans
    rule, service = world.rules[pattern.rule], world.services[pattern.service]
    if rule.scope == "service":
        which, instance = np.arange(len(start)), np.full(len(start), -1)
    elif pattern.family in {"chronic", "flapping"} and pattern.hits == 1:
        # The same instance every time: it is that one which is badly tuned.
        same = int(rng.integers(service.instances))
        which, instance = np.arange(len(start)), np.full(len(start), same)
    else:
        which, instance = some_instances(rng, len(start), pattern.hits, service.instances)
    late = rng.uniform(0, 40, len(which)) if pattern.hits > 1 else np.zeros(len(which))
    longer = rng.uniform(0.85, 1.0, len(which)) if pattern.hits > 1 else np.ones(len(which))
    begins = start[which] + late
    lasts = np.maximum(SHORTEST, (end[which] - start[which]) * longer - late)
    return of_one(rule.index, service.index, instance, begins, begins + lasts, noise=pattern.index)
