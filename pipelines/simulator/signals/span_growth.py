"""Grow traces from their entries along the calls, all at once, service after service."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.simulator.signals.load import EdgeChange, Floats, Load
from pipelines.simulator.signals.troubles import Trouble
from pipelines.simulator.world.clock import draw_times, traffic
from pipelines.simulator.world.model import World
from pipelines.simulator.world.randomness import stream

Ints = NDArray[np.int64]
Block = dict[str, NDArray[np.generic]]
"""Columns of some spans, or of requests."""
SERVER, CLIENT, PRODUCER, CONSUMER, INTERNAL = range(5)
KINDS = ("server", "client", "producer", "consumer", "internal")
NOBODY = -1


@dataclass(frozen=True)
class GrownSpans:
    """Spans of all traces; parents come before their children.

    Attributes
    ----------
    trace, parent, link
        Numbers of the trace, and of other spans; `NOBODY`: none.
    under
        Span that it takes part of the time of: the parent, but of what is asynchronous.
    peer
        Service that a client or producer talks to.
    at
        When it began, about: seconds since the world's start.
    own
        Seconds of its own, without calls.
    """

    trace: Ints
    parent: Ints
    under: Ints
    link: Ints
    kind: Ints
    service: Ints
    peer: Ints
    instance: Ints
    at: Floats
    own: Floats
    error: NDArray[np.bool_]


def joined(blocks: Sequence[Block]) -> GrownSpans:
    """Make one of the blocks in which spans grew."""

    def column(name: str, kind: type) -> "NDArray[np.generic]":
        return np.concatenate([np.empty(0, kind), *(block[name] for block in blocks)])

    kinds = {"at": np.float64, "own": np.float64, "error": np.bool_}
    names = GrownSpans.__dataclass_fields__
    found: dict[str, Any] = {name: column(name, kinds.get(name, np.int64)) for name in names}
    return GrownSpans(**found)


FETCHED = 0.8
"""Chance that a worker gets a message of a queue that it reads."""
ELSEWHERE = 0.25
"""How much of a trouble is seen by callers that it doesn't reach: they use what still works."""
FAILS = 0.0015


@dataclass
class Growth:
    """Spans so far, in blocks, and requests that wait for the service they go to."""

    world: World
    load: Load
    troubles: dict[int, list[Trouble]]
    changes: dict[tuple[int, int], list[EdgeChange]]
    rng: np.random.Generator
    same_trace: bool
    count: int = 0
    traces: int = 0
    blocks: list[Block] = field(default_factory=list)
    waiting: dict[int, list[Block]] = field(default_factory=dict)

    def add(self, kind: int, service: int, caller: int, given: Block) -> Ints:
        """Add spans of one kind at one service (a client's peer works there); their numbers.

        `given` has trace, parent, under, link, at. Time and errors are those of `service`.
        """
        n = len(given["at"])
        numbers = np.arange(self.count, self.count + n)
        self.count += n
        self.blocks.append(given | {
            "kind": np.full(n, kind), "service": np.full(n, service), "peer": np.full(n, NOBODY),
            "instance": self.rng.integers(0, self.world.services[service].instances, n),
            "own": np.zeros(n), "error": np.zeros(n, bool),
        })  # fmt: skip
        if kind != CLIENT:
            self.work(self.blocks[-1], service, caller)
        return numbers

    def work(self, block: Block, service: int, caller: int) -> None:
        """Draw time and errors of work at a service for a caller."""
        at, n = np.asarray(block["at"], np.float64), len(block["at"])
        usual = min(float(self.load.milliseconds[service]), 5_000.0) / 1000
        slow, wrong = np.ones(n), np.full(n, FAILS)
        for trouble in self.troubles.get(service, []):
            hit = np.asarray(block["instance"], np.int64) < trouble.hit
            seen = 1.0 if caller == NOBODY or caller in trouble.reached else ELSEWHERE
            level = trouble.level(at) * hit * seen
            # What a caller suffers by itself is small: the rest comes from those it calls.
            part = 0.3 if trouble.depth else 1.0
            slow += level * trouble.effect.slow * part
            wrong += level * trouble.effect.errors * part
        for change in self.changes.get((caller, service), []):
            if change.slow:
                slow *= np.where((at >= change.start) & (at < change.end), change.slow, 1.0)
        block["own"] = usual * self.rng.lognormal(0.0, 0.45, n) * slow
        block["error"] = self.rng.random(n) < wrong


def grow(
    world: World,
    load: Load,
    troubles: Sequence[Trouble],
    changes: Sequence[EdgeChange],
    *,
    since: float,
    number: int,
) -> GrownSpans:
    """Draw about `number` spans that begin after a time."""
    rng = stream(world.seed, "spans")
    growth = Growth(world, load, {}, {}, rng, bool(rng.random() < 0.5))
    for trouble in troubles:
        growth.troubles.setdefault(trouble.service, []).append(trouble)
    for change in changes:
        growth.changes.setdefault((change.caller, change.called), []).append(change)
    _enter(growth, since, number)
    for service in load.order:
        if world.services[service].layer < 3:
            _serve(growth, service)
    return joined(growth.blocks)


def _readers(growth: Growth, queue: int) -> list[int]:
    services = growth.world.services
    return [a for a, b in growth.load.calls if b == queue and services[a].kind == "worker"]


def _size(growth: Growth) -> Floats:
    """Spans that a request to each service makes, on average."""
    services = growth.world.services
    found = np.ones(len(services))
    for service in reversed(growth.load.order):
        for (caller, called), share in growth.load.calls.items():
            if caller != service:
                continue
            kind = services[called].kind
            more = found[called] if services[called].layer < 3 else 0.0
            if kind == "queue" and services[service].kind != "worker":
                more = FETCHED * sum(found[reader] for reader in _readers(growth, called))
            found[service] += share * (1 + more)
    return found


def _enter(growth: Growth, since: float, number: int) -> None:
    """Draw the requests from outside."""
    world, load = growth.world, growth.load
    size, weight = _size(growth), np.sqrt(load.entry)
    scale = number / max(float((size * weight).sum()), 1e-9)
    curve = traffic(world) + 0.05
    for service in load.order:
        begin = max(since, world.services[service].since)
        if not weight[service] or begin >= world.seconds:
            continue
        n = int(growth.rng.poisson(scale * weight[service]))
        at = draw_times(growth.rng, curve, begin, world.seconds, n)
        nobody = np.full(n, NOBODY)
        _wait(growth, service, caller=NOBODY, parent=nobody, link=nobody, at=at, trace=None)


def _wait(
    growth: Growth,
    service: int,
    *,
    caller: int,
    parent: Ints,
    link: Ints,
    at: Floats,
    trace: Ints | None,
) -> None:
    """Let requests wait until it is the service's turn; without a trace they begin one."""
    if trace is None:
        trace = np.arange(growth.traces, growth.traces + len(at))
        growth.traces += len(at)
    growth.waiting.setdefault(service, []).append({
        "caller": np.full(len(at), caller), "parent": parent, "link": link, "at": at,
        "trace": trace,
    })  # fmt: skip


def _serve(growth: Growth, service: int) -> None:
    """Answer all requests that wait for a service."""
    world = growth.world
    for request in growth.waiting.pop(service, []):
        caller = int(request["caller"][0]) if len(request["caller"]) else NOBODY
        message = bool(len(request["link"]) and request["link"][0] != NOBODY)
        alone = world.services[service].layer > 1 and caller == NOBODY
        kind = CONSUMER if message else INTERNAL if alone else SERVER
        given = {name: request[name] for name in ("trace", "parent", "link", "at")}
        given["under"] = np.full(len(given["at"]), NOBODY) if message else request["parent"]
        mine = growth.add(kind, service, NOBODY if message else caller, given)
        if message:
            growth.blocks[-1]["peer"] = np.full(len(mine), caller)
        if len(mine):
            _call(growth, service, mine, given)


def _call(growth: Growth, service: int, mine: Ints, given: Block) -> None:
    """Let spans of a service call others, each with its chance."""
    at, trace = np.asarray(given["at"], np.float64), np.asarray(given["trace"], np.int64)
    added = {
        (change.caller, change.called): 0.6
        for (caller, _), found in growth.changes.items() if caller == service
        for change in found if not change.slow
    }  # fmt: skip
    for (caller, called), share in {**added, **growth.load.calls}.items():
        if caller != service:
            continue
        chosen = growth.rng.random(len(mine)) < share
        chosen &= at >= growth.world.services[called].since
        if (caller, called) in added and (caller, called) not in growth.load.calls:
            chosen &= at >= min(edge_change.start for edge_change in growth.changes[caller, called])
        if chosen.any():
            _one_call(
                growth, service, called, parent=mine[chosen], at=at[chosen], trace=trace[chosen]
            )


def _one_call(
    growth: Growth, service: int, called: int, *, parent: Ints, at: Floats, trace: Ints
) -> None:
    services, rng = growth.world.services, growth.rng
    other = services[called]
    sends = other.kind == "queue" and services[service].kind != "worker"
    if other.kind == "queue" and not sends:
        return
    kind = PRODUCER if sends else CLIENT
    given = {"trace": trace, "parent": parent, "under": parent, "at": at,
             "link": np.full(len(at), NOBODY)}  # fmt: skip
    calls = growth.add(CLIENT, service, NOBODY, given)
    block = growth.blocks[-1]
    block["kind"], block["peer"] = np.full(len(at), kind), np.full(len(at), called)
    block["own"] = rng.lognormal(np.log(0.0012), 0.4, len(at))
    if other.layer < 3:
        nobody = np.full(len(at), NOBODY)
        _wait(growth, called, caller=service, parent=calls, link=nobody, at=at, trace=trace)
        return
    # A store sends no spans of its own: its time and errors are those of the call.
    mine = block["instance"]
    block["instance"] = rng.integers(0, other.instances, len(at))
    growth.work(block, called, service)
    block["instance"] = mine
    for reader in _readers(growth, called) if sends else []:
        got = rng.random(len(at)) < FETCHED
        late = at[got] + 0.2 + rng.exponential(0.3, int(got.sum()))
        late = late + _delay(growth, reader, called, late)
        nobody = np.full(len(late), NOBODY)
        linked = calls[got]
        if growth.same_trace:
            _wait(
                growth, reader, caller=called, parent=linked, link=linked, at=late, trace=trace[got]
            )
        else:
            _wait(growth, reader, caller=called, parent=nobody, link=linked, at=late, trace=None)


def _delay(growth: Growth, reader: int, queue: int, at: Floats) -> Floats:
    """Seconds that messages wait longer while a queue or its reader falls behind."""
    found = np.zeros(len(at))
    for trouble in [*growth.troubles.get(reader, []), *growth.troubles.get(queue, [])]:
        found += trouble.level(at) * trouble.effect.backlog * 2
    return found
