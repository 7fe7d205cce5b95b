"""What sources of traces share: files, ids, kinds, attributes."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from fnmatch import translate
from pathlib import Path
from typing import Any

from pipelines.aiops.lake.batch import Batch, Collector, MalformedError, ReadWindow
from pipelines.aiops.lake.contract import SPANS
from pipelines.aiops.params.telemetry import TraceFilesParams, TraceParams
from pipelines.aiops.sources.records import collector, documents, files_of
from pipelines.core.time import DAY_US, EPOCH

UNKNOWN = "unknown_service"
"""What OpenTelemetry calls a service that doesn't say its name."""
KINDS = ("server", "client", "producer", "consumer")
_TRACE, _SPAN = 32, 16
_HEX = re.compile(r"[0-9a-fA-F]+")
_URLS = ("url.full", "http.url", "http.target")
_CENTURY_US = 100 * 366 * DAY_US


Keep = Callable[[Mapping[str, Any]], list[tuple[str, str]]]
"""Turns attributes into the contract's."""


def read_files(
    settings: TraceFilesParams,
    window: ReadWindow,
    project: Path,
    take_document: Callable[[Collector, Any, str, Keep], None],
) -> Batch:
    """Read all documents of a source's files.

    Parameters
    ----------
    settings : TraceFilesParams
    window : ReadWindow
        What to read.
    project : Path
        Folder that paths in `settings` are relative to.
    take_document : callable
        Called with collector, document, location and the function that turns attributes into the
        contract's; it takes the document's spans.

    Returns
    -------
    Batch

    Raises
    ------
    SignalboxError
        If a file is missing or can't be read.
    """
    rows = collector(settings, window)
    keep = keeper(settings)
    for path in files_of(settings, project):
        for location, document in documents(rows, path, project):
            take_document(rows, document, location, keep)
    return rows.batch()


def kind_of(name: Any) -> str:
    """Return the kind of a span.

    Parameters
    ----------
    name : str or None
        In any case.

    Returns
    -------
    str
        One of `KINDS`; ``internal`` for none and for any other.
    """
    kind = str(name or "").lower()
    return kind if kind in KINDS else "internal"


def trace_id(value: Any) -> str:
    """Return the id of a trace as hex digits.

    Parameters
    ----------
    value : str
        Hex or base64; an id of 64 bits is filled up with zeros.

    Returns
    -------
    str
        32 lower-case hex digits.

    Raises
    ------
    MalformedError
        If it is missing, zero, or no such id.
    """
    found = _id(value, _TRACE)
    if found is None:
        raise MalformedError("id of the trace is missing")
    return found


def span_id(value: Any) -> str:
    """Return the id of a span as hex digits.

    Parameters
    ----------
    value : str
        Hex or base64.

    Returns
    -------
    str
        16 lower-case hex digits.

    Raises
    ------
    MalformedError
        If it is missing, zero, or no such id.
    """
    found = _id(value, _SPAN)
    if found is None:
        raise MalformedError("id of the span is missing")
    return found


def parent_id(value: Any) -> str | None:
    """Return the id of a parent span as hex digits.

    Parameters
    ----------
    value : str or None
        Hex or base64.

    Returns
    -------
    str or None
        16 lower-case hex digits; None if it is missing, empty or zero.

    Raises
    ------
    MalformedError
        If it is no such id.
    """
    return _id(value, _SPAN)


def _id(value: Any, digits: int) -> str | None:
    if value is None or value == "":
        return None
    text = str(value) if isinstance(value, str) else ""
    if not (_HEX.fullmatch(text) and len(text) <= digits):
        text = _from_base64(text, digits)
    text = text.lower().zfill(digits)
    if len(text) != digits:
        raise MalformedError(f"not an id of {digits} hex digits: {str(value)[:60]!r}")
    return None if text.strip("0") == "" else text


def _from_base64(text: str, digits: int) -> str:
    """Protocol buffers' own JSON writes bytes in base64, the OpenTelemetry one in hex."""
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        content = b""
    if len(content) * 2 != digits:
        raise MalformedError(f"not an id of {digits} hex digits: {text[:60]!r}")
    return content.hex()


def at_us(value: Any, what: str, per_us: int = 1) -> int:
    """Convert a time stamp to microseconds.

    Parameters
    ----------
    value : int or str
        A whole number of units since 1970.
    what : str
        Its name in the error.
    per_us : int
        Units in a microsecond: 1000 for nanoseconds.

    Returns
    -------
    int
        Whole microseconds since 1970, rounded down.

    Raises
    ------
    MalformedError
        If it isn't a whole number, or not a time of this age.
    """
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        raise MalformedError(f"{what} is not a whole number: {str(value)[:60]!r}") from None
    us = number // per_us
    if not 0 < us < 2 * _CENTURY_US:
        raise MalformedError(f"{what} is not a time of this age: {str(value)[:60]!r}")
    return us


def duration_us(value: Any) -> int | None:
    """Read a duration.

    Parameters
    ----------
    value : int, str or None
        Microseconds. A negative one is kept: it shows that clocks disagree.

    Returns
    -------
    int or None
        Whole microseconds; None for none.

    Raises
    ------
    MalformedError
        If it isn't a number, or longer than a century.
    """
    if value is None:
        return None
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        raise MalformedError(f"duration is not a whole number: {str(value)[:60]!r}") from None
    if abs(number) > _CENTURY_US:
        raise MalformedError(f"duration is not one: {str(value)[:60]!r} µs")
    return number


def time_of(us: int) -> datetime:
    """Convert microseconds to a time.

    Parameters
    ----------
    us : int
        Microseconds since 1970.

    Returns
    -------
    datetime
        UTC.
    """
    return EPOCH + timedelta(microseconds=us)


def plain(value: Any) -> str:
    """Return the value of an attribute as text, the way JSON writes it.

    Parameters
    ----------
    value : JSON value
        A text stays as it is, lone surrogates escaped.

    Returns
    -------
    str
    """
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return json.dumps(value, ensure_ascii=True, sort_keys=True)


def keeper(settings: TraceParams) -> Keep:
    """Return a function that turns attributes into the contract's.

    Parameters
    ----------
    settings : TraceParams
        ``drop_attributes``: patterns of names to drop; ``max_chars``: length of a value.

    Returns
    -------
    callable
        From a mapping of attributes to a list of (name, value), both str, sorted by name. URLs
        lose their query and fragment.
    """
    dropped = re.compile("|".join(translate(name) for name in settings.drop_attributes) or r"(?!)")

    def keep(attributes: Mapping[str, Any]) -> list[tuple[str, str]]:
        kept = {
            plain(name): _value(name, value)[: settings.max_chars]
            for name, value in attributes.items()
            if value is not None and name and not dropped.match(name)
        }
        return sorted(kept.items())

    return keep


def _value(name: str, value: Any) -> str:
    text = plain(value)
    return re.split(r"[?#]", text, maxsplit=1)[0] if name in _URLS else text


def take(rows: Collector, row: dict[str, Any]) -> None:
    """Take a span; texts that can't be written as UTF-8 are escaped.

    Parameters
    ----------
    rows : Collector
        Takes it, if it lies in the window.
    row : dict
        Columns of `SPANS` without ``source``; changed in place.

    Raises
    ------
    MalformedError
        If it starts in the future.
    """
    for name in ("service", "instance", "name"):
        if row[name] is not None:
            row[name] = plain(row[name])
    rows.signal(SPANS, row)


def first_of(attributes: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """Return the first of some attributes that is there, as text.

    Parameters
    ----------
    attributes : mapping
    names : sequence of str
        The most telling first.

    Returns
    -------
    str or None
        None if none of them is there.
    """
    return next((plain(attributes[name]) for name in names if attributes.get(name)), None)


INSTANCE = ("service.instance.id", "k8s.pod.name", "container.id", "host.name", "hostname")
"""Attributes that name the instance of a service, the most telling first."""
