"""What moved on a service map: since the same hours before, and after each change."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from pipelines.aiops.analysis import map_parts
from pipelines.aiops.analysis.onset import extent
from pipelines.aiops.analysis.read import rows_between
from pipelines.aiops.analysis.window import HOUR, Window
from pipelines.aiops.findings import Finding, in_order
from pipelines.aiops.incidents.contract import changes_of
from pipelines.aiops.incidents.model import Change
from pipelines.aiops.params import AiopsParams
from pipelines.aiops.service_map.build import merge_maps
from pipelines.aiops.service_map.change import ChangeImpact, as_findings, change_impact
from pipelines.aiops.service_map.diff import Diff, diff_maps
from pipelines.aiops.service_map.model import ServiceMap
from pipelines.aiops.telemetry.contract import CHANGES

FORMAT = "signalbox.moved/1"
HOUR_US = 3_600_000_000
LEAD = 2 * HOUR
"""A change up to an hour before the window is told again, with the hour before it to compare."""
BETTER = ("faster", "fewer_errors")
"""What moved for the better is told of the map, but is no part of an incident."""
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
    for one in diff.moved if diff else ():
        if one.certain and one.kind not in BETTER:
            findings += as_findings([one], *extent(found, one))
    findings += after
    ordered = in_order({one.id: one for one in findings}.values())
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
        "findings": [one.as_json() for one in ordered],
    }
    return content, ordered


def _diff(
    params: AiopsParams, window: Window, found: ServiceMap
) -> tuple[Diff | None, Window | None]:
    days = params.map_services.compare_days
    if not days or not found.counts["spans"]:
        return None, None
    other = window.moved(-timedelta(days=days))
    before = map_parts.whole(params, other)
    return (diff_maps(before, found), other) if before.counts["spans"] else (None, None)


def _changes(params: AiopsParams, window: Window) -> list[Change]:
    """Read the changes of the window and of the hour before it, by time."""
    table = rows_between(params, CHANGES, Window(window.start - HOUR, window.end))
    return sorted(changes_of(table, window.end_us), key=lambda one: (one.at_us, one.id))


def _impacts(
    params: AiopsParams, window: Window, found: ServiceMap, changes: Sequence[Change]
) -> tuple[list[ChangeImpact], list[Finding]]:
    """Judge changes on the map of the window and the hours before it."""
    if not changes:
        return [], []
    lead = Window(window.start - LEAD, window.start)
    earlier = map_parts.map_of(params, lead, window.end_us)
    both = merge_maps([earlier, found], map_parts.settings_of(params))
    impacts = [change_impact(both, change.service, change.at_us) for change in changes]
    findings: list[Finding] = []
    for change, impact in zip(changes, impacts, strict=True):
        after = both.between(change.at_us, min(change.at_us + HOUR_US, window.end_us))
        for one in impact.moved:
            if one.where != "elsewhere" and one.kind not in BETTER:
                findings += as_findings([one], *extent(after, one))
    return impacts, findings


def read_moved(path: Path) -> tuple[dict[str, Any], list[Finding]]:
    """Read what `moved_of` made, and its findings.

    Raises
    ------
    SignalboxError
        If it isn't there, or of another format.
    """
    from pipelines.aiops.analysis.findings_file import read_form

    content = read_form(path, FORMAT)
    return content, [Finding.from_json(one) for one in content["findings"]]
