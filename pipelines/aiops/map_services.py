"""Stage ``map_services``: who calls whom in a window, and what moved since the time before.

Outs (below the directory): ``service_map/`` with the map (`service_map.model`) and ``moved.json``:
what differs from the same hours ``compare_days`` earlier, and what moved after each change.
"""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from pipelines.aiops.incidents.contract import changes_of
from pipelines.aiops.incidents.model import Change
from pipelines.aiops.lake.contract import CHANGES, SPANS
from pipelines.aiops.lake.findings import Finding, in_order, write_ordered
from pipelines.aiops.lake.stage_result import StageResult, check_expectations, write_stage_result
from pipelines.aiops.lake.window import DAY, HOUR, Window, lake_of, rows_between, window_of
from pipelines.aiops.params import AiopsParams, load_aiops_params
from pipelines.aiops.params.artifacts import MOVED, SERVICE_MAP
from pipelines.aiops.service_map.build import MapSettings, build_lake_map, merge_maps
from pipelines.aiops.service_map.change_impact import (
    FORMAT,
    ChangeImpact,
    as_findings,
    change_impact,
)
from pipelines.aiops.service_map.edge_changes import Diff, diff_maps, extent
from pipelines.aiops.service_map.model import MAP_FILE, ServiceMap, read_map, write_map
from pipelines.core.errors import SignalboxError
from pipelines.core.stage import log, run_stage
from pipelines.core.time import HOUR_US, SECOND_US

PARTITIONS = SERVICE_MAP.parent / ".service_map_parts"
"""Beside the map's folder, which is an out as a whole."""
LONG = timedelta(days=3)
ROOM = 20
"""A partition keeps so many times the virtual nodes and shapes of the merged map: which are the
busiest is known only then."""


def partitions(window: Window) -> list[Window]:
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
        memory_mb=params.runtime.memory_mb,
    )


def check(params: AiopsParams, window: Window) -> None:
    """Refuse a time that is not whole windows of the map.

    Raises
    ------
    SignalboxError
        If it isn't.
    """
    length = params.map_services.window_seconds * SECOND_US
    if window.start_us % length or window.end_us % length:
        raise SignalboxError(
            f"{window.name}: start and end must be multiples of aiops.map_services.window_seconds "
            f"({params.map_services.window_seconds})"
        )


def build(params: AiopsParams, window: Window, directory: Path, partition: Window) -> Path:
    """Map one partition of a window."""
    check(params, window)
    folder = directory / PARTITIONS / partition.name
    write_map(map_of(params, partition, window.end_us), folder)
    return folder


def map_of(params: AiopsParams, partition: Window, known_us: int) -> ServiceMap:
    """Map a time as it was known at another; with room for merging."""
    settings = settings_of(params)
    roomy = replace(
        settings,
        max_virtual_nodes=ROOM * settings.max_virtual_nodes,
        max_shapes=ROOM * settings.max_shapes,
    )
    lake = lake_of(params.analysis)
    return build_lake_map(lake, partition.start_us, partition.end_us, roomy, known_us)


def merge_partitions(params: AiopsParams, window: Window, directory: Path) -> ServiceMap:
    """Merge the partitions of a window.

    Raises
    ------
    SignalboxError
        If one is missing.
    """
    folders = [directory / PARTITIONS / partition.name for partition in partitions(window)]
    for folder in folders:
        if not (folder / MAP_FILE).is_file():
            raise SignalboxError(f"{folder}: this partition of the map is missing; build it first")
    return merge_maps([read_map(folder) for folder in folders], settings_of(params))


def build_map(params: AiopsParams, window: Window) -> ServiceMap:
    """Map a time as it was known at its end: in one go, or day by day if it is long."""
    parts = [window] if window.end - window.start <= LONG else partitions(window)
    maps = [map_of(params, partition, window.end_us) for partition in parts]
    return merge_maps(maps, settings_of(params))


def remove(directory: Path) -> None:
    """Remove the partitions: they are in the map."""
    shutil.rmtree(directory / PARTITIONS, ignore_errors=True)


LEAD = 2 * HOUR
"""A change up to an hour before the window is told again, with the hour before it to compare."""
BETTER = ("faster", "fewer_errors")
"""What moved for the better is listed with the map, but is no part of an incident."""
MOST_CHANGES = 100
"""Changes that are judged; of more, the latest."""


def moved_of(
    params: AiopsParams, window: Window, found: ServiceMap
) -> tuple[dict[str, Any], list[Finding]]:
    """Compare a window's map with the time before and around changes; content and findings."""
    diff, other = _diff(params, window, found)
    changes = _changes(params, window)
    judged = changes[-MOST_CHANGES:]
    impacts, after = _impacts(params, window, found, judged)
    findings: list[Finding] = []
    for change in diff.moved if diff else ():
        if change.certain and change.kind not in BETTER:
            findings += as_findings([change], *extent(found, change))
    findings += after
    ordered = in_order({finding.id: finding for finding in findings}.values())
    content = {
        "format": FORMAT,
        "window": window.as_json(),
        "compared_with": other.as_json() if other else None,
        "diff": diff.as_data() if diff else None,
        "changes": [
            {**impact.as_data(), "id": change.id, "title": change.title, "kind": change.kind}
            for change, impact in zip(judged, impacts, strict=True)
        ],
        "changes_left_out": len(changes) - len(judged),
        "findings": [finding.as_json() for finding in ordered],
    }
    return content, ordered


def _diff(
    params: AiopsParams, window: Window, found: ServiceMap
) -> tuple[Diff | None, Window | None]:
    days = params.map_services.compare_days
    if not days or not found.counts["spans"]:
        return None, None
    other = window.moved(-timedelta(days=days))
    before = build_map(params, other)
    return (diff_maps(before, found), other) if before.counts["spans"] else (None, None)


def _changes(params: AiopsParams, window: Window) -> list[Change]:
    """Read the changes of the window and of the hour before it, by time."""
    table = rows_between(params, CHANGES, Window(window.start - HOUR, window.end))
    return sorted(changes_of(table, window.end_us), key=lambda change: (change.at_us, change.id))


def _impacts(
    params: AiopsParams, window: Window, found: ServiceMap, changes: Sequence[Change]
) -> tuple[list[ChangeImpact], list[Finding]]:
    """Judge changes on the map of the window and the hours before it."""
    if not changes:
        return [], []
    lead = Window(window.start - LEAD, window.start)
    earlier = map_of(params, lead, window.end_us)
    both = merge_maps([earlier, found], settings_of(params))
    impacts = [change_impact(both, change.service, change.at_us) for change in changes]
    findings: list[Finding] = []
    for change, impact in zip(changes, impacts, strict=True):
        after = both.between(change.at_us, min(change.at_us + HOUR_US, window.end_us))
        for edge_change in impact.moved:
            if edge_change.where != "elsewhere" and edge_change.kind not in BETTER:
                findings += as_findings([edge_change], *extent(after, edge_change))
    return impacts, findings


STAGE = "map_services"


def partitions_of(params: AiopsParams, window: Window) -> list[Window]:
    """Pieces that may be mapped apart: hours, or days of windows longer than three days."""
    return partitions(window)


def run_partition(params: AiopsParams, window: Window, directory: Path, partition: Window) -> Path:
    """Map one partition; safe to repeat."""
    return build(params, window, directory, partition)


def join(params: AiopsParams, window: Window, directory: Path) -> Path:
    """Merge the partitions, compare the map with the time before, tell what changes moved.

    Raises
    ------
    SignalboxError
        If a partition is missing.
    """
    path = _write(params, window, directory, merge_partitions(params, window, directory))
    remove(directory)
    return path


def run(params: AiopsParams, window: Window, directory: Path) -> Path:
    """Map a window in one go: what its partitions give when they are joined."""
    lake_of(params.analysis)
    check(params, window)
    return _write(params, window, directory, build_map(params, window))


def _write(params: AiopsParams, window: Window, directory: Path, found: ServiceMap) -> Path:
    write_map(found, directory / SERVICE_MAP)
    moved, findings = moved_of(params, window, found)
    write_ordered(directory / MOVED, moved)
    counts = {**found.counts, "nodes": len(found.nodes), "edges": len(found.edges),
              "changes": len(moved["changes"])}  # fmt: skip
    write_stage_result(
        directory,
        params,
        window,
        StageResult(
            STAGE,
            SERVICE_MAP,
            ["spans", "changes"],
            counts,
            findings,
            rules=check_expectations(params, window, SPANS),
        ),
    )
    log(
        f"{len(found.nodes):,} nodes, {len(found.edges):,} edges of {found.counts['spans']:,} "
        f"spans, {len(findings):,} moved, {window.name}"
    )
    return directory / SERVICE_MAP


def main(params: AiopsParams) -> None:
    """Run the stage."""
    run(params, window_of(params.analysis), Path())


if __name__ == "__main__":
    run_stage(STAGE, main, load=load_aiops_params)
