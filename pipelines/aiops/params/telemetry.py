"""Section ``aiops.telemetry`` of ``params.yaml``: the lake, and the sources that fill it."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipelines.aiops import artifacts
from pipelines.aiops.params.signals import (
    AirflowLogsParams,
    LogFilesParams,
    LogJsonlParams,
    OpenMetricsParams,
    OtlpLogsParams,
    OtlpMetricsParams,
    PrometheusMetricsParams,
)
from pipelines.aiops.params.source_base import FilesParams, HttpParams, Seconds, SourceParams
from pipelines.aiops.params.traces import (
    GitChangesParams,
    JaegerApiParams,
    JaegerParams,
    KubernetesEventsParams,
    OtlpTracesParams,
    ZipkinParams,
)
from pipelines.base.params.model import Name, PositiveInt, Section

__all__ = ["FilesParams", "HttpParams", "Source", "SourceParams", "TelemetryParams"]
_DERIVED = {"source", "labels", "annotations", "alert_id", "fingerprint"}


class AlertmanagerWebhookParams(SourceParams):
    """Webhook payloads (version 4), one file each, as ``signalbox collect`` writes them."""

    kind: Literal["alertmanager_webhook"]
    folder: Name = "telemetry/webhook"


class AlertmanagerApiParams(HttpParams):
    """Alerts that an Alertmanager has now (API v2); it keeps no history, so ask often."""

    kind: Literal["alertmanager_api"]


class AlertmanagerEventsParams(FilesParams):
    """JSONL of Alertmanager's event recorder (0.33 and later)."""

    kind: Literal["alertmanager_events"]


class PrometheusParams(HttpParams):
    """The series ``ALERTS``, which every Prometheus keeps for its alerting rules."""

    kind: Literal["prometheus"]
    step_seconds: PositiveInt = 60
    """Not shorter than the rules' evaluation interval."""
    lookback_seconds: Annotated[int, Field(ge=3600)] = 7 * 86400
    """How far back the begin of an alert is looked for that fires when a window begins."""
    selector: str = ""
    """More matchers, for example ``team="shop"``."""
    drop_labels: list[Name] = []
    """Labels that aren't the alert's, for example ``prometheus_replica``."""


class PagerDutyParams(FilesParams):
    """Incidents exported from PagerDuty, as CSV or as JSON of its REST API."""

    kind: Literal["pagerduty"]
    timezone: Name = "UTC"
    """Time zone of the account, which times in its CSV export are in."""


class TableParams(FilesParams):
    """A table of any program: CSV, JSON lines or Parquet, by a mapping of columns."""

    kind: Literal["table"]
    table: Literal["alerts", "tickets", "changes", "metrics"]
    format: Literal["", "csv", "jsonl", "parquet"] = ""
    """Empty = after the file's name (``.gz`` may follow)."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    columns: dict[Name, Name] = {}
    """Column of the contract → column of the file."""
    constants: dict[Name, str] = {}
    """Column of the contract → value for all rows, for example ``kind: incident``."""
    labels: dict[Name, Name] = {}
    """Label → column of the file."""
    values: dict[Name, Name] = {}
    """Wide tables of metrics: name of the metric → column of the file with its values."""
    max_series: PositiveInt = 100_000
    """Label sets of metrics that are kept; how many more there were is reported."""
    labels_json: str = ""
    """Column of the file that holds labels as a JSON object (or a map, in Parquet)."""
    annotations: dict[Name, Name] = {}
    time: Literal["auto", "epoch_s", "epoch_ms", "epoch_us", "iso"] = "auto"
    """auto: numbers are epoch seconds, milliseconds or microseconds by their size, else ISO."""
    timezone: Name = "UTC"
    """Time zone of times that don't say theirs."""
    hold_seconds: Seconds = 0
    """How long an alert holds that is a point in time; 0 = its end is in a column, or unknown."""

    @model_validator(mode="after")
    def _known_columns(self) -> Self:
        from pipelines.aiops.telemetry.contract import METRICS, TABLES

        tables = {**TABLES, METRICS.name: METRICS}
        names = set(tables[self.table].schema.names) - _DERIVED
        unknown = sorted({*self.columns, *self.constants} - names)
        if unknown:
            raise ValueError(f"columns or constants {unknown} aren't of {self.table}; "
                             f"there are {sorted(names)}")  # fmt: skip
        if self.hold_seconds and self.table != "alerts":
            raise ValueError("hold_seconds is for table: alerts")
        if (self.labels or self.labels_json) and self.table not in ("alerts", "metrics"):
            raise ValueError("labels and labels_json are for tables alerts and metrics")
        if self.values and self.table != "metrics":
            raise ValueError("values is for table: metrics")
        return self


class AirflowParams(SourceParams):
    """What the listener in ``plugins/`` wrote about this project's own Airflow."""

    kind: Literal["airflow"]
    folder: Name = "telemetry/airflow"


Source = Annotated[
    AlertmanagerWebhookParams
    | AlertmanagerApiParams
    | AlertmanagerEventsParams
    | PrometheusParams
    | PagerDutyParams
    | TableParams
    | AirflowParams
    | LogFilesParams
    | LogJsonlParams
    | OtlpLogsParams
    | AirflowLogsParams
    | PrometheusMetricsParams
    | OpenMetricsParams
    | OtlpMetricsParams
    | OtlpTracesParams
    | JaegerParams
    | JaegerApiParams
    | ZipkinParams
    | KubernetesEventsParams
    | GitChangesParams,
    Field(discriminator="kind"),
]


def _own_airflow() -> list[Source]:
    return [AirflowParams(kind="airflow", name="airflow")]


class TelemetryParams(Section):
    """The lake of your own telemetry, and where it comes from."""

    lake: Name = artifacts.LAKE.as_posix()
    """Folder; absolute, or relative to the project."""
    memory_mb: PositiveInt = 2048
    sources: list[Source] = Field(default_factory=_own_airflow)

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [source.name for source in self.sources]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"source names must differ; used twice: {twice}")
        return self
