"""Values around findings in metrics, for their plots."""

from collections.abc import Sequence
from typing import Any

from pipelines.aiops.analysis import metric_parts
from pipelines.aiops.analysis.plots import AFTER, BEFORE, thinned
from pipelines.aiops.analysis.window import Window
from pipelines.aiops.findings import Finding
from pipelines.aiops.metrics.grid import Grid, grids
from pipelines.aiops.params import AiopsParams


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
    values, every = thinned(grid.values[row, first:last].tolist())
    return {
        "unit": grid.subjects[row].unit,
        "per_second": grid.subjects[row].rate,
        "step_us": step * every,
        "start_us": grid.start_us + first * step,
        "values": values,
        "low": finding.expected_low,
        "high": finding.expected_high,
    }
