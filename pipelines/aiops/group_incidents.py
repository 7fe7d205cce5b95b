"""Stage ``group_incidents``: what belongs together, where it began, whom it reaches.

Outs (below the directory): ``incidents/incidents.json``. It is made of the three files of findings
of the directory (and of windows shortly before), and of alerts, changes and tickets of the lake.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipelines.aiops.alerting.config import process_of
from pipelines.aiops.alerting.config.parse import todays_config
from pipelines.aiops.alerting.replay import replay
from pipelines.aiops.alerting.rules import Rule
from pipelines.aiops.incidents import (
    Graph,
    Grouping,
    Incident,
    PastIncident,
    alertmanager_payload,
    incidents,
    webhook_payload,
)
from pipelines.aiops.incidents import post as post_incident
from pipelines.aiops.incidents.causes import ranker
from pipelines.aiops.incidents.contract import (
    alert_findings,
    changes_of,
    habit_subject,
    lifted_graph,
    past_of,
    read_relations,
    relations_of,
    subject_of,
)
from pipelines.aiops.incidents.deduplication import (
    AlertHistory,
    deduplicate_findings,
    read_alert_history,
    split_background_alerts,
)
from pipelines.aiops.incidents.model import FORMAT, IncidentsFile, read_incidents
from pipelines.aiops.lake.contract import ALERTS, CHANGES, TICKETS
from pipelines.aiops.lake.findings import SIGNALS, Finding, read_findings, read_form, write_ordered
from pipelines.aiops.lake.frame import NEVER
from pipelines.aiops.lake.read import read_lake
from pipelines.aiops.lake.stage_result import StageResult, write_stage_result
from pipelines.aiops.lake.window import (
    HORIZON,
    INPUTS,
    Window,
    earlier_windows,
    gaps,
    has_all_inputs,
    lake_of,
    result_dir,
    rows_between,
    window_of,
    windows_in,
)
from pipelines.aiops.params import AiopsParams, load_aiops_params
from pipelines.aiops.params.analysis import PostParams
from pipelines.aiops.params.artifacts import (
    INCIDENTS,
    LOG_ANOMALIES,
    METRIC_ANOMALIES,
    MOVED,
    RULES_RELEASED,
    SERVICE_MAP,
)
from pipelines.aiops.service_map.change_impact import read_moved
from pipelines.aiops.service_map.model import MAP_FILE
from pipelines.aiops.service_map.peers import USER
from pipelines.core.errors import SignalboxError
from pipelines.core.files import read_json, sha256_file, write_json
from pipelines.core.stage import log, run_stage
from pipelines.core.time import EPOCH, MINUTE_US

NOTIFIED_STATUSES = ("paged", "notified")
SETTLE = timedelta(days=1)
"""Alerts so long before are replayed too: what still fires then decides what is notified now."""


def notified_alerts(params: AiopsParams, window: Window) -> tuple[list[Finding], str]:
    """Find the alerts of a window that would be notified, and say in words which they are.

    Nothing after the window's end is known: neither alerts nor ends of alerts.
    """
    rules, release = _released(in_shadow=params.export_rules.publish.shadow)
    ids = _notified_ids(params, window, rules)
    rows = rows_between(params, ALERTS, window)
    found = alert_findings(rows, window.end_us)
    return [incident for incident in found if incident.evidence["alert_id"] in ids], release


def _released(*, in_shadow: bool) -> tuple[tuple[Rule, ...], str]:
    from pipelines.aiops.alerting.publishing.harmful_rules import released_rules
    from pipelines.release.released import read_released

    released = read_released(RULES_RELEASED) if Path(RULES_RELEASED).is_file() else None
    if released is None:
        return (), "alerts that today's configuration notifies of; no rules are released"
    if in_shadow:
        return (), f"alerts that today's configuration notifies of; {released.name} is in shadow"
    return (
        released_rules(released),
        f"alerts that today's configuration notifies of with the rules of {released.name}",
    )


def _notified_ids(params: AiopsParams, window: Window, rules: tuple[Rule, ...]) -> set[str]:
    """Ids of alerts that are told of, by an exact replay up to the window's end."""
    import numpy as np

    first = (window.start - SETTLE).date()
    lake = lake_of(params.analysis)
    frame = read_lake(lake, first, window.last_day, params.runtime.memory_mb, ids=True)
    frame = frame.where(frame.starts < window.end_us)
    if not len(frame):
        return set()
    frame.ends[frame.ends > window.end_us] = NEVER
    own = params.export_rules
    config = todays_config(own.alertmanager_yml, process_of(*own.reader))
    result = replay(frame, config, rules=rules, until=window.end_us)
    assert frame.ids is not None
    kept = np.asarray(result.alerts["status"].isin(NOTIFIED_STATUSES))
    return set(frame.ids[kept].tolist())


MAP = SERVICE_MAP / MAP_FILE


def inputs_of(directory: Path, earlier: Sequence[Path], table: str | None = None) -> dict[str, str]:
    """Path → SHA-256 of the files that incidents are made of; the lake's rows are not among them.

    Parameters
    ----------
    table
        The table of relations, if params name one.

    Raises
    ------
    SignalboxError
        If one is missing.
    """
    found = {}
    for path in (*INPUTS, MAP):
        found[path.as_posix()] = _hash(directory / path)
    for other in earlier:
        for path in INPUTS:
            found[f"../{other.name}/{path.as_posix()}"] = _hash(other / path)
    if table is not None:
        found[table] = _hash(Path(table), "aiops.group_incidents.relations names it")
    return dict(sorted(found.items()))


def _hash(path: Path, advice: str = "analyse this window first") -> str:
    if not path.is_file():
        raise SignalboxError(f"{path}: no such file; {advice}")
    return sha256_file(path)


def inputs_known(directory: Path) -> dict[str, str] | None:
    """Tell what a directory's incidents were made of; None if there are none or unreadable ones."""
    try:
        return dict(read_incidents(directory / INCIDENTS).inputs)
    except SignalboxError:
        return None


def read(directory: Path) -> dict[str, Any]:
    """Read the incidents of a place as JSON values.

    Raises
    ------
    SignalboxError
        If there are none, or of another format.
    """
    return read_form(directory / INCIDENTS, FORMAT)


def write(directory: Path, content: IncidentsFile) -> Path:
    """Write the incidents of a directory."""
    write_ordered(directory / INCIDENTS, content.as_json())
    return directory / INCIDENTS


def build_incidents(
    params: AiopsParams, window: Window, directory: Path, earlier: Sequence[Path] = ()
) -> tuple[IncidentsFile, list[Finding]]:
    """Make the incidents of a window; content of the file, and the findings they were made of."""
    inputs = inputs_of(directory, earlier, params.group_incidents.relations)
    alerts, which = notified_alerts(params, Window(window.start - HORIZON, window.end))
    earlier_findings = [finding for other in earlier for finding in _findings(other)]
    own = _findings(directory)
    graph = relations(params, window, directory, [*earlier_findings, *own])
    history = read_alert_history(params, window, graph)
    news, background_alerts = split_background_alerts(params, window, alerts, graph, history)
    subjects = {
        finding.id: subject_of(finding, graph, params.group_incidents.subjects)
        for finding in (*earlier_findings, *own, *alerts)
    }
    # Of a finding that two windows have, the later window's counts.
    findings = deduplicate_findings([*earlier_findings, *own, *news], subjects)
    background = deduplicate_findings(background_alerts, subjects)
    found = _incidents(params, window, graph, findings, background, history=history)
    named = {finding.id: finding for finding in (*findings, *background)}
    inside = [finding for finding in findings if _lies_in(finding, window)]
    signals: Counter[str] = Counter(finding.signal for finding in inside)
    content = IncidentsFile(
        window=window,
        inputs=inputs,
        counts={
            "findings": {name: signals[name] for name in SIGNALS if name != "change"},
            "incidents": len(found),
            "incidents_of_alerts_only": sum(_alerts_only(incident, named) for incident in found),
            "earlier_windows": len(earlier),
            "missing_windows": gaps([*(Window.parse(path.name) for path in earlier), window]),
            "alerts": which,
            "background_alerts": sum(_lies_in(finding, window) for finding in background),
        },
        graph=graph,
        findings={name: named[name] for incident in found for name in incident.findings},
        incidents=found,
        synthetic=(lake_of(params.analysis) / "truth").is_dir(),
    )
    return content, inside


def _alerts_only(incident: Incident, named: Mapping[str, Finding]) -> bool:
    return all(named[name].signal == "alert" for name in incident.findings)


def graph_of(directory: Path) -> Graph:
    """Who calls whom by a directory's map; users outside are nobody's suspects."""
    content = read_json(directory / MAP)
    calls = {(edge["source"], edge["target"]) for edge in content["edges"]}
    nodes = {node["id"] for node in content.get("nodes", ())}
    return Graph(
        frozenset(call for call in calls if not call[0].startswith(USER)),
        mapped=frozenset(node for node in nodes if not node.startswith(USER)),
    )


def relations(
    params: AiopsParams, window: Window, directory: Path, findings: Sequence[Finding]
) -> Graph:
    """Collect who calls whom and what runs where: by the map, by labels, by a table."""
    about = params.group_incidents
    ever = Window(window.start - timedelta(days=about.background_days), window.end)
    rows = rows_between(params, ALERTS, ever, columns=["labels"])["labels"].to_pylist()
    labels = [dict(own) for own in {tuple(sorted(row or ())) for row in rows}]
    labels += [{"service": finding.service, **finding.labels} for finding in findings]
    graph = graph_of(directory) | relations_of(labels, about.subjects)
    if about.relations is not None:
        graph |= read_relations(Path(about.relations))
    found = [subject_of(finding, graph, about.subjects) for finding in findings]
    found += [habit_subject(own, graph, about.subjects) for own in labels]
    names: dict[str, set[str]] = {}
    for one in found:
        if one is not None:
            names.setdefault(one.kind, set()).add(one.name)
    return lifted_graph(graph, names.get("instance", ()), names.get("service", ()))


def _lies_in(finding: Finding, window: Window) -> bool:
    return window.start_us <= finding.start_us < window.end_us


def _findings(directory: Path) -> list[Finding]:
    return [
        *read_findings(directory / METRIC_ANOMALIES).findings,
        *read_findings(directory / LOG_ANOMALIES).findings,
        *read_moved(directory / MOVED).findings,
    ]


def _incidents(
    params: AiopsParams,
    window: Window,
    graph: Graph,
    findings: Sequence[Finding],
    background: Sequence[Finding] = (),
    *,
    history: AlertHistory | None = None,
) -> list[Incident]:
    about = params.group_incidents
    settings = Grouping(
        same=about.same_service_gap_minutes * MINUTE_US,
        near=about.neighbour_gap_minutes * MINUTE_US,
        anywhere=about.global_gap_minutes * MINUTE_US,
        longest=about.max_incident_minutes * MINUTE_US,
    )
    recent = Window(window.start - HORIZON - timedelta(hours=1), window.end)
    changes = changes_of(rows_between(params, CHANGES, recent), window.end_us)
    past = _past(params, window)
    within = {finding.id for finding in findings if _lies_in(finding, window)}

    def now(found: Sequence[Incident]) -> list[Incident]:
        return [incident for incident in found if within.intersection(incident.findings)]

    made = partial(
        incidents,
        findings,
        graph,
        changes,
        past,
        background=background,
        settings=settings,
        labels=about.subjects,
        history=history,
    )
    found = now(made())
    if not about.signals or not found:
        return found
    rank = ranker(params, window, graph, found)
    return now(made(ranker=rank))


def _past(params: AiopsParams, window: Window) -> list[PastIncident]:
    """Tickets that were dealt with by the window's end: what was written later wasn't known."""
    ever = Window(EPOCH, window.end)
    done = f"closed_at < make_timestamptz({window.end_us})"
    tickets = rows_between(params, TICKETS, ever, where=done)
    alerts = rows_between(
        params, ALERTS, ever, columns=["ticket_id", "name"], where="ticket_id IS NOT NULL"
    )
    names: dict[str, set[str]] = {}
    for ticket, name in zip(*(alerts[c].to_pylist() for c in ("ticket_id", "name")), strict=True):
        names.setdefault(ticket, set()).add(name)
    return past_of(tickets, window.end_us, {key: sorted(own) for key, own in names.items()})


POSTED = INCIDENTS.parent / "posted.json"
"""Hashes of address and body of what was taken."""


def post_all(settings: PostParams, directory: Path) -> list[dict[str, Any]]:
    """Send every incident of a directory to every address; not again what an address took before.

    Returns
    -------
    list of dict
        ``url``, ``incident``, ``dry_run``, ``body``, ``status`` (None in a dry run).

    Raises
    ------
    SignalboxError
        If an address isn't allowed or doesn't take it.
    """
    if not settings.urls:
        return []
    found = read_incidents(directory / INCIDENTS).incidents
    before = _taken(directory)
    posted = []
    for url in settings.urls:
        for incident in found:
            payload = _payload(url, incident)
            ready = post_incident(url, payload, settings.allowed)
            mark = hashlib.sha256(f"{url}\n{ready.body}".encode()).hexdigest()
            if mark in before:
                continue
            sent = (
                ready
                if settings.dry_run
                else post_incident(url, payload, settings.allowed, dry_run=False)
            )
            if not sent.dry_run:
                # Noted at once: what fails after it doesn't make it be sent again.
                before.add(mark)
                write_json(directory / POSTED, sorted(before))
            posted.append({"url": url, "incident": incident.id, "dry_run": sent.dry_run,
                         "status": sent.status, "body": sent.body})  # fmt: skip
    return posted


def _taken(directory: Path) -> set[str]:
    path = directory / POSTED
    return set(read_json(path)) if path.is_file() else set()


def _payload(url: str, incident: Incident) -> Any:
    if urlsplit(url).path.endswith("/api/v2/alerts"):
        return alertmanager_payload(incident)
    return webhook_payload(incident)


STAGE = "group_incidents"
TABLES = ("alerts", "changes", "tickets", "metrics", "logs", "spans")


def earlier_directories(params: AiopsParams, window: Window) -> list[Path]:
    """Directories of windows before, whose findings may belong to this window's incidents."""
    results = Path(params.analysis.results)
    return [result_dir(results, other_window) for other_window in earlier_windows(results, window)]


def pending(params: AiopsParams, windows: Sequence[Window] | None = None) -> list[Window]:
    """Windows whose incidents are missing, or were made of other inputs than there are now.

    The order in which windows were analysed doesn't matter: a window is pending again when one
    shortly before it was analysed later, so in the end all are what they were on time.

    Parameters
    ----------
    windows
        Only these; None: all that have results.
    """
    results = Path(params.analysis.results)
    found = []
    for window in sorted(windows_in(results) if windows is None else set(windows)):
        directory = result_dir(results, window)
        if not has_all_inputs(directory):
            continue
        table = params.group_incidents.relations
        now = inputs_of(directory, earlier_directories(params, window), table)
        if inputs_known(directory) != now:
            found.append(window)
    return found


def run(params: AiopsParams, window: Window, directory: Path, earlier: Sequence[Path] = ()) -> Path:
    """Make the incidents of a window.

    Parameters
    ----------
    earlier
        `earlier_directories`: an incident that began before the window is grouped as a whole.
    """
    lake_of(params.analysis)
    content, findings = build_incidents(params, window, directory, earlier)
    path = write(directory, content)
    counts = {**content.counts["findings"], "incidents": content.counts["incidents"]}
    write_stage_result(
        directory,
        params,
        window,
        StageResult(STAGE, INCIDENTS, TABLES, counts, findings, content.inputs),
    )
    log(f"{content.counts['incidents']:,} incidents of {len(findings):,} findings, {window.name}")
    return path


def post(params: AiopsParams, directory: Path) -> list[dict[str, Any]]:
    """Send a directory's incidents on, as ``group_incidents.post`` says; tell what was sent."""
    return post_all(params.group_incidents.post, directory)


def main(params: AiopsParams) -> None:
    """Run the stage."""
    run(params, window_of(params.analysis), Path())


if __name__ == "__main__":
    run_stage(STAGE, main, load=load_aiops_params)
