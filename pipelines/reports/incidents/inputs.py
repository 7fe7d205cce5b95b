"""Everything the three pages are made from, read and checked once."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipelines.base.errors import SignalboxError
from pipelines.base.files import read_json, sha256_file
from pipelines.reports.incidents.params import About
from pipelines.reports.incidents.shapes import (
    Finding,
    Findings,
    Incident,
    Incidents,
    Moves,
    S,
    Span,
)
from pipelines.reports.inputs import read_evidence_of
from pipelines.reports.provenance import Sources, gather

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
        return {one.id: one for part in (self.metrics, self.logs) for one in part.findings}

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
                ids.update(dict.fromkeys(str(one) for one in others))
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


def read_inputs(place: Path, about: About) -> Inputs:
    """Read the files in a place.

    Raises
    ------
    SignalboxError
        If one is missing, has another form, or was made of another window or version than the rest.
    """
    inputs = Inputs(
        place,
        about,
        _read(place, METRICS, Findings),
        _read(place, LOGS, Findings),
        _map(place),
        _read(place, MOVED, Moves),
        _read(place, INCIDENTS, Incidents),
    )
    _check_one_window(inputs)
    _check_one_version(inputs)
    return inputs


def _content(place: Path, path: Path) -> dict[str, Any]:
    content = read_json(place / path)
    wanted = _FORMATS[path]
    if not isinstance(content, dict) or content.get("format") != wanted:
        raise SignalboxError(
            f"{place / path}: not of format {wanted}; run {_STAGES[path]} of this version"
        )
    return content


def _read(place: Path, path: Path, shape: type[S]) -> S:
    try:
        return shape.model_validate(_content(place, path))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:200]
        raise SignalboxError(
            f"{place / path}: {where}: {first['msg']}; run {_STAGES[path]} again"
        ) from error


def _map(place: Path) -> dict[str, Any]:
    content = _content(place, MAP)
    for key in ("nodes", "edges", "counts", "start_us", "end_us", "window_us"):
        if key not in content:
            raise SignalboxError(f"{place / MAP}: has no key '{key}'; run map_services again")
    return content


def _check_one_window(inputs: Inputs) -> None:
    for path, part in ((METRICS, inputs.metrics), (LOGS, inputs.logs)):
        if part.window != inputs.window:
            raise SignalboxError(
                f"{inputs.place / path}: looks at {_told(part.window)}, incidents at "
                f"{_told(inputs.window)}; run {_STAGES[path]} and group_incidents of one window"
            )


def _told(window: Span) -> str:
    return f"{window.start:%Y-%m-%dT%H:%M} to {window.end:%Y-%m-%dT%H:%M}"


def _check_one_version(inputs: Inputs) -> None:
    for path in (METRICS, LOGS, MAP, MOVED):
        known = inputs.incidents.inputs.get(path.as_posix())
        if known is not None and known != sha256_file(inputs.place / path):
            raise SignalboxError(
                f"{inputs.place / INCIDENTS}: was made of another version of {path}; "
                "run group_incidents again"
            )
