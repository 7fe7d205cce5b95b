"""Faults with the alerts that each brought, laid out as a lake: what an operator would collect.

A folder holds ``label.csv`` (faults), ``metric/metrics.json.gz``, ``trace/traces.json.gz``,
``log/logs.json.gz`` (alerts by fault) and ``knowledge_graph.json`` (calls, instances, hosts).
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.aiops.lake.contract import ALERTS, alert_id, fingerprint
from pipelines.core.time import EPOCH, MINUTE_US, SECOND_US

HOLD, STEP = 5 * MINUTE_US, MINUTE_US
"""What is seen again within this is the same alert, still firing; it ends so long after the last
time that it was seen."""
RELATION = {"control_flow": "calls", "data_flow": "depends_on", "hosted_on": "runs_on",
            "instance_of": "instance_of"}  # fmt: skip
LAYOUTS = ("labels", "bare")
"""Alerts of pods with their service and node; or with nothing but what the alert itself names."""


@dataclass(frozen=True)
class Fault:
    """An injected fault: its id, what it was injected into, and its time (microseconds)."""

    id: str
    level: str
    entity: str
    kind: str
    start_us: int
    end_us: int


@dataclass(frozen=True)
class FaultAlerts:
    """Faults in order of time, alerts, and the fault of each alert by its id."""

    faults: list[Fault]
    alerts: pa.Table
    fault_of: Mapping[str, str]
    relations: list[tuple[str, str, str]]

    @property
    def calls(self) -> list[tuple[str, str]]:
        """Who calls or reads whom: what a service map shows."""
        return [(a, b) for a, relation, b in self.relations if relation in ("calls", "depends_on")]


def read_fault_alerts(folder: Path, layout: str = LAYOUTS[0]) -> FaultAlerts:
    faults = [
        Fault(
            row["fault_id"],
            row["fault_level"],
            row["fault_entity"],
            row["fault_type"],
            int(row["fault_st_time"]) * SECOND_US,
            int(row["fault_ed_time"]) * SECOND_US,
        )
        for row in csv.DictReader((folder / "label.csv").read_text(encoding="utf-8").splitlines())
    ]
    known = json.loads((folder / "knowledge_graph.json").read_text(encoding="utf-8"))
    machines = {node["id"] for node in known["nodes"] if node["type"] == "Host"}
    relations = sorted(
        (edge["source"], RELATION[edge["label"]], edge["target"])
        for edge in known["edges"]
        if edge["label"] in RELATION
    )
    owner = {a: b for a, relation, b in relations if relation == "instance_of"}
    hosts = {a: b for a, relation, b in relations if relation == "runs_on"}
    offset = _offset(folder)
    rows: list[dict[str, Any]] = []
    fault_of: dict[str, str] = {}
    firing: dict[str, dict[str, Any]] = {}
    seen = sorted(
        (at, json.dumps(labels, sort_keys=True), fault)
        for fault, at, labels in _seen(folder, offset)
    )
    for at, text, fault in seen:
        labels = json.loads(text)
        if labels.get("on") in machines:
            labels["node"] = labels.pop("on")
        labels = _laid_out(labels, owner, hosts, layout)
        series = fingerprint(labels)
        last = firing.get(series)
        if last is not None and at - last["ends"] <= HOLD - STEP:
            last["ends"] = at + STEP
            continue
        own = alert_id("fault_alerts", series, at)
        firing[series] = {
            "id": own,
            "series": series,
            "labels": labels,
            "at": at,
            "ends": at + STEP,
        }
        rows.append(firing[series])
        fault_of[own] = fault
    return FaultAlerts(faults, _table(rows), fault_of, relations)


def _seen(folder: Path, offset: timedelta) -> Iterator[tuple[str, int, dict[str, str]]]:
    """Fault, time and what was seen: ``on`` a subject, or ``from`` one ``to`` another."""
    for fault, rows in _json(folder / "metric/metrics.json.gz").items():
        for at, on, host, metric, way in rows:
            yield fault, int(at) * 1000, {"alertname": f"{metric} {way}", "on": on,
                                          **({"node": host} if host else {})}  # fmt: skip
    for fault, rows in _json(folder / "trace/traces.json.gz").items():
        for at, caller, callee, operation, kind in rows:
            ends = {"on": caller} if caller == callee else {"from": caller, "to": callee}
            yield fault, int(at) * 1000, {"alertname": f"{operation} {kind}", **ends}
    for fault, rows in _json(folder / "log/logs.json.gz").items():
        for on, template, lines, *_ in rows:
            for line in lines:
                at = _line_time(line) - offset
                us = (at - EPOCH) // timedelta(microseconds=1)
                yield fault, us, {"alertname": f"log template {template}", "on": on}


def _offset(folder: Path) -> timedelta:
    """Lines have local times: whole hours from the faults', as many as bring them nearest."""
    faults = csv.DictReader((folder / "label.csv").read_text(encoding="utf-8").splitlines())
    start = {row["fault_id"]: int(row["fault_st_time"]) for row in faults}
    apart = sorted(
        (_line_time(line) - EPOCH).total_seconds() - start[fault]
        for fault, rows in _json(folder / "log/logs.json.gz").items()
        for _, _, lines, *_ in rows
        for line in lines
    )
    return timedelta(hours=round(apart[len(apart) // 2] / 3600)) if apart else timedelta()


def _line_time(line: str) -> datetime:
    return datetime.fromisoformat(line[:23]).replace(tzinfo=UTC)


def _json(path: Path) -> dict[str, Any]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return dict(json.load(file))


def _laid_out(
    seen: dict[str, str], owner: Mapping[str, str], hosts: Mapping[str, str], layout: str
) -> dict[str, str]:
    labels = {"alertname": seen["alertname"]}
    if "from" in seen:
        labels |= {"from": seen["from"], "to": seen["to"]}
        return labels | ({"service": owner.get(seen["from"], seen["from"])} if layout == "labels"
                         else {})  # fmt: skip
    if "on" not in seen:
        return labels | {"node": seen["node"]}
    on = seen["on"]
    if on in owner:
        host = seen.get("node") or hosts.get(on)
        node = {"node": host} if host else {}
        return labels | {"pod": on} | ({"service": owner[on], **node} if layout == "labels" else {})
    return labels | {"service": on}


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    empty = dict.fromkeys(ALERTS.schema.names)

    def when(us: int) -> datetime:
        return EPOCH + timedelta(microseconds=us)

    return pa.Table.from_pylist(
        [
            {
                **empty,
                "alert_id": row["id"],
                "source": "fault_alerts",
                "fingerprint": row["series"],
                "name": row["labels"]["alertname"],
                "labels": sorted(row["labels"].items()),
                "starts_at": when(row["at"]),
                "ends_at": when(row["ends"]),
                "updated_at": when(row["ends"]),
            }
            for row in rows
        ],
        schema=ALERTS.schema,
    )
