"""Stage ``metric_anomalies``: what is unusual in the metrics of a window, over all series.

The work is cut by service into parts that may run anywhere, one after another or at once; false
alarms are controlled when they are joined, over all series of the run. Outs (below the place):
``anomalies/metric_anomalies.json``, see `analysis.findings_file`.
"""

from pathlib import Path

from pipelines.aiops.analysis import metric_parts
from pipelines.aiops.analysis.findings_file import FindingsFile, write_findings
from pipelines.aiops.analysis.held import held
from pipelines.aiops.analysis.measured import Measured, write_measured
from pipelines.aiops.analysis.metric_plots import plots_of
from pipelines.aiops.analysis.window import Window, lake_of, window_of
from pipelines.aiops.artifacts import METRIC_ANOMALIES
from pipelines.aiops.metrics.detect import correct
from pipelines.aiops.params import AiopsParams, load_aiops_params
from pipelines.aiops.telemetry.contract import METRICS
from pipelines.base.stage import run_stage, say

STAGE = "metric_anomalies"


def groups(params: AiopsParams, window: Window) -> list[str]:
    """Keys of the parts of a window: at most ``analysis.parts``, none without metrics.

    A service stays in its part when others come and go.
    """
    return metric_parts.keys(params, window)


def part(params: AiopsParams, window: Window, place: Path, group: str) -> Path:
    """Judge the series of one part; safe to repeat."""
    return metric_parts.judge(params, window, place, group)


def join(params: AiopsParams, window: Window, place: Path) -> Path:
    """Join all parts: control false findings over all series, write findings and evidence.

    Raises
    ------
    SignalboxError
        If a part is missing.
    """
    found, counts = metric_parts.read_all(params, window, place)
    settings = params.metric_anomalies
    kept, uncertain = correct(found, counts["points"], settings.false_share)
    counts = {**counts, "uncertain": uncertain}
    path = place / METRIC_ANOMALIES
    plots = plots_of(params, window, kept)
    file = FindingsFile("metric", window, kept, counts, settings.model_dump(), plots)
    write_findings(path, file)
    write_measured(
        place,
        params,
        window,
        Measured(
            STAGE, METRIC_ANOMALIES, ["metrics"], counts, kept, rules=held(params, window, METRICS)
        ),
    )
    metric_parts.remove(place)
    say(f"{len(kept):,} findings in {counts['series']:,} series of metrics, {window.name}")
    return path


def run(params: AiopsParams, window: Window, place: Path) -> Path:
    """Do all parts, then join them: the same bytes whatever the number of parts."""
    lake_of(params.analysis)
    metric_parts.remove(place)
    for group in groups(params, window):
        part(params, window, place, group)
    return join(params, window, place)


def main(params: AiopsParams) -> None:
    """Run the stage."""
    run(params, window_of(params.analysis), Path())


if __name__ == "__main__":
    run_stage(STAGE, main, load=load_aiops_params)
