"""Rows of the telemetry contract from what happened in a world, with the alerts' labels."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.lake.contract import (
    ALERTS,
    CHANGES,
    TIME,
    Table,
    alert_id,
    fingerprint,
    microseconds,
)
from pipelines.aiops.lake.contract import TICKETS as TICKET_TABLE
from pipelines.simulator.world.alerts import OPEN, Alerts
from pipelines.simulator.world.events import Ints
from pipelines.simulator.world.kinds import KINDS, LEGACY
from pipelines.simulator.world.model import AlertRule, Deployment, Service, Timeline, World
from pipelines.simulator.world.people import NOT, Reactions, Ticket

if TYPE_CHECKING:
    import pyarrow as pa


MOUNTS = ("/", "/var/lib/data", "/var/log", "/srv")


def labels_of(
    world: World, rule: AlertRule, service: Service, instance: int, generation: int
) -> dict[str, str]:
    """Label set of one series.

    Parameters
    ----------
    instance
        Position among the service's instances; -1 for an alert of the whole service.
    generation
        How often the service was deployed before: part of the names of containers.
    """
    style, kind = world.style, _kind(rule)
    if kind in LEGACY:
        return _legacy(world, rule, service, instance)
    labels = {
        "alertname": _name(world, rule, service),
        "severity": style.severities[rule.severity],
        style.service: service.name,
        style.team: service.team,
        "cluster": service.cluster,
        **style.constant,
    }
    if style.job:
        labels["job"] = "node" if service.kind == "nodes" else f"{service.kind}-metrics"
    if style.tier:
        labels["tier"] = str(service.tier)
    if style.namespace:
        labels["namespace"] = service.team
    if instance >= 0:
        labels |= _location_labels(world, service, instance, generation)
        if kind == "disk":
            labels["mountpoint"] = MOUNTS[(service.index + instance) % len(MOUNTS)]
    if kind == "lag":
        labels["queue"] = f"{service.name.split('-')[0]}-events"
    if kind == "certificate":
        labels["domain"] = f"{service.name}.example.com"
    return labels


def annotations_of(world: World, rule: AlertRule, service: Service) -> dict[str, str]:
    """Annotations of one series."""
    kind = KINDS[_kind(rule)]
    return {
        "summary": f"{service.name}: {kind.says}",
        "runbook_url": f"https://runbooks.example.com/{kind.key}",
    }


def _kind(rule: AlertRule) -> str:
    return rule.kind.split("@")[0]


def _name(world: World, rule: AlertRule, service: Service) -> str:
    if not world.style.name_has_service or service.layer > 1:
        return rule.name
    return f"{service.name.split('-')[0].capitalize()}{rule.name}"


def _location_labels(
    world: World, service: Service, instance: int, generation: int
) -> dict[str, str]:
    style = world.style
    if service.kind == "nodes":
        return {"instance": f"{service.cluster}-node-{instance:02d}:9100"}
    if style.instance == "instance" or service.layer == 3:
        name = f"{service.name}-{instance}"
        return {style.instance: name if style.instance == "pod" else f"{name}:9090"}
    text = f"{service.index}.{instance}.{generation}"
    mark = hashlib.sha256(text.encode()).hexdigest()
    return {style.instance: f"{service.name}-{mark[:9]}-{mark[9:14]}"}


def _legacy(world: World, rule: AlertRule, service: Service, instance: int) -> dict[str, str]:
    return {
        "alertname": rule.name,
        "severity": world.style.severities[rule.severity],
        "host": f"{service.cluster}-{service.name}-{max(instance, 0):02d}",
        "check": _kind(rule).removeprefix("legacy_"),
    }


TICKET_SOURCE = "simulated-tickets"
CHANGE_SOURCE = "simulated-deployments"


@dataclass(frozen=True)
class SeriesTable:
    """What is the same for all alerts of a series; row i belongs to series i.

    Attributes
    ----------
    identity
        Source and fingerprint: what ids are made of.
    """

    source: "pa.Array"
    fingerprint: "pa.Array"
    name: "pa.Array"
    labels: "pa.Array"
    annotations: "pa.Array"
    identity: list[tuple[str, str]]


def series_table(world: World, keys: Ints) -> SeriesTable:
    """Make labels, once a series."""
    import pyarrow as pa

    rows = [
        (world.rules[rule], world.services[service], instance, generation)
        for rule, service, instance, generation in keys.tolist()
    ]
    labels = [labels_of(world, *row) for row in rows]
    notes = [annotations_of(world, rule, service) for rule, service, _, _ in rows]
    sources = [rule.source for rule, *_ in rows]
    prints = [fingerprint(label_set) for label_set in labels]
    return SeriesTable(
        _dictionary(sources),
        _dictionary(prints),
        _dictionary([label_set["alertname"] for label_set in labels]),
        _maps(labels, pa),
        _maps(notes, pa),
        list(zip(sources, prints, strict=True)),
    )


def _dictionary(texts: Sequence[str]) -> "pa.Array":
    import pyarrow as pa

    return pa.array(texts, pa.string()).dictionary_encode()


def _maps(rows: Sequence[dict[str, str]], pa: Any) -> "pa.Array":
    """Map column whose keys and values are codes: the same few texts again and again."""
    offsets = np.cumsum([0, *(len(row) for row in rows)])
    pairs = [pair for row in rows for pair in sorted(row.items())]
    return pa.MapArray.from_arrays(
        pa.array(offsets, pa.int32()),
        _dictionary([key for key, _ in pairs]),
        _dictionary([value for _, value in pairs]),
    )


def alert_rows(
    world: World, alerts: Alerts, people: Reactions, series: SeriesTable, rows: slice
) -> "pa.Table":
    """Rows of table ``alerts``, sorted as the alerts are.

    Labels and texts that repeat are dictionary-encoded; in Parquet they are plain strings.
    """
    import pyarrow as pa

    code = pa.array(alerts.series[rows])
    zero = microseconds(world.start)
    start, end = alerts.start[rows], alerts.end[rows]
    known = np.where(end == OPEN, NOT, end)
    seen, ticket = people.acknowledged[rows], people.ticket[rows]
    acted = people.acted[rows]
    updated = np.maximum(np.maximum(start, known), np.maximum(seen, _opened(people)[ticket]))
    started = (start * 1000 + zero).tolist()
    ids = [
        alert_id(source, mark, at)
        for (source, mark), at in zip(
            map(series.identity.__getitem__, alerts.series[rows].tolist()), started, strict=True
        )
    ]
    numbers = pa.array([other_ticket.id for other_ticket in people.tickets], pa.string())
    columns = {
        "alert_id": pa.array(ids, pa.string()),
        "source": series.source.take(code),
        "fingerprint": series.fingerprint.take(code),
        "name": series.name.take(code),
        "labels": series.labels.take(code),
        "annotations": series.annotations.take(code),
        "starts_at": _times(start, zero),
        "ends_at": _times(known, zero),
        "end_observed": pa.nulls(len(code), pa.bool_()),
        "updated_at": _times(updated, zero),
        "acknowledged_at": _times(seen, zero),
        "acted": pa.array(acted == 1, mask=acted < 0),
        "ticket_id": numbers.take(pa.array(ticket, mask=ticket < 0)),
    }
    return pa.table({name: columns[name] for name in ALERTS.schema.names})


def _opened(people: Reactions) -> Ints:
    """When each ticket was opened; the last entry stands for "no ticket"."""
    return np.array([*(ticket.opened for ticket in people.tickets), int(NOT)], np.int64)


def _times(milliseconds: NDArray[np.int64], zero: int) -> "pa.Array":
    import pyarrow as pa

    return pa.array(milliseconds * 1000 + zero, pa.int64(), mask=milliseconds < 0).cast(TIME)


def ticket_rows(world: World, tickets: Sequence[Ticket]) -> "pa.Table":
    """Rows of table ``tickets``."""
    services = [world.services[ticket.service] for ticket in tickets]
    zero = microseconds(world.start)
    opened = np.array([ticket.opened for ticket in tickets], np.int64)
    closed = np.array([ticket.closed for ticket in tickets], np.int64)
    return _rows(
        TICKET_TABLE,
        {
            "ticket_id": [ticket.id for ticket in tickets],
            "source": [TICKET_SOURCE] * len(tickets),
            "opened_at": _times(opened, zero),
            "closed_at": _times(closed, zero),
            "updated_at": _times(np.maximum(opened, closed), zero),
            "kind": [ticket.kind for ticket in tickets],
            "severity": [ticket.severity for ticket in tickets],
            "service": [service.name for service in services],
            "team": [service.team for service in services],
            "title": [ticket.title for ticket in tickets],
            "resolution": [ticket.resolution or None for ticket in tickets],
            "fix": [ticket.fix or None for ticket in tickets],
        },
    )


def change_id(number: int) -> str:
    """Id of the deployment at a position of the timeline."""
    return f"CHG-{number + 1:05d}"


def change_rows(world: World, timeline: Timeline) -> "pa.Table":
    """Rows of table ``changes``."""
    changes = timeline.deployments
    zero = microseconds(world.start)
    at = _times(np.array([int(deployment.at * 1000) for deployment in changes], np.int64), zero)
    names = [_name_then(world, deployment) for deployment in changes]
    return _rows(
        CHANGES,
        {
            "change_id": [change_id(n) for n in range(len(changes))],
            "source": [CHANGE_SOURCE] * len(changes),
            "at": at,
            "updated_at": at,
            "kind": [deployment.kind for deployment in changes],
            "service": names,
            "version": [deployment.version for deployment in changes],
            "author": [deployment.author for deployment in changes],
            "title": [
                f"{deployment.kind} of {name} {deployment.version}"
                for deployment, name in zip(changes, names, strict=True)
            ],
        },
    )


def _name_then(world: World, change: Deployment) -> str:
    later = {renaming.old: renaming for renaming in world.renamed_services}
    renamed = later.get(change.service)
    index = renamed.new if renamed and change.at >= renamed.at else change.service
    return world.services[index].name


def _rows(table: Table, columns: dict[str, Any]) -> "pa.Table":
    import pyarrow as pa

    return pa.table(
        [
            value if isinstance(value, pa.Array) else pa.array(value, table.schema.field(name).type)
            for name, value in columns.items()
        ],
        schema=table.schema,
    )


def truth_alerts(timeline: Timeline, alerts: Alerts, ids: "pa.Array") -> "pa.Table":
    """Build the table of which incident each alert belonged to, and what caused it."""
    import pyarrow as pa

    families = [source.family for source in timeline.noise]
    incidents = pa.array([*(incident_id(other_fault.index) for other_fault in timeline.faults), ""])
    causes = pa.array([*families, "incident"])
    fault, noise = alerts.fault.astype(np.int64), alerts.noise.astype(np.int64)
    return pa.table(
        {
            "alert_id": ids,
            "incident_id": incidents.take(pa.array(np.where(fault < 0, len(incidents) - 1, fault))),
            "cause": causes.take(pa.array(np.where(fault < 0, noise, len(families)))),
        }
    )


def incident_id(number: int) -> str:
    """Id of the fault at a position of the timeline, in the truth."""
    return f"F-{number + 1:05d}"


def truth_incidents(
    world: World, timeline: Timeline, alerts: Alerts, people: Reactions, ids: "pa.Array"
) -> "pa.Table":
    """Build the table of all real faults, also those that nobody opened a ticket for."""
    import pyarrow as pa

    tickets = {ticket.fault: ticket.id for ticket in people.tickets if ticket.fault >= 0}
    zero = microseconds(world.start)
    faults = timeline.faults
    rows = np.flatnonzero(alerts.fault >= 0)
    found, at, count = np.unique(alerts.fault[rows], return_index=True, return_counts=True)
    first = {int(fault): int(rows[n]) for fault, n in zip(found, at, strict=True)}
    many = dict(zip(found.tolist(), count.tolist(), strict=True))
    marks = ids.take(pa.array([first.get(fault.index) for fault in faults], pa.int64()))
    return pa.table(
        {
            "incident_id": [incident_id(fault.index) for fault in faults],
            "starts_at": _times(np.array([int(f.start * 1000) for f in faults], np.int64), zero),
            "ends_at": _times(np.array([int(f.end * 1000) for f in faults], np.int64), zero),
            "root_service": pa.array([world.services[f.root].name for f in faults], pa.string()),
            "kind": pa.array([fault.kind for fault in faults], pa.string()),
            "shape": pa.array([fault.shape for fault in faults], pa.string()),
            "fix": pa.array([fault.fix for fault in faults], pa.string()),
            "ticket_id": pa.array([tickets.get(fault.index, "") for fault in faults], pa.string()),
            "change_id": pa.array(
                [change_id(f.change) if f.change >= 0 else "" for f in faults], pa.string()
            ),
            "services": pa.array([len(fault.impacts) for fault in faults], pa.int64()),
            "alerts": pa.array([many.get(fault.index, 0) for fault in faults], pa.int64()),
            "first_alert_id": marks,
        }
    )
