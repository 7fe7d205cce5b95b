"""Sources of telemetry, one file each, found by their ``kind``.

A source is a function ``read(settings, window, project) -> Batch``: `settings` is its model in
`pipelines.aiops.params.telemetry`, paths are relative to `project`. To add one: a model there, a
file here, and its line in `READERS`.
"""

from importlib import import_module
from pathlib import Path

from pipelines.aiops.params.telemetry import Source
from pipelines.aiops.telemetry.batch import Batch, Window

READERS: dict[str, str] = {
    kind: f"pipelines.aiops.telemetry.sources.{kind}"
    for kind in (
        "alertmanager_webhook",
        "alertmanager_api",
        "alertmanager_events",
        "prometheus",
        "pagerduty",
        "table",
        "airflow",
        "log_files",
        "log_jsonl",
        "otlp_logs",
        "airflow_logs",
        "prometheus_metrics",
        "openmetrics",
        "otlp_metrics",
        "otlp_traces",
        "jaeger",
        "jaeger_api",
        "zipkin",
        "kubernetes_events",
        "git_changes",
    )
}


def read_source(settings: Source, window: Window, project: Path) -> Batch:
    """Read what changed in a window from a source.

    Raises
    ------
    SignalboxError
        If the source can't be reached or isn't what its kind says; names it and what to do.
    """
    module = import_module(READERS[settings.kind])
    batch: Batch = module.read(settings, window, project)
    return batch
