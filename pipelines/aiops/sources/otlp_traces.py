"""Traces in OTLP JSON: one document, or one a line, as the collector's file exporter writes them.

Ids are hex, as OTLP asks for, or base64, as plain protocol buffers write them; numbers of 64 bits
are texts or numbers; enums are numbers or names; keys are in camel or in snake case.
https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

from pathlib import Path
from typing import Any

from pipelines.aiops.lake.batch import Batch, Collector, MalformedError, ReadWindow
from pipelines.aiops.params.telemetry import OtlpTracesParams
from pipelines.aiops.sources.otlp_json import attributes_of, get
from pipelines.aiops.sources.records import listing, mapping, quarantining
from pipelines.aiops.sources.spans import (
    INSTANCE,
    UNKNOWN,
    Keep,
    at_us,
    first_of,
    parent_id,
    read_files,
    span_id,
    take,
    time_of,
    trace_id,
)

_KINDS = {2: "server", 3: "client", 4: "producer", 5: "consumer"}
_NAMES = {f"SPAN_KIND_{kind.upper()}": kind for kind in _KINDS.values()}
_STATES = {1: "ok", 2: "error", "STATUS_CODE_OK": "ok", "STATUS_CODE_ERROR": "error"}
_NANO = 1000


def read(settings: OtlpTracesParams, window: ReadWindow, project: Path) -> Batch:
    """Read all spans of the files.

    Parameters
    ----------
    settings : OtlpTracesParams
    window : ReadWindow
        What to read.
    project : Path
        Folder that paths in `settings` are relative to.

    Returns
    -------
    Batch

    Raises
    ------
    SignalboxError
        If a file is missing or can't be read.
    """
    return read_files(settings, window, project, _documents)


def _documents(rows: Collector, document: Any, location: str, keep: Keep) -> None:
    for number, request in enumerate(document if isinstance(document, list) else [document]):
        with quarantining(rows, location, request):
            _document(rows, mapping(request, "document"), f"{location}#{number}", keep)


def _document(rows: Collector, document: dict[str, Any], location: str, keep: Keep) -> None:
    groups = get(document, "resourceSpans")
    if groups is None:
        if get(document, "resourceLogs", "resourceMetrics"):
            return
        raise MalformedError("resourceSpans is missing: not traces in OTLP JSON")
    count = 0
    for group in listing(groups, "resourceSpans"):
        with quarantining(rows, location, group):
            resource = attributes_of(mapping(mapping(group).get("resource") or {}, "resource"))
            scopes = get(group, "scopeSpans", "instrumentationLibrarySpans")
            for scope in listing(scopes or [], "scopeSpans"):
                shared = {**resource, **_scope(mapping(scope, "scopeSpans"))}
                for span in listing(scope.get("spans") or [], "spans"):
                    count += 1
                    with quarantining(rows, f"{location}:{count}", span):
                        _span(rows, mapping(span, "span"), shared, keep)


def _scope(scope: dict[str, Any]) -> dict[str, Any]:
    about = mapping(get(scope, "scope", "instrumentationLibrary") or {}, "scope")
    return {"otel.scope.name": about.get("name") or None, **attributes_of(about)}


def _span(rows: Collector, span: dict[str, Any], shared: dict[str, Any], keep: Keep) -> None:
    start = at_us(get(span, "startTimeUnixNano"), "start time", _NANO)
    end = get(span, "endTimeUnixNano")
    attributes = {**shared, **attributes_of(span), **_exception(span)}
    status = mapping(span.get("status") or {}, "status").get("code")
    kind = span.get("kind")
    take(rows, {
        "trace_id": trace_id(get(span, "traceId")),
        "span_id": span_id(get(span, "spanId")),
        "parent_span_id": parent_id(get(span, "parentSpanId")),
        "links": [_link(link) for link in listing(span.get("links") or [], "links")],
        "service": first_of(attributes, ("service.name",)) or UNKNOWN,
        "instance": first_of(attributes, INSTANCE),
        "name": str(span.get("name") or ""),
        "kind": _of(_KINDS, kind) or _of(_NAMES, kind) or "internal",
        "starts_at": time_of(start),
        "duration_us": None if end in (None, 0, "0") else at_us(end, "end time", _NANO) - start,
        "status": _of(_STATES, status) or "unset",
        "attributes": keep(attributes),
    })  # fmt: skip


def _of(table: dict[Any, str], value: Any) -> str | None:
    return table.get(value) if isinstance(value, str | int) else None


def _link(value: Any) -> str:
    link = mapping(value, "link")
    trace, span = get(link, "traceId"), get(link, "spanId")
    return f"{trace_id(trace)}:{span_id(span)}"


def _exception(span: dict[str, Any]) -> dict[str, Any]:
    """Type of the last exception among a span's events; what it says may be personal."""
    found: dict[str, Any] = {}
    for event in listing(span.get("events") or [], "events"):
        if isinstance(event, dict) and event.get("name") == "exception":
            found = {"exception.type": attributes_of(event).get("exception.type")}
    return found
