"""``signalbox incidents``: look at incidents, and send them on.

Exit codes: 0 done; 1 no such incident, or an address that isn't allowed or doesn't take it (one
line says what to do); 2 wrong usage.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict, cast

import typer

from pipelines.cli.console import (
    AsJson,
    Project,
    analysis_params,
    one_line_errors,
    print_json,
    print_lines,
)
from pipelines.core.errors import SignalboxError
from pipelines.core.time import SECOND_US

if TYPE_CHECKING:
    from pipelines.aiops.params import AiopsParams

InWindow = Annotated[
    str, typer.Option("--window", help="Only of this window of aiops.analysis.results.")
]
_CAUSES = 3

app = typer.Typer(help="Incidents: what is wrong, where, and what changed.", no_args_is_help=True)


class ShownIncident(TypedDict):
    """An incident as a report has it, with its window and where the report lies.

    ``incidents show --json`` prints one, ``incidents list --json`` a list.
    """

    window: dict[str, str]
    place: str
    report: str
    id: str
    title: str
    start_us: int
    end_us: int
    affected: list[str]
    exposed: list[str]
    findings: list[str]
    timeline: list[dict[str, Any]]
    causes: list[dict[str, Any]]
    similar: list[dict[str, Any]]


class PostedIncidents(TypedDict):
    """What ``incidents post --json`` prints: url, incident, dry_run, status and body of each."""

    place: str
    sent: list[dict[str, Any]]


@dataclass(frozen=True)
class _Known:
    """An incident, and the directory whose report lists it."""

    directory: Path
    window: dict[str, str]
    incident: dict[str, Any]

    def as_json(self) -> ShownIncident:
        report = {"place": str(self.directory), "report": str(_report(self.directory))}
        return cast(ShownIncident, {"window": self.window, **report, **self.incident})


@app.command("list")
def list_incidents(
    window: InWindow = "", *, project: Project = Path(), as_json: AsJson = False
) -> None:
    """List incidents, the newest first; of one that several windows tell of, the last state.

    Example: signalbox incidents list --window 20260302T000000Z_20260302T010000Z
    """
    with one_line_errors():
        found = _all(project, window)
    if as_json:
        print_json([known_incident.as_json() for known_incident in found])
        return
    print_lines([_line(known_incident.incident) for known_incident in found] or ["no incidents"])


@app.command("show")
def show_incident(
    incident: Annotated[str, typer.Argument(metavar="ID", help="Id, or how it begins.")],
    *,
    window: InWindow = "",
    project: Project = Path(),
    as_json: AsJson = False,
) -> None:
    """Show an incident: likely causes with their evidence, blast radius, timeline, the like.

    Example: signalbox incidents show 4f2a
    """
    with one_line_errors():
        found = [
            known_incident
            for known_incident in _all(project, window)
            if known_incident.incident["id"].startswith(incident)
        ]
        if len(found) != 1:
            many = ", ".join(known_incident.incident["id"] for known_incident in found[:5])
            why = f"{incident!r} may be {many}" if found else f"there is no incident {incident!r}"
            raise SignalboxError(f"{why}; see signalbox incidents list")
    if as_json:
        print_json(found[0].as_json())
        return
    print_lines(_lines(found[0]))


@app.command("post")
def post_incidents(
    window: InWindow = "", *, project: Project = Path(), as_json: AsJson = False
) -> None:
    """Send the newest window's incidents to aiops.group_incidents.post; dry_run there decides.

    Example: signalbox incidents post
    """
    from pipelines.aiops.group_incidents import post

    with one_line_errors():
        params = analysis_params(project)
        directory = _directories(project, params, window)[-1]
        if not params.group_incidents.post.urls:
            raise SignalboxError("aiops.group_incidents.post.urls is empty: nobody to send it to")
        sent = post(params, directory)
    if as_json:
        print_json(PostedIncidents(place=str(directory), sent=sent))
        return
    print_lines([_sent(message) for message in sent] or [f"{directory}: no incidents"])


def _directories(project: Path, params: "AiopsParams", window: str) -> list[Path]:
    """Places with incidents: the project's own, then windows by time."""
    from pipelines.aiops.lake.window import Window, result_dir, windows_in
    from pipelines.aiops.params.artifacts import INCIDENTS

    results = Path(params.analysis.results)
    named = [Window.parse(window)] if window else windows_in(results)
    directories = [result_dir(results, other_window) for other_window in named]
    if not window:
        directories.insert(0, project)
    found = [directory for directory in directories if (directory / INCIDENTS).is_file()]
    if not found:
        where = directories[0] if window else f"{project / INCIDENTS.parent} nor in {results}"
        raise SignalboxError(
            f"no incidents in {where}; run dvc repro report_incidents, or unpause the DAGs "
            "telemetry_anomalies, service_map and incidents"
        )
    return found


def _all(project: Path, window: str) -> list[_Known]:
    """Incidents of all directories, the newest first, each once: as the latest window tells it."""
    from pipelines.aiops.group_incidents import read

    found: dict[str, _Known] = {}
    ends: dict[str, str] = {}
    for directory in _directories(project, analysis_params(project), window):
        content = read(directory)
        for incident in content["incidents"]:
            end = content["window"]["end"]
            if ends.get(incident["id"], "") <= end:
                ends[incident["id"]] = end
                found[incident["id"]] = _Known(directory, content["window"], incident)
    return sorted(
        found.values(),
        key=lambda known_incident: (
            -known_incident.incident["start_us"],
            known_incident.incident["id"],
        ),
    )


def _line(incident: dict[str, Any]) -> str:
    start, end = _time(incident["start_us"]), _time(incident["end_us"])
    if end[:10] == start[:10]:
        end = end[11:]
    # To the minute, so that id, times and title of most fit a line; `show` has the seconds.
    return f"{incident['id']}  {start[:-4]}–{end[:-4]}Z  {incident['title']}"


def _sent(message: dict[str, Any]) -> str:
    how = "would be sent (dry_run)" if message["dry_run"] else f"sent, answer {message['status']}"
    return f"{message['incident']} to {message['url']}: {how}"


def _lines(known: _Known) -> list[str]:
    incident = known.incident
    lines = [
        incident["title"],
        f"from {_time(incident['start_us'])} to {_time(incident['end_us'])}",
        "",
    ]
    lines += [f"affected: {', '.join(incident['affected']) or 'nobody known'}"]
    lines += [f"exposed:  {', '.join(incident['exposed']) or 'nobody else'}", "", "likely causes:"]
    for number, cause in enumerate(incident["causes"][:_CAUSES], 1):
        lines += [f"  {number}. {cause['service'] or 'unknown'} ({cause['score']:.1f})"]
        lines += [f"     {text}" for text in cause["evidence"]]
    lines += ["  none found"] * (not incident["causes"])
    lines += ["", "timeline:"]
    lines += [f"  {_time(event['at_us'])}  {_outcome(event)}" for event in incident["timeline"]]
    lines += ["", "similar before:"] if incident["similar"] else []
    lines += [
        f"  {past['id']} ({past['score']:.2f}): {past['fix'] or past['resolution'] or 'unknown'}"
        for past in incident["similar"]
    ]
    report = _report(known.directory)
    return [*lines, "", f"report: {report}" if report.is_file() else "report: not written yet"]


def _outcome(event: dict[str, Any]) -> str:
    """Say what happened to whom; many sentences name the service themselves."""
    service, sentence = str(event["service"]), str(event["sentence"])
    return sentence if sentence.startswith(f"{service} ") else f"{service}: {sentence}"


def _report(directory: Path) -> Path:
    from pipelines.aiops.params.artifacts import INCIDENTS_HTML

    return directory / INCIDENTS_HTML


def _time(us: int) -> str:
    return f"{datetime.fromtimestamp(us // SECOND_US, UTC):%Y-%m-%d %H:%M:%SZ}"
