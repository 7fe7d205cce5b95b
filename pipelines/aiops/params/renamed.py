"""Keys of section ``aiops`` that were renamed: the one list of what an old key is called now."""

from collections.abc import Mapping
from typing import Final

_MEMORY = "release.yaml:runtime.memory_mb"

RENAMED: Final[Mapping[str, str]] = {
    "aiops.telemetry.memory_mb": _MEMORY,
    "aiops.alert_history.memory_mb": _MEMORY,
    "aiops.mine_rules.learn": "aiops.mine_rules.train",
    "aiops.mine_rules.choose": "aiops.mine_rules.validation",
    "aiops.mine_rules.recurring": "aiops.mine_rules.mute_time",
    "aiops.mine_rules.duplicate": "aiops.mine_rules.grouping",
    "aiops.mine_rules.transient": "aiops.mine_rules.wait",
    "aiops.mine_rules.flapping": "aiops.mine_rules.keep_firing",
    "aiops.mine_rules.implied": "aiops.mine_rules.inhibition",
    "aiops.mine_rules.quiet": "aiops.mine_rules.demotion",
    "aiops.mine_rules.grouping.join_seconds": "aiops.mine_rules.grouping.group_interval_seconds",
    "aiops.mine_rules.grouping.repeat_seconds": "aiops.mine_rules.grouping.repeat_interval_seconds",
    "aiops.mine_rules.wait.waits_seconds": "aiops.mine_rules.wait.for_seconds",
    "aiops.mine_rules.keep_firing.holds_seconds": (
        "aiops.mine_rules.keep_firing.keep_firing_for_seconds"
    ),
    "aiops.mine_rules.families=duplicate": "aiops.mine_rules.families=grouping",
    "aiops.mine_rules.families=transient": "aiops.mine_rules.families=wait",
    "aiops.mine_rules.families=flapping": "aiops.mine_rules.families=keep_firing",
    "aiops.mine_rules.families=implied": "aiops.mine_rules.families=inhibition",
    "aiops.mine_rules.families=recurring": "aiops.mine_rules.families=mute_time",
    "aiops.mine_rules.families=quiet": "aiops.mine_rules.families=demotion",
    "aiops.mine_rules.memory_mb": _MEMORY,
    "aiops.response": "aiops.remediation",
    "aiops.analysis.parts": "release.yaml:runtime.partitions",
    "aiops.analysis.memory_mb": _MEMORY,
    "aiops.metric_anomalies.false_share": "aiops.metric_anomalies.fdr_limit",
    "aiops.metric_anomalies.most_series": "aiops.metric_anomalies.max_series",
    "aiops.metric_anomalies.most_plots": "aiops.metric_anomalies.max_plots",
    "aiops.log_anomalies.false_share": "aiops.log_anomalies.fdr_limit",
    "aiops.log_anomalies.false_share_new": "aiops.log_anomalies.new_fdr_limit",
    "aiops.log_anomalies.most_plots": "aiops.log_anomalies.max_plots",
    "aiops.group_incidents.same_minutes": "aiops.group_incidents.same_service_gap_minutes",
    "aiops.group_incidents.near_minutes": "aiops.group_incidents.neighbour_gap_minutes",
    "aiops.group_incidents.anywhere_minutes": "aiops.group_incidents.global_gap_minutes",
    "aiops.group_incidents.longest_minutes": "aiops.group_incidents.max_incident_minutes",
    "aiops.group_incidents.usual_days": "aiops.group_incidents.background_days",
    "aiops.group_incidents.usual_share": "aiops.group_incidents.background_share",
}
"""Old dotted key (or ``key=value``) → new one; see `pipelines.core.settings.Section.renamed`."""
