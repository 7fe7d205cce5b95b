"""The telemetry contract: typed tables that every source delivers and every stage reads.

Names follow Prometheus and Alertmanager; the columns stand in `pipelines.aiops.params.tables`.
Times are UTC, in microseconds. A table lies in a lake as
``<lake>/<table>/day=YYYY-MM-DD/*.parquet``; the day is that of the row's `Table.time` column.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa

from pipelines.aiops.params import tables
from pipelines.core.time import EPOCH

TIME = pa.timestamp("us", tz="UTC")
LABELS = pa.map_(pa.string(), pa.string())
_TYPES: dict[tables.Type, pa.DataType] = {
    "text": pa.string(),
    "texts": pa.list_(pa.string()),
    "labels": LABELS,
    "time": TIME,
    "boolean": pa.bool_(),
    "number": pa.float64(),
    "integer": pa.int64(),
}


@dataclass(frozen=True)
class Table:
    """One table of the contract.

    Attributes
    ----------
    name : str
        The table's name, and its folder in a lake.
    schema : pyarrow.Schema
        Columns and types.
    key : tuple of str
        Columns that identify a row: the same row delivered twice is one row; of two versions the
        one with the later ``updated_at`` counts.
    time : str
        Column whose UTC day a row is filed under.
    required : tuple of str
        Columns that are never null.
    """

    name: str
    schema: pa.Schema
    key: tuple[str, ...]
    time: str
    required: tuple[str, ...]


def _schema(columns: Mapping[str, tables.Type]) -> pa.Schema:
    return pa.schema([(name, _TYPES[kind]) for name, kind in columns.items()])


ALERTS = Table(
    name="alerts",
    key=("alert_id",),
    time="starts_at",
    required=("alert_id", "source", "fingerprint", "name", "labels", "starts_at", "updated_at"),
    schema=_schema(tables.ALERTS),
)

TICKETS = Table(
    name="tickets",
    key=("source", "ticket_id"),
    time="opened_at",
    required=("ticket_id", "source", "opened_at", "updated_at", "kind"),
    schema=_schema(tables.TICKETS),
)

CHANGES = Table(
    name="changes",
    key=("source", "change_id"),
    time="at",
    required=("change_id", "source", "at", "updated_at", "kind"),
    schema=_schema(tables.CHANGES),
)

TABLES: dict[str, Table] = {table.name: table for table in (ALERTS, TICKETS, CHANGES)}

METRICS = Table(
    name="metrics",
    key=("source", "fingerprint", "at"),
    time="at",
    required=("source", "fingerprint", "name", "labels", "at", "kind"),
    schema=_schema(tables.METRICS),
)

LOGS = Table(
    name="logs",
    key=("log_id",),
    time="at",
    required=("log_id", "source", "at", "body"),
    schema=_schema(tables.LOGS),
)

SPANS = Table(
    name="spans",
    key=("trace_id", "span_id", "kind"),
    time="starts_at",
    required=("trace_id", "span_id", "source", "service", "name", "kind", "starts_at"),
    schema=_schema(tables.SPANS),
)

SIGNALS: dict[str, Table] = {table.name: table for table in (METRICS, LOGS, SPANS)}
"""Tables that anomalies, service map and incidents read beside `TABLES`."""


def fingerprint(labels: Mapping[str, str]) -> str:
    """Identify a label set, in whatever order its labels are given.

    Parameters
    ----------
    labels : mapping of str to str

    Returns
    -------
    str
        First 16 hex digits of the SHA-256 of the sorted pairs as compact JSON.
    """
    pairs = json.dumps(sorted(labels.items()), ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(pairs.encode()).hexdigest()[:16]


def alert_id(source: str, series: str, starts_at: int) -> str:
    r"""Identify an alert.

    Parameters
    ----------
    source : str
        Name of the source.
    series : str
        The labels' `fingerprint`.
    starts_at : int
        Microseconds since 1970, UTC.

    Returns
    -------
    str
        First 32 hex digits of the SHA-256 of the three, joined by ``\0``.
    """
    return hashlib.sha256(f"{source}\0{series}\0{starts_at}".encode()).hexdigest()[:32]


def microseconds(time: datetime) -> int:
    """Convert a time to microseconds since 1970; exact, unlike ``timestamp()``.

    Parameters
    ----------
    time : datetime
        With a time zone.

    Returns
    -------
    int
        Microseconds since 1970, UTC.
    """
    return (time - EPOCH) // timedelta(microseconds=1)


SERVICE_LABELS = ("service", "service_name", "service.name", "app", "application", "job",
                  "namespace")  # fmt: skip
"""Labels that may name a service, best first."""
GUESSED_SERVICE_LABELS = ("job", "namespace")
"""Of these, labels that name a scraper or a group as often as a service: a host says more."""


SUSPICIOUS_HOURS = 6
"""An alert that begins longer before its ticket is hardly what the ticket is about."""


def service_of(labels: Mapping[str, str]) -> str:
    """Return the service that labels name.

    Parameters
    ----------
    labels : mapping of str to str

    Returns
    -------
    str
        Value of the first of `SERVICE_LABELS` that is there; empty if none is.
    """
    return next((labels[name] for name in SERVICE_LABELS if labels.get(name)), "")
