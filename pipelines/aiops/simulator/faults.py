"""Real faults: what breaks, whom it reaches along the dependencies, and which alerts tell it."""

from collections.abc import Sequence

import numpy as np

from pipelines.aiops.simulator.kinds import CASCADE, FAULTS, KINDS, FaultKind
from pipelines.aiops.simulator.model import Fault, Impact, Symptom, World

SHORTEST = 480.0
"""Seconds that every alert of a real fault lasts at least: longer than any blip."""
REACH = 3
"""Calls that a fault travels at most."""


def callers(world: World) -> list[list[int]]:
    """Who depends on each service, by position."""
    found: list[list[int]] = [[] for _ in world.services]
    for service in world.services:
        for called in service.calls:
            found[called].append(service.index)
    return found


def severities(kind: str) -> Sequence[str]:
    """Severities of a kind, the mildest first."""
    return [one for one in ("warning", "critical") if one in KINDS[kind].severities]


def spread(
    rng: np.random.Generator,
    world: World,
    above: list[list[int]],
    root: int,
    span: tuple[float, float],
) -> tuple[Impact, ...]:
    """Let a fault travel to callers: with a delay a call, not always, weaker with distance."""
    start, end = span
    strength = float(rng.uniform(0.5, 1.0))
    impacts = [Impact(root, start, end, 0, strength)]
    reached = {root}
    for impact in impacts:
        if impact.depth >= REACH:
            continue
        for caller in above[impact.service]:
            if caller in reached or rng.random() > 0.7 * impact.strength:
                continue
            begin = impact.start + float(rng.exponential(110.0)) + 20
            if begin + SHORTEST > end or world.services[caller].since > begin:
                continue
            reached.add(caller)
            recovery = float(rng.exponential(120.0))
            weaker = max(0.1, impact.strength * float(rng.uniform(0.5, 1.0)))
            impacts.append(Impact(caller, begin, end + recovery, impact.depth + 1, weaker))
    return tuple(impacts)


def tell(rng: np.random.Generator, world: World, impact: Impact, kind: str) -> list[Symptom]:
    """Alerts of one kind for one impact: the mild one first, where there are two."""
    begin = impact.start + float(rng.exponential(60.0))
    symptoms = []
    for severity in severities(kind):
        if severity == "warning" and "critical" in KINDS[kind].severities and rng.random() < 0.35:
            continue
        end = max(impact.end + float(rng.exponential(60.0)), begin + SHORTEST)
        symptoms.append(Symptom(impact.service, kind, severity, begin, end, impact.strength))
        begin += float(rng.uniform(0.0, 240.0))
        if impact.depth and rng.random() < 0.5:
            break
    return symptoms


def symptoms_of(
    rng: np.random.Generator, world: World, kind: FaultKind, impacts: Sequence[Impact]
) -> tuple[Symptom, ...]:
    """All alerts of a fault that travels; the root's first kind always tells."""
    found: list[Symptom] = []
    for impact in impacts:
        on = world.services[impact.service].kind
        first = kind.symptoms[0]
        keys = kind.symptoms if impact.depth == 0 else CASCADE
        for key in keys:
            surely = impact.depth == 0 and key == first
            if on in KINDS[key].on and (surely or rng.random() < (0.55 if impact.depth else 0.7)):
                found += tell(rng, world, impact, key)
    return tuple(found)


def length(rng: np.random.Generator, kind: FaultKind) -> float:
    """Seconds until people have fixed it."""
    return float(np.clip(rng.lognormal(np.log(kind.minutes), 0.5), 12, 480)) * 60


def candidates(world: World, kind: FaultKind, at: float) -> list[int]:
    """Services that a kind of fault can begin at, at that time."""
    return [s.index for s in world.services if s.kind in kind.on and s.since == 0 and at >= 0]


def cascade(
    rng: np.random.Generator,
    world: World,
    above: list[list[int]],
    kind: FaultKind,
    root: int,
    *,
    start: float,
    shape: str = "cascade",
) -> Fault:
    """Draw one fault that travels."""
    end = start + length(rng, kind)
    impacts = spread(rng, world, above, root, (start, end))
    symptoms = symptoms_of(rng, world, kind, impacts)
    ticketed = shape != "cascade" or bool(rng.random() < 0.96)
    return Fault(-1, kind.key, shape, root, start, end, kind.fix, impacts, symptoms, ticketed)


def few_alerts(
    rng: np.random.Generator, world: World, kind: FaultKind, root: int, start: float
) -> Fault:
    """Draw a fault that stays where it is and shows in one or two alerts only."""
    end = start + length(rng, kind)
    key = kind.symptoms[0]
    chosen = [severities(key)[-1]] if rng.random() < 0.6 else list(severities(key))[-2:]
    symptoms = tuple(
        Symptom(root, key, severity, start + 60.0 * n, end + 30.0 * n, share=0)
        for n, severity in enumerate(chosen)
    )
    impact = Impact(root, start, end, 0, 1.0 / world.services[root].instances)
    return Fault(-1, kind.key, "few_alerts", root, start, end, kind.fix, (impact,), symptoms)


def kind_of(key: str) -> FaultKind:
    """Kind of fault by its key."""
    return next(kind for kind in FAULTS if kind.key == key)
