"""Section ``aiops.report_incidents`` of ``params.yaml``."""

from pipelines.base.params.model import Name, Section


class ReportIncidentsParams(Section):
    """What the pages about incidents, anomalies and the service map say about who and why."""

    title: Name = "What is wrong, where, and what changed"
    owner: Name = "not stated"
    notice: str = ""
    """What readers must know before anything else, for example that the world is synthetic."""
