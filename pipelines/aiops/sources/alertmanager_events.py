"""JSON lines of Alertmanager's event recorder (feature ``event-recorder``, 0.33 and later).

Alerts come from the events alert_created, alert_grouped and alert_resolved; other events aren't
alerts and are passed over. Both of its schemas are read: the first writes labels as pairs and a
resolved alert's details one level down, ``events/v2`` writes maps. Keys may be in camelCase, as
protojson writes them, or in snake_case.
"""

from pathlib import Path
from typing import Any

from pipelines.aiops.lake.batch import Batch, Collector, MalformedError, ReadWindow
from pipelines.aiops.params.telemetry import AlertmanagerEventsParams
from pipelines.aiops.sources.records import (
    collector,
    files_of,
    label_set,
    lines_of,
    listing,
    location_of,
    mapping,
    needed_time,
    parse_json,
    quarantining,
)
from pipelines.aiops.sources.times import read_time

ALERT_EVENTS = ("alert_created", "alert_grouped", "alert_resolved")


def read(settings: AlertmanagerEventsParams, window: ReadWindow, project: Path) -> Batch:
    """Read all events of the files.

    Parameters
    ----------
    settings : AlertmanagerEventsParams
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
    for path in files_of(settings, project):
        for number, line in lines_of(path):
            location = location_of(path, project, number)
            with quarantining(rows, location, line):
                _event(rows, _snake(mapping(parse_json(line), "event")))
    return rows.batch()


def _event(rows: Collector, event: dict[str, Any]) -> None:
    data = _snake(mapping(event.get("data"), "data"))
    for kind in ALERT_EVENTS:
        if kind in data:
            _alert(rows, event, kind, _snake(mapping(data[kind], kind)))


def _alert(rows: Collector, event: dict[str, Any], kind: str, data: dict[str, Any]) -> None:
    alert = _snake(mapping(data.get("alert"), "alert"))
    if "details" in alert:
        alert = _snake(mapping(alert["details"], "details"))
    ended = kind == "alert_resolved" or alert.get("resolved") is True
    ends_at = read_time(alert.get("ends_at")) if ended else None
    if ended and ends_at is None:
        raise MalformedError("resolved without ends_at")
    starts_at = needed_time(alert, "starts_at")
    at = read_time(event.get("@timestamp") or event.get("timestamp"))
    rows.alert(
        _pairs(alert.get("labels"), "labels"),
        starts_at,
        annotations=_pairs(alert.get("annotations"), "annotations"),
        ends_at=ends_at,
        updated_at=at or ends_at or starts_at,
    )


def _pairs(value: Any, what: str) -> dict[str, str]:
    """Labels of either schema; protojson leaves out empty values, in pairs too."""
    if isinstance(value, dict) and isinstance(value.get("labels"), list):
        pairs = [mapping(pair, what) for pair in listing(value["labels"], what)]
        value = {str(pair.get("key", "")): pair.get("value", "") for pair in pairs}
    return label_set(value, what)


def _snake(record: dict[str, Any]) -> dict[str, Any]:
    """Keys of one level in snake_case."""
    return {"".join(f"_{c.lower()}" if c.isupper() else c for c in k): v for k, v in record.items()}
