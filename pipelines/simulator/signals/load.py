"""How much each service has to do, who asks it, and which calls deployments change."""

from dataclasses import dataclass

import numpy as np

from pipelines.simulator.signals.names import Floats, Names
from pipelines.simulator.world.clock import STEP, traffic
from pipelines.simulator.world.model import Timeline, World
from pipelines.simulator.world.randomness import stream


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
    alive = [service for service in names.things if service.kind != "nodes"]
    order = sorted(alive, key=lambda service: (service.layer, service.index))
    calls = {
        (service.index, names.thing(called)): float(rng.uniform(0.25, 0.95))
        for service in order for called in service.calls
    }  # fmt: skip
    called = {pair[1] for pair in calls}
    entry, own = np.zeros(count), np.zeros(count)
    usual = {"edge": 40.0, "api": 6.0, "worker": 4.0, "batch": 0.02}
    for service in order:
        if service.kind == "edge" or (service.layer < 3 and service.index not in called):
            entry[service.index] = usual[service.kind] * float(rng.lognormal(0, 0.6))
        middle = {"database": 4.0, "cache": 0.8, "queue": 1.5, "batch": 900.0}.get(
            service.kind, 18.0
        )
        own[service.index] = middle * float(rng.lognormal(0, 0.5))
    rate = entry.copy()
    for service in order:
        for (caller, other), share in calls.items():
            if caller == service.index:
                rate[other] += rate[caller] * share
    return Load(tuple(service.index for service in order), calls, rate, entry, own)


def usual_traffic(world: World, at: Floats) -> Floats:
    """Traffic relative to its highest, at times in seconds since the world's start."""
    curve = traffic(world)
    return np.interp(at, np.arange(len(curve)) * STEP + STEP / 2, curve)


SLOWER, NEW = 0.1, 0.05
"""Shares of deployments that make a call slower, and that add one."""


@dataclass(frozen=True)
class EdgeChange:
    """A call that is another one since a deployment.

    Attributes
    ----------
    slow
        Times as long as before; 0: the call is new.
    change
        Position of the deployment.
    """

    caller: int
    called: int
    start: float
    end: float
    slow: float
    change: int

    @property
    def kind(self) -> str:
        """``slow_edge`` or ``new_edge``."""
        return "slow_edge" if self.slow else "new_edge"


def edge_changes(world: World, timeline: Timeline, load: Load) -> list[EdgeChange]:
    """Draw which deployments changed a call, by time."""
    names = Names(world)
    rng = stream(world.seed, "edges")
    found: list[EdgeChange] = []
    for n, change in enumerate(timeline.deployments):
        draw, turn, slow, days = (
            rng.random(),
            rng.random(),
            rng.uniform(1.6, 3.5),
            rng.uniform(1, 6),
        )
        caller = names.thing(change.service)
        if change.kind != "deployment" or draw >= SLOWER + NEW:
            continue
        calls = sorted(called for calling, called in load.calls if calling == caller)
        if draw >= SLOWER:
            calls = [
                service.index
                for service in names.things
                if service.index not in calls and _fits(service.layer)
            ]
        if calls:
            end = min(world.seconds, change.at + days * 86400)
            called = calls[int(turn * len(calls))]
            end = end if draw < SLOWER else world.seconds
            found.append(EdgeChange(caller, called, change.at, end,
                                    float(slow) if draw < SLOWER else 0.0, n))  # fmt: skip
    return found


def _fits(layer: int) -> bool:
    """Whether anybody may begin to call a service of a layer: a store, so there is no circle."""
    return layer == 3
