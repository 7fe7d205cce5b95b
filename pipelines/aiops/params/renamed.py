"""Keys of section ``aiops`` that were renamed or removed.

`RENAMED` is the one list of what an old key is called now, `REMOVED` of those without successor.
"""

import sys
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

_MEMORY = "release.yaml:runtime.memory_mb"

RENAMED: Final[Mapping[str, str]] = {
    "aiops.telemetry.memory_mb": _MEMORY,
    "aiops.alert_history.memory_mb": _MEMORY,
    "aiops.mine_rules.memory_mb": _MEMORY,
    "aiops.export_rules.guard_step_seconds": "aiops.export_rules.step_seconds",
    "aiops.export_rules.publish.guards_yml": "aiops.export_rules.publish.hold_rules_yml",
    "aiops.response": "aiops.remediation",
    "aiops.analysis.parts": "release.yaml:runtime.partitions",
    "aiops.analysis.memory_mb": _MEMORY,
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

REMOVED_FAMILIES = frozenset(
    ("grouping", "wait", "keep_firing", "inhibition", "mute_time", "demotion", "duplicate",
     "transient", "flapping", "implied", "recurring", "quiet")
)  # fmt: skip
"""Families of rules that earlier versions mined and released, under either of their names."""

REMOVED: Final[Mapping[str, frozenset[str]]] = {
    "mine_rules": REMOVED_FAMILIES
    | {"train", "validation", "learn", "choose", "alpha", "min_days", "min_episodes",
       "independence_seconds", "max_values", "max_patterns", "max_rules"},
    "mine_rules.families": REMOVED_FAMILIES,
    "select_rules": frozenset(
        ("max_median_delay_seconds", "max_late_share", "max_incident_delay_seconds", "renew",
         "tolerance")
    ),
}  # fmt: skip
"""Section of ``aiops`` → its keys (of a list its values) that were removed.

Rules of the families that they belong to aren't mined any more; lone short alerts of noisy names
are held instead (``aiops.mine_rules.hold``).
"""

UNREAD: Final[Mapping[str, frozenset[str]]] = {
    "export_rules": frozenset(("prometheus_rules",)),
    "export_rules.publish": frozenset(("prometheus_rules",)),
    "metric_anomalies": frozenset(("fdr_limit", "false_share")),
}
"""Section of ``aiops`` → its keys that nothing reads any more. They did no harm, so a file that
has one is taken as it is, with a note."""


@cache
def _note(key: str) -> None:
    print(f"note: {key} isn't read any more, take it out", file=sys.stderr, flush=True)


def without_unread(section: str, raw: Any) -> Any:
    """Leave out keys that nothing reads any more; what one says is noted, once a process.

    Parameters
    ----------
    section : str
        Name of the section below ``aiops``.
    raw : object
        What the file has there.

    Returns
    -------
    object
        The same without them.
    """
    if not isinstance(raw, Mapping):
        return raw
    for key in sorted(UNREAD[section] & set(raw)):
        if raw[key]:
            _note(f"aiops.{section}.{key}")
    return {key: value for key, value in raw.items() if key not in UNREAD[section]}


def refuse_removed(section: str, raw: Any) -> None:
    """Refuse keys that were removed.

    Parameters
    ----------
    section : str
        Name of the section below ``aiops``.
    raw : object
        What the file has there.

    Raises
    ------
    ValueError
        Naming them.
    """
    given = raw if isinstance(raw, Mapping) else {}
    found = sorted(REMOVED[section] & set(given))
    listed = given.get("families")
    if f"{section}.families" in REMOVED and isinstance(listed, list):
        texts = {name for name in listed if isinstance(name, str)}
        found += [f"families: {name}" for name in sorted(REMOVED[f"{section}.families"] & texts)]
    if found:
        raise ValueError(
            f"{', '.join(found)}: removed in this version, take it out (docs/alert-rules.md says "
            "what is mined instead: aiops.mine_rules.hold)"
        )
