"""Everything the three pages are made from, read and checked once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipelines.core.errors import SignalboxError
from pipelines.core.files import read_json, sha256_file
from pipelines.core.settings import Name, Section
from pipelines.reporting.provenance import Sources, gather, read_evidence_of


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
    """Subsection ``report_incidents``; the same keys and defaults as the stages know.

    Attributes
    ----------
    title, owner : Name
        First line of the page about incidents, and who answers for the pages.
    notice : str
        What readers must know about the telemetry first; "" for nothing.
    """

    title: Name = "What is wrong, where, and what changed"
    owner: Name = "not stated"
    notice: str = ""


class AiopsSection(Section):
    """Section ``aiops``: the part of these pages, and the rest as it stands.

    Attributes
    ----------
    report_incidents : IncidentsReportParams
        Settings of the pages.
    """

    model_config = ConfigDict(extra="allow")

    report_incidents: IncidentsReportParams = Field(default_factory=IncidentsReportParams)


Number = float | None


class Shape(BaseModel):
    """Base: unknown keys are left out, values don't change, numbers are finite."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


S = TypeVar("S", bound=Shape)


class ReportWindow(Shape):
    """A window, ``[start, end)``, UTC.

    Attributes
    ----------
    start, end : datetime
        First moment, and the one after the last.
    """

    start: datetime
    end: datetime


class Finding(Shape):
    """Something unusual, as its detector wrote it.

    Attributes
    ----------
    id, signal, kind, service, instance : str
        Id, signal (metric, log, service_map, alert), kind, and where; "" if not known.
    labels : dict of str to str
        Labels of the series.
    start_us, end_us : int
        Microseconds since 1970.
    score : float
        -log10 of the chance of such a finding in a run.
    sentence : str
        What was found, in words.
    expected_low, expected_high, observed : float or None
        Expected range, and the most unusual value.
    evidence : dict of str to object
        What else the detector recorded.
    """

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
    unit : str
        Unit of the values.
    per_second : bool
        Whether the values are rates.
    step_us, start_us : int
        Time from one value to the next, and of the first, microseconds.
    values : list of float or None
        One value a step; None: there was none.
    low, high : float or None
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
    """A log line, masked.

    Attributes
    ----------
    at_us : int
        Time, microseconds since 1970.
    severity : str or None
        Severity as it was logged.
    body : str
        Text of the line.
    """

    at_us: int
    severity: str | None = ""
    body: str = ""


class Findings(Shape):
    """Result file of a detector: what it found, what it looked at, and how.

    Attributes
    ----------
    format : str
        Name and version of the file's format.
    window : ReportWindow
        The time that was looked at.
    counts, settings : dict of str to object
        What was looked at and left out, and the detector's settings.
    findings : list of Finding
        The findings.
    plots, lines : dict of str to Plot, dict of str to list of Line
        Id of a finding to its plot, and to its log lines.
    """

    format: str
    window: ReportWindow
    counts: dict[str, Any] = Field(default_factory=dict)
    settings: dict[str, Any] = Field(default_factory=dict)
    findings: list[Finding]
    plots: dict[str, Plot] = Field(default_factory=dict)
    lines: dict[str, list[Line]] = Field(default_factory=dict)


class Entry(Shape):
    """One line of a timeline.

    Attributes
    ----------
    at_us : int
        Time, microseconds since 1970.
    what, service, sentence : str
        Signal or "change", where, and what happened.
    """

    at_us: int
    what: str
    service: str = ""
    sentence: str


class Cause(Shape):
    """A suspected service.

    Attributes
    ----------
    service, metric : str
        The service, and the metric that says most.
    score : float
        Nats of evidence.
    evidence : list of str
        Sentences.
    """

    service: str
    metric: str = ""
    score: float
    evidence: list[str] = Field(default_factory=list)


class Similar(Shape):
    """A past incident that resembles this one.

    Attributes
    ----------
    id, fix, resolution : str
        Ticket, and how it was resolved.
    score : float
        Cosine, 0 to 1.
    shared : list of str
        Terms that both have.
    """

    id: str
    score: float
    shared: list[str] = Field(default_factory=list)
    fix: str = ""
    resolution: str = ""


class ReportedIncident(Shape):
    """Findings that belong together, with what is known about them.

    Attributes
    ----------
    id, title : str
        Id, and the rarest thing that was found.
    start_us, end_us : int
        Microseconds since 1970.
    affected, exposed : list of str
        Services with findings, and those that call them and show nothing yet.
    findings : list of str
        Ids of the findings.
    timeline : list of Entry
        Changes shortly before, then findings, by time.
    causes : list of Cause
        Suspected services, the likeliest first.
    similar : list of Similar
        Past incidents that resemble it most.
    """

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
    """Who calls whom.

    Attributes
    ----------
    calls : list of (str, str)
        Caller and callee of each.
    """

    calls: list[tuple[str, str]] = Field(default_factory=list)


class Incidents(Shape):
    """All incidents of a window, and the findings they are made of.

    Attributes
    ----------
    format : str
        Name and version of the file's format.
    window : ReportWindow
        The time that was looked at.
    inputs : dict of str to str
        File to its hash.
    counts : dict of str to object
        What was looked at and left out.
    graph : Calls
        Who calls whom.
    findings : dict of str to Finding
        Id to finding, of all incidents.
    incidents : list of ReportedIncident
        The incidents.
    synthetic : bool
        Whether the telemetry is simulated.
    """

    format: str
    window: ReportWindow
    inputs: dict[str, str] = Field(default_factory=dict)
    counts: dict[str, Any] = Field(default_factory=dict)
    graph: Calls = Calls()
    findings: dict[str, Finding] = Field(default_factory=dict)
    incidents: list[ReportedIncident]
    synthetic: bool = False


class Move(Shape):
    """One change of the map.

    Attributes
    ----------
    sentence, where : str
        What moved, in words, and the node or edge.
    p : float
        p-value, corrected.
    certain : bool
        Whether it counts as found.
    """

    sentence: str
    where: str = ""
    p: float
    certain: bool = True


class Diff(Shape):
    """What changed on the map since the time before.

    Attributes
    ----------
    moved : list of Move
        What moved.
    nodes_appeared, nodes_vanished : list of str
        Nodes that are new, and that are gone.
    tests : int
        Comparisons that the p-values are corrected for.
    """

    moved: list[Move] = Field(default_factory=list)
    nodes_appeared: list[str] = Field(default_factory=list)
    nodes_vanished: list[str] = Field(default_factory=list)
    tests: int = 0


class ChangeImpact(Shape):
    """A change, and what moved on the map after it beyond chance.

    Attributes
    ----------
    id, title, service : str
        The change, and the service that was changed.
    at_us : int
        Time, microseconds since 1970.
    moved : list of Move
        What moved.
    windows_before, windows_after, tests : int
        Windows of time and values compared.
    note : str
        Why nothing was compared, "" if it was.
    """

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
    """Result file with what moved on the map, and after changes.

    Attributes
    ----------
    format : str
        Name and version of the file's format.
    compared_with : ReportWindow or None
        The time before; None: nothing was compared.
    diff : Diff or None
        None: nothing was compared.
    changes : list of ChangeImpact
        Changes inside the window.
    changes_left_out : int
        Changes that were not looked at.
    findings : list of Finding
        What moved, as findings.
    """

    format: str
    compared_with: ReportWindow | None = None
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
    directory : Path
        Root folder of the analysis; all paths on the pages are relative to it.
    about : About
        Who answers for the pages.
    metrics, logs : Findings
        Findings in metrics, and in logs.
    service_map : dict of str to object
        Content of ``service_map.json``, as its writer left it.
    moves : Moves
        What moved on the map.
    incidents : Incidents
        Incidents of the window.
    """

    directory: Path
    about: About
    metrics: Findings
    logs: Findings
    service_map: dict[str, Any]
    moves: Moves
    incidents: Incidents

    @property
    def window(self) -> ReportWindow:
        """The window that was looked at."""
        return self.incidents.window

    @cached_property
    def found(self) -> dict[str, Finding]:
        """Findings of metrics and logs by id."""
        return {
            finding.id: finding for part in (self.metrics, self.logs) for finding in part.findings
        }

    def finding(self, id_: str) -> Finding | None:
        """Look up a finding of an incident.

        Parameters
        ----------
        id_ : str
            Id of a finding.

        Returns
        -------
        Finding or None
            None if no file has it.
        """
        return self.incidents.findings.get(id_) or self.found.get(id_)

    def members(self, incident: ReportedIncident) -> list[str]:
        """List the findings of an incident, those too that were merged into another one.

        Parameters
        ----------
        incident : ReportedIncident
            An incident of the window.

        Returns
        -------
        list of str
            Ids, each once.
        """
        ids = dict.fromkeys(incident.findings)
        for id_ in incident.findings:
            found = self.finding(id_)
            others = found.evidence.get("other_findings") if found else None
            if isinstance(others, list):
                ids.update(dict.fromkeys(str(other_id) for other_id in others))
        return list(ids)

    def sources(self, tables: Sequence[Path]) -> Sources:
        """Give a page's artifacts their numbers: evidence of its tables' stages, then the tables.

        Parameters
        ----------
        tables : sequence of Path
            Files that the page rests on.

        Returns
        -------
        Sources
            Numbers for the marks.

        Raises
        ------
        SignalboxError
            If evidence is missing, or files of two runs lie side by side.
        """
        stages = dict.fromkeys(_STAGES[table] for table in tables)
        return gather(read_evidence_of(stages, self.directory), tables, self.directory)


def read_inputs(directory: Path, about: About) -> Inputs:
    """Read and check all files that the pages are made from.

    Parameters
    ----------
    directory : Path
        Root directory of the analysis.
    about : About
        Who answers for the pages.

    Returns
    -------
    Inputs
        The files' contents.

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
                f"{inputs.directory / path}: looks at {_text_of(part.window)}, incidents at "
                f"{_text_of(inputs.window)}; run {_STAGES[path]} and group_incidents of one window"
            )


def _text_of(window: ReportWindow) -> str:
    return f"{window.start:%Y-%m-%dT%H:%M} to {window.end:%Y-%m-%dT%H:%M}"


def _check_one_version(inputs: Inputs) -> None:
    for path in (METRICS, LOGS, MAP, MOVED):
        known = inputs.incidents.inputs.get(path.as_posix())
        if known is not None and known != sha256_file(inputs.directory / path):
            raise SignalboxError(
                f"{inputs.directory / INCIDENTS}: was made of another version of {path}; "
                "run group_incidents again"
            )
