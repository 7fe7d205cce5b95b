"""``signalbox impact`` and ``signalbox service-map``: who depends on whom, and what moved.

Nothing is written to the work tree, whatever is asked for.

Exit codes: 0 done; 1 no such map or service (one line says what to do); 2 wrong usage.
"""

import re
import tempfile
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

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
from pipelines.core.time import HOUR_US, SECOND_US

if TYPE_CHECKING:
    from pipelines.aiops.lake.window import Window
    from pipelines.aiops.params import AiopsParams
    from pipelines.aiops.service_map.edge_changes import Diff
    from pipelines.aiops.service_map.impact import Impact
    from pipelines.aiops.service_map.model import ServiceMap


_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def find_map(project: Path, name: str) -> "ServiceMap":
    """Read a map.

    Parameters
    ----------
    name
        A folder with a map, or a place of which it is a part; a window of aiops.analysis.results;
        a day (UTC) of which such windows are merged; a git revision of the project, whose map is
        read from DVC's cache or remote.

    Raises
    ------
    SignalboxError
        If it is none of them, or there is no map.
    """
    from pipelines.aiops.params.artifacts import SERVICE_MAP
    from pipelines.aiops.service_map.model import MAP_FILE, read_map

    for folder in (Path(name), Path(name) / SERVICE_MAP):
        if (folder / MAP_FILE).is_file():
            return read_map(folder)
    if Path(name).is_dir():
        raise SignalboxError(f"{name}: no service map in this folder; it would be {MAP_FILE}")
    return _of_windows(project, name) or map_of_revision(project, name)


def newest_map(project: Path) -> "tuple[ServiceMap, str]":
    """Read the project's map or, if it has none, that of the newest window; and its directory."""
    from pipelines.aiops.lake.window import result_dir, windows_in
    from pipelines.aiops.params.artifacts import SERVICE_MAP
    from pipelines.aiops.service_map.model import MAP_FILE, read_map

    results = _results(project)
    directories = [
        project,
        *(result_dir(results, window) for window in reversed(windows_in(results))),
    ]
    for directory in directories:
        if (directory / SERVICE_MAP / MAP_FILE).is_file():
            return read_map(directory / SERVICE_MAP), str(directory / SERVICE_MAP)
    raise SignalboxError(
        f"no service map in {SERVICE_MAP} nor in {results}; run dvc repro map_services, or the DAG "
        "service_map"
    )


def map_of_revision(project: Path, revision: str) -> "ServiceMap":
    """Read the map that a commit's ``dvc.lock`` names.

    Raises
    ------
    SignalboxError
        If there is no such commit, or its map is neither in DVC's cache nor in a remote.
    """
    from pipelines.aiops.params.artifacts import SERVICE_MAP
    from pipelines.aiops.service_map.model import MAP_FILE, WINDOWS_FILE, read_map
    from pipelines.core.git import git_or_none

    asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    commit = git_or_none(project, *asked)
    if not commit:
        raise SignalboxError(
            f"{revision!r} is no folder with a map, no window or day in {_results(project)}, and "
            "no revision of this project"
        )
    with tempfile.TemporaryDirectory(prefix="signalbox-map-") as name:
        for file in (MAP_FILE, WINDOWS_FILE):
            content = _from_dvc(project, (SERVICE_MAP / file).as_posix(), commit, revision)
            (Path(name) / file).write_bytes(content)
        return read_map(Path(name))


def _from_dvc(project: Path, path: str, commit: str, revision: str) -> bytes:
    import dvc.api
    from dvc.exceptions import DvcException
    from dvc.scm import SCMError

    try:
        with dvc.api.open(path, repo=str(project), rev=commit, mode="rb") as stream:
            return bytes(stream.read())
    except (DvcException, SCMError, OSError) as error:
        raise SignalboxError(
            f"{revision}: {path} of commit {commit[:12]} is neither in git nor in DVC's cache and "
            f"cannot be fetched: {' '.join(str(error).split())}; try dvc fetch --all-commits"
        ) from error


def _of_windows(project: Path, name: str) -> "ServiceMap | None":
    """Map of a window, or of a day's windows; None if it is no name of any."""
    from pipelines.aiops.lake.window import result_dir, windows_in
    from pipelines.aiops.map_services import settings_of
    from pipelines.aiops.params.artifacts import SERVICE_MAP
    from pipelines.aiops.service_map.build import merge_maps
    from pipelines.aiops.service_map.model import MAP_FILE, read_map

    results = _results(project)
    folders = [
        result_dir(results, window) / SERVICE_MAP for window in windows_in(results)
        if window.name == name or (_DAY.fullmatch(name) and f"{window.start:%Y-%m-%d}" == name)
    ]  # fmt: skip
    found = [read_map(folder) for folder in folders if (folder / MAP_FILE).is_file()]
    if folders and not found:
        raise SignalboxError(
            f"{folders[0]}: no service map of this window; run the DAG service_map"
        )
    if len(found) < 2:
        return found[0] if found else None
    found.sort(key=lambda window_map: window_map.start_us)
    for before, after in pairwise(found):
        if after.start_us < before.end_us:
            raise SignalboxError(f"windows of {name} in {results} overlap; name one of them")
    return merge_maps(found, settings_of(analysis_params(project)))


def _results(project: Path) -> Path:
    return Path(analysis_params(project).analysis.results)


Which = "A folder, a window or day (YYYY-MM-DD) with results, or a git revision."
_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M"]

app = typer.Typer(help="Service maps: build and compare.", no_args_is_help=True)


class MapSpan(TypedDict):
    """The time that a map covers, UTC."""

    start: str
    end: str


class ShownImpact(TypedDict):
    """What ``impact --json`` prints; shares are of traces, `depends_on` counts hops."""

    map: MapSpan
    node: str
    share_of_traces: float
    dependents: list[dict[str, Any]]
    entries: dict[str, float]
    depends_on: dict[str, int]
    counted: bool


class ShownDiff(TypedDict):
    """What ``service-map diff --json`` prints; `warnings` say why the two may not compare."""

    before: MapSpan
    after: MapSpan
    warnings: list[str]
    moved: list[dict[str, Any]]
    nodes_appeared: list[str]
    nodes_vanished: list[str]
    tests: int


class BuiltMap(TypedDict):
    """What ``service-map build --json`` prints; `map` is the folder."""

    map: str
    start: str
    end: str
    counts: dict[str, int]


def impact(
    service: Annotated[str, typer.Argument(help="A service, database, queue or external peer.")],
    *,
    map_name: Annotated[
        str, typer.Option("--map", help=f"{Which} Default: the newest there is.")
    ] = "",
    rev: Annotated[str, typer.Option(help="A git revision of this project.")] = "",
    project: Project = Path(),
    as_json: AsJson = False,
) -> None:
    """Show who depends on a service, directly and through others, with shares of traffic.

    Example: signalbox impact checkout
    """
    with one_line_errors():
        if map_name and rev:
            raise SignalboxError("--map and --rev name two maps; give one of them")
        from pipelines.aiops.service_map.impact import impact_of

        location = ""
        if rev:
            found = map_of_revision(project, rev)
        elif map_name:
            found = find_map(project, map_name)
        else:
            found, location = newest_map(project)
        told = impact_of(found, service)
    if as_json:
        print_json({"map": _span(found), **told.as_data()})
        return
    print_lines([f"map:      {location or map_name or rev}, {_when(found)}", *_impact_lines(told)])


@app.command("diff")
def diff(
    old: Annotated[str, typer.Argument(metavar="A", help=Which)],
    new: Annotated[str, typer.Argument(metavar="B", help=Which)],
    *,
    project: Project = Path(),
    as_json: AsJson = False,
) -> None:
    """Show what appeared, vanished, slowed or fails more in B than in A, beyond chance.

    Example: signalbox service-map diff HEAD~1 HEAD
    """
    with one_line_errors():
        from pipelines.aiops.service_map.edge_changes import diff_maps

        before, after = find_map(project, old), find_map(project, new)
        found = diff_maps(before, after)
    unlike = _unlike(before, after)
    if as_json:
        spans = {"before": _span(before), "after": _span(after)}
        print_json({**spans, "warnings": unlike, **found.as_data()})
        return
    print_lines([f"before: {old}, {_when(before)}", f"after:  {new}, {_when(after)}"])
    print_lines([*(f"note:   {text}" for text in unlike), "", *_diff_lines(found)])


@app.command("build")
def build(
    folder: Annotated[Path, typer.Argument(help="Where the map goes; replaced if there is one.")],
    *,
    first: Annotated[
        datetime | None, typer.Option("--from", formats=_FORMATS, help="Begin, UTC.")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=_FORMATS, help="End, UTC, excluded.")
    ] = None,
    project: Project = Path(),
    as_json: AsJson = False,
) -> None:
    """Build a map from the spans of aiops.analysis.lake; by default of the window of params.

    Example: signalbox service-map build /tmp/map --from 2026-03-01 --to 2026-03-02
    """
    with one_line_errors():
        if (first is None) != (last is None):
            raise SignalboxError("give both --from and --to, or none of them")
        from pipelines.aiops import map_services
        from pipelines.aiops.service_map.build import build_lake_map
        from pipelines.aiops.service_map.model import MAP_FILE, write_map

        if folder.exists() and not (folder / MAP_FILE).is_file():
            raise SignalboxError(f"{folder} is there and holds no map; name another folder")
        params = analysis_params(project)
        window = _window(params, first, last)
        map_services.check(params, window)
        lake, settings = Path(params.analysis.lake), map_services.settings_of(params)
        found = build_lake_map(lake, window.start_us, window.end_us, settings)
        write_map(found, folder)
    if as_json:
        print_json({"map": str(folder), **_span(found), "counts": found.counts})
        return
    print_lines([
        f"{folder}: {len(found.nodes):,} nodes, {len(found.edges):,} edges of "
        f"{found.counts['spans']:,} spans, {_when(found)}"
    ])  # fmt: skip


def _window(params: "AiopsParams", first: datetime | None, last: datetime | None) -> "Window":
    from pipelines.aiops.lake.window import Window, lake_of, window_of

    lake_of(params.analysis)
    if first is None or last is None:
        return window_of(params.analysis)
    return Window(first.replace(tzinfo=UTC), last.replace(tzinfo=UTC))


def _impact_lines(told: "Impact") -> list[str]:
    how = "" if told.counted else " (estimated from calls, not counted in traces)"
    lines = [f"service:  {told.node}, in {told.share_of_traces:.1%} of all traces{how}", ""]
    lines += ["depend on it (hops, share of their traces that reach it, share of its calls):"]
    lines += [
        f"  {caller.hops}  {caller.share:7.1%}  {caller.share_of_calls:7.1%}  {caller.node}"
        for caller in told.dependents
    ] or ["  nobody"]
    lines += ["", "entries that users call (share of their traces that reach it):"]
    lines += [f"  {share:7.1%}  {name}" for name, share in told.entries.items()] or ["  none"]
    lines += ["", "it depends on (hops):"]
    return lines + ([f"  {hops}  {name}" for name, hops in told.depends_on.items()] or ["  nobody"])


def _diff_lines(found: "Diff") -> list[str]:
    lines = [f"new node:  {name}" for name in found.appeared]
    lines += [f"gone node: {name}" for name in found.vanished]
    lines += [f"{change.kind.replace('_', ' ')}: {change.sentence}" for change in found.moved]
    return lines or [f"nothing changed beyond chance ({found.tests:,} comparisons)"]


def _unlike(before: "ServiceMap", after: "ServiceMap") -> list[str]:
    """Say why a comparison of the two may mislead."""
    if before.end_us - before.start_us != after.end_us - after.start_us:
        return ["the maps cover times of different length"]
    if (after.start_us - before.start_us) % (24 * HOUR_US):
        return ["the maps cover different hours of the day, which have different traffic"]
    return []


def _span(service_map: "ServiceMap") -> MapSpan:
    return MapSpan(start=_time(service_map.start_us), end=_time(service_map.end_us))


def _when(service_map: "ServiceMap") -> str:
    return f"{_time(service_map.start_us)} to {_time(service_map.end_us)}"


def _time(us: int) -> str:
    return f"{datetime.fromtimestamp(us // SECOND_US, UTC):%Y-%m-%dT%H:%MZ}"
