"""What an Alertmanager has now: ``GET /api/v2/alerts``.

It forgets what is resolved within minutes; ask more often than that, or use its webhook or event
recorder, which lose nothing. A window doesn't narrow it: all it still knows is taken.
"""

from datetime import datetime
from pathlib import Path
from typing import Any

from pipelines.aiops.lake.batch import Batch, Collector, ReadWindow
from pipelines.aiops.params.telemetry import AlertmanagerApiParams
from pipelines.aiops.sources.records import (
    collector,
    fetch,
    label_set,
    mapping,
    needed_time,
    quarantining,
)
from pipelines.aiops.sources.times import read_time
from pipelines.core.errors import SignalboxError

PATH = "/api/v2/alerts"


def read(settings: AlertmanagerApiParams, window: ReadWindow, project: Path) -> Batch:
    """Ask the Alertmanager once.

    Parameters
    ----------
    settings : AlertmanagerApiParams
    window : ReadWindow
        Only its `now` counts: all that the Alertmanager still knows is taken.
    project : Path
        Not used: there are no paths in `settings`.

    Returns
    -------
    Batch

    Raises
    ------
    SignalboxError
        If it can't be reached, refuses, or doesn't answer with a list of alerts.
    """
    rows = collector(settings, ReadWindow(None, None, window.now))
    found = fetch(settings, PATH, {})
    if not isinstance(found, list):
        raise SignalboxError(
            f"source {settings.name}: {settings.url}{PATH} is not a list of alerts"
        )
    for record in found:
        with quarantining(rows, PATH, record):
            _alert(rows, mapping(record, "alert"), window.now)
    return rows.batch()


def _alert(rows: Collector, record: dict[str, Any], now: datetime) -> None:
    """Take an alert; ``endsAt`` of one that fires is when it would end if nobody repeated it."""
    ends_at, updated_at = read_time(record.get("endsAt")), needed_time(record, "updatedAt")
    if ends_at is not None and ends_at > now:
        ends_at = None
    rows.alert(
        label_set(record.get("labels")),
        needed_time(record, "startsAt"),
        annotations=label_set(record.get("annotations"), "annotations"),
        ends_at=ends_at,
        updated_at=updated_at if ends_at is None else max(updated_at, ends_at),
    )
