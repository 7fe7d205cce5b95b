"""Spans of a world, with OpenTelemetry's semantic conventions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.lake.contract import SPANS, TIME, microseconds
from pipelines.aiops.params.telemetry import SignalsParams
from pipelines.core.time import SECOND_US
from pipelines.simulator.signals.load import EdgeChange, Floats, Load, Names, instance_name
from pipelines.simulator.signals.span_growth import (
    CLIENT,
    KINDS,
    NOBODY,
    PRODUCER,
    GrownSpans,
    Ints,
    grow,
)
from pipelines.simulator.signals.troubles import Trouble
from pipelines.simulator.world.kinds import NOUNS
from pipelines.simulator.world.model import Service, World
from pipelines.simulator.world.randomness import stream

if TYPE_CHECKING:
    import pyarrow as pa


SOURCE = "simulated-traces"
ROUTES = 4


def span_rows(
    world: World,
    spans: GrownSpans,
    *,
    start: Floats,
    length: Floats,
    error: NDArray[np.bool_],
    kept: Ints,
) -> "pa.Table":
    """Make rows of the kept spans, by start; parents and links that are lost stay told."""
    import pyarrow as pa

    kept = kept[np.argsort(start[kept], kind="stable")]
    rng = stream(world.seed, "span ids")
    traces, marks = _hex(rng, int(spans.trace.max(initial=-1)) + 1, 16), _hex(rng, len(start), 8)
    trace = np.array(traces, object)[spans.trace] if traces else np.empty(0, object)
    parent, link = spans.parent[kept], spans.link[kept]
    names, instances = _who(world, spans, start, kept)
    label, attributes = _names_and_attributes(world, spans, error, kept)
    n = len(kept)
    micro = np.rint(start[kept] * SECOND_US).astype(np.int64) + microseconds(world.start)
    columns = {
        "trace_id": pa.array(trace[kept], pa.string()),
        "span_id": pa.array([marks[k] for k in kept.tolist()], pa.string()),
        "parent_span_id": pa.array([marks[k] if k >= 0 else None for k in parent.tolist()],
                                   pa.string()),
        "links": pa.array([[f"{trace[k]}:{marks[k]}"] if k >= 0 else [] for k in link.tolist()],
                          pa.list_(pa.string())),
        "source": pa.repeat(pa.scalar(SOURCE), n),
        "service": names,
        "instance": instances,
        "name": label,
        "kind": pa.array([KINDS[k] for k in spans.kind[kept].tolist()], pa.string()),
        "starts_at": pa.array(micro, pa.int64()).cast(TIME),
        "duration_us": pa.array(np.maximum(np.rint(length[kept] * 1e6), 1).astype(np.int64)),
        "status": pa.array(["error" if e else "unset" for e in error[kept].tolist()], pa.string()),
        "attributes": attributes,
    }  # fmt: skip
    return pa.table([columns[name] for name in SPANS.schema.names], schema=SPANS.schema)


def _hex(rng: np.random.Generator, n: int, size: int) -> list[str]:
    text = rng.bytes(n * size).hex()
    return [text[at : at + 2 * size] for at in range(0, 2 * size * n, 2 * size)]


def _who(world: World, spans: GrownSpans, start: Floats, kept: Ints) -> "tuple[pa.Array, pa.Array]":
    """Service and instance of each span, by the names of its time."""
    import pyarrow as pa

    names = Names(world)
    called: list[str] = []
    placed: list[str] = []
    code = np.zeros(len(kept), np.int64)
    at, service = start[kept], spans.service[kept]
    for index in np.unique(service).tolist():
        svc = world.services[index]
        for name, since, until in names.periods(index):
            mine = (service == index) & (at >= since) & (at < until)
            # A span may begin a moment before its service's first second: then the first name.
            mine |= (service == index) & (at < since) & (code == 0) & (since == svc.since)
            code[mine] = len(called) + spans.instance[kept][mine]
            called += [name] * svc.instances
            placed += [instance_name(world, svc, name, n) for n in range(svc.instances)]
    codes = pa.array(code)
    return pa.array(called, pa.string()).take(codes), pa.array(placed, pa.string()).take(codes)


def _names_and_attributes(
    world: World, spans: GrownSpans, error: NDArray[np.bool_], kept: Ints
) -> "tuple[pa.Array, pa.Array]":
    """Name and attributes of each span; few different ones, told once each."""
    import pyarrow as pa

    route = np.arange(len(error)) * 7919 % ROUTES
    count = len(world.services) + 1
    key = spans.kind * count + spans.service
    key = ((key * count + spans.peer + 1) * ROUTES + route) * 2 + error
    found, code = np.unique(key[kept], return_inverse=True)
    told = [_one(world, n, count) for n in found.tolist()]
    codes = pa.array(code)
    attributes = pa.array([sorted(pairs.items()) for _, pairs in told],
                          SPANS.schema.field("attributes").type)  # fmt: skip
    return pa.array([name for name, _ in told], pa.string()).take(codes), attributes.take(codes)


def _one(world: World, key: int, count: int) -> tuple[str, dict[str, str]]:
    key, error = divmod(key, 2)
    key, route = divmod(key, ROUTES)
    key, peer = divmod(key, count)
    number, service = divmod(key, count)
    kind, mine = KINDS[number], world.services[service]
    other = world.services[peer - 1] if peer - 1 != NOBODY else mine
    noun = NOUNS[(other.index * 5 + route) % len(NOUNS)]
    if kind in {"producer", "consumer"}:
        verb = "send" if kind == "producer" else "process"
        return f"{verb} {other.name}", _message(other, verb)
    if kind == "client" and other.layer == 3:
        return _stored(other, noun, error)
    if kind == "internal":
        return f"run {noun}", {"code.function.name": f"run_{noun}"}
    verb = "POST" if route == 0 else "GET"
    pairs = {"http.request.method": verb, "http.response.status_code": "503" if error else "200"}
    if kind == "client":
        return verb, pairs | {"server.address": other.name, "server.port": "8080"}
    return f"{verb} /v1/{noun}s", pairs | {"http.route": f"/v1/{noun}s"}


def _message(queue: Service, verb: str) -> dict[str, str]:
    system = "rabbitmq" if "rabbit" in queue.name else "kafka"
    return {
        "messaging.system": system,
        "messaging.destination.name": queue.name,
        "messaging.operation.type": verb,
        "server.address": queue.name,
    }


def _stored(store: Service, noun: str, error: int) -> tuple[str, dict[str, str]]:
    pairs = {"server.address": store.name} | ({"error.type": "timeout"} if error else {})
    if store.kind == "database":
        system = "mysql" if "mysql" in store.name else "postgresql"
        return f"SELECT {noun}s", pairs | {
            "db.system.name": system, "db.namespace": store.name, "db.operation.name": "SELECT",
        }  # fmt: skip
    system = "memcached" if "memcached" in store.name else "redis"
    return "GET", pairs | {"db.system.name": system, "db.operation.name": "GET"}


LOST = 0.012
"""Share of spans that never arrive."""
HANDLED = 0.4
"""Share of failed calls that the caller does without."""


def span_table(
    world: World,
    load: Load,
    troubles: Sequence[Trouble],
    changes: Sequence[EdgeChange],
    settings: SignalsParams,
) -> "pa.Table":
    """Rows of table ``spans``, sorted by start."""
    days = min(settings.span_days, settings.days)
    since = world.seconds - days * 86400
    spans = grow(world, load, troubles, changes, since=since, number=days * settings.spans_per_day)
    rng = stream(world.seed, "span times")
    levels = _levels(spans)
    error = _errors(rng, spans, levels)
    length = _lengths(spans, levels)
    start = _starts(spans, levels, length)
    kept = (rng.random(len(start)) >= LOST) & (start >= since) & (start < world.seconds)
    return span_rows(
        world, spans, start=start, length=length, error=error, kept=np.flatnonzero(kept)
    )


def _levels(spans: GrownSpans) -> list[Ints]:
    """Spans by how many others they are part of; level 0 first."""
    depth = np.zeros(len(spans.under), np.int64)
    found, n = [np.flatnonzero(spans.under == NOBODY)], 0
    while len(found[-1]):
        depth[found[-1]] = n
        reached = np.zeros(len(depth), bool)
        reached[found[-1]] = True
        inner = (spans.under != NOBODY) & reached[np.where(spans.under == NOBODY, 0, spans.under)]
        found.append(np.flatnonzero(inner))
        n += 1
    return found[:-1]


def _errors(
    rng: np.random.Generator, spans: GrownSpans, levels: list[Ints]
) -> "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]":
    error = spans.error.copy()
    handled = rng.random(len(error)) < HANDLED
    calls = (spans.kind == CLIENT) | (spans.kind == PRODUCER)
    for level in reversed(levels[1:]):
        # An error of the called is one of the call; one of a call is not always the caller's.
        tells = level[error[level] & (~calls[level] | ~handled[level])]
        error[spans.under[tells]] = True
    return error


def _lengths(spans: GrownSpans, levels: list[Ints]) -> Floats:
    length = spans.own.copy()
    for level in reversed(levels[1:]):
        np.add.at(length, spans.under[level], length[level])
    return length


def _starts(spans: GrownSpans, levels: list[Ints], length: Floats) -> Floats:
    """Let calls of a span come one after another, once a third of its own time has passed."""
    start = spans.at.copy()
    for found in levels[1:]:
        level = found[np.argsort(spans.under[found], kind="stable")]
        above = spans.under[level]
        before = np.cumsum(length[level]) - length[level]
        first = np.searchsorted(above, above)
        start[level] = start[above] + spans.own[above] * 0.3 + before - before[first]
    return start
