"""Traces in Jaeger's JSON: what its page downloads and its API answers, or spans of its index.

``{"data": [{"traceID": …, "spans": […], "processes": {…}}]}``, one such trace, a list of them; or
a span a line with its process inside, as Jaeger keeps them in Elasticsearch.
"""

from pathlib import Path
from typing import Any

from pipelines.aiops.lake.batch import Batch, Collector, MalformedError, ReadWindow
from pipelines.aiops.params.telemetry import JaegerParams
from pipelines.aiops.sources.records import listing, mapping, quarantining
from pipelines.aiops.sources.spans import (
    INSTANCE,
    UNKNOWN,
    Keep,
    at_us,
    duration_us,
    first_of,
    kind_of,
    parent_id,
    read_files,
    span_id,
    take,
    time_of,
    trace_id,
)


def read(settings: JaegerParams, window: ReadWindow, project: Path) -> Batch:
    """Read all spans of the files.

    Parameters
    ----------
    settings : JaegerParams
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
    return read_files(settings, window, project, take_traces)


def take_traces(rows: Collector, document: Any, location: str, keep: Keep) -> None:
    """Take the spans of a document; what is malformed goes to quarantine.

    Parameters
    ----------
    rows : Collector
        Takes the spans.
    document : JSON value
        A response of Jaeger's API, a trace, a list of traces or spans, or a span of its index.
    location : str
        File and line, or address, for quarantine.
    keep : callable
        Turns attributes into the contract's; see `keeper`.
    """
    with quarantining(rows, location, document):
        for number, trace in enumerate(_traces(document), 1):
            with quarantining(rows, f"{location}#{number}", trace):
                _trace(rows, mapping(trace, "trace"), f"{location}#{number}", keep)


def _traces(document: Any) -> list[Any]:
    if isinstance(document, list):
        return document
    found = mapping(document, "document")
    if "data" in found:
        return listing(found["data"] or [], "data")
    if "spans" in found:
        return [found]
    if "spanID" in found:
        return [{"spans": [found]}]
    raise MalformedError("data is missing: not traces in Jaeger's JSON")


def _trace(rows: Collector, trace: dict[str, Any], location: str, keep: Keep) -> None:
    if "spanID" in trace:
        trace = {"spans": [trace]}
    processes = mapping(trace.get("processes") or {}, "processes")
    for number, span in enumerate(listing(trace.get("spans") or [], "spans"), 1):
        with quarantining(rows, f"{location}:{number}", span):
            raw_span = mapping(span, "span")
            process = raw_span.get("process") or processes.get(str(raw_span.get("processID"))) or {}
            _span(rows, raw_span, mapping(process, "process"), keep)


def _span(rows: Collector, span: dict[str, Any], process: dict[str, Any], keep: Keep) -> None:
    attributes = {**_tags(process), **_tags(span)}
    trace = trace_id(span.get("traceID"))
    parent, links = _references(span, trace)
    take(rows, {
        "trace_id": trace, "span_id": span_id(span.get("spanID")), "parent_span_id": parent,
        "links": links, "service": str(process.get("serviceName") or UNKNOWN),
        "instance": first_of(attributes, INSTANCE), "name": str(span.get("operationName") or ""),
        "kind": kind_of(attributes.get("span.kind")),
        "starts_at": time_of(at_us(span.get("startTime"), "startTime")),
        "duration_us": duration_us(span.get("duration")),
        "status": _status(attributes),
        "attributes": keep({name: v for name, v in attributes.items() if name != "span.kind"}),
    })  # fmt: skip


def _tags(record: dict[str, Any]) -> dict[str, Any]:
    tags = record.get("tags") or []
    if isinstance(tags, dict):  # the index may keep them as fields, with @ for a dot
        return {str(name).replace("@", "."): value for name, value in tags.items()}
    return {str(mapping(tag).get("key") or ""): tag.get("value") for tag in listing(tags, "tags")}


def _references(span: dict[str, Any], trace: str) -> tuple[str | None, list[str]]:
    """Parent: who waits for it, else what it follows from; links: whatever else it refers to."""
    found = [
        (
            str(reference.get("refType")),
            trace_id(reference.get("traceID")),
            span_id(reference.get("spanID")),
        )
        for reference in (mapping(r) for r in listing(span.get("references") or [], "references"))
    ]
    inside = [reference for reference in found if reference[1] == trace]
    waits = [reference for reference in inside if reference[0] == "CHILD_OF"] or inside
    parent = waits[0][2] if waits else parent_id(span.get("parentSpanID"))
    first = waits[0] if waits else None
    return parent, [
        f"{other}:{span_of}" for kind, other, span_of in found if (kind, other, span_of) != first
    ]


def _status(attributes: dict[str, Any]) -> str:
    state = str(attributes.get("otel.status_code") or "").lower()
    if str(attributes.get("error")).lower() == "true" or state == "error":
        return "error"
    return "ok" if state == "ok" else "unset"
