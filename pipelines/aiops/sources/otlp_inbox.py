"""What OTLP exporters send, one JSON line a request: ``<folder>/<signal>/<day>.jsonl``.

A request of OTLP/HTTP, binary or JSON, packed or not, becomes one OTLP JSON document, as the
collector's file exporter writes it. https://opentelemetry.io/docs/specs/otlp/#otlphttp

Those are the files that the sources ``otlp_metrics``, ``otlp_traces`` and ``otlp_logs`` read.
"""

import base64
import hashlib
import json
import os
import threading
import time
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipelines.aiops.privacy.stores import writing
from pipelines.core.files import append

SIGNALS = {"metrics": "resourceMetrics", "traces": "resourceSpans", "logs": "resourceLogs"}
"""Last part of the request's path → what its document holds."""
BINARY, JSON = "application/x-protobuf", "application/json"
_SERVICES = {"metrics": ("metrics", "Metrics"), "traces": ("trace", "Trace"),
             "logs": ("logs", "Logs")}  # fmt: skip
_IDS = ("traceId", "spanId", "parentSpanId")
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


class UnfitError(Exception):
    """The request cannot be taken.

    Parameters
    ----------
    status : int
        HTTP status of the response.
    reason : str
        Message, and body of the response.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def unpacked(body: bytes, encoding: str, limit: int) -> bytes:
    """Decompress a request's body.

    Parameters
    ----------
    body : bytes
    encoding : str
        Value of ``Content-Encoding``: ``gzip``, ``deflate``, ``identity`` or empty.
    limit : int
        Bytes that it may have unpacked: a small packed body can be a huge one.

    Returns
    -------
    bytes

    Raises
    ------
    UnfitError
        415 for another encoding, 413 beyond the limit, 400 for a broken or truncated body.
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
    signal : str
        One of `SIGNALS`.
    content : bytes
        The body, unpacked.
    form : str
        Media type: `BINARY` or `JSON`.

    Returns
    -------
    dict
        OTLP JSON; ids are hex.

    Raises
    ------
    UnfitError
        415 for another media type, 400 if the content isn't such a request.
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
    """Mask personal data in the texts of log records, in place, before they are stored anywhere.

    Parameters
    ----------
    document : dict
        OTLP JSON of logs.
    kinds : sequence of str
        What to mask; none: nothing.
    """
    from pipelines.aiops.log_parsing.masking import mask

    texts = [body for body in _objects(document.get("resourceLogs"))
             if isinstance(body.get("stringValue"), str)]  # fmt: skip
    if not texts or not kinds:
        return
    found = mask([body["stringValue"] for body in texts], kinds).lines.to_pylist()
    for body, text in zip(texts, found, strict=True):
        body["stringValue"] = text


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


_REMEMBERED = 4096
"""Requests; an exporter that missed the answer sends the same bytes again within seconds."""


class OtlpInbox:
    """Takes export requests.

    Parameters
    ----------
    folder : Path
        Made when the first request comes.
    mask : sequence of str
        Kinds of personal data masked in log records before they are stored.
    """

    def __init__(self, folder: Path, mask: Sequence[str]) -> None:
        self.folder, self.mask = folder, mask
        self._lock = threading.Lock()
        self._known: deque[bytes] = deque(maxlen=_REMEMBERED)

    def take(self, signal: str, content: bytes, form: str) -> None:
        """Append a request's document to the day's file; it is on disk when this returns.

        The same request again, among the latest 4096, is not appended.

        Parameters
        ----------
        signal : str
            One of `SIGNALS`.
        content : bytes
            The body, unpacked.
        form : str
            Media type: `BINARY` or `JSON`.

        Raises
        ------
        UnfitError
            If the content isn't such a request.
        OSError
            If it cannot be written; nothing of it is then.
        """
        document = document_of(signal, content, form)
        if signal == "logs":
            masked(document, self.mask)
        if not document.get(SIGNALS[signal]):
            return
        try:
            line = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        except (UnicodeEncodeError, RecursionError):
            raise UnfitError(400, "half a character, or nested too deep") from None
        digest = hashlib.sha256(signal.encode() + content).digest()
        with self._lock:
            if digest not in self._known:
                day = time.strftime("%Y-%m-%d", time.gmtime())
                _append(self.folder / signal / f"{day}.jsonl", line)
                self._known.append(digest)


def _append(path: Path, line: bytes) -> None:
    """Append a line, whole or not at all; a line that a crash cut short stays apart from it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with writing(path.parent):
        append(path, (b"\n" if _is_cut_short(path) else b"") + line + b"\n")


def _is_cut_short(path: Path) -> bool:
    if not path.exists() or not path.stat().st_size:
        return False
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) != b"\n"
