"""Log records that are objects: names of their fields, and levels, as programs write them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any

import numpy as np

from pipelines.aiops.log_parsing.headers import SEVERITY
from pipelines.aiops.log_parsing.rows import LogColumns
from pipelines.aiops.log_parsing.timestamps import latest_year, stamps_of, with_year

# Names in the order of preference; dots are keys within keys. From ECS, OpenTelemetry, bunyan,
# pino, zap, logrus, structlog, log4j's JSON layouts, Serilog, GELF, journald, Docker, CloudWatch.
NAMES: dict[str, tuple[str, ...]] = {
    "at": ("@timestamp", "timestamp", "time", "ts", "datetime", "@t", "asctime", "eventTime",
           "timeMillis", "instant.epochSecond", "__REALTIME_TIMESTAMP", "date", "created",
           "_source.@timestamp", "t"),
    "severity": ("level", "severity", "log.level", "levelname", "loglevel", "lvl", "@l",
                 "severity_text", "severityText", "PRIORITY", "priority"),
    "body": ("message", "msg", "event", "@m", "short_message", "MESSAGE", "log", "body", "text",
             "@mt", "_source.message"),
    "service": ("service.name", "service", "app", "application", "logger_service",
                "kubernetes.labels.app", "kubernetes.container_name", "SYSLOG_IDENTIFIER",
                "program"),
    "instance": ("host.name", "hostname", "host", "pod", "kubernetes.pod_name", "instance",
                 "_HOSTNAME"),
    "trace_id": ("trace_id", "traceId", "trace.id", "dd.trace_id", "@tr"),
    "span_id": ("span_id", "spanId", "span.id", "@sp"),
}  # fmt: skip
TRACES = ("stack_trace", "stacktrace", "exc_info", "exception", "error.stack_trace", "error.stack",
          "err.stack", "stack", "thrown.extendedStackTrace", "traceback", "@x",
          "full_message")  # fmt: skip
_MAX_DEPTH = 8


@dataclass
class Records:
    """Records of one file, as they come.

    Attributes
    ----------
    local : tzinfo
        Zone of times that don't say theirs.
    now : datetime
        Time of reading, with a time zone: what a year that is missing may not lie after.
    rows : list of dict
        The records taken so far.
    """

    local: tzinfo = UTC
    now: datetime = datetime(2100, 1, 1, tzinfo=UTC)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, row: dict[str, Any]) -> None:
        """Take a record.

        Parameters
        ----------
        row : dict
            As `row_of` returns it: ``at`` as it was written, texts, and ``attributes``.
        """
        self.rows.append(row)

    def columns(self, max_chars: int) -> tuple[LogColumns, list[int]]:
        """Return the rows as columns.

        Parameters
        ----------
        max_chars : int
            Longer messages are cut, and say so.

        Returns
        -------
        columns : LogColumns
            Rows with a time, in order.
        bad : list of int
            Positions in `rows` of those without.
        """
        import pyarrow as pa

        from pipelines.aiops.log_parsing.lines import bounded, cleaned

        # Both of shape (rows,).
        us, good = self._times()
        at = np.flatnonzero(good)
        kept = [self.rows[i] for i in at.tolist()]
        body = [replace_surrogates(row.get("body") or "") for row in kept]
        texts = {
            name: pa.array([replace_surrogates(row.get(name) or "") for row in kept], pa.string())
            for name in ("severity", "service", "instance", "trace_id", "span_id")
        }
        attributes = [row.get("attributes") or {} for row in kept]
        columns = LogColumns(
            us[at], bounded(cleaned(body), max_chars), **texts, attributes=attributes
        )
        return columns, np.flatnonzero(~good).tolist()

    def _times(self) -> tuple[Any, Any]:
        import pyarrow as pa

        raw = [row.get("at") for row in self.rows]
        us = np.zeros(len(raw), np.int64)
        good = np.zeros(len(raw), bool)
        texts: list[tuple[int, str]] = []
        for i, value in enumerate(raw):
            number = epoch_us(value)
            if number is not None:
                us[i], good[i] = number, True
            elif isinstance(value, str) and value.strip():
                texts.append((i, replace_surrogates(value.strip())))
        if texts:
            at = np.array([i for i, _ in texts])
            lines = pa.array([text for _, text in texts], pa.large_string())
            stamps = stamps_of(lines, local=self.local)
            read = stamps.us
            if stamps.yearless.any():
                last = int(stamps.us[stamps.yearless][-1])
                read = with_year(stamps, latest_year(last, self.now))
            us[at], good[at] = read, stamps.found
        return us, good


def epoch_us(value: Any) -> int | None:
    """Convert a number of seconds, milli-, micro- or nanoseconds since 1970; its size tells which.

    Parameters
    ----------
    value : int, float, str or other

    Returns
    -------
    int or None
        Microseconds since 1970; None if it isn't a number, or lies outside the years 1980 to 2199.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = str(value).strip()
    whole = text.isascii() and text.isdigit()
    if whole and len(text) <= 20:
        number = int(text)
        unit = 10**6 if number < 10**11 else 10**3 if number < 10**14 else 1
        found = number * unit if number < 10**17 else number // 1000
    else:
        try:
            seconds = float(text)
        except ValueError:
            return None
        if not 0 < seconds < 1e17:
            return None
        scale = 1e6 if seconds < 1e11 else 1e3 if seconds < 1e14 else 1.0
        found = round(seconds * scale)
    return found if 315_532_800_000_000 <= found < 7_258_118_400_000_000 else None


def severity_of(value: Any) -> str:
    """Return the severity of a level in words or numbers (syslog 0–7, bunyan and Python 10–60).

    Parameters
    ----------
    value : str, int or None
        Words in any case, digits at their end ignored.

    Returns
    -------
    str
        A value of `SEVERITY`; empty for another level.
    """
    text = str(value).strip().lower() if value is not None else ""
    if not (text.isdecimal() and len(text) < 4):
        return SEVERITY.get(text, SEVERITY.get(text.rstrip("0123456789"), ""))
    number = int(text)
    if number < 8:
        return ("fatal", "fatal", "fatal", "error", "warn", "info", "info", "debug")[number]
    steps = ((10, "trace"), (20, "debug"), (30, "info"), (40, "warn"), (50, "error"), (60, "fatal"))
    return next((name for most, name in steps if number <= most), "")


def flattened(record: Mapping[str, Any], depth: int = 0, before: str = "") -> dict[str, Any]:
    """Flatten objects within objects to keys such as ``a.b``; lists stay.

    Parameters
    ----------
    record : mapping
    depth : int
        How deep it lies in others; deeper than 8 objects stay.
    before : str
        Prefix of its keys, with the dot.

    Returns
    -------
    dict
    """
    found: dict[str, Any] = {}
    for key, value in record.items():
        name = f"{before}{key}"
        if isinstance(value, dict) and value and depth < _MAX_DEPTH:
            found.update(flattened(value, depth + 1, f"{name}."))
        else:
            found[name] = value
    return found


def text_of(value: Any) -> str:
    """Return a JSON value as text.

    Parameters
    ----------
    value : JSON value

    Returns
    -------
    str
        A text stays as it is, null is empty, the rest is written as JSON.
    """
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def replace_surrogates(text: str) -> str:
    """Make a text that can be written as UTF-8: lone surrogates become question marks.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def row_of(record: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return a JSON object as a row of a log.

    Parameters
    ----------
    record : mapping
        A parsed JSON object.
    names : mapping of str to str
        Column → its key in the record, dots for keys within keys; the usual `NAMES` are looked for
        where it has none.

    Returns
    -------
    dict
        ``at`` as it was written; ``severity``; ``body`` with the first stack trace appended;
        ``service``, ``instance``, ``trace_id``, ``span_id`` where found; ``attributes``: all other
        keys as texts.
    """
    flat = flattened(record)
    row: dict[str, Any] = {}
    used = set()
    for column, usual in NAMES.items():
        wanted = (names[column],) if column in names else usual
        name = next((n for n in wanted if flat.get(n) not in (None, "")), None)
        if name is None and column == "at" and column not in names:
            continue
        if name is not None:
            row[column] = flat[name] if column in ("at", "severity") else text_of(flat[name])
            used.add(name)
    row["severity"] = severity_of(row.get("severity"))
    traces = [name for name in TRACES if flat.get(name)]
    used.update(traces)
    body = row.get("body", "").rstrip("\n")
    for name in traces[:1]:
        trace = text_of(flat[name]).strip("\n")
        body = trace if trace.startswith(body) and body else f"{body}\n{trace}".strip("\n")
    row["body"] = body
    row["attributes"] = {
        replace_surrogates(str(name)): replace_surrogates(text_of(value))
        for name, value in flat.items()
        if name not in used
    }
    return row
