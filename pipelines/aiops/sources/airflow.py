"""The project's own Airflow: what the listener `signalbox_airflow.listener` wrote.

A failure begins an alert, the next success of the same task (or DAG) ends it. All lines are read
whatever the window, because an alert's begin may lie before it; then those that changed are taken.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipelines.aiops.lake.batch import Batch, Collector, MalformedError, ReadWindow
from pipelines.aiops.params.telemetry import AirflowParams
from pipelines.aiops.sources.records import (
    collector,
    label_set,
    lines_of,
    location_of,
    mapping,
    needed_time,
    parse_json,
    quarantining,
)

NAMES = {"task": "AirflowTaskFailed", "run": "AirflowDagRunFailed"}
STATES = ("failed", "success")
NOTES = ("run_id", "try_number", "error", "operator")
Series = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Event:
    """One line of the listener.

    Attributes
    ----------
    at : datetime
        UTC.
    series : tuple of (str, str)
        Label pairs, sorted by name.
    failed : bool
        True for a failure, False for a success.
    notes : dict of str to str
        The alert's annotations; keys among `NOTES`.
    """

    at: datetime
    series: Series
    failed: bool
    notes: dict[str, str]


def read(settings: AirflowParams, window: ReadWindow, project: Path) -> Batch:
    """Read all lines; no folder means that nothing has failed yet.

    Parameters
    ----------
    settings : AirflowParams
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
        If a file can't be read.
    """
    rows = collector(settings, window)
    events: dict[Series, list[Event]] = {}
    for path in sorted((project / settings.folder).glob("*.jsonl")):
        for number, line in lines_of(path):
            location = location_of(path, project, number)
            with quarantining(rows, location, line):
                event = _event(mapping(parse_json(line), "event"))
                events.setdefault(event.series, []).append(event)
    for series in sorted(events):
        _alerts(rows, sorted(events[series], key=lambda event: (event.at, event.failed)))
    return rows.batch()


def _event(record: dict[str, Any]) -> Event:
    what, state = str(record.get("what")), str(record.get("state"))
    if what not in NAMES or state not in STATES:
        raise MalformedError(
            f"what is {what!r} and state {state!r}; expected {list(NAMES)}, {STATES}"
        )
    keys = ("dag_id", "task_id", "map_index") if what == "task" else ("dag_id",)
    labels = {key: str(record[key]) for key in keys if record.get(key) is not None}
    notes = {key: str(record[key]) for key in NOTES if record.get(key) is not None}
    named = label_set({"alertname": NAMES[what], "severity": "warning", **labels})
    if "dag_id" not in named:
        raise MalformedError("dag_id is missing")
    return Event(needed_time(record, "at"), tuple(sorted(named.items())), state == "failed", notes)


def _alerts(rows: Collector, events: list[Event]) -> None:
    """Fold a series' events to alerts; failures while it fires belong to the same alert."""
    begun: Event | None = None
    for event in events:
        if event.failed and begun is None:
            begun = event
        elif not event.failed and begun is not None:
            _take(rows, begun, event.at)
            begun = None
    if begun is not None:
        _take(rows, begun, None)


def _take(rows: Collector, begun: Event, ends_at: datetime | None) -> None:
    with quarantining(rows, "airflow", dict(begun.series)):
        rows.alert(dict(begun.series), begun.at, annotations=begun.notes, ends_at=ends_at)
