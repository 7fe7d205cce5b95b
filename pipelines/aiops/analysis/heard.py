"""Alerts that people would be told of, by today's configuration and the released rules."""

from datetime import timedelta
from pathlib import Path

from pipelines.aiops.analysis.read import rows_between
from pipelines.aiops.analysis.window import Window, lake_of
from pipelines.aiops.artifacts import RULES_RELEASED
from pipelines.aiops.findings import Finding
from pipelines.aiops.incidents.contract import alert_findings
from pipelines.aiops.noise.replay import replay
from pipelines.aiops.noise.rules import Rule
from pipelines.aiops.noise.today import todays_config
from pipelines.aiops.params import AiopsParams
from pipelines.aiops.telemetry.contract import ALERTS
from pipelines.aiops.telemetry.frame import NEVER
from pipelines.aiops.telemetry.read import read_lake

TOLD = ("paged", "notified")
SETTLE = timedelta(days=1)
"""Alerts so long before are replayed too: what still fires then decides what is told now."""


def heard(params: AiopsParams, window: Window) -> tuple[list[Finding], str]:
    """Give the alerts of a time that somebody would be told of, and say in words which they are.

    Nothing after the window's end is known: neither alerts nor ends of alerts.
    """
    rules, told = _released()
    ids = _told(params, window, rules)
    rows = rows_between(params, ALERTS, window)
    found = alert_findings(rows, window.end_us)
    return [one for one in found if one.evidence["alert_id"] in ids], told


def _released() -> tuple[tuple[Rule, ...], str]:
    from pipelines.aiops.watch_rules import released_rules
    from pipelines.release.released import read_released

    released = read_released(RULES_RELEASED) if Path(RULES_RELEASED).is_file() else None
    if released is None:
        return (), "alerts that today's configuration notifies of; no rules are released"
    return (
        released_rules(released),
        f"alerts that today's configuration notifies of with the rules of {released.name}",
    )


def _told(params: AiopsParams, window: Window, rules: tuple[Rule, ...]) -> set[str]:
    """Ids of alerts that are told of, by an exact replay up to the window's end."""
    import numpy as np

    first = (window.start - SETTLE).date()
    lake = lake_of(params.analysis)
    frame = read_lake(lake, first, window.last_day, params.analysis.memory_mb, ids=True)
    frame = frame.where(frame.starts < window.end_us)
    if not len(frame):
        return set()
    frame.ends[frame.ends > window.end_us] = NEVER
    config = todays_config(params.export_rules.alertmanager_yml)
    result = replay(frame, config, rules=rules, until=window.end_us)
    assert frame.ids is not None
    kept = np.asarray(result.alerts["status"].isin(TOLD))
    return set(frame.ids[kept].tolist())
