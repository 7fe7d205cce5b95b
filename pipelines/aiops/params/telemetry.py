"""Section ``aiops.telemetry`` of ``params.yaml``: the lake, and the sources that fill it."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipelines.aiops import artifacts
from pipelines.base.params.model import Name, PositiveInt, Section, Slug

Seconds = Annotated[int, Field(ge=0)]
_DERIVED = {"source", "labels", "annotations", "alert_id", "fingerprint"}
Variable = Annotated[str, Field(pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$")]


class SourceParams(Section):
    """What every source has."""

    name: Slug
    """Stands in column ``source``; part of each alert's identity, so don't rename a source."""
    skew_seconds: Seconds = 300
    """A record that begins later than the reading by more than this goes to quarantine."""
    late_seconds: Seconds = 86400
    """A window also takes what changed this long before it: records may arrive late."""


class HttpParams(SourceParams):
    """A source that is asked over HTTP."""

    url: Annotated[str, Field(pattern=r"^https?://")]
    token_env: Variable = ""
    """Environment variable with a bearer token; empty = none."""
    timeout_seconds: PositiveInt = 30


class FilesParams(SourceParams):
    """A source that is read from files."""

    files: Annotated[list[Name], Field(min_length=1)]
    """Files, or patterns like ``exports/*.jsonl``; relative to the project."""


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
    table: Literal["alerts", "tickets", "changes"]
    format: Literal["", "csv", "jsonl", "parquet"] = ""
    """Empty = after the file's name (``.gz`` may follow)."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    columns: dict[Name, Name] = {}
    """Column of the contract → column of the file."""
    constants: dict[Name, str] = {}
    """Column of the contract → value for all rows, for example ``kind: incident``."""
    labels: dict[Name, Name] = {}
    """Label → column of the file."""
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
        from pipelines.aiops.telemetry.contract import TABLES

        names = set(TABLES[self.table].schema.names) - _DERIVED
        unknown = sorted({*self.columns, *self.constants} - names)
        if unknown:
            raise ValueError(f"columns or constants {unknown} aren't of {self.table}; "
                             f"there are {sorted(names)}")  # fmt: skip
        if self.table != "alerts" and (self.labels or self.labels_json or self.hold_seconds):
            raise ValueError("labels, labels_json and hold_seconds are for table: alerts")
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
    | AirflowParams,
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
