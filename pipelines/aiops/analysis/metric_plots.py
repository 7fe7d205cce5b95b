"""Values around findings in metrics, for their plots."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

from pipelines.aiops.analysis import metric_parts
from pipelines.aiops.analysis.window import Window
from pipelines.aiops.findings import Finding
from pipelines.aiops.metrics.grid import Grid, grids
from pipelines.aiops.params import AiopsParams

BEFORE, AFTER, POINTS = 200, 50, 300
"""Steps shown before and after a finding, and points of a plot, about."""


def plots_of(params: AiopsParams, window: Window, findings: Sequence[Finding]) -> dict[str, Any]:
    """Give the values around the rarest findings, by finding's id."""
    ordered = sorted(findings, key=lambda one: (-one.score, one.start_us, one.id))
    shown = ordered[: params.metric_anomalies.most_plots]
    mine: dict[tuple[str, str], list[Finding]] = {}
    for one in shown:
        mine.setdefault((one.evidence["source"], one.evidence["fingerprint"]), []).append(one)
    found: dict[str, Any] = {}
    if not mine:
        return found
    table = metric_parts.read_series(params, window, sorted(mine))
    for grid in grids(table, len(mine), window.end_us):
        for row, subject in enumerate(grid.subjects):
            for one in mine[subject.source, subject.fingerprint]:
                found[one.id] = _plot(grid, row, one)
    return found


def _plot(grid: Grid, row: int, finding: Finding) -> dict[str, Any]:
    step = grid.step_us
    left = (finding.start_us - grid.start_us) // step
    right = (finding.end_us - grid.start_us) // step
    first = max(0, left - max(BEFORE, right - left))
    last = min(grid.values.shape[1], right + 1 + max(AFTER, (right - left) // 2))
    values, every = thinned(grid.values[row, first:last].tolist(), POINTS)
    return {
        "unit": grid.subjects[row].unit,
        "per_second": grid.subjects[row].rate,
        "step_us": step * every,
        "start_us": grid.start_us + first * step,
        "values": values,
        "low": finding.expected_low,
        "high": finding.expected_high,
    }


def thinned(values: Sequence[float | None], most: int) -> tuple[list[float | None], int]:
    """Return at most so many values, and how many each stands for: of some in a row, the extremes.

    Of each ``2 * every`` values the least and the greatest are kept, in their order; None and NaN
    are no values.
    """
    every = -(-len(values) // most) if values else 1
    known = [value if value is not None and isfinite(value) else None for value in values]
    if every == 1:
        return known, 1
    found: list[float | None] = []
    for at in range(0, len(known), 2 * every):
        part = [
            (value, i) for i, value in enumerate(known[at : at + 2 * every]) if value is not None
        ]
        if not part:
            found += [None, None]
            continue
        ends = sorted((min(part), max(part)), key=lambda one: one[1])
        found += [value for value, _ in ends]
    return found, every
