"""Columns of the telemetry contract: names and types, without Arrow.

They stand here and not with the rest of the contract, `pipelines.aiops.lake.contract`, which makes
Arrow's schemas of them: a source's params name columns, and params import nothing of the lake.
"""

from typing import Literal

Type = Literal["text", "texts", "labels", "time", "boolean", "number", "integer"]

ALERTS: dict[str, Type] = {
    # SHA-256 of source, fingerprint and starts_at, first 32 hex digits.
    "alert_id": "text",
    # Name of the source in params.yaml.
    "source": "text",
    # SHA-256 of the sorted labels, first 16 hex digits: identifies the alert's series.
    "fingerprint": "text",
    # Label alertname.
    "name": "text",
    "labels": "labels",
    "annotations": "labels",
    "starts_at": "time",
    # Null: not known to have ended (still firing when it was read).
    "ends_at": "time",
    # Whether somebody saw it end; false: a setting or a guess says so (hold_seconds). Null with
    # an end: it was seen. From an assumed end no duration is learned.
    "end_observed": "boolean",
    "updated_at": "time",
    "acknowledged_at": "time",
    # Whether a person acted on it (acknowledged, ticketed, fixed); null: the source
    # cannot say. A null is not a no: nothing is learned from it.
    "acted": "boolean",
    "ticket_id": "text",
}

TICKETS: dict[str, Type] = {
    "ticket_id": "text",
    "source": "text",
    "opened_at": "time",
    "closed_at": "time",
    "updated_at": "time",
    # incident | request | noise; only incidents must never be missed.
    "kind": "text",
    "severity": "text",
    "service": "text",
    "team": "text",
    "title": "text",
    # What was done, in people's words, and as a short key (restart, rollback, …).
    "resolution": "text",
    "fix": "text",
}

CHANGES: dict[str, Type] = {
    "change_id": "text",
    "source": "text",
    "at": "time",
    "updated_at": "time",
    # deployment | configuration | infrastructure | other
    "kind": "text",
    "service": "text",
    "version": "text",
    "author": "text",
    "title": "text",
}

METRICS: dict[str, Type] = {
    "source": "text",
    # SHA-256 of name and sorted labels, first 16 hex digits: identifies the series.
    "fingerprint": "text",
    "name": "text",
    "labels": "labels",
    "at": "time",
    # Null: the source says that there was no value (a gap is not a zero).
    "value": "number",
    # gauge | counter (only grows, resets to zero) | unknown
    "kind": "text",
    "unit": "text",
}

LOGS: dict[str, Type] = {
    # SHA-256 of source, location in the source and body, first 32 hex digits.
    "log_id": "text",
    "source": "text",
    "at": "time",
    "service": "text",
    "instance": "text",
    # trace | debug | info | warn | error | fatal, as OpenTelemetry's severity text.
    "severity": "text",
    # The message without its header; a stack trace stays with its message.
    "body": "text",
    "attributes": "labels",
    "trace_id": "text",
    "span_id": "text",
}

SPANS: dict[str, Type] = {
    "trace_id": "text",
    "span_id": "text",
    "parent_span_id": "text",
    # "trace_id:span_id" of linked spans (messaging).
    "links": "texts",
    "source": "text",
    "service": "text",
    "instance": "text",
    "name": "text",
    # client | server | producer | consumer | internal
    "kind": "text",
    "starts_at": "time",
    # Microseconds; null where the source has none.
    "duration_us": "integer",
    # ok | error | unset
    "status": "text",
    "attributes": "labels",
}
