"""A table of any program: CSV, JSON lines or Parquet, by a mapping of columns in params."""

import csv
import gzip
import json
from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.aiops.lake.batch import Batch, Collector, MalformedError, ReadWindow
from pipelines.aiops.lake.contract import METRICS, TABLES, microseconds
from pipelines.aiops.params.telemetry import TableParams
from pipelines.aiops.sources.metric_rows import MetricRows, kind_of_name, number_of
from pipelines.aiops.sources.records import (
    collector,
    content_of,
    files_of,
    label_set,
    lines_of,
    location_of,
    mapping,
    parse_json,
    quarantining,
)
from pipelines.aiops.sources.times import read_time, zone
from pipelines.core.errors import SignalboxError

Records = Iterator[tuple[int, Any]]
"""Number of each record in its file, and the record: a mapping, or bytes of a JSON line."""

_YES, _NO = {"true", "1", "yes", "y", "t"}, {"false", "0", "no", "n", "f"}
_FORMATS = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl",
            ".json": "jsonl", ".parquet": "parquet"}  # fmt: skip
_FIELD_LIMIT = 1 << 26
_TABLES = {**TABLES, METRICS.name: METRICS}


def read(settings: TableParams, window: ReadWindow, project: Path) -> Batch:
    """Read all records of the files.

    Parameters
    ----------
    settings : TableParams
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
        If a file is missing or can't be read, the mapping of columns doesn't
        fit, or the settings name no time zone.
    """
    _check(settings)
    local = zone(settings.timezone, f"timezone of source {settings.name}")
    rows = collector(settings, window)
    metrics = MetricRows(settings, rows)
    for path in files_of(settings, project):
        for number, record in _records(settings, path):
            location = location_of(path, project, number)
            with quarantining(rows, location, record):
                if settings.table == METRICS.name:
                    _samples(metrics, settings, _opened(record), local)
                else:
                    _take(rows, settings, _opened(record), local)
    metrics.close(settings.name)
    return rows.batch()


def _check(settings: TableParams) -> None:
    """Refuse a mapping without what the contract needs and nobody can guess."""
    table = _TABLES[settings.table]
    given = {*settings.columns, *settings.constants}
    long = () if settings.values else ("name", "value")
    identity = {"alerts": (), "tickets": ("ticket_id",), "changes": ("change_id",), "metrics": long}
    lacking = [name for name in (table.time, *identity[table.name]) if name not in given]
    if table.name == "alerts" and "name" not in given and not (
        "alertname" in settings.labels or settings.labels_json
    ):  # fmt: skip
        lacking.append("name")
    if lacking:
        raise SignalboxError(
            f"source {settings.name}: columns {lacking} of {table.name} must be mapped; "
            "add them to columns"
        )


def _records(settings: TableParams, path: Path) -> Records:
    suffixes = [suffix for suffix in path.suffixes if suffix != ".gz"]
    form = settings.format or _FORMATS.get(suffixes[-1] if suffixes else "", "")
    if form == "csv":
        return _csv(settings, path)
    if form == "jsonl":
        return lines_of(path)
    if form == "json":
        return _document(path, settings.name)
    if form == "parquet":
        return _parquet(path)
    raise SignalboxError(f"{path}: of what format? set format of source {settings.name}")


def _document(path: Path, source: str) -> Records:
    """Read records of one JSON document: a list, or an object with the list in ``data``."""
    try:
        document = parse_json(content_of(path))
    except MalformedError as error:
        raise SignalboxError(f"{path}: not a JSON document: {error}") from None
    records = document.get("data") if isinstance(document, dict) else document
    if not isinstance(records, list):
        raise SignalboxError(
            f"{path}: neither a list of records nor an object with one in data; set format of "
            f"source {source}"
        )
    yield from enumerate(records, 1)


def _csv(settings: TableParams, path: Path) -> Records:
    """Rows of a CSV file; bytes that aren't UTF-8 are found record by record, not for the file."""
    csv.field_size_limit(_FIELD_LIMIT)
    opener: Any = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        reader = csv.reader(stream, delimiter=settings.delimiter)
        header = next(reader, None)
        if header is None:
            return
        for name in _columns_used(settings):
            if name not in header:
                raise SignalboxError(
                    f"{path}: no column {name!r}, which source {settings.name} maps; "
                    f"it has {header}"
                )
        for fields in reader:
            if fields:
                yield reader.line_num, _row(header, fields)


def _columns_used(settings: TableParams) -> list[str]:
    own = [settings.labels_json] if settings.labels_json else []
    named = (settings.columns, settings.labels, settings.annotations, settings.values)
    return [*own, *(column for columns in named for column in columns.values())]


def _row(header: list[str], fields: list[str]) -> Any:
    if len(fields) != len(header):
        return fields
    return dict(zip(header, fields, strict=True))


def _parquet(path: Path) -> Records:
    import pyarrow.parquet as pq

    number = 0
    try:
        for batch in pq.ParquetFile(path).iter_batches(20_000):
            for record in batch.to_pylist(maps_as_pydicts="lossy"):
                number += 1
                yield number, record
    except (pa.ArrowInvalid, OSError) as error:
        raise SignalboxError(f"{path}: not a readable Parquet file: {error}") from error


def _opened(record: Any) -> dict[str, Any]:
    if isinstance(record, list):
        raise MalformedError(f"{len(record)} fields, another number than the header has")
    return mapping(parse_json(record) if isinstance(record, bytes) else record)


def _take(rows: Collector, settings: TableParams, record: dict[str, Any], local: tzinfo) -> None:
    row = _mapped(settings, record, local)
    if row.get(TABLES[settings.table].time) is None:
        raise MalformedError(f"{TABLES[settings.table].time} is missing")
    if settings.table == "alerts":
        _alert(rows, settings, row, record)
        return
    key = "ticket_id" if settings.table == "tickets" else "change_id"
    if not row.get(key):
        raise MalformedError(f"{key} is missing")
    (rows.ticket if settings.table == "tickets" else rows.change)(row)


def _samples(
    metrics: MetricRows, settings: TableParams, record: dict[str, Any], local: tzinfo
) -> None:
    """Take a row of a table of metrics: one sample, or one of each column in ``values``."""
    row = _mapped(settings, record, local)
    if row.get("at") is None:
        raise MalformedError("at is missing")
    labels = label_set(_labels(settings, record))
    values = {name: _lookup(record, column) for name, column in settings.values.items()}
    if not values:
        if not row.get("name"):
            raise MalformedError("name is missing")
        values = {row["name"]: _lookup(record, settings.columns["value"])}
    for name, value in values.items():
        kind = row.get("kind") or kind_of_name(name)
        if kind not in ("gauge", "counter", "unknown"):
            raise MalformedError(f"kind {kind[:60]!r} is none of gauge, counter, unknown")
        try:
            number = None if value is None or value == "" else number_of(value)
        except (TypeError, ValueError):
            raise MalformedError(f"not a number: {str(value)[:60]!r}") from None
        series = metrics.series({**labels, "__name__": name}, kind, row.get("unit") or "")
        if series is not None:
            series.us.append(microseconds(row["at"]))
            series.values.append(number)


def _mapped(settings: TableParams, record: dict[str, Any], local: tzinfo) -> dict[str, Any]:
    """Values of the contract's columns, of the contract's types."""
    schema = _TABLES[settings.table].schema
    found: dict[str, Any] = dict(settings.constants)
    for name, column in settings.columns.items():
        found[name] = _lookup(record, column)
    typed = {name: _typed(schema.field(name).type, value, settings, local)
             for name, value in found.items()}  # fmt: skip
    return {name: value for name, value in typed.items() if value is not None}


def _typed(kind: pa.DataType, value: Any, settings: TableParams, local: tzinfo) -> Any:
    if pa.types.is_timestamp(kind):
        return read_time(value, settings.time, local)
    if value is None or value == "":
        return None
    if pa.types.is_boolean(kind):
        return _yes_or_no(value)
    return _text(value)


def _yes_or_no(value: Any) -> bool:
    text = str(value).strip().lower()
    if text in _YES | _NO:
        return text in _YES
    raise MalformedError(f"neither yes nor no: {str(value)[:60]!r}")


def _lookup(record: dict[str, Any], column: str) -> Any:
    """Find a column; ``a.b`` is also key b of the object in a."""
    if column in record:
        return record[column]
    head, dot, tail = column.partition(".")
    inner = record.get(head) if dot else None
    return _lookup(inner, tail) if isinstance(inner, dict) else None


def _text(value: Any) -> str:
    """Text of a value; JSON's words for true and null, not Python's."""
    text = value if isinstance(value, str) else _plain(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise MalformedError("not UTF-8") from None
    return text


def _plain(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="surrogateescape")
    if isinstance(value, datetime):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False, default=str)


def _alert(
    rows: Collector, settings: TableParams, row: dict[str, Any], record: dict[str, Any]
) -> None:
    labels = _labels(settings, record)
    if "alertname" not in labels and row.get("name"):
        labels["alertname"] = row["name"]
    starts_at = row.pop("starts_at")
    ends_at = row.pop("ends_at", None)
    if ends_at is None and settings.hold_seconds:
        # Nobody saw it end: how long such an alert lasts is a setting, and teaches nothing.
        ends_at = starts_at + timedelta(seconds=settings.hold_seconds)
        row["end_observed"] = False
    notes = {name: _lookup(record, column) for name, column in settings.annotations.items()}
    rows.alert(
        label_set(labels), starts_at, ends_at=ends_at,
        annotations={name: _text(note) for name, note in notes.items() if note not in (None, "")},
        **row,
    )  # fmt: skip


def _labels(settings: TableParams, record: dict[str, Any]) -> dict[str, str]:
    labels: dict[str, Any] = {}
    if settings.labels_json:
        value = _lookup(record, settings.labels_json)
        labels.update(
            mapping(parse_json(value) if isinstance(value, str) else value or {}, "labels")
        )
    for name, column in settings.labels.items():
        labels[name] = _lookup(record, column)
    return {name: _text(value) for name, value in labels.items() if value not in (None, "")}
