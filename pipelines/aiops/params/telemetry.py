"""Sections ``aiops.telemetry`` and ``aiops.simulate``: the lake, what fills it, what is made up."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from pipelines.aiops.params import artifacts, tables
from pipelines.core.settings import Name, PositiveInt, Section, Slug

Seconds = Annotated[int, Field(ge=0)]
Variable = Annotated[str, Field(pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$")]

# Params name kinds; what they look like is a matter of those who mask
# (`pipelines.aiops.log_parsing.mask_patterns`): a changed pattern runs no stage again that only
# reads params.
KINDS = ("token", "secret", "credentials", "mail", "ip", "ipv6", "card", "phone")
"""Names of all kinds, in the order in which they are applied."""

DEFAULT_KINDS = ("token", "secret", "credentials", "mail", "ip", "ipv6", "card")
"""What is masked unless params say otherwise; phone numbers look too much like other numbers."""

PERSONAL_KINDS = ("mail", "ip", "ipv6", "card", "phone")
"""Kinds that can become pseudonyms instead; of a secret nothing is worth keeping."""


_IDENTITY = frozenset({
    "alert_id", "alertname", "fingerprint", "kind", "log_id", "name", "parent_span_id", "severity",
    "source", "span_id", "status", "table", "trace_id",
})  # fmt: skip
"""Columns and labels that say what a row is; rules, joins and counts rest on them."""


def _pseudonymisable(names: list[str]) -> list[str]:
    if taken := sorted(_IDENTITY.intersection(names)):
        raise ValueError(f"{taken} can't be pseudonymised: they say what a row is")
    if secrets := sorted(set(KINDS).difference(PERSONAL_KINDS).intersection(names)):
        raise ValueError(f"{secrets} are no data of people; mask takes them")
    return names


class SourceParams(Section):
    """What every source has."""

    name: Slug
    """Stands in column ``source``; part of each alert's identity, so don't rename a source."""
    skew_seconds: Seconds = 300
    """A record that begins later than the reading by more than this goes to quarantine."""
    late_seconds: Seconds = 86400
    """A window also takes what changed this long before it: records may arrive late."""
    pseudonymise: Annotated[list[Name], AfterValidator(_pseudonymisable)] = []
    """What becomes a keyed pseudonym before it is stored: mail, ip, ipv6, card or phone in any
    text, or the values of the labels, attributes, annotations or text columns of a name. The same
    value has the same pseudonym in all sources; the secret is ``erasure.key``."""


class HttpParams(SourceParams):
    """A source that is asked over HTTP."""

    url: Annotated[str, Field(pattern=r"^https?://")]
    """Address of the server, without the path of its API."""
    token_env: Variable = ""
    """Environment variable with a bearer token; empty = none."""
    timeout_seconds: PositiveInt = 30
    """How long an answer may take."""


class FilesParams(SourceParams):
    """A source that is read from files."""

    files: Annotated[list[Name], Field(min_length=1)]
    """Files, or patterns like ``exports/*.jsonl``; relative to the project."""


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
    """Folder of the logs; relative to the project, or absolute."""


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
    """Time between two values."""
    lookback_seconds: PositiveInt = 86_400
    """How far back a window without begin goes."""


class OpenMetricsParams(MetricParams, FilesParams):
    """Files in the text form of OpenMetrics or Prometheus, with time stamps."""

    kind: Literal["openmetrics"]


class OtlpMetricsParams(MetricParams, FilesParams):
    """Metrics in OTLP JSON, as the OpenTelemetry collector's file exporter writes them."""

    kind: Literal["otlp_metrics"]


ChangeKind = Literal["deployment", "configuration", "infrastructure", "other"]

PERSONAL = (
    "db.statement", "db.query.text", "db.query.parameter.*", "sql.query", "enduser.*", "user.*",
    "client.address", "http.client_ip", "http.request.header.*", "http.response.header.*",
    "rpc.grpc.request.metadata.*", "http.user_agent", "user_agent.original", "url.query",
)  # fmt: skip
"""Attributes that often hold personal data and that no map needs."""

REASONS: dict[str, ChangeKind] = {
    "ScalingReplicaSet": "deployment",
    "SuccessfulRescale": "configuration",
    "RolloutCompleted": "deployment",
    "RolloutPaused": "deployment",
    "DeploymentRollback": "deployment",
    "Preempted": "infrastructure",
    "Preempting": "infrastructure",
    "Evicted": "infrastructure",
    "TaintManagerEviction": "infrastructure",
    "NodeNotReady": "infrastructure",
    "NodeReady": "infrastructure",
    "NodeNotSchedulable": "infrastructure",
    "NodeSchedulable": "infrastructure",
    "RegisteredNode": "infrastructure",
    "RemovingNode": "infrastructure",
    "DeletingNode": "infrastructure",
    "Rebooted": "infrastructure",
    "TriggeredScaleUp": "infrastructure",
    "ScaleDown": "infrastructure",
}
"""Reasons of Kubernetes events that tell of a change; others tell how a cluster copes with one."""


def _tag_pattern(text: str) -> str:
    try:
        groups = set(re.compile(text).groupindex)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    if unknown := sorted(groups - {"service", "version"}):
        raise ValueError(f"groups {unknown}; there may be service and version")
    return text


class TraceParams(SourceParams):
    """What every source of traces has."""

    drop_attributes: list[Name] = list(PERSONAL)
    """Attributes that are not stored; ``*`` stands for anything. Queries of URLs never are."""
    max_chars: PositiveInt = 1024
    """Longer values of attributes are cut."""


class TraceFilesParams(TraceParams, FilesParams):
    """Traces that lie in files."""


class OtlpTracesParams(TraceFilesParams):
    """Traces in OTLP JSON, as the OpenTelemetry collector's file exporter writes them."""

    kind: Literal["otlp_traces"]


class JaegerParams(TraceFilesParams):
    """Traces in Jaeger's JSON: downloads of its page, answers of its API."""

    kind: Literal["jaeger"]


class JaegerApiParams(TraceParams, HttpParams):
    """Traces that a Jaeger query service finds."""

    kind: Literal["jaeger_api"]
    services: list[Name] = []
    """Services whose traces are asked for; empty = all that it knows."""
    limit: Annotated[int, Field(ge=2)] = 1000
    """Traces in an answer; where there are more, shorter times are asked for."""
    lookback_seconds: PositiveInt = 3600
    """How far back a window without begin goes."""


class ZipkinParams(TraceFilesParams):
    """Traces in Zipkin's JSON, version 2."""

    kind: Literal["zipkin"]


class KubernetesEventsParams(FilesParams):
    """Changes from Kubernetes events: ``kubectl get events -o json``, a watch, or JSON lines."""

    kind: Literal["kubernetes_events"]
    reasons: dict[Name, ChangeKind] = REASONS
    """Reason of an event → kind of change; events of other reasons are left."""


class GitChangesParams(SourceParams):
    """Changes from a Git repository on this machine: its tags or its commits."""

    kind: Literal["git_changes"]
    repository: Name = "."
    """Folder, relative to the project."""
    take: Literal["tags", "commits"] = "tags"
    """What counts as a change."""
    branch: Name = "HEAD"
    """Branch whose commits are taken."""
    change_kind: ChangeKind = "deployment"
    """Kind that the changes get."""
    service: str = ""
    """Service of all that doesn't name its own."""
    tag_pattern: Annotated[str, AfterValidator(_tag_pattern)] = (
        r"^(?:(?P<service>.+)[/@-])?v?(?P<version>\d[\w.+-]*)$"
    )
    """Tells service and version from a tag's name, with groups of these names; other tags are
    taken whole as version."""
    paths: dict[Name, Name] = {}
    """Folder → service, in a repository of many: a commit is a change of each that it touches."""
    timeout_seconds: PositiveInt = 60
    """How long a git command may take."""


_MAPPABLE = {
    "alerts": tables.ALERTS,
    "tickets": tables.TICKETS,
    "changes": tables.CHANGES,
    "metrics": tables.METRICS,
}
_DERIVED = {"source", "labels", "annotations", "alert_id", "fingerprint"}


class AlertmanagerWebhookParams(SourceParams):
    """Webhook payloads (version 4), one file each, as ``signalbox collect`` writes them."""

    kind: Literal["alertmanager_webhook"]
    folder: Name = "telemetry/webhook"
    """Where ``signalbox collect`` writes payloads; folders below it count too."""


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


class PrometheusExportParams(FilesParams):
    """The series ``ALERTS`` in files: answers of Prometheus' range queries, as JSON."""

    kind: Literal["prometheus_export"]
    step_seconds: Annotated[int, Field(ge=0)] = 0
    """Time between two samples; 0 = the shortest that the files have."""
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
    """Table of the contract that the rows become."""
    format: Literal["", "csv", "json", "jsonl", "parquet"] = ""
    """Empty = after the file's name (``.gz`` may follow). ``json`` is one document: a list of
    records, or an object with that list in ``data``."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    """One character, for CSV."""
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
    """Annotation → column of the file."""
    time: Literal["auto", "epoch_s", "epoch_ms", "epoch_us", "iso"] = "auto"
    """auto: numbers are epoch seconds, milliseconds or microseconds by their size, else ISO."""
    timezone: Name = "UTC"
    """Time zone of times that don't say theirs."""
    hold_seconds: Seconds = 0
    """How long an alert is assumed to hold that is a point in time, so that it can be notified of;
    no duration is learned from it. 0 = its end is in a column, or unknown."""

    @model_validator(mode="after")
    def _known_columns(self) -> Self:
        names = _MAPPABLE[self.table].keys() - _DERIVED
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
    """Where the listener writes."""


Source = Annotated[
    AlertmanagerWebhookParams
    | AlertmanagerApiParams
    | AlertmanagerEventsParams
    | PrometheusParams
    | PrometheusExportParams
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
    sources: list[Source] = Field(default_factory=_own_airflow)

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [source.name for source in self.sources]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"source names must differ; used twice: {twice}")
        return self


class SignalsParams(Section):
    """Metrics, logs and spans of the simulated world.

    Attributes
    ----------
    days
        Of metrics and logs at the end of the history; 0: none, and no spans either.
    span_days
        Of spans, at the end as well.
    step_seconds
        Between two values of a metric.
    instances
        Instances of each service that are scraped.
    lines_per_day, spans_per_day
        About how many.
    """

    days: Annotated[int, Field(ge=0, le=1000)] = 0
    span_days: Annotated[int, Field(ge=0, le=1000)] = 3
    step_seconds: Annotated[int, Field(ge=15, le=3600)] = 300
    instances: Annotated[int, Field(ge=1, le=100)] = 2
    lines_per_day: PositiveInt = 25_000
    spans_per_day: PositiveInt = 80_000


class SimulateParams(Section):
    """Settings of ``simulate``.

    Attributes
    ----------
    alerts
        About how many alerts; more than 100,000 also means more services.
    services, incidents_per_day
        None: drawn from the seed, like everything else about the world.
    """

    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 7
    start: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] = "2026-03-02"
    days: Annotated[int, Field(ge=1, le=1000)] = 42
    alerts: PositiveInt = 100_000
    services: Annotated[int, Field(ge=5, le=5000)] | None = None
    incidents_per_day: Annotated[float, Field(ge=0, le=1000)] | None = None
    signals: SignalsParams = Field(default_factory=SignalsParams)
