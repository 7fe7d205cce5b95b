"""A request of OTLP/HTTP as one OTLP JSON document, as the collector's file exporter writes it.

Binary or JSON, packed or not. https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

import base64
import json
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

SIGNALS = {"metrics": "resourceMetrics", "traces": "resourceSpans", "logs": "resourceLogs"}
"""Last part of the request's path → what its document holds."""
BINARY, JSON = "application/x-protobuf", "application/json"
_SERVICES = {"metrics": ("metrics", "Metrics"), "traces": ("trace", "Trace"),
             "logs": ("logs", "Logs")}  # fmt: skip
_IDS = ("traceId", "spanId", "parentSpanId")
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


class UnfitError(Exception):
    """The request cannot be taken; ``status`` is the answer's."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def unpacked(body: bytes, encoding: str, limit: int) -> bytes:
    """Body without its compression.

    Parameters
    ----------
    encoding
        Value of ``Content-Encoding``.
    limit
        Bytes that it may have unpacked: a small packed body can be a huge one.
    """
    if encoding in {"", "identity"}:
        return body
    if encoding not in {"gzip", "deflate"}:
        raise UnfitError(415, f"Content-Encoding {encoding[:40]!r}: send gzip or none")
    packed = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        content = packed.decompress(body, limit + 1)
    except zlib.error as error:
        raise UnfitError(400, f"not {encoding}: {error}") from None
    if len(content) > limit:
        raise UnfitError(413, f"at most {limit} bytes unpacked")
    if not packed.eof:
        raise UnfitError(400, "the packed body ended early")
    return content


def document_of(signal: str, content: bytes, form: str) -> dict[str, Any]:
    """Read an export request.

    Parameters
    ----------
    signal
        One of `SIGNALS`.
    form
        Media type: `BINARY` or `JSON`.
    """
    if form == BINARY:
        return _from_binary(signal, content)
    if form != JSON:
        raise UnfitError(415, f"Content-Type {form[:60]!r}: send {BINARY} or {JSON}")
    try:
        document = json.loads(content, parse_constant=str)
    except (ValueError, RecursionError):
        raise UnfitError(400, "not JSON") from None
    if not isinstance(document, dict) or not isinstance(document.get(SIGNALS[signal], []), list):
        raise UnfitError(400, f"not an object with a list {SIGNALS[signal]}")
    return document


def _from_binary(signal: str, content: bytes) -> dict[str, Any]:
    from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        document: dict[str, Any] = MessageToDict(
            _message(signal).FromString(content), use_integers_for_enums=True
        )
    except (DecodeError, RecursionError):
        raise UnfitError(400, f"not an export request of {signal}") from None
    for record in _objects(document):
        for key in _IDS:  # hex in OTLP's JSON, where that of protocol buffers has base64
            if isinstance(record.get(key), str):
                record[key] = base64.b64decode(record[key]).hex()
    return document


def _message(signal: str) -> Any:
    from importlib import import_module

    part, name = _SERVICES[signal]
    module = import_module(f"opentelemetry.proto.collector.{part}.v1.{part}_service_pb2")
    return getattr(module, f"Export{name}ServiceRequest")


def masked(document: dict[str, Any], kinds: Sequence[str]) -> None:
    """Mask personal data in the texts of log records, before they are stored anywhere."""
    from pipelines.aiops.logs.masking import mask

    texts = [one for one in _objects(document.get("resourceLogs"))
             if isinstance(one.get("stringValue"), str)]  # fmt: skip
    if not texts or not kinds:
        return
    found = mask([one["stringValue"] for one in texts], kinds).lines.to_pylist()
    for one, text in zip(texts, found, strict=True):
        one["stringValue"] = text


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """All objects in a value, at any depth; without recursion, which depth could exhaust."""
    waiting = [value]
    while waiting:
        here = waiting.pop()
        if isinstance(here, dict):
            yield here
            waiting.extend(here.values())
        elif isinstance(here, list):
            waiting.extend(here)
