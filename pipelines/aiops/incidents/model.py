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
    """Tell what a metric is about from the words in its name."""
    low = metric.lower()
    return next((role for role, words in ROLE_WORDS if re.search(words, low)), "other")


@dataclass(frozen=True)
class Series:
    """One metric of one service; `values` may hold NaN (a gap), any order of time.

    Attributes
    ----------
    times
        Microseconds since 1970, shape (n,).
    role
        What it is about; see `role_of`. Availability may be in percent or a share.
    """

    service: str
    metric: str
    times: Ints
    values: Floats
    role: Role


@dataclass(frozen=True)
class Spans:
    """Columns of spans; row i is span i. Times in microseconds."""

    trace: list[str]
    span: list[str]
    parent: list[str]
    service: list[str]
    name: list[str]
    start: Ints
    end: Ints


@dataclass(frozen=True)
class Logs:
    """Columns of log lines with their templates (``texts[code[i]]``).

    Attributes
    ----------
    span
        Id of the span a line was written in, empty if not known.
    """

    trace: list[str]
    span: list[str]
    service: list[str]
    at: Ints
    code: Ints
    texts: list[str]


@dataclass(frozen=True)
class Signals:
    """Everything that was measured; parts that are missing are left out."""

    series: tuple[Series, ...] = ()
    spans: Spans | None = None
    logs: Logs | None = None


@dataclass(frozen=True)
class Window:
    """The fault's time, and the times it is compared with (microseconds, ends excluded).

    Attributes
    ----------
    reference
        Intervals that count as ordinary for spans and logs.
    metric_reference
        The same for series; empty: as `reference`.
    """

    start: int
    end: int
    reference: tuple[tuple[int, int], ...]
    metric_reference: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Graph:
    """Who calls whom, as (caller, callee)."""

    calls: frozenset[tuple[str, str]] = field(default_factory=frozenset)

    @cached_property
    def callees(self) -> dict[str, set[str]]:
        """Caller → those it calls, itself excepted."""
        return _by_first(self.calls)

    @cached_property
    def callers(self) -> dict[str, set[str]]:
        """Callee → those that call it, itself excepted."""
        return _by_first((callee, caller) for caller, callee in self.calls)


def _by_first(pairs: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for left, other in pairs:
        if left != other:
            found.setdefault(left, set()).add(other)
    return found


@dataclass(frozen=True)
class Target:
    """The symptom to explain: where it was seen and, if known, in what."""

    service: str
    role: Role | None = None


@dataclass(frozen=True)
class Cause:
    """A suspect; `score` in nats of evidence, capped per source, comparable within one ranking."""

    service: str
    metric: str
    score: float
    evidence: tuple[str, ...]


def inside(times: Ints, intervals: tuple[tuple[int, int], ...]) -> NDArray[np.bool_]:
    """Tell which times lie in one of the intervals."""
    hit = np.zeros(len(times), bool)
    for start, end in intervals:
        hit |= (times >= start) & (times < end)
    return hit


@dataclass(frozen=True)
class Change:
    """A deployment, configuration or infrastructure change (table `changes` of the contract)."""

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
    names
        Alert names, kinds of findings and template ids that it was made of, as far as known.
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
    """One line of a timeline."""

    at_us: int
    what: str
    service: str
    sentence: str


@dataclass(frozen=True)
class Similar:
    """A past incident that resembles this one; `score` is a cosine, 0 to 1."""

    id: str
    score: float
    shared: tuple[str, ...]
    fix: str
    resolution: str


@dataclass(frozen=True)
class Incident:
    """What belongs together, with what is known about it.

    Attributes
    ----------
    id
        From its first finding: it doesn't change while the incident grows.
    affected
        Services with findings, by first finding.
    exposed
        Services that call an affected one, directly or through others, and show nothing yet.
    timeline
        Changes shortly before, then findings, by time.
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
            "causes": [{**vars(c), "evidence": list(c.evidence)} for c in self.causes],
            "similar": [{**vars(s), "shared": list(s.shared)} for s in self.similar],
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
            "graph": {"calls": [list(call) for call in sorted(self.graph.calls)]},
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
