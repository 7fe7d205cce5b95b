"""Sources of traces and of changes in ``aiops.telemetry.sources`` of ``params.yaml``."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from pipelines.aiops.params.source_base import FilesParams, HttpParams, SourceParams
from pipelines.base.params.model import Name, PositiveInt

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
    branch: Name = "HEAD"
    """Branch whose commits are taken."""
    change_kind: ChangeKind = "deployment"
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
