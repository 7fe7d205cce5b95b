"""Make incidents of findings, changes, the service graph and past tickets; rank their causes.

Services are ranked by the evidence that they are the cause, each piece of it in words.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from math import log, sqrt

import numpy as np

from pipelines.aiops.incidents.causes import (
    Ranker,
    change_evidence,
    rank_evidence,
    signal_evidence,
)
from pipelines.aiops.incidents.contract import LABELS, subject_of
from pipelines.aiops.incidents.deduplication import AlertHistory, subject_signals
from pipelines.aiops.incidents.grouping import DEFAULT, Grouping, Place, group, places_of
from pipelines.aiops.incidents.model import (
    Change,
    Entry,
    Graph,
    Incident,
    PastIncident,
    Similar,
    Subject,
    SubjectSignal,
    name_of_finding,
)
from pipelines.aiops.lake.findings import Finding, in_order
from pipelines.aiops.params.analysis import SubjectLabels
from pipelines.core.time import HOUR_US

LEAST = 0.15
SHARED = 5
WORD = re.compile(r"[^\W\d_]{3,}")


def traits(services: Sequence[str], names: Sequence[str], text: str) -> frozenset[str]:
    """Collect what an incident is compared by: services, names, and words of its title.

    Parameters
    ----------
    services : sequence of str
        Affected services.
    names : sequence of str
        Alert names, kinds of findings and template ids.
    text : str
        Title.

    Returns
    -------
    frozenset of str
        Terms with their kind as prefix.
    """
    words = {f"word {word.lower()}" for word in WORD.findall(text)}
    return frozenset(
        {f"service {name}" for name in services if name}
        | {f"name {name}" for name in names if name}
        | words
    )


class PastIncidentIndex:
    """Past incidents, indexed once.

    Parameters
    ----------
    past : sequence of PastIncident
        Past incidents, any order.

    Notes
    -----
    Cosine of TF-IDF vectors (Salton & Buckley 1988) with binary term frequency and the weight
    ``log(1 + incidents / incidents with the term)``.
    """

    def __init__(self, past: Sequence[PastIncident]) -> None:
        self.past = sorted(
            past, key=lambda past_incident: (past_incident.opened_us, past_incident.id)
        )
        self.traits = [
            traits(past_incident.services, past_incident.names, past_incident.title)
            for past_incident in self.past
        ]
        counts = Counter(trait for trait_set in self.traits for trait in trait_set)
        self.weight = {trait: log(1 + len(self.past) / n) for trait, n in counts.items()}
        self.norm = [self._norm(trait_set) for trait_set in self.traits]
        self.postings: dict[str, list[int]] = {}
        for i, trait_set in enumerate(self.traits):
            for trait in sorted(trait_set):
                self.postings.setdefault(trait, []).append(i)

    def _norm(self, own: frozenset[str]) -> float:
        # What no past incident has tells nothing about which of them is like this one.
        return sqrt(sum(self.weight.get(trait, 0.0) ** 2 for trait in sorted(own)))

    def similar(self, own: frozenset[str], before_us: int, top: int = 3) -> tuple[Similar, ...]:
        """Find the past incidents opened before a time that resemble one most.

        Parameters
        ----------
        own : frozenset of str
            Terms of the incident, as of `traits`.
        before_us : int
            Past incidents opened at or after it are left out, microseconds since 1970.
        top : int, default 3
            Most results.

        Returns
        -------
        tuple of Similar
            The most similar first; none below the cosine `LEAST`.
        """
        dot: dict[int, float] = {}
        for trait in sorted(own):
            for i in self.postings.get(trait, ()):
                dot[i] = dot.get(i, 0.0) + self.weight[trait] ** 2
        norm = self._norm(own)
        found = []
        for i, product in dot.items():
            past_incident = self.past[i]
            score = round(product / (norm * self.norm[i]), 6)
            if past_incident.opened_us < before_us and score >= LEAST:
                shared = sorted(own & self.traits[i], key=lambda t: (-self.weight[t], t))[:SHARED]
                found.append(
                    Similar(
                        past_incident.id,
                        score,
                        tuple(shared),
                        past_incident.fix,
                        past_incident.resolution,
                    )
                )
        return tuple(sorted(found, key=lambda s: (-s.score, s.id))[:top])


BEFORE_US = HOUR_US
"""Changes this long before an incident may have caused it."""
LONGEST_TIMELINE = 500
LONGEST_NAME = 80


def incidents(
    findings: Sequence[Finding],
    graph: Graph,
    changes: Sequence[Change] = (),
    past: Sequence[PastIncident] = (),
    *,
    background: Sequence[Finding] = (),
    settings: Grouping = DEFAULT,
    ranker: Ranker | None = None,
    labels: SubjectLabels = LABELS,
    history: AlertHistory | None = None,
) -> list[Incident]:
    """Group findings into incidents and say what is known about each.

    Equal inputs give equal incidents, whatever their order; nothing after an incident's end is
    read, so a window that is computed later gives what it gave on time (read findings since
    long enough before it).

    Parameters
    ----------
    findings : sequence of Finding
        Alerts (as findings of signal ``alert``), anomalies of metrics and logs. Findings of signal
        ``change`` are not grouped: give changes.
    graph : Graph
        Who calls whom, what runs where; without any of it events are linked by time alone.
    changes : sequence of Change
        Deployments and other changes, any order.
    past : sequence of PastIncident
        Past incidents, any order.
    background : sequence of Finding
        Findings that tell little by themselves: they join an incident at one of its services in
        its time, and never make one.
    settings : Grouping
        How far apart linked findings may start.
    ranker : Ranker or None
        Finds evidence in metrics, logs and traces, as `causes.ranker` builds it.
    labels : SubjectLabels
        Which labels name instances, hosts, edges and the rest.
    history : AlertHistory, optional
        What alerts came before: how noisy each subject is, and which come together.

    Returns
    -------
    list of Incident
        Incidents by their first finding.
    """
    ordered = in_order(
        {finding.id: finding for finding in findings if finding.signal != "change"}.values()
    )
    starts = np.array([finding.start_us for finding in ordered], np.int64)
    ends = np.array([finding.end_us for finding in ordered], np.int64)
    known = _Context(graph, changes, past, labels, history)
    groups = group(starts, [known.places(finding) for finding in ordered], graph, settings, ends)
    parts: dict[int, list[Finding]] = {}
    for number, finding in zip(groups.tolist(), ordered, strict=True):
        parts.setdefault(number, []).append(finding)
    return [
        _incident(
            own,
            [finding for finding in background if _joins(finding, own, known, settings)],
            known,
            ranker,
        )
        for _, own in sorted(parts.items())
    ]


def _joins(finding: Finding, own: Sequence[Finding], known: "_Context", settings: Grouping) -> bool:
    """Whether a finding is at a place of an incident, and near one of its findings there."""
    here = set(known.places(finding))
    return any(
        abs(finding.start_us - other.start_us) <= settings.same
        and not here.isdisjoint(known.places(other))
        for other in own
    )


class _Context:
    """What is looked up for every incident, prepared once."""

    def __init__(
        self,
        graph: Graph,
        changes: Sequence[Change],
        past: Sequence[PastIncident],
        labels: SubjectLabels,
        history: AlertHistory | None,
    ) -> None:
        self.together = history.together if history else None
        self.usual = history.usual if history else None
        self.graph, self.labels = graph, labels
        self._places: dict[str, tuple[Place, ...]] = {}
        self.callees, self.callers = graph.callees, graph.callers
        self.changes = sorted(changes, key=lambda change: (change.at_us, change.id))
        self.change_times = np.array([change.at_us for change in self.changes], np.int64)
        self.past_index = PastIncidentIndex(past)
        self._above: dict[str, frozenset[str]] = {}

    def places(self, finding: Finding) -> tuple[Place, ...]:
        """Give the places that a finding touches."""
        if finding.id not in self._places:
            subject = subject_of(finding, self.graph, self.labels)
            self._places[finding.id] = places_of(subject, self.graph, finding.service)
        return self._places[finding.id]

    def subjects(self, findings: Sequence[Finding]) -> tuple[Subject, ...]:
        """Give what findings are about, by first finding."""
        found = [subject_of(finding, self.graph, self.labels) for finding in findings]
        return tuple(dict.fromkeys(one for one in found if one is not None))

    def signals(self, findings: Sequence[Finding]) -> list[SubjectSignal]:
        """Turn an incident's findings into evidence about subjects, for the ranking of causes."""
        return subject_signals(findings, self.graph, self.together, self.labels)

    def names(self, finding: Finding) -> list[str]:
        """Name whom a finding affects: services, else an instance or a host."""
        places = self.places(finding)
        services = [name for kind, name in places if kind == "service"]
        return services or [name for kind, name in places if kind != "all of"]

    def changes_before(self, start_us: int, affected: Sequence[str]) -> list[Change]:
        """Give changes shortly before, at affected services or at ones next to them."""
        first, last = np.searchsorted(self.change_times, (start_us - BEFORE_US, start_us + 1))
        near = set(affected)
        for name in affected:
            near |= self.callees.get(name, set()) | self.callers.get(name, set())
        return [change for change in self.changes[first:last] if change.service in near]

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
    findings: list[Finding], background: Sequence[Finding], known: _Context, ranker: Ranker | None
) -> Incident:
    start, end = findings[0].start_us, max(finding.end_us for finding in findings)
    affected = tuple(dict.fromkeys(name for one in findings for name in known.names(one)))
    changes = known.changes_before(start, affected)
    evidence = signal_evidence(
        subject_signals(findings, known.graph, known.together, known.labels),
        {finding.id: finding.sentence for finding in findings},
        {finding.id: finding.signal for finding in findings},
    )
    evidence += change_evidence(changes, start)
    if ranker is not None and affected:
        worst = max(affected, key=lambda name: (_rarity(findings, name), name))
        evidence += ranker(start, end, worst)
    causes = rank_evidence(evidence, known.graph, usual=known.usual)
    exposed = set().union(*(known.above(name) for name in affected)) - set(affected)
    names = sorted({name_of_finding(finding) for finding in findings})
    title = _title(findings, affected, known)
    own = traits(affected, names, title)
    return Incident(
        id=incident_id(findings[0]),
        title=title,
        start_us=start,
        end_us=end,
        affected=affected,
        exposed=tuple(sorted(exposed)),
        findings=tuple(finding.id for finding in in_order([*findings, *background])),
        timeline=_timeline([*findings, *background], changes),
        causes=tuple(causes),
        similar=known.past_index.similar(own, start),
        subjects=known.subjects(findings),
    )


def incident_id(first: Finding) -> str:
    """Derive the id of the incident that begins with a finding.

    Parameters
    ----------
    first : Finding
        The incident's first finding.

    Returns
    -------
    str
        16 hex digits.
    """
    return hashlib.sha256(f"incident:{first.id}".encode()).hexdigest()[:16]


def _rarity(findings: Sequence[Finding], service: str) -> float:
    return sum(finding.score for finding in findings if finding.service == service)


def _title(findings: Sequence[Finding], affected: Sequence[str], known: _Context) -> str:
    """Say the rarest thing that was found, and where; the likeliest cause may be elsewhere."""
    rarest = min(findings, key=lambda finding: (-finding.score, finding.start_us, finding.id))
    where = rarest.service or next(iter(known.names(rarest)), "unknown service")
    what = _what(rarest)
    others = len(affected) - (where in affected)
    also = f", {others} more service{'s' * (others != 1)} affected" if others else ""
    return (what if what.startswith(where) else f"{where}: {what}") + also


def _what(finding: Finding) -> str:
    name = name_of_finding(finding)
    if finding.signal == "log":  # A template's id tells a person nothing; its line does.
        line = str(finding.evidence.get("first_line") or finding.sentence)
        return line if len(line) <= LONGEST_NAME else f"{line[:LONGEST_NAME]}…"
    return name.replace("_", " ") if name == finding.kind else name


def _timeline(findings: Sequence[Finding], changes: Sequence[Change]) -> tuple[Entry, ...]:
    entries = [
        Entry(change.at_us, "change", change.service, change.title or change.id)
        for change in changes
    ]
    entries += [
        Entry(finding.start_us, finding.signal, finding.service, finding.sentence)
        for finding in findings
    ]
    entries.sort(key=lambda entry: entry.at_us)
    return tuple(entries[:LONGEST_TIMELINE])
