"""Stage ``log_anomalies``: new templates, bursts, silences, changed mixes, new values in logs.

Outs (below the place): ``anomalies/log_anomalies.json``, see `analysis.findings_file`.
"""

import tempfile
from pathlib import Path

from pipelines.aiops.analysis.findings_file import FindingsFile, write_findings
from pipelines.aiops.analysis.held import held
from pipelines.aiops.analysis.log_plots import lines_of, plots_of
from pipelines.aiops.analysis.measured import Measured, write_measured
from pipelines.aiops.analysis.window import Window, lake_of, window_of
from pipelines.aiops.artifacts import LOG_ANOMALIES
from pipelines.aiops.logs.anomalies import LogAnomalySettings, anomalies_between
from pipelines.aiops.params import AiopsParams, load_aiops_params
from pipelines.aiops.telemetry.contract import LOGS
from pipelines.aiops.telemetry.days import days_of
from pipelines.base.stage import run_stage, say

STAGE = "log_anomalies"


def run(params: AiopsParams, window: Window, place: Path) -> Path:
    """Judge a window's logs; what is remembered of earlier days lies in ``analysis.state``."""
    about = params.log_anomalies
    lake = lake_of(params.analysis)
    settings = LogAnomalySettings(**about.model_dump(exclude={"most_plots"}))
    state = Path(params.analysis.state) / "logs"
    found = anomalies_between(lake, state, window.start, window.end, settings)
    counts = {"lines": found.lines, "templates": found.templates,
              "history_days": found.history_days, "skipped": {}}  # fmt: skip
    if not days_of(lake, LOGS):
        counts["skipped"] = {"the lake has no logs": 1}
    elif not found.lines:
        counts["skipped"] = {"no lines in the window": 1}
    rarest = sorted(found.findings, key=lambda f: (-f.score, f.start_us, f.id))
    shown = rarest[: about.most_plots]
    path = place / LOG_ANOMALIES
    write_findings(
        path,
        FindingsFile(
            "log", window, found.findings, counts, about.model_dump(),
            plots_of(found, shown, window, settings), lines_of(params, window, found, shown),
        ),
    )  # fmt: skip
    write_measured(
        place,
        params,
        window,
        Measured(
            STAGE, LOG_ANOMALIES, ["logs"], counts, found.findings, rules=held(params, window, LOGS)
        ),
    )
    say(f"{len(found.findings):,} findings in {found.lines:,} lines of logs, {window.name}")
    return path


def main(params: AiopsParams) -> None:
    """Run the stage; it remembers nothing, so that outs depend on inputs alone."""
    with tempfile.TemporaryDirectory(prefix="signalbox-") as folder:
        analysis = params.analysis.model_copy(update={"state": folder})
        run(params.model_copy(update={"analysis": analysis}), window_of(analysis), Path())


if __name__ == "__main__":
    run_stage(STAGE, main, load=load_aiops_params)
