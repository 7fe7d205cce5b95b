"""Stage ``log_anomalies``: new templates, bursts, silences, changed mixes, new values in logs.

Outs (below the directory): ``anomalies/log_anomalies.json``, see `lake.findings`.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from pipelines.aiops.lake.contract import LOGS
from pipelines.aiops.lake.days import days_of
from pipelines.aiops.lake.findings import (
    AFTER,
    BEFORE,
    Finding,
    FindingsFile,
    LogLine,
    Plot,
    downsampled,
    write_findings,
)
from pipelines.aiops.lake.stage_result import StageResult, check_expectations, write_stage_result
from pipelines.aiops.lake.window import Window, lake_of, rows_between, window_of
from pipelines.aiops.log_parsing.masking import mask
from pipelines.aiops.logs.anomalies import LogAnomalySettings, Outcome, anomalies_between
from pipelines.aiops.logs.templates import TemplateStore, mine
from pipelines.aiops.params import AiopsParams, load_aiops_params
from pipelines.aiops.params.artifacts import LOG_ANOMALIES
from pipelines.core.stage import log, run_stage
from pipelines.core.time import EPOCH, SECOND_US

LINES, LOOKED_AT, LONGEST = 5, 5000, 500
"""Lines shown of a finding, lines of its service that they are looked for in, characters."""


def plots_of(
    found: Outcome, shown: Sequence[Finding], window: Window, settings: LogAnomalySettings
) -> dict[str, Plot]:
    """Count the lines a bin of each finding's message, around the finding."""
    counted: dict[tuple[str, str], dict[int, int]] = {}
    wanted = {(finding.service, template_of(finding)) for finding in shown}
    begun: dict[str, int] = {}
    columns = found.counts.select(["service", "template", "at", "count"]).to_pydict()
    for service, template, at, n in zip(*columns.values(), strict=True):
        begun[service] = min(at, begun.get(service, at))
        key = service, found.store.current(template)
        if key in wanted:
            mine_ = counted.setdefault(key, {})
            mine_[at] = mine_.get(at, 0) + n
    return {
        finding.id: _plot(
            finding,
            counted.get((finding.service, template_of(finding)), {}),
            (begun.get(finding.service, window.start_us), window.end_us),
            settings,
        )
        for finding in shown
    }


def template_of(finding: Finding) -> str:
    """Template that a finding is about; of a changed mix, the one that moved most."""
    shifts = finding.evidence.get("shifts") or [{}]
    return str(finding.labels.get("template") or shifts[0].get("template", ""))


def _plot(
    finding: Finding,
    counted: dict[int, int],
    known: tuple[int, int],
    settings: LogAnomalySettings,
) -> Plot:
    step = settings.bin_us
    left, right = finding.start_us // step, finding.end_us // step
    # A plot never begins before the service's history does: nothing is known there.
    first = max(left - max(BEFORE, right - left), min(known[0] // step, left))
    last = min(right + 1 + max(AFTER, (right - left) // 2), known[1] // step)
    values = [float(counted.get(at * step, 0)) for at in range(first, last)]
    points, every = downsampled(values)
    return Plot(
        unit="lines",
        per_second=False,
        step_us=step * every,
        start_us=first * step,
        values=points,
        low=None,
        high=finding.expected_high if finding.kind == "burst" else None,
    )


def lines_of(
    params: AiopsParams, window: Window, found: Outcome, shown: Sequence[Finding]
) -> dict[str, list[LogLine]]:
    """Give the first lines of each finding's message in its time, masked."""
    return {finding.id: _lines(params, window, finding, found.store) for finding in shown}


def _lines(
    params: AiopsParams, window: Window, finding: Finding, store: TemplateStore
) -> list[LogLine]:
    from datetime import timedelta

    start = EPOCH + timedelta(seconds=finding.start_us // SECOND_US)
    end = EPOCH + timedelta(seconds=finding.end_us // SECOND_US + 1)
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
        LogLine(us, severity or "", (body or "")[:LONGEST])
        for us, severity, body in zip(at, chosen["severity"].to_pylist(), bodies, strict=True)
    ]


STAGE = "log_anomalies"


def run(params: AiopsParams, window: Window, directory: Path) -> Path:
    """Judge a window's logs; what is remembered of earlier days lies in ``analysis.state``."""
    about = params.log_anomalies
    lake = lake_of(params.analysis)
    settings = LogAnomalySettings(**about.model_dump(exclude={"max_plots"}))
    state = Path(params.analysis.state) / "logs"
    found = anomalies_between(lake, state, window.start, window.end, settings)
    counts = {"lines": found.lines, "templates": found.templates,
              "history_days": found.history_days, "skipped": {}}  # fmt: skip
    if not days_of(lake, LOGS):
        counts["skipped"] = {"the lake has no logs": 1}
    elif not found.lines:
        counts["skipped"] = {"no lines in the window": 1}
    rarest = sorted(found.findings, key=lambda f: (-f.score, f.start_us, f.id))
    shown = rarest[: about.max_plots]
    path = directory / LOG_ANOMALIES
    write_findings(
        path,
        FindingsFile(
            "log", window, found.findings, counts, about.model_dump(),
            plots_of(found, shown, window, settings), lines_of(params, window, found, shown),
        ),
    )  # fmt: skip
    write_stage_result(
        directory,
        params,
        window,
        StageResult(
            STAGE,
            LOG_ANOMALIES,
            ["logs"],
            counts,
            found.findings,
            rules=check_expectations(params, window, LOGS),
        ),
    )
    log(f"{len(found.findings):,} findings in {found.lines:,} lines of logs, {window.name}")
    return path


def main(params: AiopsParams) -> None:
    """Run the stage; it remembers nothing, so that outs depend on inputs alone."""
    with tempfile.TemporaryDirectory(prefix="signalbox-") as folder:
        analysis = params.analysis.model_copy(update={"state": folder})
        run(params.model_copy(update={"analysis": analysis}), window_of(analysis), Path())


if __name__ == "__main__":
    run_stage(STAGE, main, load=load_aiops_params)
