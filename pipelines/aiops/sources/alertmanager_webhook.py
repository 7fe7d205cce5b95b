"""Alertmanager's webhook payloads (version 4), one JSON file each.

A payload has no time of its own; what a record tells is dated by its ``endsAt`` or ``startsAt``.
"""

from pathlib import Path
from typing import Any

from pipelines.aiops.lake.batch import Batch, Collector, MalformedError, ReadWindow
from pipelines.aiops.params.telemetry import AlertmanagerWebhookParams
from pipelines.aiops.sources.records import (
    collector,
    content_of,
    label_set,
    listing,
    location_of,
    mapping,
    needed_time,
    parse_json,
    quarantining,
)
from pipelines.aiops.sources.times import read_time
from pipelines.core.errors import SignalboxError

VERSION = "4"


def read(settings: AlertmanagerWebhookParams, window: ReadWindow, project: Path) -> Batch:
    """Read all payloads of the folder, below it too.

    Parameters
    ----------
    settings : AlertmanagerWebhookParams
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
        If there is no such folder, or a file can't be read.
    """
    folder = project / settings.folder
    if not folder.is_dir():
        raise SignalboxError(f"{folder}: no such folder; start signalbox collect, or make it")
    rows = collector(settings, window)
    for path in sorted(folder.rglob("*.json")):
        content, location = content_of(path), location_of(path, project)
        with quarantining(rows, location, content):
            _payload(rows, location, parse_json(content))
    return rows.batch()


def _payload(rows: Collector, location: str, payload: Any) -> None:
    version = mapping(payload).get("version", VERSION)
    if version != VERSION:
        raise MalformedError(f"webhook version {version!r} instead of {VERSION!r}")
    for record in listing(payload.get("alerts"), "alerts"):
        with quarantining(rows, location, record):
            _alert(rows, mapping(record, "alert"))


def _alert(rows: Collector, record: dict[str, Any]) -> None:
    resolved = record.get("status") == "resolved"
    ends_at = read_time(record.get("endsAt")) if resolved else None
    if resolved and ends_at is None:
        raise MalformedError("resolved without endsAt")
    rows.alert(
        label_set(record.get("labels")),
        needed_time(record, "startsAt"),
        annotations=label_set(record.get("annotations"), "annotations"),
        ends_at=ends_at,
    )
