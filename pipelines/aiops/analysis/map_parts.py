"""Pieces of a window's service map, built apart and merged."""

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from pipelines.aiops.analysis.window import DAY, HOUR, Window, lake_of
from pipelines.aiops.artifacts import SERVICE_MAP
from pipelines.aiops.params import AiopsParams
from pipelines.aiops.service_map.build import MapSettings, build_lake_map, merge_maps
from pipelines.aiops.service_map.model import MAP_FILE, ServiceMap, read_map, write_map
from pipelines.base.errors import SignalboxError

PARTS = SERVICE_MAP.parent / ".service_map_parts"
"""Beside the map's folder, which is an out as a whole."""
LONG = timedelta(days=3)
ROOM = 20
"""A piece keeps so many times the virtual nodes and shapes that the merged map keeps: which are the
busiest is known only then."""


def pieces(window: Window) -> list[Window]:
    """Hours of a window, or days if it is longer than three days; the first and last may be cut."""
    unit = DAY if window.end - window.start > LONG else HOUR
    found, at = [], window.start
    while at < window.end:
        begin = at.replace(minute=0, second=0)
        begin = begin.replace(hour=0) if unit is DAY else begin
        until = min(begin + unit, window.end)
        found.append(Window(at, until))
        at = until
    return found


def settings_of(params: AiopsParams) -> MapSettings:
    """Return the settings of the map that params have."""
    about = params.map_services
    return MapSettings(
        window_seconds=about.window_seconds,
        max_virtual_nodes=about.max_virtual_nodes,
        max_shapes=about.max_shapes,
        memory_mb=params.analysis.memory_mb,
    )


def check(params: AiopsParams, window: Window) -> None:
    """Refuse a time that is not whole windows of the map.

    Raises
    ------
    SignalboxError
        If it isn't.
    """
    length = params.map_services.window_seconds * 1_000_000
    if window.start_us % length or window.end_us % length:
        raise SignalboxError(
            f"{window.name}: start and end must be multiples of aiops.map_services.window_seconds "
            f"({params.map_services.window_seconds})"
        )


def build(params: AiopsParams, window: Window, place: Path, piece: Window) -> Path:
    """Map one piece of a window."""
    check(params, window)
    folder = place / PARTS / piece.name
    write_map(map_of(params, piece, window.end_us), folder)
    return folder


def map_of(params: AiopsParams, piece: Window, known_us: int) -> ServiceMap:
    """Map a time as it was known at another; with room for merging."""
    settings = settings_of(params)
    roomy = replace(
        settings,
        max_virtual_nodes=ROOM * settings.max_virtual_nodes,
        max_shapes=ROOM * settings.max_shapes,
    )
    lake = lake_of(params.analysis)
    return build_lake_map(lake, piece.start_us, piece.end_us, roomy, known_us)


def merged(params: AiopsParams, window: Window, place: Path) -> ServiceMap:
    """Merge the pieces of a window.

    Raises
    ------
    SignalboxError
        If one is missing.
    """
    folders = [place / PARTS / piece.name for piece in pieces(window)]
    for folder in folders:
        if not (folder / MAP_FILE).is_file():
            raise SignalboxError(f"{folder}: this piece of the map is missing; build it first")
    return merge_maps([read_map(folder) for folder in folders], settings_of(params))


def whole(params: AiopsParams, window: Window) -> ServiceMap:
    """Map a time as it was known at its end: in one go, or day by day if it is long."""
    parts = [window] if window.end - window.start <= LONG else pieces(window)
    maps = [map_of(params, piece, window.end_us) for piece in parts]
    return merge_maps(maps, settings_of(params))


def remove(place: Path) -> None:
    """Remove the pieces: they are in the map."""
    shutil.rmtree(place / PARTS, ignore_errors=True)
