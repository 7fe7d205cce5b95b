"""Section ``aiops.alert_history`` of ``params.yaml``."""

from pipelines.base.params.model import Section


class AlertHistoryParams(Section):
    """Settings of ``alert_history``."""
