"""What is wrong where and when: what metrics, logs and spans show, and the truth about them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipelines.simulator.signals.load import Floats, Names
from pipelines.simulator.world.clock import draw_times, traffic
from pipelines.simulator.world.faults import callers, cascade, few_alerts
from pipelines.simulator.world.kinds import FAULTS
from pipelines.simulator.world.model import Fault, Timeline, World
from pipelines.simulator.world.randomness import stream


@dataclass(frozen=True)
class FaultEffect:
    """At full strength; all are zero for what a kind of trouble leaves alone.

    Attributes
    ----------
    slow
        Latency grows by so many times itself.
    errors
        Share of requests that fail more.
    traffic
        Traffic grows by so many times itself; negative: it falls.
    cpu, memory, disk
        More of what there is, as a share of it; memory and disk fill slowly, over its length.
    down
        Instances give no metrics, write no heartbeat.
    backlog
        Messages that pile up, in minutes of usual traffic.
    connections
        Times as many as usual.
    misses
        Share of cache lookups that find nothing more than usual.
    replica
        Seconds that a replica falls behind at the end.
    """

    slow: float = 0.0
    errors: float = 0.0
    traffic: float = 0.0
    cpu: float = 0.0
    memory: float = 0.0
    disk: float = 0.0
    down: bool = False
    backlog: float = 0.0
    connections: float = 0.0
    misses: float = 0.0
    replica: float = 0.0


EFFECTS: dict[str, FaultEffect] = {
    "crash": FaultEffect(slow=0.8, errors=0.22, cpu=-0.1, down=True, backlog=20),
    "memory_leak": FaultEffect(slow=1.2, errors=0.03, cpu=0.12, memory=0.5, backlog=8),
    "bad_deployment": FaultEffect(slow=1.3, errors=0.28, cpu=0.1, backlog=15),
    "bad_configuration": FaultEffect(errors=0.45, traffic=-0.3, backlog=25),
    "overload": FaultEffect(slow=3.0, errors=0.06, traffic=0.9, cpu=0.5, memory=0.1, backlog=40),
    "database_overload": FaultEffect(slow=5.0, errors=0.05, cpu=0.45, connections=3.0),
    "replication_break": FaultEffect(slow=0.15, replica=1500.0, disk=0.06),
    "disk_full": FaultEffect(slow=0.6, errors=0.1, disk=0.4),
    "backlog": FaultEffect(slow=0.5, cpu=0.1, backlog=90),
    "cache_lost": FaultEffect(slow=2.0, errors=0.04, down=True, misses=0.6, memory=-0.5),
    "certificate_expired": FaultEffect(errors=0.6, traffic=-0.5),
    "batch_broken": FaultEffect(errors=0.9, cpu=-0.1),
    "host_lost": FaultEffect(cpu=0.2, memory=0.1, down=True),
    "looked_like_noise": FaultEffect(slow=1.5, errors=0.08, cpu=0.25, memory=0.15, backlog=20,
                                connections=1.0, disk=0.15),
}  # fmt: skip
"""By kind of fault, where it begins."""

PASSED_ON = FaultEffect(slow=2.0, errors=0.15, cpu=0.05, backlog=15)
"""What it does to those who call the service."""

SLOWLY = frozenset({"memory_leak", "disk_full", "replication_break", "backlog"})
"""Kinds of faults that grow from nothing until they end."""


UNSEEN_PER_DAY = 1.2
"""Troubles that no alert rule saw, a day in a world of forty services."""
UNSEEN = "unseen"


@dataclass(frozen=True)
class Trouble:
    """One service that suffers from one fault.

    Attributes
    ----------
    fault
        Its id in the truth: ``F-…`` as of its alerts, ``S-…`` if no alert rule saw it.
    force
        How strong it shows, about 1; below 0.4 it is hard to see.
    hit
        Number of instances that suffer, the first ones.
    reached
        All services that this fault reaches.
    new_line, new_code, no_heartbeat
        What logs show: a message never seen before, an error code, a heartbeat that stops.
    """

    fault: str
    kind: str
    shape: str
    root: int
    service: int
    start: float
    end: float
    depth: int
    strength: float
    force: float
    hit: int
    change: int
    reached: frozenset[int]
    new_line: bool = False
    new_code: bool = False
    no_heartbeat: bool = False

    @property
    def effect(self) -> FaultEffect:
        """What it does at full strength."""
        return PASSED_ON if self.depth else EFFECTS[self.kind]

    def level(self, at: Floats) -> Floats:
        """How strong it is at times, seconds since the world's start; 0 outside."""
        inside = (at >= self.start) & (at < self.end)
        share = (at - self.start) / max(self.end - self.start, 1.0)
        if self.depth == 0 and self.kind in SLOWLY:
            grown = np.clip(share, 0, 1)
        else:
            grown = np.clip((at - self.start) / 180.0, 0.3, 1.0)
        return np.where(inside, grown * self.force, 0.0)

    def inside(self, at: Floats) -> "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]":
        """Whether it lasts at times."""
        return np.asarray((at >= self.start) & (at < self.end))


def troubles_of(world: World, timeline: Timeline, since: float) -> list[Trouble]:
    """All troubles that end after a time, by start.

    Parameters
    ----------
    since
        Seconds since the world's start: when its metrics, logs and spans begin.
    """
    names = Names(world)
    named = [(f"F-{fault.index + 1:05d}", fault) for fault in timeline.faults]
    named += [(f"S-{n + 1:05d}", fault) for n, fault in enumerate(_unseen(world))]
    found = [
        trouble for name, fault in named if _last(fault) > since
        for trouble in _of_fault(world, names, name, fault)
    ]  # fmt: skip
    return sorted(found, key=lambda trouble: (trouble.start, trouble.fault, trouble.service))


def _last(fault: Fault) -> float:
    return max(fault_impact.end for fault_impact in fault.impacts)


def _unseen(world: World) -> Sequence[Fault]:
    """Draw faults that nobody has an alert rule for: signals show them, alerts don't."""
    rng = stream(world.seed, "unseen")
    number = int(rng.poisson(UNSEEN_PER_DAY * len(world.services) / 40 * world.days))
    above = callers(world)
    times = draw_times(rng, traffic(world) + 0.3, 0, world.seconds - 3600, number)
    found = []
    for at in np.sort(times).tolist():
        kind = FAULTS[int(rng.integers(len(FAULTS)))]
        roots = [s.index for s in world.services if s.kind in kind.on and s.since == 0]
        if not roots or kind.by_change:
            continue
        root = int(rng.choice(roots))
        if rng.random() < 0.5:
            fault = cascade(rng, world, above, kind, root, start=at, shape=UNSEEN)
        else:
            fault = replace(few_alerts(rng, world, kind, root, at), shape=UNSEEN)
        found.append(replace(fault, symptoms=()))
    return found


def _of_fault(world: World, names: Names, fault_id: str, fault: Fault) -> list[Trouble]:
    rng = stream(world.seed, "signals of fault", fault_id)
    # Most are plain to see, some hardly.
    force = float(np.clip(rng.lognormal(0.0, 0.5), 0.25, 1.8))
    new_line, new_code, no_heartbeat = (rng.random(3) < (0.45, 0.3, 0.35)).tolist()
    reached = frozenset(names.thing(fault_impact.service) for fault_impact in fault.impacts)
    found: dict[int, Trouble] = {}
    for impact in fault.impacts:
        service = world.services[names.thing(impact.service)]
        if service.index in found:
            continue
        root = impact.depth == 0
        down = EFFECTS[fault.kind].down or fault.kind == "batch_broken"
        found[service.index] = Trouble(
            fault=fault_id,
            kind=fault.kind,
            shape=fault.shape,
            root=names.thing(fault.root),
            service=service.index,
            start=impact.start,
            end=impact.end,
            depth=impact.depth,
            strength=impact.strength,
            force=force * (1.0 if root else impact.strength),
            hit=max(1, round(impact.strength * service.instances)),
            change=fault.change,
            reached=reached,
            new_line=new_line and root,
            new_code=new_code and root,
            no_heartbeat=root and down and (no_heartbeat or impact.strength >= 0.9),
        )
    return list(found.values())
