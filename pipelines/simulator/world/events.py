"""Raw alerts of faults and of noise as columns, before rules are evaluated."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.simulator.world.clock import STEP, draw_times, local_seconds, traffic, weekday
from pipelines.simulator.world.model import Fault, Noise, Symptom, Timeline, World
from pipelines.simulator.world.randomness import stream

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NOBODY = -1


@dataclass(frozen=True)
class Events:
    """Raw alerts; every array has shape (rows,).

    Attributes
    ----------
    rule, service, instance
        Positions; instance is -1 for alerts of the service as a whole.
    start, end
        Seconds since the world's start; end is infinite for what never ends.
    fault, noise
        Position of what it comes from, -1 = not that.
    early
        Whether it was too early for anybody to act on.
    """

    rule: NDArray[np.int32]
    service: NDArray[np.int32]
    instance: NDArray[np.int32]
    start: Floats
    end: Floats
    fault: NDArray[np.int32]
    noise: NDArray[np.int32]
    early: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.start)

    def where(self, keep: NDArray[np.bool_] | Ints) -> "Events":
        """Rows chosen by a mask or by positions."""
        return Events(*(getattr(self, name)[keep] for name in self.__dataclass_fields__))


def of_one(
    rule: int,
    service: int,
    instance: Ints,
    start: Floats,
    end: Floats,
    *,
    fault: int = NOBODY,
    noise: int = NOBODY,
    early: bool = False,
) -> Events:
    """Events of one rule at one service."""
    n = len(start)
    return Events(
        np.full(n, rule, np.int32),
        np.full(n, service, np.int32),
        instance.astype(np.int32),
        start,
        end,
        np.full(n, fault, np.int32),
        np.full(n, noise, np.int32),
        np.full(n, early),
    )


def join(parts: list[Events]) -> Events:
    """All rows one after the other."""
    names = list(Events.__dataclass_fields__)
    if not parts:
        return of_one(0, 0, np.empty(0, np.int64), np.empty(0), np.empty(0))
    return Events(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def some_instances(
    rng: np.random.Generator, rows: int, hits: int, instances: int
) -> tuple[Ints, Ints]:
    """Choose `hits` of `instances` anew for each row.

    Returns
    -------
    Positions of rows (each `hits` times), and the instances chosen.
    """
    which = np.repeat(np.arange(rows), hits)
    if hits >= instances:
        return which, np.tile(np.arange(instances), rows)[: len(which)]
    if hits == 1:
        return which, rng.integers(0, instances, rows)
    order = np.argsort(rng.random((rows, instances)), axis=1)[:, :hits]
    return which, order.ravel()


def fault_events(world: World, timeline: Timeline) -> Events:
    """Draw the alerts of all faults."""
    parts = []
    for fault in timeline.faults:
        rng = stream(world.seed, "fault", fault.index)
        parts += [_events_of_fault(rng, world, fault, symptom) for symptom in fault.symptoms]
    return join(parts)


def _events_of_fault(
    rng: np.random.Generator, world: World, fault: Fault, symptom: Symptom
) -> Events:
    rule, service = world.rule(symptom.kind, symptom.severity), world.services[symptom.service]
    hits = max(1, round(symptom.share * service.instances))
    if rule.scope == "service":
        instance = np.full(1, -1)
    else:
        _, instance = some_instances(rng, 1, hits, service.instances)
    n = len(instance)
    begin = np.full(n, symptom.start)
    begin[1:] += rng.exponential(45.0, n - 1)
    end = symptom.end + rng.exponential(45.0, n)
    if symptom.cycles == 1:
        return of_one(rule.index, service.index, instance, begin, end, fault=fault.index,
                      early=symptom.early)  # fmt: skip
    return _cycling(rng, fault, symptom, of_one(
        rule.index, service.index, instance, begin, end, fault=fault.index, early=symptom.early
    ))  # fmt: skip


def _cycling(rng: np.random.Generator, fault: Fault, symptom: Symptom, whole: Events) -> Events:
    """Cut each alert into as many as the symptom has cycles, with pauses between them."""
    cycles = symptom.cycles
    rows = np.repeat(np.arange(len(whole)), cycles)
    turn = np.tile(np.arange(cycles), len(whole))
    step = (whole.end - whole.start)[rows] / cycles
    start = whole.start[rows] + turn * step
    end = start + step * rng.uniform(0.35, 0.7, len(rows))
    return of_one(
        int(whole.rule[0]), symptom.service, whole.instance[rows].astype(np.int64), start, end,
        fault=fault.index, early=symptom.early,
    )  # fmt: skip


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
    for deployment in timeline.deployments:
        found.setdefault(deployment.service, []).append(deployment.at)
    return {service: np.array(times) for service, times in found.items()}


def _events_of_noise(world: World, pattern: Noise) -> float:
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
    n = int(rng.poisson(_events_of_noise(world, pattern)))
    start = draw_times(rng, weights, pattern.since, pattern.until, n)
    return start, start + _durations(rng, world, pattern, n)


def _flapping(
    rng: np.random.Generator, world: World, pattern: Noise, weights: Floats, _: Floats
) -> Spans:
    """Sessions in which an alert comes and goes many times."""
    cycles = float(rng.uniform(8, 30))
    n = int(rng.poisson(_events_of_noise(world, pattern) / cycles))
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
    each = _events_of_noise(world, pattern) / len(begin)
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
    each = min(12.0, _events_of_noise(world, pattern) / len(times))
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
