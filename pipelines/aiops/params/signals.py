"""Sources of logs and metrics in ``aiops.telemetry.sources`` of ``params.yaml``."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from pipelines.aiops.logs.masking.patterns import DEFAULT_KINDS, KINDS
from pipelines.aiops.params.source_base import FilesParams, HttpParams, SourceParams
from pipelines.base.params.model import Name, PositiveInt


def _maskable(kinds: list[str]) -> list[str]:
    if unknown := sorted(set(kinds) - set(KINDS)):
        raise ValueError(f"no kind of personal data {unknown}; there are {list(KINDS)}")
    return kinds


def _pattern(text: str) -> str:
    try:
        groups = set(re.compile(text).groupindex)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    if unknown := sorted(groups - {"service", "instance"}):
        raise ValueError(f"groups {unknown}; there may be service and instance")
    return text


class LogParams(SourceParams):
    """What every source of log lines has."""

    mask: Annotated[list[str], AfterValidator(_maskable)] = list(DEFAULT_KINDS)
    """Personal data and secrets masked before anything is stored; empty = nothing."""
    timezone: Name = "UTC"
    """Time zone of times that don't say theirs."""
    max_chars: Annotated[int, Field(ge=200)] = 16_384
    """A message, its stack trace included, is cut after this many characters."""
    service: str = ""
    """Service of all lines that don't name theirs; empty = from the path, or the file's name."""


class LogFilesBase(LogParams, FilesParams):
    """Log lines in files."""

    path_pattern: Annotated[str, AfterValidator(_pattern)] = ""
    """Regular expression found in a file's path, with groups ``service`` and ``instance``."""


class LogFilesParams(LogFilesBase):
    """Plain log files; forms of time stamps and levels are found, not configured."""

    kind: Literal["log_files"]
    year: Annotated[int, Field(ge=0, le=2199)] = 0
    """Year of a file's last line where stamps lack it; 0 = by the file's time of change."""
    day_first: bool = True
    """Whether 03/04/2026 is the third of April, where a file leaves it open."""


class LogJsonlParams(LogFilesBase):
    """One JSON object a line; names of time, level and message are found, not configured."""

    kind: Literal["log_jsonl"]
    fields: dict[Literal["at", "severity", "body", "service", "instance", "trace_id", "span_id"],
                 Name] = {}  # fmt: skip
    """Column of the contract → field, where the usual names don't fit; ``a.b`` is b in a."""


class OtlpLogsParams(LogParams, FilesParams):
    """Logs in OTLP JSON, as the OpenTelemetry collector's file exporter writes them."""

    kind: Literal["otlp_logs"]


class AirflowLogsParams(LogParams):
    """Task logs of an Airflow: its folder ``logs``."""

    kind: Literal["airflow_logs"]
    folder: Name = ".airflow/logs"


class MetricParams(SourceParams):
    """What every source of metrics has."""

    max_series: PositiveInt = 100_000
    """Label sets that are kept; how many more there were is reported."""
    drop_labels: list[Name] = []
    """Labels left out, for example ``prometheus_replica``."""


class PrometheusMetricsParams(MetricParams, HttpParams):
    """Range queries of Prometheus' HTTP API."""

    kind: Literal["prometheus_metrics"]
    queries: Annotated[list[Name], Field(min_length=1)]
    """PromQL, for example ``up`` or ``sum by (job) (rate(http_requests_total[5m]))``."""
    step_seconds: PositiveInt = 60
    lookback_seconds: PositiveInt = 86_400
    """How far back a window without begin goes."""


class OpenMetricsParams(MetricParams, FilesParams):
    """Files in the text form of OpenMetrics or Prometheus, with time stamps."""

    kind: Literal["openmetrics"]


class OtlpMetricsParams(MetricParams, FilesParams):
    """Metrics in OTLP JSON, as the OpenTelemetry collector's file exporter writes them."""

    kind: Literal["otlp_metrics"]
