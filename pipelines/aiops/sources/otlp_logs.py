"""Logs in OTLP JSON: ``resourceLogs``, one document a file or a line."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pipelines.aiops.lake.batch import Batch, MalformedError, ReadWindow
from pipelines.aiops.params.telemetry import OtlpLogsParams
from pipelines.aiops.sources.log_files import stable_name
from pipelines.aiops.sources.log_jsonl import RecordFile
from pipelines.aiops.sources.otlp_json import items, plain_value, texts_of
from pipelines.aiops.sources.records import (
    as_text,
    collector,
    files_of,
    json_documents,
    listing,
    location_of,
    mapping,
)
from pipelines.aiops.sources.spans import span_id, trace_id

SERVICE = "service.name"
INSTANCES = ("service.instance.id", "k8s.pod.name", "host.name", "container.id")
_STEPS = ("trace", "debug", "info", "warn", "error", "fatal")


def read(settings: OtlpLogsParams, window: ReadWindow, project: Path) -> Batch:
    """Read all records of the files.

    Parameters
    ----------
    settings : OtlpLogsParams
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
    rows = collector(settings, window)
    seen: Counter[bytes] = Counter()
    for path in files_of(settings, project):
        file = RecordFile(
            settings, rows, location_of(path, project), stable_name(path, project), seen
        )
        for line, document, reason in json_documents(path):
            number = line or 1
            if reason:
                file.reject(number, reason, as_text(document))
                continue
            try:
                for resource, record in _records(mapping(document)):
                    try:
                        _take(file, number, settings.service, resource, mapping(record))
                    except MalformedError as error:
                        file.reject(number, str(error), as_text(record))
            except MalformedError as error:
                file.reject(number, str(error), as_text(document))
        file.close()
    return rows.batch()


def _records(document: dict[str, Any]) -> Iterator[tuple[dict[str, str], Any]]:
    for resource_logs in items(document, "resourceLogs"):
        resource = texts_of(mapping(resource_logs.get("resource") or {}, "resource"))
        for scope_logs in items(resource_logs, "scopeLogs"):
            for record in listing(scope_logs.get("logRecords") or [], "logRecords"):
                yield resource, record


def _take(
    file: RecordFile, number: int, service: str, resource: dict[str, str], record: dict[str, Any]
) -> None:
    from pipelines.aiops.log_parsing.records import text_of

    own = texts_of(record)
    body = text_of(plain_value(record.get("body"))) or own.pop("event.name", "")
    trace = own.pop("exception.stacktrace", "")
    file.add(number, {
        "at": record.get("timeUnixNano") if str(record.get("timeUnixNano") or "0") != "0"
              else record.get("observedTimeUnixNano"),
        "body": f"{body}\n{trace}".strip("\n"),
        "severity": _severity(record),
        "service": resource.get(SERVICE) or service,
        "instance": next((resource[name] for name in INSTANCES if resource.get(name)), ""),
        "trace_id": _id(trace_id, record.get("traceId")),
        "span_id": _id(span_id, record.get("spanId")),
        "attributes": own,
    })  # fmt: skip


def _id(read_id: Callable[[Any], str], value: Any) -> str:
    """Id as spans have it, so that a line finds its span; a wrong one is left out, not the line."""
    try:
        return read_id(value)
    except MalformedError:
        return ""


def _severity(record: dict[str, Any]) -> str:
    """Severity numbers come in fours: 1–4 is trace, 21–24 is fatal."""
    from pipelines.aiops.log_parsing.records import severity_of

    number = record.get("severityNumber")
    if isinstance(number, int) and 1 <= number <= 24:
        return _STEPS[(number - 1) // 4]
    text = str(record.get("severityText") or "")
    named = str(number).removeprefix("SEVERITY_NUMBER_") if isinstance(number, str) else ""
    return severity_of(text) or severity_of(named)
