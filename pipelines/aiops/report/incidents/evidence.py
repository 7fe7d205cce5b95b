"""Everything the three pages are made from, read and checked once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from pydantic import ConfigDict, Field, ValidationError

from pipelines.core.errors import SignalboxError
from pipelines.core.files import read_json, sha256_file
from pipelines.core.settings import Name, Section
from pipelines.reporting.provenance import Number, S, Shape, Sources, gather, read_evidence_of


class About(Protocol):
    """What the pages say about who and why; whoever calls them may have a class of their own."""

    @property
    def title(self) -> str:
        """First line of the page about incidents."""

    @property
    def owner(self) -> str:
        """Who answers for them."""

    @property
    def notice(self) -> str:
        """What readers must know about the telemetry before anything else; empty = nothing."""


class IncidentsReportParams(Section):
    """Subsection ``report_incidents``; the same keys and defaults as the stages know."""

    title: Name = "What is wrong, where, and what changed"
    owner: Name = "not stated"
    notice: str = ""


class AiopsSection(Section):
    """Section ``aiops``: the part of these pages, and the rest as it stands."""

    model_config = ConfigDict(extra="allow")

    report_incidents: IncidentsReportParams = Field(default_factory=IncidentsReportParams)


class Span(Shape):
    """A window, ``[start, end)``, UTC."""

    start: datetime
    end: datetime


class Finding(Shape):
    """Something unusual, as every detector tells it."""

    id: str
    signal: str
    kind: str
    service: str = ""
    instance: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    start_us: int
    end_us: int
    score: float
    sentence: str
    expected_low: Number = None
    expected_high: Number = None
    observed: Number = None
    evidence: dict[str, Any] = Field(default_factory=dict)


class Plot(Shape):
    """Values around a finding, one a step; None: there was none.

    Attributes
    ----------
    low, high
        What was expected at the most unusual value.
    """

    unit: str = ""
    per_second: bool = False
    step_us: int = Field(gt=0)
    start_us: int
    values: list[Number]
    low: Number = None
    high: Number = None


class Line(Shape):
    """A log line, masked."""

    at_us: int
    severity: str | None = ""
    body: str = ""


class Findings(Shape):
    """File of a detector: what it found, what it looked at, and how."""

    format: str
    window: Span
    counts: dict[str, Any] = Field(default_factory=dict)
    settings: dict[str, Any] = Field(default_factory=dict)
    findings: list[Finding]
    plots: dict[str, Plot] = Field(default_factory=dict)
    lines: dict[str, list[Line]] = Field(default_factory=dict)


class Entry(Shape):
    """One line of a timeline."""

    at_us: int
    what: str
    service: str = ""
    sentence: str


class Cause(Shape):
    """A suspect; `score` in nats of evidence."""

    service: str
    metric: str = ""
    score: float
    evidence: list[str] = Field(default_factory=list)


class Similar(Shape):
    """A past incident; `score` is a likeness from 0 to 1."""

    id: str
    score: float
    shared: list[str] = Field(default_factory=list)
    fix: str = ""
    resolution: str = ""


class Incident(Shape):
    """What belongs together, with what is known about it."""

    id: str
    title: str
    start_us: int
    end_us: int
    affected: list[str] = Field(default_factory=list)
    exposed: list[str] = Field(default_factory=list)
    findings: list[str] = Field(default_factory=list)
    timeline: list[Entry] = Field(default_factory=list)
    causes: list[Cause] = Field(default_factory=list)
    similar: list[Similar] = Field(default_factory=list)


class Calls(Shape):
    """Who calls whom."""

    calls: list[tuple[str, str]] = Field(default_factory=list)


class Incidents(Shape):
    """All incidents of a window, and what they are made of."""

    format: str
    window: Span
    inputs: dict[str, str] = Field(default_factory=dict)
    counts: dict[str, Any] = Field(default_factory=dict)
    graph: Calls = Calls()
    findings: dict[str, Finding] = Field(default_factory=dict)
    incidents: list[Incident]
    synthetic: bool = False


class Move(Shape):
    """One thing that moved on the map; `p` is the chance of it, corrected."""

    sentence: str
    where: str = ""
    p: float
    certain: bool = True


class Diff(Shape):
    """What moved on the map since the time before."""

    moved: list[Move] = Field(default_factory=list)
    nodes_appeared: list[str] = Field(default_factory=list)
    nodes_vanished: list[str] = Field(default_factory=list)
    tests: int = 0


class ChangeImpact(Shape):
    """A change, and what moved after it beyond chance."""

    id: str = ""
    title: str = ""
    service: str = ""
    at_us: int
    moved: list[Move] = Field(default_factory=list)
    windows_before: int = 0
    windows_after: int = 0
    tests: int = 0
    note: str = ""


class Moves(Shape):
    """File with what moved on the map, and after changes."""

    format: str
    compared_with: Span | None = None
    diff: Diff | None = None
    changes: list[ChangeImpact] = Field(default_factory=list)
    changes_left_out: int = 0
    findings: list[Finding] = Field(default_factory=list)


METRICS = Path("anomalies/metric_anomalies.json")
LOGS = Path("anomalies/log_anomalies.json")
MAP = Path("service_map/service_map.json")
MOVED = Path("service_map/moved.json")
INCIDENTS = Path("incidents/incidents.json")

_FORMATS = {
    METRICS: "signalbox.findings/1",
    LOGS: "signalbox.findings/1",
    MAP: "signalbox.service_map/1",
    MOVED: "signalbox.moved/1",
    INCIDENTS: "signalbox.incidents/1",
}
_STAGES = {
    METRICS: "metric_anomalies",
    LOGS: "log_anomalies",
    MAP: "map_services",
    MOVED: "map_services",
    INCIDENTS: "group_incidents",
}


@dataclass(frozen=True)
class Inputs:
    """What was found in one window.

    Attributes
    ----------
    place
        Root folder of the analysis; all paths on the pages are relative to it.
    service_map
        Content of ``service_map.json``, as its writer left it.
    """

    place: Path
    about: About
    metrics: Findings
    logs: Findings
    service_map: dict[str, Any]
    moves: Moves
    incidents: Incidents

    @property
    def window(self) -> Span:
        """The window that was looked at."""
        return self.incidents.window

    @cached_property
    def found(self) -> dict[str, Finding]:
        """Findings of metrics and logs by id."""
        return {
            finding.id: finding for part in (self.metrics, self.logs) for finding in part.findings
        }

    def finding(self, id_: str) -> Finding | None:
        """Return a finding of an incident; None if no file has it."""
        return self.incidents.findings.get(id_) or self.found.get(id_)

    def members(self, incident: Incident) -> list[str]:
        """Give the findings of an incident, those too that were told together with another."""
        ids = dict.fromkeys(incident.findings)
        for id_ in incident.findings:
            found = self.finding(id_)
            others = found.evidence.get("other_findings") if found else None
            if isinstance(others, list):
                ids.update(dict.fromkeys(str(other_id) for other_id in others))
        return list(ids)

    def sources(self, tables: Sequence[Path]) -> Sources:
        """Give a page's artifacts their numbers: evidence of its tables' stages, then the tables.

        Raises
        ------
        SignalboxError
            If evidence is missing, or files of two runs lie side by side.
        """
        stages = dict.fromkeys(_STAGES[table] for table in tables)
        return gather(read_evidence_of(stages, self.place), tables, self.place)


def read_inputs(directory: Path, about: About) -> Inputs:
    """Read the files in a place.

    Raises
    ------
    SignalboxError
        If one is missing, has another form, or was made of another window or version than the rest.
    """
    inputs = Inputs(
        directory,
        about,
        _read(directory, METRICS, Findings),
        _read(directory, LOGS, Findings),
        _map(directory),
        _read(directory, MOVED, Moves),
        _read(directory, INCIDENTS, Incidents),
    )
    _check_one_window(inputs)
    _check_one_version(inputs)
    return inputs


def _content(directory: Path, path: Path) -> dict[str, Any]:
    content = read_json(directory / path)
    wanted = _FORMATS[path]
    if not isinstance(content, dict) or content.get("format") != wanted:
        raise SignalboxError(
            f"{directory / path}: not of format {wanted}; run {_STAGES[path]} of this version"
        )
    return content


def _read(directory: Path, path: Path, shape: type[S]) -> S:
    try:
        return shape.model_validate(_content(directory, path))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:200]
        raise SignalboxError(
            f"{directory / path}: {where}: {first['msg']}; run {_STAGES[path]} again"
        ) from error


def _map(directory: Path) -> dict[str, Any]:
    content = _content(directory, MAP)
    for key in ("nodes", "edges", "counts", "start_us", "end_us", "window_us"):
        if key not in content:
            raise SignalboxError(f"{directory / MAP}: has no key '{key}'; run map_services again")
    return content


def _check_one_window(inputs: Inputs) -> None:
    for path, part in ((METRICS, inputs.metrics), (LOGS, inputs.logs)):
        if part.window != inputs.window:
            raise SignalboxError(
                f"{inputs.place / path}: looks at {_text_of(part.window)}, incidents at "
                f"{_text_of(inputs.window)}; run {_STAGES[path]} and group_incidents of one window"
            )


def _text_of(window: Span) -> str:
    return f"{window.start:%Y-%m-%dT%H:%M} to {window.end:%Y-%m-%dT%H:%M}"


def _check_one_version(inputs: Inputs) -> None:
    for path in (METRICS, LOGS, MAP, MOVED):
        known = inputs.incidents.inputs.get(path.as_posix())
        if known is not None and known != sha256_file(inputs.place / path):
            raise SignalboxError(
                f"{inputs.place / INCIDENTS}: was made of another version of {path}; "
                "run group_incidents again"
            )
