"""Alerts of real faults."""

import numpy as np

from pipelines.aiops.simulator.events import Events, join, of_one, some_instances
from pipelines.aiops.simulator.model import Fault, Symptom, Timeline, World
from pipelines.aiops.simulator.randomness import stream


def fault_events(world: World, timeline: Timeline) -> Events:
    """Draw the alerts of all faults."""
    parts = []
    for fault in timeline.faults:
        rng = stream(world.seed, "fault", fault.index)
        parts += [_events(rng, world, fault, symptom) for symptom in fault.symptoms]
    return join(parts)


def _events(rng: np.random.Generator, world: World, fault: Fault, symptom: Symptom) -> Events:
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
