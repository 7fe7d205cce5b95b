"""Stage ``map_services``: who calls whom in a window, and what moved since the time before.

Outs (below the place): ``service_map/`` with the map (`service_map.model`) and ``moved.json``: what
differs from the same hours ``compare_days`` earlier, and what moved after each change.
"""

from pathlib import Path

from pipelines.aiops.analysis import map_parts
from pipelines.aiops.analysis.findings_file import write_ordered
from pipelines.aiops.analysis.held import held
from pipelines.aiops.analysis.map_moves import moved_of
from pipelines.aiops.analysis.measured import Measured, write_measured
from pipelines.aiops.analysis.window import Window, lake_of, window_of
from pipelines.aiops.artifacts import MOVED, SERVICE_MAP
from pipelines.aiops.params import AiopsParams, load_aiops_params
from pipelines.aiops.service_map.model import ServiceMap, write_map
from pipelines.aiops.telemetry.contract import SPANS
from pipelines.base.stage import run_stage, say

STAGE = "map_services"


def parts_of(params: AiopsParams, window: Window) -> list[Window]:
    """Pieces that may be mapped apart: hours, or days of windows longer than three days."""
    return map_parts.pieces(window)


def part(params: AiopsParams, window: Window, place: Path, piece: Window) -> Path:
    """Map one piece; safe to repeat."""
    return map_parts.build(params, window, place, piece)


def join(params: AiopsParams, window: Window, place: Path) -> Path:
    """Merge the pieces, compare the map with the time before, tell what changes moved.

    Raises
    ------
    SignalboxError
        If a piece is missing.
    """
    path = _write(params, window, place, map_parts.merged(params, window, place))
    map_parts.remove(place)
    return path


def run(params: AiopsParams, window: Window, place: Path) -> Path:
    """Map a window in one go: what its pieces give when they are joined."""
    lake_of(params.analysis)
    map_parts.check(params, window)
    return _write(params, window, place, map_parts.whole(params, window))


def _write(params: AiopsParams, window: Window, place: Path, found: ServiceMap) -> Path:
    write_map(found, place / SERVICE_MAP)
    moved, findings = moved_of(params, window, found)
    write_ordered(place / MOVED, moved)
    counts = {**found.counts, "nodes": len(found.nodes), "edges": len(found.edges),
              "changes": len(moved["changes"])}  # fmt: skip
    write_measured(
        place,
        params,
        window,
        Measured(
            STAGE,
            SERVICE_MAP,
            ["spans", "changes"],
            counts,
            findings,
            rules=held(params, window, SPANS),
        ),
    )
    say(
        f"{len(found.nodes):,} nodes, {len(found.edges):,} edges of {found.counts['spans']:,} "
        f"spans, {len(findings):,} moved, {window.name}"
    )
    return place / SERVICE_MAP


def main(params: AiopsParams) -> None:
    """Run the stage."""
    run(params, window_of(params.analysis), Path())


if __name__ == "__main__":
    run_stage(STAGE, main, load=load_aiops_params)
