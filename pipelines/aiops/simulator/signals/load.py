"""How much each service has to do, and who asks it: rates along the calls of the topology."""

from dataclasses import dataclass

import numpy as np

from pipelines.aiops.simulator.clock import STEP, traffic
from pipelines.aiops.simulator.model import World
from pipelines.aiops.simulator.randomness import stream
from pipelines.aiops.simulator.signals.names import Floats, Names


@dataclass(frozen=True)
class Load:
    """Rates of a world at the height of its day.

    Attributes
    ----------
    order
        Services, callers before those they call.
    calls
        (caller, called) → chance that a request makes the call.
    rate
        Requests a second of each service; zero for machines.
    entry
        Requests a second that come from outside, or from a schedule.
    milliseconds
        Each service's own part of a request's time.
    """

    order: tuple[int, ...]
    calls: dict[tuple[int, int], float]
    rate: Floats
    entry: Floats
    milliseconds: Floats


def build_load(world: World, names: Names) -> Load:
    """Draw rates from the world's seed."""
    rng = stream(world.seed, "load")
    count = len(world.services)
    alive = [one for one in names.things if one.kind != "nodes"]
    order = sorted(alive, key=lambda one: (one.layer, one.index))
    calls = {
        (one.index, names.thing(called)): float(rng.uniform(0.25, 0.95))
        for one in order for called in one.calls
    }  # fmt: skip
    called = {pair[1] for pair in calls}
    entry, own = np.zeros(count), np.zeros(count)
    usual = {"edge": 40.0, "api": 6.0, "worker": 4.0, "batch": 0.02}
    for one in order:
        if one.kind == "edge" or (one.layer < 3 and one.index not in called):
            entry[one.index] = usual[one.kind] * float(rng.lognormal(0, 0.6))
        middle = {"database": 4.0, "cache": 0.8, "queue": 1.5, "batch": 900.0}.get(one.kind, 18.0)
        own[one.index] = middle * float(rng.lognormal(0, 0.5))
    rate = entry.copy()
    for one in order:
        for (caller, other), share in calls.items():
            if caller == one.index:
                rate[other] += rate[caller] * share
    return Load(tuple(one.index for one in order), calls, rate, entry, own)


def usual_traffic(world: World, at: Floats) -> Floats:
    """Traffic relative to its highest, at times in seconds since the world's start."""
    curve = traffic(world)
    return np.interp(at, np.arange(len(curve)) * STEP + STEP / 2, curve)
