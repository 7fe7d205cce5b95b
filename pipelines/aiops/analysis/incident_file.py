"""A window's incidents as a file: what they are made of, made, written, read."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from pipelines.aiops.analysis.findings_file import read_findings, read_form, write_ordered
from pipelines.aiops.analysis.heard import heard
from pipelines.aiops.analysis.map_moves import read_moved
from pipelines.aiops.analysis.merging import merged
from pipelines.aiops.analysis.ranked import ranker
from pipelines.aiops.analysis.read import rows_between
from pipelines.aiops.analysis.results import HORIZON, INPUTS, gaps
from pipelines.aiops.analysis.usual import judged
from pipelines.aiops.analysis.window import Window, lake_of
from pipelines.aiops.artifacts import INCIDENTS, LOG_ANOMALIES, METRIC_ANOMALIES, MOVED, SERVICE_MAP
from pipelines.aiops.findings import SIGNALS, Finding
from pipelines.aiops.incidents import Graph, Grouping, Incident, PastIncident, incidents
from pipelines.aiops.incidents.contract import changes_of, past_of
from pipelines.aiops.params import AiopsParams
from pipelines.aiops.service_map.model import MAP_FILE
from pipelines.aiops.service_map.peers import USER
from pipelines.aiops.telemetry.contract import ALERTS, CHANGES, TICKETS
from pipelines.base.errors import SignalboxError
from pipelines.base.files import read_json, sha256_file

FORMAT = "signalbox.incidents/1"
MAP = SERVICE_MAP / MAP_FILE
MINUTE_US = 60_000_000
FIRST_DAY = datetime(1970, 1, 1, tzinfo=UTC)


def inputs_of(place: Path, earlier: Sequence[Path]) -> dict[str, str]:
    """Path → SHA-256 of the files that incidents are made of; the lake's rows are not among them.

    Raises
    ------
    SignalboxError
        If one is missing.
    """
    found = {}
    for path in (*INPUTS, MAP):
        found[path.as_posix()] = _hash(place / path)
    for other in earlier:
        for path in INPUTS:
            found[f"../{other.name}/{path.as_posix()}"] = _hash(other / path)
    return dict(sorted(found.items()))


def _hash(path: Path) -> str:
    if not path.is_file():
        raise SignalboxError(f"{path}: no such file; analyse this window first")
    return sha256_file(path)


def inputs_known(place: Path) -> dict[str, str] | None:
    """Tell what a place's incidents were made of; None if there are none, or unreadable ones."""
    try:
        found: dict[str, str] = read(place)["inputs"]
    except (SignalboxError, KeyError):
        return None
    return found


def read(place: Path) -> dict[str, Any]:
    """Read the incidents of a place.

    Raises
    ------
    SignalboxError
        If there are none, or of another format.
    """
    return read_form(place / INCIDENTS, FORMAT)


def write(place: Path, content: dict[str, Any]) -> Path:
    """Write the incidents of a place."""
    write_ordered(place / INCIDENTS, content)
    return place / INCIDENTS


def content_of(
    params: AiopsParams, window: Window, place: Path, earlier: Sequence[Path] = ()
) -> tuple[dict[str, Any], list[Finding]]:
    """Make the incidents of a window; content of the file, and the findings they were made of."""
    inputs = inputs_of(place, earlier)
    graph = graph_of(place)
    alerts, which = heard(params, Window(window.start - HORIZON, window.end))
    news, usual = judged(params, window, alerts)
    told = [one for other in earlier for one in _findings(other)]
    own = [*_findings(place), *news]
    findings = merged([*told, *own])  # Of one told again, what the later window says counts.
    company = merged(usual)
    found = _incidents(params, window, graph, findings, company)
    named = {one.id: one for one in (*findings, *company)}
    inside = [one for one in findings if _lies_in(one, window)]
    signals: Counter[str] = Counter(one.signal for one in inside)
    used = {name: named[name].as_json() for one in found for name in one.findings}
    content = {
        "format": FORMAT,
        "window": window.as_json(),
        "inputs": inputs,
        "counts": {
            "findings": {name: signals[name] for name in SIGNALS if name != "change"},
            "incidents": len(found),
            "incidents_of_alerts_only": sum(_alerts_only(one, named) for one in found),
            "earlier_windows": len(earlier),
            "missing_windows": gaps([*(Window.parse(one.name) for one in earlier), window]),
            "alerts": which,
            "usual_alerts": sum(_lies_in(one, window) for one in company),
        },
        "graph": {"calls": [list(call) for call in sorted(graph.calls)]},
        "findings": dict(sorted(used.items())),
        "incidents": [one.as_json() for one in found],
        "synthetic": (lake_of(params.analysis) / "truth").is_dir(),
    }
    return content, inside


def _alerts_only(incident: Incident, named: Mapping[str, Finding]) -> bool:
    return all(named[name].signal == "alert" for name in incident.findings)


def graph_of(place: Path) -> Graph:
    """Who calls whom by a place's map; users outside are nobody's suspects."""
    edges = read_json(place / MAP)["edges"]
    calls = {(one["source"], one["target"]) for one in edges}
    return Graph(frozenset(call for call in calls if not call[0].startswith(USER)))


def _lies_in(finding: Finding, window: Window) -> bool:
    return window.start_us <= finding.start_us < window.end_us


def _findings(place: Path) -> list[Finding]:
    return [
        *read_findings(place / METRIC_ANOMALIES).findings,
        *read_findings(place / LOG_ANOMALIES).findings,
        *read_moved(place / MOVED)[1],
    ]


def _incidents(
    params: AiopsParams,
    window: Window,
    graph: Graph,
    findings: Sequence[Finding],
    company: Sequence[Finding] = (),
) -> list[Incident]:
    about = params.group_incidents
    settings = Grouping(
        about.same_minutes * MINUTE_US,
        about.near_minutes * MINUTE_US,
        about.anywhere_minutes * MINUTE_US,
        about.longest_minutes * MINUTE_US,
    )
    recent = Window(window.start - HORIZON - timedelta(hours=1), window.end)
    changes = changes_of(rows_between(params, CHANGES, recent), window.end_us)
    past = _past(params, window)
    within = {one.id for one in findings if _lies_in(one, window)}

    def now(found: Sequence[Incident]) -> list[Incident]:
        return [one for one in found if within.intersection(one.findings)]

    made = partial(incidents, findings, graph, changes, past, company=company, settings=settings)
    found = now(made())
    if not about.signals or not found:
        return found
    rank = ranker(params, window, graph, found)
    return now(made(ranker=rank))


def _past(params: AiopsParams, window: Window) -> list[PastIncident]:
    """Tickets that were dealt with by the window's end: what was written later wasn't known."""
    ever = Window(FIRST_DAY, window.end)
    done = f"closed_at < make_timestamptz({window.end_us})"
    tickets = rows_between(params, TICKETS, ever, where=done)
    alerts = rows_between(
        params, ALERTS, ever, columns=["ticket_id", "name"], where="ticket_id IS NOT NULL"
    )
    names: dict[str, set[str]] = {}
    for ticket, name in zip(*(alerts[c].to_pylist() for c in ("ticket_id", "name")), strict=True):
        names.setdefault(ticket, set()).add(name)
    return past_of(tickets, window.end_us, {key: sorted(own) for key, own in names.items()})
