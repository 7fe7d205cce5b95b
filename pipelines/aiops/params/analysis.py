"""Sections of ``aiops`` in ``params.yaml`` for the analysis of a window: one a stage."""

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from pipelines.aiops.params import artifacts
from pipelines.aiops.params.renamed import without_unread
from pipelines.core.settings import Name, PositiveInt, Section, Slug, Unset


class AnalysisParams(Section):
    """What ``metric_anomalies``, ``log_anomalies``, ``map_services``, ``group_incidents`` share.

    Attributes
    ----------
    lake
        Folder of the lake; absolute, or relative to the project. A run in Airflow has a work tree
        of its own: name a lake that git doesn't track by an absolute path.
    until
        End of the window, UTC; null = end of the latest complete day in the lake (of the latest
        complete hour if `hours` is not a number of whole days).
    hours
        Length of the window.
    results
        Folder in which DAGs keep each window's results.
    state
        Folder for what detectors remember from day to day; it may be removed at any time.
    schedule
        When the DAGs ``telemetry_anomalies`` and ``service_map`` run; a window is the time between
        two runs.
    delay_minutes
        DAGs wait so long after a window's end: what is collected until then belongs to it.
    """

    lake: Name = artifacts.SIMULATED.as_posix()
    until: Unset[Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}$")]] = None
    hours: Annotated[int, Field(ge=1, le=24 * 31)] = 24
    results: Name = artifacts.RESULTS.as_posix()
    state: Name = artifacts.STATE.as_posix()
    schedule: Name = "@hourly"
    delay_minutes: Annotated[int, Field(ge=0, le=24 * 60)] = 20


class MetricAnomaliesParams(Section):
    """Settings of ``metric_anomalies``.

    Attributes
    ----------
    lookback_days
        Days before the window that serve as history; a series of minutes is compared with a week.
    false_alarm_rate
        False findings that a series may have in 1,440 rows (a day of minutes), whatever the number
        of series.
    max_series
        Series that are examined; of more, those with the most points. The rest is counted.
    max_plots
        Findings, the rarest first, whose values are kept for a plot.
    """

    lookback_days: Annotated[int, Field(ge=1, le=400)] = 15
    false_alarm_rate: Annotated[float, Field(gt=0, le=10)] = 0.04
    max_series: PositiveInt = 20_000
    max_plots: Annotated[int, Field(ge=0)] = 100

    @model_validator(mode="before")
    @classmethod
    def _leave_out_what_nothing_reads(cls, raw: Any) -> Any:
        return without_unread("metric_anomalies", raw)


class LogAnomaliesParams(Section):
    """Settings of ``log_anomalies``; see `pipelines.aiops.logs.counts`.

    Attributes
    ----------
    bin_seconds
        Width of the bins that lines are counted in; divides an hour.
    max_findings
        Findings of each kind that are kept, the rarest.
    max_plots
        Findings, the rarest first, whose lines a bin and first lines are kept.
    """

    history_days: Annotated[int, Field(ge=1, le=400)] = 14
    bin_seconds: Annotated[int, Field(ge=1, le=3600)] = 300
    fdr_limit: Annotated[float, Field(gt=0, le=1)] = 0.05
    new_fdr_limit: Annotated[float, Field(gt=0, le=1)] = 0.2
    max_findings: PositiveInt = 200
    max_plots: Annotated[int, Field(ge=0)] = 100

    @model_validator(mode="after")
    def _divides_an_hour(self) -> Self:
        if 3600 % self.bin_seconds:
            raise ValueError(f"bin_seconds must divide 3600, {self.bin_seconds} doesn't")
        return self


class MapServicesParams(Section):
    """Settings of ``map_services``.

    Attributes
    ----------
    window_seconds
        Length of the windows that rates and quantiles are counted in; divides an hour.
    compare_days
        The map is compared with the same hours so many days earlier; 0 = with nothing.
    max_virtual_nodes
        Databases, queues and external peers beyond the busiest of this many count as one of each.
    max_shapes
        Shapes of traces that are kept, the most frequent ones.
    """

    window_seconds: Annotated[int, Field(ge=1, le=3600)] = 300
    compare_days: Annotated[int, Field(ge=0, le=400)] = 1
    max_virtual_nodes: PositiveInt = 500
    max_shapes: PositiveInt = 5000

    @model_validator(mode="after")
    def _divides_an_hour(self) -> Self:
        if 3600 % self.window_seconds:
            raise ValueError(f"window_seconds must divide 3600, {self.window_seconds} doesn't")
        return self


Minutes = Annotated[int, Field(ge=0, le=7 * 24 * 60)]


class PostParams(Section):
    """Where incidents are sent on.

    Attributes
    ----------
    urls
        Addresses; one that ends in ``/api/v2/alerts`` gets Alertmanager's alerts, others JSON.
    allowed
        Addresses that may be named above: a second pair of eyes for a line of params.
    dry_run
        Say what would be sent, and send nothing.
    """

    urls: list[str] = []
    allowed: list[str] = []
    dry_run: bool = True


class SubjectLabels(Section):
    """Which labels name what an alert or a series is about, best first in each list.

    Services are named by the labels that the whole product reads (``service``, ``app``, …).

    Attributes
    ----------
    instance
        A pod, a process, a replica of a service.
    host
        A machine, real or virtual, that instances run on.
    caller, callee
        Both ends of calls from A to B: services or instances.
    database
        Where no service is named.
    third_party
        Somebody else's service, where no service of your own is named.
    anything
        A subject of whatever kind: what it is follows from what else is known of its name.
    """

    instance: list[str] = ["pod", "pod_name", "k8s.pod.name", "k8s_pod_name", "container_id",
                           "service.instance.id", "service_instance_id",
                           "instance"]  # fmt: skip
    host: list[str] = ["node", "host", "hostname", "nodename", "node_name", "host_name",
                       "host.name", "k8s.node.name", "k8s_node_name", "kubernetes_node",
                       "machine", "vm"]  # fmt: skip
    caller: list[str] = ["from", "caller", "client", "source_service", "source_workload"]
    callee: list[str] = ["to", "callee", "server", "destination_service",
                         "destination_service_name", "destination_workload"]  # fmt: skip
    database: list[str] = ["database", "db", "db.name", "db_name", "datname", "cache", "queue"]
    third_party: list[str] = ["third_party", "provider", "vendor"]
    anything: list[str] = ["component", "subject", "entity"]


class GroupIncidentsParams(Section):
    """Settings of ``group_incidents``.

    Attributes
    ----------
    subjects
        Which labels name instances, hosts, edges and the rest.
    relations
        A table, CSV or Parquet, with columns ``source``, ``relation``, ``target``, as in
        ``cart-0,runs_on,node-6``; relations are ``calls``, ``instance_of``, ``runs_on`` and
        ``depends_on``. It adds to what the map and labels say. DVC watches it if it lies in the
        lake's folder.
    same_service_gap_minutes, neighbour_gap_minutes, global_gap_minutes
        How far apart linked findings may start: at the same subject, at subjects of which one calls
        the other or runs on it, at any subjects of which nothing else is known.
    max_incident_minutes
        A chain of linked findings is cut after so long.
    background_days, background_share
        An alert that a service had on more than this share of so many days before is background: it
        joins an incident that something else opens, and opens none. 1: no alert is background.
    signals
        Whether causes are ranked from metrics, logs and spans too, or from findings alone.
    """

    subjects: SubjectLabels = Field(default_factory=SubjectLabels)
    relations: Unset[Name] = None
    same_service_gap_minutes: Minutes = 30
    neighbour_gap_minutes: Minutes = 10
    global_gap_minutes: Minutes = 1
    max_incident_minutes: PositiveInt = 240
    background_days: Annotated[int, Field(ge=1, le=366)] = 14
    background_share: Annotated[float, Field(ge=0, le=1)] = 0.2
    signals: bool = True
    post: PostParams = Field(default_factory=PostParams)


class ReportIncidentsParams(Section):
    """What the pages about incidents, anomalies and the service map say about who and why."""

    title: Name = "What is wrong, where, and what changed"
    owner: Name = "not stated"
    notice: str = ""
    """What readers must know before anything else, for example that the world is synthetic."""
    data_set: Unset[Slug] = None
    """``simulated``: the section is about the simulated world, and says nothing of another lake."""
