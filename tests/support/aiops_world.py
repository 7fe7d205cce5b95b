"""A small synthetic lake: six services, metrics, logs, spans, alerts, one planted fault.

``python -m tests.support.aiops_world FOLDER`` writes the lake and one analysed place, to look at.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.aiops.lake.contract import (
    ALERTS,
    CHANGES,
    LOGS,
    METRICS,
    SPANS,
    TICKETS,
    Table,
    fingerprint,
)
from pipelines.aiops.lake.store import upsert
from pipelines.aiops.params import AiopsParams
from pipelines.core.runtime import RuntimeParams

START = datetime(2026, 4, 1, tzinfo=UTC)
US = 1_000_000
STEP, HOUR, DAY = 300 * US, 3600 * US, 86_400 * US
START_US = int(START.timestamp()) * US
CALLS = {"web": ("shop", "search"), "shop": ("cart", "pay"), "cart": (), "pay": (), "search": (),
         "mail": ()}  # fmt: skip
SERVICES = tuple(CALLS)
CULPRIT = "pay"
HIT = ("pay", "shop", "web")
USUAL_MS = {"web": 120, "shop": 80, "cart": 12, "pay": 30, "search": 25, "mail": 60}


@dataclass(frozen=True)
class World:
    """What is drawn; the fault lies on the last day, from ten o'clock."""

    days: int = 16
    span_days: int = 2
    fault: bool = True
    seed: int = 3
    lines_an_hour: int = 30

    @property
    def last_day_us(self) -> int:
        return START_US + (self.days - 1) * DAY

    @property
    def fault_us(self) -> tuple[int, int]:
        begin = self.last_day_us + 10 * HOUR
        return begin, begin + 40 * 60 * US

    def at(self, hours: float) -> datetime:
        """Time on the last day."""
        return START + timedelta(days=self.days - 1, hours=hours)

    def bad(self, us: np.ndarray) -> np.ndarray:
        begin, end = self.fault_us
        return (us >= begin) & (us < end) if self.fault else np.zeros(len(us), bool)


def write_lake(lake: Path, world: World = World()) -> World:
    """Write all six tables."""
    upsert(lake, {
        "metrics": metrics(world), "logs": logs(world), "spans": spans(world),
        "alerts": alerts(world), "tickets": tickets(world), "changes": changes(world),
    })  # fmt: skip
    return world


def params_for(root: Path, **sections: Mapping[str, Any]) -> AiopsParams:
    """Params whose lake, results and state lie in a folder."""
    analysis = {
        **{name: str(root / name) for name in ("lake", "results", "state")},
        **sections.pop("analysis", {}),
    }
    params = AiopsParams.model_validate({"analysis": analysis, **sections})
    return params.on(RuntimeParams(partitions=3))


def _times(us: Any) -> pa.Array:
    return pa.array(np.asarray(us, np.int64)).cast(pa.timestamp("us", tz="UTC"))


def _rows(table: Table, rows: list[dict[str, Any]]) -> pa.Table:
    empty = dict.fromkeys(table.schema.names)
    return pa.Table.from_pylist([{**empty, **row} for row in rows], schema=table.schema)


def _when(us: float) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(us))


def metrics(world: World) -> pa.Table:
    """Four kinds of metrics a service, two instances of the processor."""
    rng = np.random.default_rng(world.seed)
    at = START_US + np.arange(world.days * DAY // STEP) * STEP
    day = 1 + 0.4 * np.sin(2 * np.pi * (at % DAY) / DAY)
    bad = world.bad(at)
    found: list[tuple[dict[str, Any], np.ndarray]] = []
    for service in SERVICES:
        labels = {"service": service}
        hit = bad & (service in HIT)
        latency = USUAL_MS[service] / 1e3 * day * rng.normal(1, 0.05, len(at)) * (1 + 6 * hit)
        errors = np.abs(rng.normal(0.01, 0.003, len(at))) + 0.3 * hit
        calls = np.cumsum(rng.poisson(300 * day))
        found += [
            (_series("request_latency_seconds", labels, "gauge", "s"), latency),
            (_series("request_error_ratio", labels, "gauge", ""), errors),
            (_series("requests_total", labels, "counter", ""), calls.astype(float)),
        ]
        for pod in ("a", "b"):
            cpu = 0.3 * day * rng.normal(1, 0.06, len(at)) + 0.6 * (bad & (service == CULPRIT))
            own = {**labels, "instance": f"{service}-{pod}"}
            found.append((_series("cpu_utilization", own, "gauge", "1"), cpu))
    known = METRICS.schema.remove(METRICS.schema.get_field_index("value"))
    known = known.remove(known.get_field_index("at"))
    subjects = pa.Table.from_pylist([subject for subject, _ in found], schema=known)
    table = subjects.take(np.repeat(np.arange(len(found)), len(at)))
    table = table.append_column("at", _times(np.tile(at, len(found))))
    table = table.append_column("value", pa.array(np.concatenate([x for _, x in found])))
    return table.select(METRICS.schema.names).cast(METRICS.schema)


def _series(name: str, labels: dict[str, str], kind: str, unit: str) -> dict[str, Any]:
    return {"source": "test", "fingerprint": fingerprint({"__name__": name, **labels}),
            "name": name, "labels": list(labels.items()), "kind": kind, "unit": unit}  # fmt: skip


TEXTS = ("request {} done in {} ms", "cache hit for key {}", "connection from peer {} opened",
         "flushed {} segments", "lease number {} renewed")  # fmt: skip


def logs(world: World) -> pa.Table:
    """Ordinary lines, and a message never seen before while the fault lasts."""
    rng = np.random.default_rng(world.seed + 1)
    at: list[int] = []
    who: list[str] = []
    level: list[str] = []
    body: list[str] = []
    total = world.days * 24 * world.lines_an_hour
    for service in SERVICES:
        for us in np.sort(rng.integers(START_US, START_US + world.days * DAY, total)).tolist():
            text = TEXTS[int(rng.choice(len(TEXTS), p=(0.4, 0.2, 0.2, 0.1, 0.1)))]
            at.append(us)
            who.append(service)
            level.append("info")
            body.append(text.format(*rng.integers(1_000_000, size=2).tolist()))
    begin, end = world.fault_us
    for us in range(begin, end, 20 * US) if world.fault else ():
        at.append(us)
        who.append(CULPRIT)
        level.append("error")
        body.append(f"payment provider refused transaction {us // US} after timeout")
    n = len(at)
    return pa.table(
        {
            "log_id": [f"{i:032x}" for i in range(n)], "source": ["test"] * n, "at": _times(at),
            "service": who, "instance": [f"{name}-a" for name in who], "severity": level,
            "body": body, "attributes": pa.array([[]] * n, LOGS.schema.field("attributes").type),
            "trace_id": pa.nulls(n, pa.string()), "span_id": pa.nulls(n, pa.string()),
        },
        schema=LOGS.schema,
    )  # fmt: skip


def spans(world: World) -> pa.Table:
    """A request every thirty seconds, through all that the front calls."""
    rng = np.random.default_rng(world.seed + 2)
    first = START_US + (world.days - world.span_days) * DAY
    rows: list[dict[str, Any]] = []
    starts = np.arange(first, START_US + world.days * DAY, 30 * US)
    for number, (us, bad) in enumerate(zip(starts.tolist(), world.bad(starts), strict=True)):
        rows += _trace(rng, f"{number:032x}", us, bool(bad))
    return _rows(SPANS, rows)


def _trace(rng: np.random.Generator, trace: str, us: int, bad: bool) -> list[dict[str, Any]]:
    ids = (f"{n:016x}" for n in range(1, 100))
    fails = bad and rng.random() < 0.4

    def span(service: str, parent: str | None, kind: str, name: str, at: int, took: int) -> Any:
        status = "error" if fails and name.removeprefix("GET /") in HIT else "ok"
        attributes = []
        if kind == "client" and service == "cart":
            attributes = [("db.system", "postgresql"), ("db.name", "carts")]
        return {"trace_id": trace, "span_id": next(ids), "parent_span_id": parent,
                "links": [], "source": "test", "service": service, "instance": f"{service}-a",
                "name": name, "kind": kind, "starts_at": _when(at), "duration_us": took,
                "status": status, "attributes": attributes}  # fmt: skip

    def serve(service: str, parent: str | None, at: int) -> tuple[int, list[dict[str, Any]]]:
        took = int(USUAL_MS[service] * 1000 * rng.lognormal(0, 0.2))
        took *= 6 if bad and service in HIT else 1
        own = span(service, parent, "server", f"GET /{service}", at, took)
        found = [own]
        if service == "cart":
            found.append(
                span(service, own["span_id"], "client", "SELECT carts", at + 500, took // 2)
            )
        for callee in CALLS[service]:
            call = span(service, own["span_id"], "client", f"GET /{callee}", at + 1000, 0)
            there, below = serve(callee, call["span_id"], at + 2000)
            found += [{**call, "duration_us": there + 2000}, *below]
        return took, found

    return serve("web", None, us)[1]


def alerts(world: World) -> pa.Table:
    """Alerts of those who are hit, and one alone on the first day that a ticket was about."""
    begin, end = world.fault_us
    rows = [_alert("HighLatency", "pay", START_US + 10 * HOUR, START_US + 11 * HOUR, "T1")]
    for i, service in enumerate(HIT if world.fault else ()):
        rows.append(_alert("HighLatency", service, begin + (2 + i) * 60 * US, end, "T2"))
        rows.append(_alert("HighErrorRate", service, begin + (3 + i) * 60 * US, end, None))
    return _rows(ALERTS, rows)


def _alert(name: str, service: str, start: int, end: int, ticket: str | None) -> dict[str, Any]:
    labels = {"alertname": name, "service": service, "severity": "page"}
    own = fingerprint(labels)
    return {"alert_id": f"{own}{start:016x}", "source": "test", "fingerprint": own, "name": name,
            "labels": list(labels.items()), "annotations": [], "starts_at": _when(start),
            "ends_at": _when(end), "updated_at": _when(end), "acted": bool(ticket),
            "ticket_id": ticket}  # fmt: skip


def tickets(world: World) -> pa.Table:
    """One that was dealt with, and the one about the fault."""
    begin, end = world.fault_us
    known = {"source": "test", "kind": "incident", "severity": "high", "service": "pay",
             "team": "money"}  # fmt: skip
    old = START_US + 10 * HOUR
    return _rows(TICKETS, [
        {**known, "ticket_id": "T1", "opened_at": _when(old), "closed_at": _when(old + HOUR),
         "updated_at": _when(old + HOUR), "title": "Payments slow", "fix": "rollback",
         "resolution": "rolled pay back to the version before"},
        {**known, "ticket_id": "T2", "opened_at": _when(begin + 10 * 60 * US),
         "closed_at": _when(end + HOUR), "updated_at": _when(end + HOUR),
         "title": "Payments fail", "fix": "rollback", "resolution": "rolled back"},
    ])  # fmt: skip


def changes(world: World) -> pa.Table:
    """A deployment eight minutes before the fault, one elsewhere, and one in the future."""
    begin, _ = world.fault_us
    known = {"source": "test", "kind": "deployment", "author": "somebody"}
    planned = world.last_day_us + 30 * DAY
    return _rows(CHANGES, [
        {**known, "change_id": "C1", "at": _when(begin - 8 * 60 * US), "service": "pay",
         "updated_at": _when(begin), "version": "2.4.0", "title": "pay 2.4.0"},
        {**known, "change_id": "C2", "at": _when(begin - 5 * HOUR), "service": "search",
         "updated_at": _when(begin), "version": "1.1.0", "title": "search 1.1.0"},
        {**known, "change_id": "C3", "at": _when(planned), "service": "web",
         "updated_at": _when(begin), "version": "9.0.0", "title": "planned"},
    ])  # fmt: skip


def analyse(params: AiopsParams, place: Path, window: Any, earlier: Any = ()) -> None:
    """Run all four jobs for a window."""
    from pipelines.aiops import group_incidents, log_anomalies, map_services, metric_anomalies

    metric_anomalies.run(params, window, place)
    log_anomalies.run(params, window, place)
    map_services.run(params, window, place)
    group_incidents.run(params, window, place, earlier)


def main(root: Path) -> None:
    """Write a lake and the place of its last day."""
    from pipelines.aiops.lake.window import window_of

    write_lake(root / "lake")
    (root / "lake" / "truth").mkdir(exist_ok=True)
    params = params_for(root)
    analyse(params, root / "place", window_of(params.analysis))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
