"""What an incident is made of, what it is compared with, and what its causes are ranked from."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.lake.findings import Finding, read_as
from pipelines.aiops.lake.window import Window as AnalysedWindow

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Role = Literal["latency", "availability", "errors", "requests", "saturation", "other"]

# Words of the trade, not of any data set; the first line that matches decides.
ROLE_WORDS: tuple[tuple[Role, str], ...] = (
    ("saturation", r"cpu|memory|mem_|throttl|utili[sz]ation|saturation|disk|retransmit"
                   r"|queue.?(depth|length)|\blag\b|network.?(p\d|rtt|delay|latency)"),
    ("errors", r"error|fail|exception|5xx|fault"),
    ("availability", r"availab|success"),
    ("latency", r"latency|duration|response.?time|delay|elapsed"),
    ("requests", r"request|throughput|workload|ops|calls|rps|qps"),
)  # fmt: skip


def role_of(metric: str) -> Role:
    """Tell what a metric is about from the words in its name.

    Parameters
    ----------
    metric : str
        Name of the metric.

    Returns
    -------
    Role
        Role; "other" if no word matches.
    """
    low = metric.lower()
    return next((role for role, words in ROLE_WORDS if re.search(words, low)), "other")


@dataclass(frozen=True)
class Series:
    """One metric of one service, in any order of time.

    Attributes
    ----------
    service : str
        Name of the service.
    metric : str
        Name of the metric.
    times : array of int64, shape (n,)
        Microseconds since 1970.
    values : array of float64, shape (n,)
        NaN: a gap.
    role : Role
        What it is about; see `role_of`. Availability may be in percent or a share.
    """

    service: str
    metric: str
    times: Ints
    values: Floats
    role: Role


@dataclass(frozen=True)
class Spans:
    """Columns of spans; row i of each is span i.

    Attributes
    ----------
    trace, span, parent : list of str, shape (spans,)
        Ids; the parent's is empty for a root.
    service, name : list of str, shape (spans,)
        Service and operation.
    start, end : array of int64, shape (spans,), microseconds since 1970
        First and last moment.
    """

    trace: list[str]
    span: list[str]
    parent: list[str]
    service: list[str]
    name: list[str]
    start: Ints
    end: Ints


@dataclass(frozen=True)
class Logs:
    """Columns of log lines with their templates; row i of each is line i.

    Attributes
    ----------
    trace : list of str, shape (lines,)
        Id of the trace, empty if not known.
    span : list of str, shape (lines,)
        Id of the span a line was written in, empty if not known.
    service : list of str, shape (lines,)
        Service that wrote it.
    at : array of int64, shape (lines,), microseconds since 1970
        Time of the line.
    code : array of int64, shape (lines,)
        Position in `texts` of its template.
    texts : list of str, shape (templates,)
        Text of each template.
    """

    trace: list[str]
    span: list[str]
    service: list[str]
    at: Ints
    code: Ints
    texts: list[str]


@dataclass(frozen=True)
class Signals:
    """Everything that was measured around an incident.

    Attributes
    ----------
    series : tuple of Series
        Metrics; empty if there are none.
    spans : Spans or None
        None if there are none.
    logs : Logs or None
        None if there are none.
    """

    series: tuple[Series, ...] = ()
    spans: Spans | None = None
    logs: Logs | None = None


@dataclass(frozen=True)
class FaultWindow:
    """The fault's time, and the times it is compared with (microseconds, ends excluded).

    Attributes
    ----------
    start, end : int
        Time of the fault.
    reference : tuple of (int, int)
        Intervals that count as ordinary for spans and logs.
    metric_reference : tuple of (int, int)
        The same for series; empty: as `reference`.
    """

    start: int
    end: int
    reference: tuple[tuple[int, int], ...]
    metric_reference: tuple[tuple[int, int], ...] = ()


Kind = Literal["service", "instance", "host", "edge", "database", "third_party"]
ARROW = " -> "


@dataclass(frozen=True, order=True)
class Subject:
    """What a signal is about, and what can be a cause.

    Attributes
    ----------
    kind : Kind
        What it is.
    name : str
        Its name, as labels and the map have it; of an edge ``caller -> callee``.
    """

    kind: Kind
    name: str

    @classmethod
    def edge(cls, caller: str, callee: str) -> "Subject":
        """Return the edge of calls from one service to another."""
        return cls("edge", f"{caller}{ARROW}{callee}")

    @property
    def ends(self) -> tuple[str, ...]:
        """Caller and callee of an edge; empty for other kinds."""
        return tuple(self.name.split(ARROW, 1)) if self.kind == "edge" else ()


def name_of_finding(finding: Finding) -> str:
    """Return what a finding is called: its alert, metric, template or kind."""
    labels = finding.labels
    return labels.get("alertname") or labels.get("__name__") or labels.get("template", finding.kind)


@dataclass(frozen=True)
class SubjectSignal:
    """A finding as evidence: at what, since when, how surprising. See `grouping.subject_signals`.

    Attributes
    ----------
    subject : Subject
        What it is about.
    what : str
        Alert, metric or kind of finding.
    start_us, end_us : int
        Microseconds since 1970.
    surprise : float
        Nats: -log of the chance of at least this in ordinary times.
    weight : float
        At most 1; signals of one subject that always came together before share one.
    findings : tuple of str
        Ids of the findings that it was made of.
    """

    subject: Subject
    what: str
    start_us: int
    end_us: int
    surprise: float
    weight: float = 1.0
    findings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Graph:
    """Relations between subjects: who calls whom, what runs where, what depends on what.

    Attributes
    ----------
    calls : frozenset of (str, str)
        Caller and callee: services, databases, third parties.
    instance_of : frozenset of (str, str)
        Instance and its service.
    runs_on : frozenset of (str, str)
        Instance (or service) and host.
    depends_on : frozenset of (str, str)
        Service and what it needs without a call that was seen: a database, a third party.
    mapped : frozenset of str
        Services whose calls would be known: one that has none has nothing to do with others.
    """

    calls: frozenset[tuple[str, str]] = field(default_factory=frozenset)
    instance_of: frozenset[tuple[str, str]] = field(default_factory=frozenset)
    runs_on: frozenset[tuple[str, str]] = field(default_factory=frozenset)
    depends_on: frozenset[tuple[str, str]] = field(default_factory=frozenset)
    mapped: frozenset[str] = field(default_factory=frozenset)

    def __or__(self, other: "Graph") -> "Graph":
        """Return the relations of both."""
        return Graph(
            self.calls | other.calls,
            self.instance_of | other.instance_of,
            self.runs_on | other.runs_on,
            self.depends_on | other.depends_on,
            self.mapped | other.mapped,
        )

    @cached_property
    def callees(self) -> dict[str, set[str]]:
        """Caller → those it calls or depends on, itself excepted."""
        return _by_first(self.calls | self.depends_on)

    @cached_property
    def callers(self) -> dict[str, set[str]]:
        """Callee → those that call it or depend on it, itself excepted."""
        return _by_first((callee, caller) for caller, callee in self.calls | self.depends_on)

    @cached_property
    def services(self) -> dict[str, set[str]]:
        """Instance → its services: one, but for instances that share a name."""
        return _by_first(self.instance_of)

    @cached_property
    def instances(self) -> dict[str, set[str]]:
        """Service → its instances."""
        return _by_first((service, instance) for instance, service in self.instance_of)

    @cached_property
    def hosts(self) -> dict[str, set[str]]:
        """Instance → its hosts; service → those of its instances and its own."""
        found = _by_first(self.runs_on)
        own = {name: set(hosts) for name, hosts in found.items()}
        for instance, service in self.instance_of:
            if instance != service and instance in found:
                own.setdefault(service, set()).update(found[instance])
        return own

    @cached_property
    def guests(self) -> dict[str, set[str]]:
        """Host → instances on it, and services that run on it without known instances."""
        return _by_first((host, guest) for guest, host in self.runs_on)

    def as_json(self) -> dict[str, list[Any]]:
        """Return JSON values: sorted pairs of each relation, and names."""
        return {name: [list(pair) for pair in sorted(getattr(self, name))] for name in RELATIONS}


RELATIONS = ("calls", "instance_of", "runs_on", "depends_on")
"""Relations of a `Graph`, in the order in which they are written."""


def _by_first(pairs: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for left, other in pairs:
        if left != other:
            found.setdefault(left, set()).add(other)
    return found


@dataclass(frozen=True)
class Target:
    """The symptom to explain: where it was seen and, if known, in what.

    Attributes
    ----------
    service : str
        Service where it was seen.
    role : Role or None
        Kind of metric in which it was seen; None: not known.
    """

    service: str
    role: Role | None = None


@dataclass(frozen=True)
class Cause:
    """A suspect.

    Attributes
    ----------
    service : str
        Name of the suspected subject: a service, or what `kind` says.
    metric : str
        Metric, alert, or kind of evidence, that says most.
    score : float
        Nats of evidence; comparable within one ranking.
    evidence : tuple of str
        Sentences, the strongest first.
    kind : Kind
        What the suspect is.
    share : float
        How likely it is the cause, of all suspects and whatever showed nothing; 0 to 1.
    path : tuple of str
        From the suspect to the symptoms, along which it reached them; empty: no relation is known.
    against : tuple of str
        Sentences that speak against it.
    unseen : tuple of str
        What was not looked at: sources without any data of it.
    """

    service: str
    metric: str
    score: float
    evidence: tuple[str, ...]
    kind: Kind = "service"
    share: float = 0.0
    path: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return JSON values with keys in a fixed order."""
        return {key: list(value) if isinstance(value, tuple) else value
                for key, value in vars(self).items()}  # fmt: skip


NOT_ENOUGH = 0.5
"""A lead in nats below which the first suspect isn't told from the second."""


def enough_to_tell(causes: Sequence[Cause]) -> bool:
    """Whether the first of some ranked suspects stands out.

    Parameters
    ----------
    causes : sequence of Cause
        Suspects, the likeliest first.

    Returns
    -------
    bool
        False without suspects, or if the second comes within `NOT_ENOUGH` nats of the first.
    """
    if not causes:
        return False
    return len(causes) == 1 or causes[0].score - causes[1].score >= NOT_ENOUGH


def inside(times: Ints, intervals: tuple[tuple[int, int], ...]) -> NDArray[np.bool_]:
    """Test which times lie in one of the intervals.

    Parameters
    ----------
    times : array of int64, shape (n,)
        Microseconds since 1970.
    intervals : tuple of (int, int)
        Start and end of each, the end excluded.

    Returns
    -------
    array of bool, shape (n,)
        True inside.
    """
    hit = np.zeros(len(times), bool)
    for start, end in intervals:
        hit |= (times >= start) & (times < end)
    return hit


@dataclass(frozen=True)
class Change:
    """A deployment, configuration or infrastructure change (table `changes` of the contract).

    Attributes
    ----------
    id : str
        Id of the change.
    service : str
        Changed service, empty if not known.
    at_us : int
        Time of the change, microseconds since 1970.
    title : str
        What was changed.
    kind : str
        Kind of change.
    """

    id: str
    service: str
    at_us: int
    title: str
    kind: str = "deployment"


@dataclass(frozen=True)
class PastIncident:
    """An incident that was dealt with, from tickets.

    Attributes
    ----------
    id : str
        Id of the ticket.
    opened_us : int
        When it was opened, microseconds since 1970.
    services : tuple of str
        Affected services.
    names : tuple of str
        Alert names, kinds of findings and template ids that it was made of, as far as known.
    title : str
        Title of the ticket.
    fix : str
        What ended it, "" if not known.
    resolution : str
        How it was resolved, in words, "" if not known.
    """

    id: str
    opened_us: int
    services: tuple[str, ...]
    names: tuple[str, ...] = ()
    title: str = ""
    fix: str = ""
    resolution: str = ""


@dataclass(frozen=True)
class Entry:
    """One line of a timeline.

    Attributes
    ----------
    at_us : int
        Time, microseconds since 1970.
    what : str
        Signal of the finding, or "change".
    service : str
        Name of the service.
    sentence : str
        What happened, in words.
    """

    at_us: int
    what: str
    service: str
    sentence: str


@dataclass(frozen=True)
class Similar:
    """A past incident that resembles this one.

    Attributes
    ----------
    id : str
        Id of the ticket.
    score : float
        Cosine, 0 to 1.
    shared : tuple of str
        Terms that both have, the rarest first.
    fix : str
        What ended it, "" if not known.
    resolution : str
        How it was resolved, in words, "" if not known.
    """

    id: str
    score: float
    shared: tuple[str, ...]
    fix: str
    resolution: str


@dataclass(frozen=True)
class Incident:
    """Findings that belong together, with what is known about them.

    Attributes
    ----------
    id : str
        From its first finding: it doesn't change while the incident grows.
    title : str
        The rarest thing that was found, and where.
    start_us, end_us : int
        First start and last end of the findings, microseconds since 1970.
    affected : tuple of str
        Services with findings, by first finding; an instance or a host where no service is known.
    exposed : tuple of str
        Services that call an affected one, directly or through others, and show nothing yet.
    findings : tuple of str
        Ids of the findings, in order.
    timeline : tuple of Entry
        Changes shortly before, then findings, by time.
    causes : tuple of Cause
        Suspected services, the likeliest first.
    similar : tuple of Similar
        Past incidents that resemble it most.
    subjects : tuple of Subject
        What findings are about, by first finding.
    """

    id: str
    title: str
    start_us: int
    end_us: int
    affected: tuple[str, ...]
    exposed: tuple[str, ...]
    findings: tuple[str, ...]
    timeline: tuple[Entry, ...]
    causes: tuple[Cause, ...]
    similar: tuple[Similar, ...] = field(default_factory=tuple)
    subjects: tuple[Subject, ...] = field(default_factory=tuple)

    @property
    def services(self) -> tuple[str, ...]:
        """Affected services, without hosts and instances of unknown services."""
        others = {one.name for one in self.subjects if one.kind in ("host", "instance")}
        return tuple(name for name in self.affected if name not in others)

    def as_json(self) -> dict[str, Any]:
        """Return JSON values with keys in a fixed order."""
        return {
            "id": self.id,
            "title": self.title,
            "start_us": self.start_us,
            "end_us": self.end_us,
            "affected": list(self.affected),
            "exposed": list(self.exposed),
            "findings": list(self.findings),
            "timeline": [vars(entry) for entry in self.timeline],
            "causes": [cause.as_json() for cause in self.causes],
            "similar": [{**vars(s), "shared": list(s.shared)} for s in self.similar],
            "subjects": [dict(vars(subject)) for subject in self.subjects],
        }


FORMAT = "signalbox.incidents/1"


@dataclass(frozen=True)
class IncidentsFile:
    """All incidents of a window, and what they are made of.

    Attributes
    ----------
    inputs
        Path → SHA-256 of the files that they were made of.
    counts
        What was looked at; ``findings`` by signal.
    findings
        Findings of the incidents, by id.
    synthetic
        Whether the lake comes from the simulator.
    """

    window: AnalysedWindow
    inputs: Mapping[str, str]
    counts: Mapping[str, Any]
    graph: Graph
    findings: Mapping[str, Finding]
    incidents: Sequence[Incident]
    synthetic: bool

    def as_json(self) -> dict[str, Any]:
        """Return JSON values with keys in a fixed order."""
        return {
            "format": FORMAT,
            "window": self.window.as_json(),
            "inputs": dict(self.inputs),
            "counts": dict(self.counts),
            "graph": self.graph.as_json(),
            "findings": {id_: found.as_json() for id_, found in sorted(self.findings.items())},
            "incidents": [incident.as_json() for incident in self.incidents],
            "synthetic": self.synthetic,
        }


def read_incidents(path: Path) -> IncidentsFile:
    """Read a file of format `FORMAT`.

    Raises
    ------
    SignalboxError
        If it isn't there, is of another format, or a key is missing or has another form.
    """
    return read_as(IncidentsFile, path, FORMAT, "group_incidents")
