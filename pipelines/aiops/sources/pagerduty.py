"""Incidents of PagerDuty: its CSV export, or JSON of its REST API (``{"incidents": […]}``).

Each is an alert and a ticket. A person acted if somebody acknowledged or resolved it or wrote a
note; one that only its monitoring closed is a ticket of kind ``noise``.

The API empties ``acknowledgements`` when an incident is resolved, so their absence says nothing:
whether somebody acted on a resolved incident is then unknown, unless its log entries say
(``{"log_entries": […]}`` of ``/log_entries``, in the same or other files of the source, or in the
incident). Log entries from trigger to resolution without a person are a "no". The CSV export is
silent only where it lacks the columns.
"""

import csv
import io
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta, tzinfo
from pathlib import Path
from typing import Any

from pipelines.aiops.lake.batch import Batch, Collector, MalformedError, ReadWindow
from pipelines.aiops.params.telemetry import PagerDutyParams
from pipelines.aiops.sources.records import (
    collector,
    content_of,
    files_of,
    label_set,
    listing,
    location_of,
    mapping,
    parse_json,
    quarantining,
)
from pipelines.aiops.sources.times import read_time, zone


def read(settings: PagerDutyParams, window: ReadWindow, project: Path) -> Batch:
    """Read all incidents of the files.

    Parameters
    ----------
    settings : PagerDutyParams
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
        If a file is missing or can't be read, or the settings name no time zone.
    """
    rows = collector(settings, window)
    local = zone(settings.timezone, f"timezone of source {settings.name}")
    logs = _log_entries(settings, project)
    for path in files_of(settings, project):
        content, name = content_of(path), location_of(path, project)
        with quarantining(rows, name, content):
            form, records = _records(path, content)
            for number, record in enumerate(records, 1):
                with quarantining(rows, f"{name}:{number}", record):
                    incident = form(mapping(record, "incident"))
                    _incident(rows, _with_log(incident, logs.get(incident.get("id") or "")), local)
    return rows.batch()


def _log_entries(settings: PagerDutyParams, project: Path) -> dict[str, list[dict[str, Any]]]:
    """Collect log entries of all files by incident; what can't be read is quarantined later."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in files_of(settings, project):
        if ".csv" in path.suffixes:
            continue
        with suppress(MalformedError):
            document = parse_json(content_of(path))
            if not isinstance(document, dict):
                continue
            for entry in _inside(document, "log_entries"):
                number = mapping(entry.get("incident") or {}, "incident").get("id")
                found.setdefault(str(number), []).append(entry)
    return found


def _with_log(incident: dict[str, Any], entries: list[dict[str, Any]] | None) -> dict[str, Any]:
    """Let log entries say who acted, where the incident itself doesn't any more."""
    entries = [*(entries or []), *incident.get("log", [])]
    kinds = {str(entry.get("type", "")).removesuffix("_reference") for entry in entries}
    people = [entry for entry in entries if _is_act_of_a_person(entry)]
    acknowledged = [
        _text(entry, "created_at") or ""
        for entry in people
        if str(entry.get("type")).startswith("acknowledge")
    ]
    complete = {"trigger_log_entry", "resolve_log_entry"} <= kinds
    return incident | {
        "acknowledged": incident.get("acknowledged")
        or min(filter(None, acknowledged), default=None),
        "person_in_log": bool(people),
        "acts_recorded": incident.get("acts_recorded") or complete,
    }


_ACTS = (
    "acknowledge",
    "resolve",
    "annotate",
    "reassign",
    "assign",
    "escalate",
    "snooze",
    "priority",
)


def _is_act_of_a_person(entry: dict[str, Any]) -> bool:
    agent = mapping(entry.get("agent") or {}, "agent")
    by_user = str(agent.get("type", "")).startswith("user")
    return by_user and str(entry.get("type", "")).startswith(_ACTS)


Form = Callable[[dict[str, Any]], dict[str, Any]]


def _records(path: Path, content: bytes) -> tuple[Form, list[Any]]:
    """Give the records as they came, and what brings them to one form."""
    if ".csv" in path.suffixes:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise MalformedError(f"not UTF-8: byte {error.start}") from None
        return _from_csv, list(csv.DictReader(io.StringIO(text, newline="")))
    found = parse_json(content)
    if isinstance(found, dict) and "incidents" not in found and "log_entries" in found:
        return _from_api, []
    incidents = found.get("incidents") if isinstance(found, dict) else found
    return _from_api, listing(incidents, "incidents")


_CSV_ACTS = ("acknowledged_by_user_names", "acknowledged_by_user_ids", "acknowledge_count",
             "seconds_to_first_ack")  # fmt: skip
"""Columns that say whether somebody acknowledged, also after the resolution."""


def _from_csv(row: dict[str, Any]) -> dict[str, Any]:
    """One form for both: names as below, times as texts."""
    user = row.get("resolved_by_user_name") or row.get("resolved_by_user_id")
    return {
        "id": row.get("id"), "title": row.get("description"), "service": row.get("service_name"),
        "urgency": row.get("urgency"), "created": row.get("created_on"),
        "resolved": row.get("resolved_on"), "ack_seconds": row.get("seconds_to_first_ack"),
        "acknowledged_by": row.get("acknowledged_by_user_names"), "resolved_by": user,
        "team": row.get("team_name") or row.get("escalation_policy_name"),
        "notes": row.get("notes"),
        "acts_recorded": any(name in row for name in _CSV_ACTS),
    }  # fmt: skip


def _from_api(value: dict[str, Any]) -> dict[str, Any]:
    acknowledged = _inside(value, "acknowledgements")
    by = mapping(value.get("last_status_change_by") or {}, "last_status_change_by")
    resolved = value.get("status") == "resolved"
    return {
        "id": _text(value, "id"),
        "title": _text(value, "title") or _text(value, "summary"),
        "service": _summary(value, "service"),
        "urgency": _text(value, "urgency"),
        "created": value.get("created_at"),
        "changed": value.get("last_status_change_at"),
        "resolved": (value.get("resolved_at") or value.get("last_status_change_at"))
        if resolved
        else None,
        "acknowledged": min(
            (_text(acknowledgement, "at") or "" for acknowledgement in acknowledged), default=None
        ),
        "resolved_by": _text(by, "summary") if resolved and "user" in str(by.get("type")) else None,
        "team": next((_text(team, "summary") for team in _inside(value, "teams")), None),
        "priority": _summary(value, "priority"),
        "notes": "\n".join(_text(note, "content") or "" for note in _inside(value, "notes")),
        "log": _inside(value, "log_entries"),
        # Of an open incident acknowledgements are all there; of a resolved one they are gone.
        "acts_recorded": False,
    }


def _inside(value: dict[str, Any], key: str) -> list[dict[str, Any]]:
    return [mapping(item, key) for item in listing(value.get(key) or [], key)]


def _summary(value: dict[str, Any], key: str) -> str | None:
    return _text(mapping(value.get(key) or {}, key), "summary")


def _text(value: dict[str, Any], key: str) -> str | None:
    found = value.get(key)
    if found is None or isinstance(found, str):
        return found
    raise MalformedError(f"{key} is {type(found).__name__}, not text")


def _incident(rows: Collector, record: dict[str, Any], local: tzinfo) -> None:
    for key in ("id", "title"):
        if not record.get(key):
            raise MalformedError(f"{key} is missing")
    opened = read_time(record.get("created"), local=local)
    if opened is None:
        raise MalformedError("time of creation is missing")
    closed = read_time(record.get("resolved"), local=local)
    acknowledged = read_time(record.get("acknowledged"), local=local)
    if acknowledged is None and record.get("ack_seconds"):
        acknowledged = opened + timedelta(seconds=_number(record["ack_seconds"]))
    person = acknowledged or record.get("acknowledged_by") or record.get("resolved_by")
    acted = bool(person or record.get("notes") or record.get("person_in_log"))
    left_alone = bool(closed and not acted and record.get("acts_recorded"))
    times = [opened, closed, acknowledged, read_time(record.get("changed"), local=local)]
    changed = max(time for time in times if time is not None)
    labels = {"alertname": record["title"], "service": record.get("service") or "",
              "severity": record.get("urgency") or ""}  # fmt: skip
    # The ticket is checked first, so that a malformed incident leaves no half of itself behind.
    sound = label_set(labels)
    rows.ticket({
        "ticket_id": record["id"], "opened_at": opened, "closed_at": closed, "updated_at": changed,
        "kind": "noise" if left_alone else "incident",
        "severity": record.get("priority") or record.get("urgency"),
        "service": record.get("service"), "team": record.get("team"), "title": record["title"],
        "resolution": record.get("notes") or None,
    })  # fmt: skip
    rows.alert(
        sound, opened, ends_at=closed, updated_at=changed, acknowledged_at=acknowledged,
        # While it is open nobody knows yet that nobody will act; and a record that doesn't say who
        # acted is no record of nobody.
        acted=True if acted else False if left_alone else None, ticket_id=record["id"],
    )  # fmt: skip


def _number(text: Any) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        raise MalformedError(f"not a number of seconds: {str(text)[:60]!r}") from None
