"""The telemetry contract: typed tables that every source delivers and every stage reads.

Names follow Prometheus and Alertmanager. Times are UTC, in microseconds. A table lies in a lake as
``<lake>/<table>/day=YYYY-MM-DD/*.parquet``; the day is that of the row's `Table.time` column.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa

from pipelines.core.time import EPOCH

TIME = pa.timestamp("us", tz="UTC")
LABELS = pa.map_(pa.string(), pa.string())


@dataclass(frozen=True)
class Table:
    """One table of the contract.

    Attributes
    ----------
    key
        Columns that identify a row: the same row delivered twice is one row; of two versions the
        one with the later ``updated_at`` counts.
    time
        Column whose UTC day a row is filed under.
    required
        Columns that are never null.
    """

    name: str
    schema: pa.Schema
    key: tuple[str, ...]
    time: str
    required: tuple[str, ...]


ALERTS = Table(
    name="alerts",
    key=("alert_id",),
    time="starts_at",
    required=("alert_id", "source", "fingerprint", "name", "labels", "starts_at", "updated_at"),
    schema=pa.schema(
        [
            # SHA-256 of source, fingerprint and starts_at, first 32 hex digits.
            ("alert_id", pa.string()),
            # Name of the source in params.yaml.
            ("source", pa.string()),
            # SHA-256 of the sorted labels, first 16 hex digits: identifies the alert's series.
            ("fingerprint", pa.string()),
            # Label alertname.
            ("name", pa.string()),
            ("labels", LABELS),
            ("annotations", LABELS),
            ("starts_at", TIME),
            # Null: not known to have ended (still firing when it was read).
            ("ends_at", TIME),
            ("updated_at", TIME),
            ("acknowledged_at", TIME),
            # Whether a person acted on it (acknowledged, ticketed, fixed); null: the source
            # cannot say. A null is not a no: nothing is learned from it.
            ("acted", pa.bool_()),
            ("ticket_id", pa.string()),
        ]
    ),
)

TICKETS = Table(
    name="tickets",
    key=("source", "ticket_id"),
    time="opened_at",
    required=("ticket_id", "source", "opened_at", "updated_at", "kind"),
    schema=pa.schema(
        [
            ("ticket_id", pa.string()),
            ("source", pa.string()),
            ("opened_at", TIME),
            ("closed_at", TIME),
            ("updated_at", TIME),
            # incident | request | noise; only incidents must never be lost.
            ("kind", pa.string()),
            ("severity", pa.string()),
            ("service", pa.string()),
            ("team", pa.string()),
            ("title", pa.string()),
            # What was done, in people's words, and as a short key (restart, rollback, …).
            ("resolution", pa.string()),
            ("fix", pa.string()),
        ]
    ),
)

CHANGES = Table(
    name="changes",
    key=("source", "change_id"),
    time="at",
    required=("change_id", "source", "at", "updated_at", "kind"),
    schema=pa.schema(
        [
            ("change_id", pa.string()),
            ("source", pa.string()),
            ("at", TIME),
            ("updated_at", TIME),
            # deployment | configuration | infrastructure | other
            ("kind", pa.string()),
            ("service", pa.string()),
            ("version", pa.string()),
            ("author", pa.string()),
            ("title", pa.string()),
        ]
    ),
)

TABLES: dict[str, Table] = {table.name: table for table in (ALERTS, TICKETS, CHANGES)}

METRICS = Table(
    name="metrics",
    key=("source", "fingerprint", "at"),
    time="at",
    required=("source", "fingerprint", "name", "labels", "at", "kind"),
    schema=pa.schema(
        [
            ("source", pa.string()),
            # SHA-256 of name and sorted labels, first 16 hex digits: identifies the series.
            ("fingerprint", pa.string()),
            ("name", pa.string()),
            ("labels", LABELS),
            ("at", TIME),
            # Null: the source says that there was no value (a gap is not a zero).
            ("value", pa.float64()),
            # gauge | counter (only grows, resets to zero) | unknown
            ("kind", pa.string()),
            ("unit", pa.string()),
        ]
    ),
)

LOGS = Table(
    name="logs",
    key=("log_id",),
    time="at",
    required=("log_id", "source", "at", "body"),
    schema=pa.schema(
        [
            # SHA-256 of source, place in the source and body, first 32 hex digits.
            ("log_id", pa.string()),
            ("source", pa.string()),
            ("at", TIME),
            ("service", pa.string()),
            ("instance", pa.string()),
            # trace | debug | info | warn | error | fatal, as OpenTelemetry's severity text.
            ("severity", pa.string()),
            # The message without its header; a stack trace stays with its message.
            ("body", pa.string()),
            ("attributes", LABELS),
            ("trace_id", pa.string()),
            ("span_id", pa.string()),
        ]
    ),
)

SPANS = Table(
    name="spans",
    key=("trace_id", "span_id", "kind"),
    time="starts_at",
    required=("trace_id", "span_id", "source", "service", "name", "kind", "starts_at"),
    schema=pa.schema(
        [
            ("trace_id", pa.string()),
            ("span_id", pa.string()),
            ("parent_span_id", pa.string()),
            # "trace_id:span_id" of linked spans (messaging).
            ("links", pa.list_(pa.string())),
            ("source", pa.string()),
            ("service", pa.string()),
            ("instance", pa.string()),
            ("name", pa.string()),
            # client | server | producer | consumer | internal
            ("kind", pa.string()),
            ("starts_at", TIME),
            # Microseconds; null where the source has none.
            ("duration_us", pa.int64()),
            # ok | error | unset
            ("status", pa.string()),
            ("attributes", LABELS),
        ]
    ),
)

SIGNALS: dict[str, Table] = {table.name: table for table in (METRICS, LOGS, SPANS)}
"""Tables that anomalies, service map and incidents read beside `TABLES`."""


def fingerprint(labels: Mapping[str, str]) -> str:
    """Identify a label set: SHA-256 of its sorted pairs as compact JSON, first 16 hex digits.

    The order in which labels were given doesn't matter.
    """
    pairs = json.dumps(sorted(labels.items()), ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(pairs.encode()).hexdigest()[:16]


def alert_id(source: str, series: str, starts_at: int) -> str:
    r"""Identify an alert.

    Parameters
    ----------
    source
        Name of the source.
    series
        The labels' `fingerprint`.
    starts_at
        Microseconds since 1970, UTC.

    Returns
    -------
    First 32 hex digits of the SHA-256 of the three, joined by ``\0``.
    """
    return hashlib.sha256(f"{source}\0{series}\0{starts_at}".encode()).hexdigest()[:32]


def microseconds(time: datetime) -> int:
    """Microseconds since 1970 of a time that knows its zone; exact, unlike ``timestamp()``."""
    return (time - EPOCH) // timedelta(microseconds=1)


SERVICE_LABELS = ("service", "service_name", "service.name", "app", "application", "job",
                  "namespace")  # fmt: skip
"""Labels that may name a service, best first."""


def service_of(labels: Mapping[str, str]) -> str:
    """Tell the service that labels name; empty if none does."""
    return next((labels[name] for name in SERVICE_LABELS if labels.get(name)), "")
