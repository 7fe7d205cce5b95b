"""Respond in a project: the released rules, the lake's alerts, the ledger's limits."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pipelines.aiops.noise.publish.history import withdrawn
from pipelines.aiops.noise.publish.released import PRODUCT, released_rules
from pipelines.aiops.noise.response.alerts import live_alerts
from pipelines.aiops.noise.response.effect import LEVEL, METHOD, measure
from pipelines.aiops.noise.response.execute import DagTrigger
from pipelines.aiops.noise.response.run import run_responses
from pipelines.aiops.params import AiopsParams
from pipelines.release.ledger import Ledger
from pipelines.release.releasing.lock import alone


def _now() -> datetime:
    return datetime.now(UTC)


def respond(
    project: Path,
    params: AiopsParams,
    *,
    trigger: DagTrigger | None = None,
    clock: Callable[[], datetime] = _now,
) -> list[dict[str, Any]]:
    """Answer the alerts that fire now; one result an alert with a known fix.

    Only released rules count, and none that expired or was withdrawn. Two at once are refused:
    limits would not hold.

    Raises
    ------
    SignalboxError
        If nothing is released, or the ledger can't be written.
    """
    from pipelines.aiops.telemetry.read import read_lake

    with alone(project, f"{PRODUCT}-response"):
        now, ledger = clock(), Ledger.of(project)
        out = withdrawn(ledger.entries())
        rules = [
            rule
            for rule in released_rules(project).rules
            if rule.expires >= now.date() and rule.id not in out
        ]
        since = now - timedelta(minutes=params.response.max_age_minutes)
        lake = project / params.alert_history.lake
        frame = read_lake(lake, since.date(), now.date(), params.alert_history.memory_mb)
        alerts = live_alerts(frame, round(now.timestamp() * 1e6))
        found = run_responses(alerts, rules, params.response, ledger, clock, trigger=trigger)
    return [asdict(one) for one in found]


def effects(project: Path, params: AiopsParams) -> dict[str, Any]:
    """Return what executed responses did, against doing nothing."""
    from pipelines.aiops.telemetry.read import read_lake

    frame = read_lake(project / params.alert_history.lake, memory_mb=params.alert_history.memory_mb)
    rules = released_rules(project).rules
    found = measure(Ledger.of(project).entries(), frame, rules, params.response.success_minutes)
    return {"method": METHOD, "level": LEVEL, "effects": [asdict(one) for one in found]}
