"""Rows of the contract's table ``spans``, with OpenTelemetry's semantic conventions."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.simulator.model import Service, World
from pipelines.aiops.simulator.randomness import stream
from pipelines.aiops.simulator.signals.names import Floats, Names, instance_name
from pipelines.aiops.simulator.signals.span_model import KINDS, NOBODY, Ints, Spans
from pipelines.aiops.simulator.vocabulary import NOUNS
from pipelines.aiops.telemetry.contract import SPANS, TIME
from pipelines.aiops.telemetry.fingerprint import microseconds

if TYPE_CHECKING:
    import pyarrow as pa

SOURCE = "simulated-traces"
ROUTES = 4


def span_rows(
    world: World,
    spans: Spans,
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
    label, attributes = _told(world, spans, error, kept)
    n = len(kept)
    micro = np.rint(start[kept] * 1_000_000).astype(np.int64) + microseconds(world.start)
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


def _who(world: World, spans: Spans, start: Floats, kept: Ints) -> "tuple[pa.Array, pa.Array]":
    """Service and instance of each span, by the names of its time."""
    import pyarrow as pa

    names = Names(world)
    called: list[str] = []
    placed: list[str] = []
    code = np.zeros(len(kept), np.int64)
    at, service = start[kept], spans.service[kept]
    for index in np.unique(service).tolist():
        one = world.services[index]
        for name, since, until in names.periods(index):
            mine = (service == index) & (at >= since) & (at < until)
            # A span may begin a moment before its service's first second: then the first name.
            mine |= (service == index) & (at < since) & (code == 0) & (since == one.since)
            code[mine] = len(called) + spans.instance[kept][mine]
            called += [name] * one.instances
            placed += [instance_name(world, one, name, n) for n in range(one.instances)]
    codes = pa.array(code)
    return pa.array(called, pa.string()).take(codes), pa.array(placed, pa.string()).take(codes)


def _told(
    world: World, spans: Spans, error: NDArray[np.bool_], kept: Ints
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
