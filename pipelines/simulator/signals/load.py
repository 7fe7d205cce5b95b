"""How much each service has to do, who asks it, and which calls deployments change.

Who is who: services that were renamed are one thing with two names, and have instances.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipelines.simulator.world.clock import STEP, traffic
from pipelines.simulator.world.model import Service, Timeline, World
from pipelines.simulator.world.randomness import stream

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Names:
    """Names of a world's services over time."""

    world: World

    @cached_property
    def things(self) -> tuple[Service, ...]:
        """Services without their second names."""
        second = {renaming.new for renaming in self.world.renamed_services}
        return tuple(service for service in self.world.services if service.index not in second)

    @cached_property
    def _first(self) -> dict[int, int]:
        return {renaming.new: renaming.old for renaming in self.world.renamed_services}

    @cached_property
    def _renamed(self) -> dict[int, tuple[float, str]]:
        services = self.world.services
        return {
            renaming.old: (renaming.at, services[renaming.new].name)
            for renaming in self.world.renamed_services
        }

    def thing(self, service: int) -> int:
        """Position of the service that one is a second name of; else its own."""
        return self._first.get(service, service)

    def periods(self, service: int) -> list[tuple[str, float, float]]:
        """Names of a service, each with the seconds from and until which it is used."""
        other_service = self.world.services[service]
        if service not in self._renamed:
            return [(other_service.name, other_service.since, float("inf"))]
        at, name = self._renamed[service]
        return [(other_service.name, other_service.since, at), (name, at, float("inf"))]

    def name_at(self, service: int, at: float) -> str:
        """Name of a service at a time, seconds since the world's start."""
        return next((name for name, since, until in self.periods(service) if since <= at < until),
                    self.world.services[service].name)  # fmt: skip


def instance_name(world: World, service: Service, name: str, number: int) -> str:
    """Address of an instance; that of its place, which stays when a container is replaced."""
    if service.kind == "nodes":
        return f"{service.cluster}-node-{number:02d}:9100"
    return f"{name}-{number}:9090"


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
