"""Rows of the telemetry contract as what incidents are made of."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipelines.aiops.incidents.model import (
    Change,
    Floats,
    Ints,
    Logs,
    PastIncident,
    Role,
    Series,
    Spans,
    role_of,
)
from pipelines.aiops.lake.contract import service_of
from pipelines.aiops.lake.findings import Finding, finding_id

if TYPE_CHECKING:
    import pyarrow as pa

ALERT_SCORE = 2.0
"""An alert is taken to be as rare as one in a hundred runs: noise was dropped before."""
INCIDENT = "incident"


def alert_findings(
    alerts: "pa.Table",
    until_us: int,
    *,
    service: Callable[[Mapping[str, str]], str] = service_of,
    score: float = ALERT_SCORE,
) -> list[Finding]:
    """Turn rows of the table ``alerts`` into findings.

    Parameters
    ----------
    alerts : Table
        Columns of the contract's ``alerts``.
    until_us : int
        The window's end: later alerts are left out and ends are cut there, so that a window
        that is computed later gives what it gave on time.
    service : callable
        Returns the service that labels name.
    score : float
        Score of every finding, -log10 of a chance.

    Returns
    -------
    list of Finding
        One finding a row.
    """
    return [_alert(row, until_us, service, score) for row in _rows(alerts, "starts_at", until_us)]


def _alert(
    row: Mapping[str, Any], until_us: int, service: Callable[[Mapping[str, str]], str], score: float
) -> Finding:
    labels = {"alertname": row["name"], **dict(row["labels"] or ())}
    start = row["starts_at"]
    end = row["ends_at"] if row["ends_at"] is not None else until_us
    name = service(labels)
    return Finding(
        id=finding_id("alert", "alert", {"alert_id": row["alert_id"]}, start),
        signal="alert",
        kind="alert",
        service=name,
        instance=labels.get("instance", ""),
        labels=labels,
        start_us=start,
        end_us=max(start, min(end, until_us)),
        score=score,
        sentence=f"alert {row['name']}" + (f" at {name}" if name else ""),
        evidence={"alert_id": row["alert_id"]},
    )


def changes_of(changes: "pa.Table", until_us: int) -> list[Change]:
    """Turn rows of the table ``changes`` into changes.

    Parameters
    ----------
    changes : Table
        Columns of the contract's ``changes``.
    until_us : int
        Rows at or after it are left out, microseconds since 1970.

    Returns
    -------
    list of Change
        One change a row.
    """
    return [
        Change(
            row["change_id"],
            row["service"] or "",
            row["at"],
            row["title"] or row["version"] or "",
            row["kind"],
        )
        for row in _rows(changes, "at", until_us)
    ]


def past_of(
    tickets: "pa.Table", until_us: int, names: Mapping[str, Sequence[str]] | None = None
) -> list[PastIncident]:
    """Turn tickets about incidents that were opened before a time into past incidents.

    Parameters
    ----------
    tickets : Table
        Columns of the contract's ``tickets``.
    until_us : int
        Tickets opened at or after it are left out, microseconds since 1970.
    names : mapping of str to sequence of str or None
        For each ticket's id the alert names (or template ids) that it was about, if known.

    Returns
    -------
    list of PastIncident
        One past incident a ticket of kind incident.
    """
    known = names or {}
    return [
        PastIncident(
            row["ticket_id"],
            row["opened_at"],
            (row["service"],) if row["service"] else (),
            tuple(known.get(row["ticket_id"], ())),
            row["title"] or "",
            row["fix"] or "",
            row["resolution"] or "",
        )
        for row in _rows(tickets, "opened_at", until_us)
        if row["kind"] == INCIDENT
    ]


def series_of(
    metrics: "pa.Table", service: Callable[[Mapping[str, str]], str] = service_of
) -> tuple[Series, ...]:
    """Turn rows of the table ``metrics`` (gauges, or rates of counters) into series.

    Parameters
    ----------
    metrics : Table
        Columns of the contract's ``metrics``.
    service : callable
        Returns the service that labels name.

    Returns
    -------
    tuple of Series
        One series a service and metric.
    """
    found: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for row in _rows(metrics, "at", None):
        if row["value"] is not None:
            key = service(dict(row["labels"] or ())), row["name"]
            found.setdefault(key, []).append((row["at"], row["value"]))
    return tuple(
        Series(name, metric, *columns_of(sorted(points), role_of(metric)), role_of(metric))
        for (name, metric), points in sorted(found.items())
    )


def columns_of(points: list[tuple[int, float]], role: Role) -> tuple[Ints, Floats]:
    """Join the values of instances at the same time: the largest for saturation, else the mean.

    Parameters
    ----------
    points : list of (int, float)
        Time (microseconds since 1970) and value, any order.
    role : Role
        What the metric is about.

    Returns
    -------
    (array of int64, array of float64), shape (times,)
        Times, ascending, and values.
    """
    import numpy as np

    times = np.array([at for at, _ in points], np.int64)
    values = np.array([value for _, value in points], float)
    at, inverse, counts = np.unique(times, return_inverse=True, return_counts=True)
    if role == "saturation":
        worst = np.full(len(at), -np.inf)
        np.maximum.at(worst, inverse, values)
        return at, worst
    return at, np.bincount(inverse, weights=values) / counts


def spans_of(spans: "pa.Table") -> Spans:
    """Turn rows of the table ``spans`` into columns; a span without duration ends as it starts.

    Parameters
    ----------
    spans : Table
        Columns of the contract's ``spans``.

    Returns
    -------
    Spans
        Row i is span i.
    """
    import numpy as np

    rows = list(_rows(spans, "starts_at", None))
    start = np.array([row["starts_at"] for row in rows], np.int64)
    taken = np.array([max(row["duration_us"] or 0, 0) for row in rows], np.int64)
    return Spans(
        [row["trace_id"] for row in rows],
        [row["span_id"] for row in rows],
        [row["parent_span_id"] or "" for row in rows],
        [row["service"] for row in rows],
        [row["name"] for row in rows],
        start,
        start + taken,
    )


def logs_of(logs: "pa.Table", codes: Sequence[int], texts: Sequence[str]) -> Logs:
    """Turn rows of the table ``logs`` with their templates into columns.

    Parameters
    ----------
    logs : Table
        Columns of the contract's ``logs``.
    codes : sequence of int, shape (rows,)
        Template of each row.
    texts : sequence of str
        Text of each template.

    Returns
    -------
    Logs
        Row i has template ``texts[codes[i]]``.
    """
    import numpy as np

    rows = list(_rows(logs, "at", None))
    return Logs(
        [row["trace_id"] or "" for row in rows],
        [row["span_id"] or "" for row in rows],
        [row["service"] or "" for row in rows],
        np.array([row["at"] for row in rows], np.int64),
        np.array(codes, np.int64),
        list(texts),
    )


def _rows(table: "pa.Table", time: str, until_us: int | None) -> Iterable[dict[str, Any]]:
    """Give rows before a time, with times as microseconds."""
    import pyarrow as pa

    for i, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            column = table.column(i).cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
            table = table.set_column(i, field.name, column)
    for batch in table.to_batches():
        for row in batch.to_pylist():
            if until_us is None or row[time] < until_us:
                yield row
