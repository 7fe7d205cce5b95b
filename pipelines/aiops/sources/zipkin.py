"""Traces in Zipkin's JSON, version 2: a list of spans, or of traces, or one of these a line.

Client and server may share a span id; both halves are kept, told apart by their kind.
"""

from pathlib import Path
from typing import Any

from pipelines.aiops.lake.batch import Batch, Collector, MalformedError, ReadWindow
from pipelines.aiops.params.telemetry import ZipkinParams
from pipelines.aiops.sources.records import mapping, quarantining
from pipelines.aiops.sources.spans import (
    UNKNOWN,
    Keep,
    at_us,
    duration_us,
    kind_of,
    parent_id,
    read_files,
    span_id,
    take,
    time_of,
    trace_id,
)

_TOPICS = ("kafka.topic", "jms.queue", "jms.topic", "rabbit.queue", "rabbit.exchange",
           "rabbit.routing_key")  # fmt: skip


def read(settings: ZipkinParams, window: ReadWindow, project: Path) -> Batch:
    """Read all spans of the files.

    Parameters
    ----------
    settings : ZipkinParams
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
    return read_files(settings, window, project, _take)


def _take(rows: Collector, document: Any, location: str, keep: Keep) -> None:
    for number, span in enumerate(_spans(document), 1):
        with quarantining(rows, f"{location}#{number}", span):
            _span(rows, mapping(span, "span"), keep)


def _spans(document: Any) -> list[Any]:
    """Flatten spans, traces and lists of traces to spans."""
    if not isinstance(document, list):
        return [document]
    return [span for item in document for span in (item if isinstance(item, list) else [item])]


def _span(rows: Collector, span: dict[str, Any], keep: Keep) -> None:
    kind = kind_of(span.get("kind"))
    tags = mapping(span.get("tags") or {}, "tags")
    here = mapping(span.get("localEndpoint") or {}, "localEndpoint")
    if "timestamp" not in span:
        raise MalformedError("timestamp is missing: the span was reported incompletely")
    take(rows, {
        "trace_id": trace_id(span.get("traceId")), "span_id": span_id(span.get("id")),
        "parent_span_id": parent_id(span.get("parentId")), "links": [],
        "service": str(here.get("serviceName") or UNKNOWN),
        "instance": here.get("ipv4") or here.get("ipv6"), "name": str(span.get("name") or ""),
        "kind": kind, "starts_at": time_of(at_us(span["timestamp"], "timestamp")),
        "duration_us": duration_us(span.get("duration")),
        # Any value means that it failed, "false" too.
        "status": "error" if "error" in tags else "unset",
        "attributes": keep({**_peer(span, kind, tags), **tags}),
    })  # fmt: skip


def _peer(span: dict[str, Any], kind: str, tags: dict[str, Any]) -> dict[str, Any]:
    """Say who is called in the words of OpenTelemetry."""
    there = mapping(span.get("remoteEndpoint") or {}, "remoteEndpoint")
    name = there.get("serviceName") or None
    address = {"network.peer.address": there.get("ipv4") or there.get("ipv6"),
               "network.peer.port": there.get("port")}  # fmt: skip
    if kind in ("producer", "consumer"):
        topic = next((tags[key] for key in _TOPICS if tags.get(key)), None)
        return {**address, "messaging.system": name, "messaging.destination.name": topic}
    return {**address, "peer.service": name}
