"""Everything the three pages are made from, read and checked once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pipelines.aiops.incidents.model import Incident, IncidentsFile, read_incidents
from pipelines.aiops.lake.findings import Finding, FindingsFile, LogLine, read_findings, read_form
from pipelines.aiops.lake.window import Window
from pipelines.aiops.params.analysis import ReportIncidentsParams
from pipelines.aiops.params.artifacts import (
    INCIDENTS,
    LOG_ANOMALIES,
    METRIC_ANOMALIES,
    MOVED,
    SERVICE_MAP,
)
from pipelines.aiops.service_map.change_impact import MovedFile, read_moved
from pipelines.aiops.service_map.model import FORMAT, MAP_FILE
from pipelines.core.errors import SignalboxError
from pipelines.core.files import sha256_file
from pipelines.reporting.provenance import Sources, gather, read_evidence_of

METRICS, LOGS, MAP = METRIC_ANOMALIES, LOG_ANOMALIES, SERVICE_MAP / MAP_FILE

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
    about : ReportIncidentsParams
        Who answers for the pages.
    metrics, logs : FindingsFile
        Findings in metrics, and in logs.
    service_map : dict of str to object
        Content of ``service_map.json``, as its writer left it.
    moves : MovedFile
        What moved on the map.
    incidents : IncidentsFile
        Incidents of the window.
    """

    directory: Path
    about: ReportIncidentsParams
    metrics: FindingsFile
    logs: FindingsFile
    service_map: dict[str, Any]
    moves: MovedFile
    incidents: IncidentsFile

    @property
    def window(self) -> Window:
        """The window that was looked at."""
        return self.incidents.window

    @property
    def lines(self) -> Mapping[str, list[LogLine]]:
        """First log lines of findings, by id."""
        return self.logs.lines or {}

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

    def members(self, incident: Incident) -> list[str]:
        """List the findings of an incident, those too that were merged into another one.

        Parameters
        ----------
        incident : Incident
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


def read_inputs(directory: Path, about: ReportIncidentsParams) -> Inputs:
    """Read and check all files that the pages are made from.

    Parameters
    ----------
    directory : Path
        Root directory of the analysis.
    about : ReportIncidentsParams
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
        read_findings(directory / METRICS),
        read_findings(directory / LOGS),
        _map(directory),
        read_moved(directory / MOVED),
        read_incidents(directory / INCIDENTS),
    )
    _check_one_window(inputs)
    _check_one_version(inputs)
    return inputs


def _map(directory: Path) -> dict[str, Any]:
    content = read_form(directory / MAP, FORMAT)
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


def _text_of(window: Window) -> str:
    return f"{window.start:%Y-%m-%dT%H:%M} to {window.end:%Y-%m-%dT%H:%M}"


def _check_one_version(inputs: Inputs) -> None:
    for path in (METRICS, LOGS, MAP, MOVED):
        known = inputs.incidents.inputs.get(path.as_posix())
        if known is not None and known != sha256_file(inputs.directory / path):
            raise SignalboxError(
                f"{inputs.directory / INCIDENTS}: was made of another version of {path}; "
                "run group_incidents again"
            )
