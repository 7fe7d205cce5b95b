"""Make incidents of findings, changes, the service graph and past tickets."""

import hashlib
from collections.abc import Callable, Sequence

import numpy as np

from pipelines.aiops.findings import Finding, in_order
from pipelines.aiops.incidents.grouping import DEFAULT, Grouping, group
from pipelines.aiops.incidents.likely import likely_causes
from pipelines.aiops.incidents.model import Change, Entry, Incident, PastIncident
from pipelines.aiops.incidents.signals import Cause, Graph
from pipelines.aiops.incidents.similar import Memory, traits

BEFORE_US = 3_600_000_000
"""Changes this long before an incident may have caused it."""
LONGEST_TIMELINE = 500
LONGEST_NAME = 80

Ranker = Callable[[int, int, str], Sequence[Cause]]
"""Ranks causes from signals for start, end (microseconds) and the most affected service."""


def incidents(
    findings: Sequence[Finding],
    graph: Graph,
    changes: Sequence[Change] = (),
    past: Sequence[PastIncident] = (),
    *,
    company: Sequence[Finding] = (),
    settings: Grouping = DEFAULT,
    ranker: Ranker | None = None,
) -> list[Incident]:
    """Group findings into incidents and say what is known about each.

    Equal inputs give equal incidents, whatever their order; nothing after an incident's end is
    read, so a window that is computed later gives what it gave on time (read findings since
    long enough before it).

    Parameters
    ----------
    findings
        Alerts (as findings of signal ``alert``), anomalies of metrics and logs. Findings of signal
        ``change`` are not grouped: give changes.
    company
        Findings that tell little by themselves: they join an incident at one of its services in
        its time, and never make one.
    ranker
        Adds evidence from metrics, logs and traces, e.g. by `ranking.rank`.
    """
    ordered = in_order({one.id: one for one in findings if one.signal != "change"}.values())
    starts = np.array([one.start_us for one in ordered], np.int64)
    ends = np.array([one.end_us for one in ordered], np.int64)
    groups = group(starts, [one.service for one in ordered], graph, settings, ends)
    parts: dict[int, list[Finding]] = {}
    for number, one in zip(groups.tolist(), ordered, strict=True):
        parts.setdefault(number, []).append(one)
    known = _Known(graph, changes, past)
    return [
        _incident(own, [one for one in company if _joins(one, own, settings)], known, ranker)
        for _, own in sorted(parts.items())
    ]


def _joins(one: Finding, own: Sequence[Finding], settings: Grouping) -> bool:
    """Whether a finding is at a service of an incident, and near one of its findings there."""
    return any(
        one.service == other.service and abs(one.start_us - other.start_us) <= settings.same
        for other in own
    )


class _Known:
    """What is looked up for every incident, prepared once."""

    def __init__(
        self, graph: Graph, changes: Sequence[Change], past: Sequence[PastIncident]
    ) -> None:
        self.callees, self.callers = graph.callees, graph.callers
        self.changes = sorted(changes, key=lambda one: (one.at_us, one.id))
        self.change_times = np.array([one.at_us for one in self.changes], np.int64)
        self.memory = Memory(past)
        self._above: dict[str, frozenset[str]] = {}

    def changes_before(self, start_us: int, affected: Sequence[str]) -> list[Change]:
        """Give changes shortly before, at affected services or at ones next to them."""
        first, last = np.searchsorted(self.change_times, (start_us - BEFORE_US, start_us + 1))
        near = set(affected)
        for name in affected:
            near |= self.callees.get(name, set()) | self.callers.get(name, set())
        return [one for one in self.changes[first:last] if one.service in near]

    def above(self, service: str) -> frozenset[str]:
        """Give all services that call one, directly or through others."""
        if service not in self._above:
            seen: set[str] = set()
            todo = [service]
            while todo:
                fresh = self.callers.get(todo.pop(), set()) - seen
                seen |= fresh
                todo += fresh
            self._above[service] = frozenset(seen - {service})
        return self._above[service]


def _incident(
    findings: list[Finding], company: Sequence[Finding], known: _Known, ranker: Ranker | None
) -> Incident:
    start, end = findings[0].start_us, max(one.end_us for one in findings)
    affected = tuple(dict.fromkeys(one.service for one in findings if one.service))
    changes = known.changes_before(start, affected)
    causes = likely_causes(findings, known.callees, known.callers, changes)
    if ranker is not None and affected:
        worst = max(affected, key=lambda name: (_rarity(findings, name), name))
        causes = _added(causes, ranker(start, end, worst))
    exposed = set().union(*(known.above(name) for name in affected)) - set(affected)
    names = sorted({_name(one) for one in findings})
    title = _title(findings, affected)
    own = traits(affected, names, title)
    return Incident(
        id=incident_id(findings[0]),
        title=title,
        start_us=start,
        end_us=end,
        affected=affected,
        exposed=tuple(sorted(exposed)),
        findings=tuple(one.id for one in in_order([*findings, *company])),
        timeline=_timeline([*findings, *company], changes),
        causes=tuple(causes),
        similar=known.memory.similar(own, start),
    )


def incident_id(first: Finding) -> str:
    """Give the id of the incident that begins with a finding: 16 hex digits."""
    return hashlib.sha256(f"incident:{first.id}".encode()).hexdigest()[:16]


def _rarity(findings: Sequence[Finding], service: str) -> float:
    return sum(one.score for one in findings if one.service == service)


def _name(finding: Finding) -> str:
    labels = finding.labels
    return labels.get("alertname") or labels.get("__name__") or labels.get("template", finding.kind)


def _title(findings: Sequence[Finding], affected: Sequence[str]) -> str:
    """Say the rarest thing that was found, and where; the likeliest cause may be elsewhere."""
    rarest = min(findings, key=lambda one: (-one.score, one.start_us, one.id))
    where = rarest.service or "unknown service"
    what = _what(rarest)
    others = len(affected) - (where in affected)
    also = f", {others} more service{'s' * (others != 1)} affected" if others else ""
    return (what if what.startswith(where) else f"{where}: {what}") + also


def _what(finding: Finding) -> str:
    name = _name(finding)
    if finding.signal == "log":  # A template's id tells a person nothing; its line does.
        line = str(finding.evidence.get("first_line") or finding.sentence)
        return line if len(line) <= LONGEST_NAME else f"{line[:LONGEST_NAME]}…"
    return name.replace("_", " ") if name == finding.kind else name


def _timeline(findings: Sequence[Finding], changes: Sequence[Change]) -> tuple[Entry, ...]:
    entries = [Entry(one.at_us, "change", one.service, one.title or one.id) for one in changes]
    entries += [Entry(one.start_us, one.signal, one.service, one.sentence) for one in findings]
    entries.sort(key=lambda entry: entry.at_us)
    return tuple(entries[:LONGEST_TIMELINE])


def _added(causes: Sequence[Cause], ranked: Sequence[Cause]) -> list[Cause]:
    """Add up what findings and signals say; evidence from signals comes first."""
    merged = {cause.service: cause for cause in causes}
    for cause in ranked:
        known = merged.get(cause.service)
        if known is not None:
            score = round(cause.score + known.score, 6)
            both = cause.evidence + known.evidence
            merged[cause.service] = Cause(cause.service, cause.metric, score, both)
        else:
            merged[cause.service] = cause
    return sorted(merged.values(), key=lambda cause: (-cause.score, cause.service))
