"""Patterns of noise that a world has: which families, at which services, how much of each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipelines.simulator.world.kinds import KINDS
from pipelines.simulator.world.model import AlertRule, Noise, Service, World
from pipelines.simulator.world.randomness import stream


@dataclass(frozen=True)
class Family:
    """How a family of noise looks.

    Attributes
    ----------
    share
        Of all noise, about.
    per_service
        Patterns a service, on average.
    typical, longest
        Ranges in seconds that a pattern's durations are drawn from.
    """

    key: str
    share: float
    per_service: float
    kinds: tuple[str, ...]
    typical: tuple[float, float]
    longest: tuple[float, float]
    levels: tuple[str, ...] = ("critical", "warning")


BLIPS = ("latency", "errors", "saturation", "memory", "probe", "lag", "timeouts", "connections",
         "evictions", "traffic", "replication", "restarts", "replicas", "down")  # fmt: skip

FAMILIES: tuple[Family, ...] = (
    Family("blip", 0.36, 2.2, BLIPS, (25, 110), (120, 340)),
    Family("flapping", 0.18, 0.5, ("latency", "saturation", "memory", "probe", "lag", "timeouts",
           "evictions", "replicas"), (50, 200), (400, 600)),
    Family("nightly", 0.13, 0.7, ("saturation", "latency", "late", "lag", "backup", "connections",
           "evictions"), (200, 900), (1800, 2400)),
    Family("weekly", 0.03, 0.25, ("probe", "down", "replicas", "backup", "saturation", "lag"),
           (200, 900), (1800, 3600)),
    Family("chronic", 0.1, 0.35, ("overcommit", "skew", "deprecated", "saturation", "certificate",
           "late", "traffic", "disk"), (1200, 20000), (40000, 90000)),
    Family("deployment", 0.05, 0.8, ("restarts", "replicas", "probe", "down", "errors"),
           (40, 150), (300, 420)),
    Family("info", 0.05, 0.3, ("rollout", "usage"), (60, 1800), (2000, 9000), ("info",)),
    Family("legacy", 0.005, 0.15, ("legacy_host", "legacy_service"), (60, 900), (1000, 5000)),
    Family("rare", 0.006, 2.0, BLIPS, (60, 400), (900, 2400)),
)  # fmt: skip

SHAPES = ("lognormal", "uniform", "exponential")
ALWAYS = ("chronic", "nightly", "weekly", "info", "legacy")
"""Families whose alerts say nothing by themselves: no fault shows in them alone."""


def plan_noise(world: World) -> tuple[Noise, ...]:
    """Draw the patterns; budgets add up to 1."""
    rng = stream(world.seed, "patterns")
    shares = np.array([family.share for family in FAMILIES]) * rng.lognormal(0, 0.35, len(FAMILIES))
    shares /= shares.sum()
    services = [s for s in world.services if not _second_name(world, s)]
    found: list[Noise] = []
    for family, share in zip(FAMILIES, shares, strict=True):
        patterns = _patterns(rng, world, family, services)
        weights = rng.lognormal(0, 0.7, len(patterns))
        # What is there for half of the time makes half as many.
        weights *= [(source.until - source.since) / world.seconds for source in patterns]
        weights *= share / max(weights.sum(), 1e-9)
        found += [
            replace(source, budget=float(weight))
            for source, weight in zip(patterns, weights, strict=True)
        ]
    found += _watchdogs(world)
    found = [replace(source, index=n) for n, source in enumerate(found)]
    return tuple(_with_habits(rng, found))


def _second_name(world: World, service: Service) -> bool:
    return any(service.index == renamed.new for renamed in world.renamed_services)


def _patterns(
    rng: np.random.Generator, world: World, family: Family, services: Sequence[Service]
) -> list[Noise]:
    number = max(1, round(family.per_service * len(services) * rng.uniform(0.7, 1.3)))
    possible = [
        (service, rule)
        for service in services
        for rule in world.rules
        if rule.kind in family.kinds
        and rule.severity in family.levels
        and service.kind in KINDS[rule.kind].on
    ]
    order = rng.permutation(len(possible))[:number]
    return [_pattern(rng, world, family, *possible[int(n)]) for n in order]


def _pattern(
    rng: np.random.Generator, world: World, family: Family, service: Service, rule: AlertRule
) -> Noise:
    since, until = _active(rng, world.seconds)
    since = max(since, service.since)
    # A pattern that would end before its service is deployed stays instead.
    until = until if until > since else world.seconds
    begin = int(rng.integers(0, 22 * 4)) * 15 if family.key == "weekly" else _night(rng)
    return Noise(
        index=-1,
        family=family.key,
        rule=rule.index,
        service=service.index,
        since=since,
        until=until,
        budget=0.0,
        hits=_hits(rng, service, rule, family),
        shape=str(rng.choice(SHAPES)),
        typical=float(rng.uniform(*family.typical)),
        longest=float(rng.uniform(*family.longest)),
        minute=begin,
        length=int(rng.integers(20, 61)),
        weekdays=_weekdays(rng, family),
        tail=float(rng.uniform(0, 0.006)) if family.key == "blip" else 0.0,
    )


def _active(rng: np.random.Generator, seconds: float) -> tuple[float, float]:
    """Most patterns are always there; some begin, some end in between."""
    draw, when = rng.random(), rng.random()
    if draw < 0.08:
        return (0.05 + 0.3 * when) * seconds, seconds
    if draw < 0.16:
        return 0.0, (0.4 + 0.55 * when) * seconds
    if draw < 0.18:
        return (0.55 + 0.4 * when) * seconds, seconds
    return 0.0, seconds


def _night(rng: np.random.Generator) -> int:
    """Local minute between 22:00 and 04:30, never one at which the clocks change."""
    return int(rng.choice([*range(22 * 60, 23 * 60, 5), *range(5, 50, 5), *range(185, 270, 5)]))


def _weekdays(rng: np.random.Generator, family: Family) -> tuple[int, ...]:
    if family.key == "weekly":
        return (int(rng.integers(7)),)
    draw = rng.random()
    return tuple(range(7)) if draw < 0.7 else tuple(range(5)) if draw < 0.9 else (1, 2, 3, 4, 5)


def _hits(rng: np.random.Generator, service: Service, rule: AlertRule, family: Family) -> int:
    if rule.scope == "service" or service.instances == 1:
        return 1
    if family.key == "chronic":
        return 1
    if family.key == "deployment":
        return service.instances
    draw = rng.random()
    return 1 if draw < 0.3 else service.instances if draw < 0.7 else max(1, service.instances // 2)


def _watchdogs(world: World) -> list[Noise]:
    rule = world.rule("watchdog")
    return [
        Noise(
            -1, "watchdog", rule.index, service.index, 0.0, world.seconds, 0.0, 1, "uniform", 1, 1
        )
        for service in world.services
        if service.kind == "nodes"
    ]


def _with_habits(rng: np.random.Generator, found: list[Noise]) -> list[Noise]:
    """Somebody acknowledges a few patterns by habit."""
    number = int(rng.integers(1, 5))
    chosen = {int(n) for n in rng.permutation(len(found))[:number]}
    return [
        replace(source, habit=float(rng.uniform(0.05, 0.4)))
        if source.index in chosen
        and source.family not in {"watchdog", "legacy"}
        and source.budget < 0.03
        else source
        for source in found
    ]
