"""Real faults: what breaks and which alerts tell it; also those that look like noise."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pipelines.simulator.world.clock import local_seconds, weekday
from pipelines.simulator.world.kinds import CASCADE, FAULTS, KINDS, FaultKind
from pipelines.simulator.world.model import Fault, Impact, Noise, Symptom, World
from pipelines.simulator.world.randomness import stream

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
    return [severity for severity in ("warning", "critical") if severity in KINDS[kind].severities]


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


def draw_symptoms(
    rng: np.random.Generator, world: World, impact: Impact, kind: str
) -> list[Symptom]:
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
                found += draw_symptoms(rng, world, impact, key)
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


FIXES = ("restart", "scale_up", "config_revert", "failover")


def hard_cases(
    world: World, above: list[list[int]], noise: Sequence[Noise], faults: Sequence[Fault]
) -> list[Fault]:
    """Draw the world's hard cases, most of them in the later part of its history."""
    rng = stream(world.seed, "hard cases")
    found: list[Fault | None] = []
    for _ in range(int(rng.integers(1, 3))):
        found.append(_slow_fill(rng, world, above))
    for _ in range(int(rng.integers(1, 4))):
        found.append(_lasting_blip(rng, world, noise))
    for _ in range(int(rng.integers(1, 3))):
        found.append(_in_noise_window(rng, world, noise))
    if rng.random() < 0.4:
        found.append(_chronic_storm(rng, world, noise))
    if rng.random() < 0.6:
        found.append(_second_incident(rng, world, above, faults))
    return [fault for fault in found if fault is not None]


def _when(rng: np.random.Generator, world: World) -> float:
    return float(rng.uniform(0.25, 0.97) * world.seconds)


def _single_service_fault(
    pattern: Noise, world: World, shape: str, fix: str, symptoms: tuple[Symptom, ...]
) -> Fault:
    """Make a fault that stays at one service."""
    start = min(symptom.start for symptom in symptoms)
    end = max(symptom.end for symptom in symptoms)
    impact = Impact(pattern.service, start, end, 0, 0.5)
    kind = "looked_like_noise"
    return Fault(-1, kind, shape, pattern.service, start, end, fix, (impact,), symptoms)


def _pick(rng: np.random.Generator, fit: list[Noise]) -> Noise | None:
    return fit[int(rng.integers(len(fit)))] if fit else None


def _slow_fill(rng: np.random.Generator, world: World, above: list[list[int]]) -> Fault | None:
    """Draw a disk that fills for hours: warnings that come and go, then it is serious."""
    kind = kind_of("disk_full")
    roots = [s.index for s in world.services if s.kind in kind.on and s.since == 0]
    if not roots:
        return None
    at = _when(rng, world)
    fault = cascade(rng, world, above, kind, int(rng.choice(roots)), start=at, shape="slow_fill")
    begin = max(0.0, at - float(rng.uniform(4, 20)) * 3600)
    cycles = int(rng.integers(5, 16))
    early = Symptom(fault.root, "disk", "warning", begin, at - 300, 0, True, cycles)
    return replace(fault, symptoms=(early, *fault.symptoms)) if at - begin > 7200 else fault


def _lasting_blip(rng: np.random.Generator, world: World, noise: Sequence[Noise]) -> Fault | None:
    """Draw an alert that always went away by itself, and this time doesn't."""
    at = _when(rng, world)
    quiet = {(n.rule, n.service) for n in noise if n.family not in {"blip", "flapping"}}
    fit = [
        source
        for source in noise
        if source.family == "blip"
        and source.since < at
        and (source.rule, source.service) not in quiet
    ]
    pattern = _pick(rng, fit)
    if pattern is None:
        return None
    rule = world.rules[pattern.rule]
    end = at + float(rng.uniform(25, 150)) * 60
    symptom = Symptom(pattern.service, rule.kind, rule.severity, at, end, 0)
    return _single_service_fault(pattern, world, "lasting_blip", str(rng.choice(FIXES)), (symptom,))


def _in_noise_window(
    rng: np.random.Generator, world: World, noise: Sequence[Noise]
) -> Fault | None:
    """Draw a fault that begins in the hour in which its alert is noise every night.

    It outlasts the hour, or another alert comes with it.
    """
    at = _when(rng, world)
    fit = [
        source
        for source in noise
        if source.family == "nightly" and source.since < at < source.until
    ]
    pattern = _pick(rng, fit)
    if pattern is None:
        return None
    days = [n for n in range(int(at // 86400), world.days) if weekday(world, n) in pattern.weekdays]
    if not days:
        return None
    window = local_seconds(world.start, world.timezone, days[0], pattern.minute)
    start = window + float(rng.uniform(0.1, 0.6)) * pattern.length * 60
    if not 0 < start < world.seconds - 7200:
        return None
    rule, service = world.rules[pattern.rule], world.services[pattern.service]
    end = window + pattern.length * 60 + float(rng.uniform(60, 180)) * 60
    symptoms = [Symptom(service.index, rule.kind, rule.severity, start, end, 0.6)]
    known = {(n.service, world.rules[n.rule].kind) for n in noise if n.family != "blip"}
    others = [
        kind.key
        for kind in KINDS.values()
        if service.kind in kind.on
        and kind.key in {"down", "errors", "batch", "connections", "probe", "restarts", "memory"}
        and (service.index, kind.key) not in known
    ]
    if others and rng.random() < 0.5:
        later = start + float(rng.uniform(60, 400))
        until = max(later + SHORTEST, start + float(rng.uniform(15, 60)) * 60)
        symptoms[0] = replace(symptoms[0], end=until)
        symptoms.append(
            Symptom(service.index, str(rng.choice(others)), "critical", later, until, 0.6)
        )
    return _single_service_fault(
        pattern, world, "in_noise_window", str(rng.choice(FIXES)), tuple(symptoms)
    )


def _chronic_storm(rng: np.random.Generator, world: World, noise: Sequence[Noise]) -> Fault | None:
    """Draw the day on which what one instance always says is said by all of them, over and over."""
    fit = [
        source
        for source in noise
        if source.family == "chronic"
        and world.services[source.service].instances >= 6
        and world.rules[source.rule].scope == "instance"
    ]
    pattern = _pick(rng, fit)
    if pattern is None:
        return None
    rule, at = world.rules[pattern.rule], _when(rng, world)
    end = at + float(rng.uniform(60, 120)) * 60
    symptom = Symptom(
        pattern.service, rule.kind, rule.severity, at, end, 1.0, cycles=int(rng.integers(4, 8))
    )
    return _single_service_fault(
        pattern, world, "chronic_storm", str(rng.choice(FIXES)), (symptom,)
    )


def _second_incident(
    rng: np.random.Generator, world: World, above: list[list[int]], faults: Sequence[Fault]
) -> Fault | None:
    """Draw a fault elsewhere while another one keeps everybody busy."""
    later = [
        fault for fault in faults if fault.start > 0.3 * world.seconds and len(fault.impacts) > 1
    ]
    if not later:
        return None
    first = later[int(rng.integers(len(later)))]
    hit = {impact.service for impact in first.impacts}
    fit = [
        (kind, s.index)
        for kind in FAULTS
        for s in world.services
        if s.kind in kind.on and s.index not in hit and s.since == 0 and len(kind.symptoms) > 1
    ]
    if not fit:
        return None
    kind, root = fit[int(rng.integers(len(fit)))]
    at = first.start + float(rng.uniform(5, 25)) * 60
    return cascade(rng, world, above, kind, root, start=at, shape="second_incident")
