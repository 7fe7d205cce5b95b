"""What happens in a world: deployments, faults, and patterns of noise, and how many alerts each."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pipelines.aiops.params.telemetry import SimulateParams
from pipelines.simulator.world.clock import awake, draw_times, traffic
from pipelines.simulator.world.faults import callers, cascade, few_alerts, hard_cases
from pipelines.simulator.world.kinds import AUTHORS, FAULTS, FaultKind
from pipelines.simulator.world.model import Deployment, Fault, Noise, Timeline, World
from pipelines.simulator.world.patterns import ALWAYS, plan_noise
from pipelines.simulator.world.randomness import stream

EVENTS_A_TIME = 8
"""Events that fixed hours or a deployment have at most."""
MERGED = 1.1
"""Of eleven alerts one overlaps with another of its series, about, and they become one."""
WEEKDAYS = 7


def fit_budgets(
    world: World, noise: Sequence[Noise], deployments: Sequence[Deployment], total: float
) -> tuple[Noise, ...]:
    """Give out `total` alerts by the patterns' weights.

    What fixed hours and deployments cannot hold goes to the patterns that come at any time.
    """
    counts: dict[int, int] = {}
    for deployment in deployments:
        counts[deployment.service] = counts.get(deployment.service, 0) + 1
    wished = [source.budget * total * MERGED for source in noise]
    room = [_room(world, source, counts.get(source.service, 0)) for source in noise]
    given = [min(want, limit) for want, limit in zip(wished, room, strict=True)]
    open_ended = sum(want for want, limit in zip(wished, room, strict=True) if want < limit)
    left = sum(wished) - sum(given)
    grow = 1 + left / open_ended if open_ended else 1.0
    return tuple(
        replace(source, budget=budget * (grow if budget < limit else 1.0))
        for source, budget, limit in zip(noise, given, room, strict=True)
    )


def _room(world: World, pattern: Noise, deployments: int) -> float:
    """Alerts that a pattern can hold."""
    part = (pattern.until - pattern.since) / world.seconds
    if pattern.family in {"nightly", "weekly"}:
        days = world.days * part * len(pattern.weekdays) / WEEKDAYS
        return days * pattern.hits * EVENTS_A_TIME
    if pattern.family == "deployment":
        return deployments * part * pattern.hits * EVENTS_A_TIME
    return float("inf")


LAST_FAULT = 7200.0
"""No fault begins so many seconds before the end: people need time to open a ticket."""


def build_timeline(world: World, params: SimulateParams) -> Timeline:
    """Draw all that happens.

    Parameters
    ----------
    world
        Where it happens.
    params
        How many incidents and alerts there shall be.
    """
    noise = plan_noise(world)
    above = callers(world)
    faults = _ordinary(world, above, noise, params.incidents_per_day)
    faults += _recurrent(world, above, noise, faults)
    if params.incidents_per_day != 0:
        faults += hard_cases(world, above, noise, faults)
    faults = [fault for fault in faults if 0 <= fault.start < world.seconds - LAST_FAULT]
    faults.sort(key=lambda fault: (fault.start, fault.root, fault.kind))
    deployments, faults = _deployments(world, faults)
    left = max(0.3 * params.alerts, params.alerts - sum(_size(world, fault) for fault in faults))
    return Timeline(deployments, fit_budgets(world, noise, deployments, left), tuple(faults))


def _size(world: World, fault: Fault) -> float:
    """Alerts that a fault makes, about."""
    return sum(
        symptom.cycles * max(1.0, symptom.share * world.services[symptom.service].instances)
        for symptom in fault.symptoms
    )


def _spoken_for(world: World, noise: Sequence[Noise]) -> set[tuple[int, str]]:
    """(service, kind) whose alerts say nothing by themselves."""
    return {
        (source.service, world.rules[source.rule].kind)
        for source in noise
        if source.family in ALWAYS
    }


def _roots(world: World, kind: FaultKind, taken: set[tuple[int, str]]) -> list[int]:
    return [
        service.index
        for service in world.services
        if service.kind in kind.on
        and service.since == 0
        and (service.index, kind.symptoms[0]) not in taken
    ]


def _ordinary(
    world: World, above: list[list[int]], noise: Sequence[Noise], per_day: float | None
) -> list[Fault]:
    rng = stream(world.seed, "faults")
    size = len(world.services) / 40
    drawn = float(rng.uniform(0.6, 1.8)) * size
    number = int(rng.poisson((drawn if per_day is None else per_day) * world.days))
    fragile = rng.lognormal(0, 1.0, len(world.services))
    odds = rng.dirichlet(np.full(len(FAULTS), 1.5))
    few = float(rng.uniform(0.2, 0.5))
    taken = _spoken_for(world, noise)
    times = draw_times(rng, traffic(world) + 0.3, 0, world.seconds, number)
    found = []
    for at in times:
        kind = FAULTS[int(rng.choice(len(FAULTS), p=odds))]
        roots = _roots(world, kind, taken)
        if not roots:
            continue
        weights = fragile[roots] / fragile[roots].sum()
        root = int(rng.choice(roots, p=weights))
        if rng.random() < few:
            found.append(few_alerts(rng, world, kind, root, float(at)))
        else:
            found.append(cascade(rng, world, above, kind, root, start=float(at)))
    return found


def _recurrent(
    world: World, above: list[list[int]], noise: Sequence[Noise], faults: Sequence[Fault]
) -> list[Fault]:
    """Draw faults that come again every few days and are mended the same way each time."""
    rng = stream(world.seed, "recurrent")
    if not faults:
        return []
    kinds = [kind for kind in FAULTS if kind.fix in {"restart", "scale_up", "kill_queries"}]
    found = []
    for _ in range(int(rng.integers(1, 3))):
        kind = kinds[int(rng.integers(len(kinds)))]
        roots = _roots(world, kind, _spoken_for(world, noise))
        if not roots:
            continue
        root, every = int(rng.choice(roots)), float(rng.uniform(2.5, 6)) * 86400
        at = float(rng.uniform(0, every))
        while at < world.seconds:
            found.append(cascade(rng, world, above, kind, root, start=at, shape="recurrent"))
            at += every * float(rng.uniform(0.8, 1.2))
    return found


def _deployments(
    world: World, faults: Sequence[Fault]
) -> tuple[tuple[Deployment, ...], list[Fault]]:
    """Draw deployments at working hours, and those that broke something."""
    rng = stream(world.seed, "deployments")
    work = awake(world).astype(np.float64) + 0.01
    found: list[tuple[float, int, str, int]] = []
    for service in world.services:
        if service.layer > 2:
            continue
        rate = float(rng.lognormal(np.log(0.35), 0.7))
        number = int(rng.poisson(rate * max(0.0, world.days - service.since / 86400)))
        times = draw_times(rng, work, service.since, world.seconds, number)
        found += [(float(at), service.index, "deployment", -1) for at in times]
    causes = {kind.key: kind for kind in FAULTS if kind.by_change}
    for n, fault in enumerate(faults):
        if fault.kind in causes:
            kind = "deployment" if fault.kind == "bad_deployment" else "configuration"
            at = max(0.0, fault.start - float(rng.uniform(60, 900)))
            found.append((at, fault.root, kind, n))
    found.sort()
    changed = list(faults)
    for n, (_, _, _, fault_at) in enumerate(found):
        if fault_at >= 0:
            changed[fault_at] = replace(changed[fault_at], change=n)
    builds = rng.integers(1, 9, len(found)).cumsum() + 100
    deployments = tuple(
        Deployment(service, at, kind, f"1.{build // 50}.{build % 50}",
                   str(AUTHORS[int(build) % len(AUTHORS)]))
        for (at, service, kind, _), build in zip(found, builds, strict=True)
    )  # fmt: skip
    return deployments, [replace(other_fault, index=n) for n, other_fault in enumerate(changed)]
