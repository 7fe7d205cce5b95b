"""Incidents: what belongs together, where it began, whom it reaches, how it was fixed before."""

from pipelines.aiops.incidents.assemble import incidents
from pipelines.aiops.incidents.causes import Prepared, prepare, rank
from pipelines.aiops.incidents.grouping import Grouping, group
from pipelines.aiops.incidents.model import (
    Cause,
    Change,
    FaultWindow,
    Graph,
    Incident,
    Logs,
    PastIncident,
    Series,
    Signals,
    Spans,
    Target,
    role_of,
)
from pipelines.aiops.incidents.posting import alertmanager_payload, post, webhook_payload

__all__ = [
    "Cause",
    "Change",
    "FaultWindow",
    "Graph",
    "Grouping",
    "Incident",
    "Logs",
    "PastIncident",
    "Prepared",
    "Series",
    "Signals",
    "Spans",
    "Target",
    "alertmanager_payload",
    "group",
    "incidents",
    "post",
    "prepare",
    "rank",
    "role_of",
    "webhook_payload",
]
