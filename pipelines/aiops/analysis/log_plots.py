"""Lines around findings in logs: how many a bin, and the first of them."""

from collections.abc import Sequence
from typing import Any

from pipelines.aiops.analysis.plots import AFTER, BEFORE, thinned
from pipelines.aiops.analysis.read import rows_between
from pipelines.aiops.analysis.window import Window
from pipelines.aiops.findings import Finding
from pipelines.aiops.logs.anomalies import LogAnomalySettings, Outcome
from pipelines.aiops.logs.masking import mask
from pipelines.aiops.logs.templates import TemplateStore, mine
from pipelines.aiops.params import AiopsParams
from pipelines.aiops.telemetry.contract import LOGS
from pipelines.aiops.telemetry.days import EPOCH

LINES, LOOKED_AT, LONGEST = 5, 5000, 500
"""Lines shown of a finding, lines of its service that they are looked for in, characters."""


def plots_of(
    found: Outcome, shown: Sequence[Finding], window: Window, settings: LogAnomalySettings
) -> dict[str, Any]:
    """Count the lines a bin of each finding's message, around the finding."""
    counted: dict[tuple[str, str], dict[int, int]] = {}
    wanted = {(one.service, template_of(one)) for one in shown}
    begun: dict[str, int] = {}
    columns = found.counts.select(["service", "template", "at", "count"]).to_pydict()
    for service, template, at, n in zip(*columns.values(), strict=True):
        begun[service] = min(at, begun.get(service, at))
        key = service, found.store.current(template)
        if key in wanted:
            mine_ = counted.setdefault(key, {})
            mine_[at] = mine_.get(at, 0) + n
    return {
        one.id: _plot(
            one,
            counted.get((one.service, template_of(one)), {}),
            (begun.get(one.service, window.start_us), window.end_us),
            settings,
        )
        for one in shown
    }


def template_of(finding: Finding) -> str:
    """Template that a finding is about; of a changed mix, the one that moved most."""
    moved = finding.evidence.get("moved") or [{}]
    return str(finding.labels.get("template") or moved[0].get("template", ""))


def _plot(
    finding: Finding,
    counted: dict[int, int],
    known: tuple[int, int],
    settings: LogAnomalySettings,
) -> dict[str, Any]:
    step = settings.bin_us
    left, right = finding.start_us // step, finding.end_us // step
    # A plot never begins before the service's history does: nothing is known there.
    first = max(left - max(BEFORE, right - left), min(known[0] // step, left))
    last = min(right + 1 + max(AFTER, (right - left) // 2), known[1] // step)
    values = [float(counted.get(at * step, 0)) for at in range(first, last)]
    thin, every = thinned(values)
    return {
        "unit": "lines",
        "per_second": False,
        "step_us": step * every,
        "start_us": first * step,
        "values": thin,
        "low": None,
        "high": finding.expected_high if finding.kind == "burst" else None,
    }


def lines_of(
    params: AiopsParams, window: Window, found: Outcome, shown: Sequence[Finding]
) -> dict[str, Any]:
    """Give the first lines of each finding's message in its time, masked."""
    return {one.id: _lines(params, window, one, found.store) for one in shown}


def _lines(
    params: AiopsParams, window: Window, finding: Finding, store: TemplateStore
) -> list[dict[str, Any]]:
    from datetime import timedelta

    start = EPOCH + timedelta(seconds=finding.start_us // 1_000_000)
    end = EPOCH + timedelta(seconds=finding.end_us // 1_000_000 + 1)
    rows = rows_between(
        params, LOGS, Window(start, max(min(end, window.end), start + timedelta(seconds=1))),
        where="coalesce(service, '') = ?", values=[finding.service], most=LOOKED_AT,
    )  # fmt: skip
    if not len(rows):
        return []
    mined = mine(rows["body"].combine_chunks(), store)
    chosen = rows.take(mined.rows(template_of(finding))[:LINES])
    at = chosen["at"].cast("int64").to_pylist()
    bodies = mask(chosen["body"].combine_chunks()).lines.to_pylist()
    return [
        {"at_us": us, "severity": severity or "", "body": (body or "")[:LONGEST]}
        for us, severity, body in zip(at, chosen["severity"].to_pylist(), bodies, strict=True)
    ]
