"""What may be done now, told by the ledger: limits outlive a restart."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pipelines.aiops.noise.publish.released import PRODUCT
from pipelines.aiops.noise.response.alerts import LiveAlert
from pipelines.aiops.params.response import ActionParams
from pipelines.release.ledger import Entry

STARTED, ENDED, DRY = "started", "ended", "dry_run"


def remediations(entries: Sequence[Entry]) -> list[Entry]:
    """Entries of remediations, oldest first."""
    return [one for one in entries if one.kind == "remediation" and one.subject == PRODUCT]


def time_of(entry: Entry) -> datetime:
    """Time of an entry."""
    return datetime.strptime(entry.time, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


def objection(
    alert: LiveAlert, action: ActionParams, entries: Sequence[Entry], now: datetime, *, dry: bool
) -> str:
    """Why the action must not be taken for the alert now; empty if it may.

    An attempt counts from its start, however it ended: what fails or hangs isn't tried again and
    again. Dry runs have limits of their own, so that they show what would happen.
    """
    kind = DRY if dry else STARTED
    tried = [one for one in remediations(entries) if one.data.get("step") == kind]
    if any(one.data.get("episode") == alert.episode for one in tried):
        return "tried for this alert already"
    mine = [one for one in tried if one.data.get("action") == action.id]
    cooled = now - timedelta(seconds=action.cooldown_seconds)
    same = [one for one in mine if one.data.get("series") == alert.series]
    if any(time_of(one) > cooled for one in same):
        return f"tried for these labels less than {action.cooldown_seconds} s ago"
    hour = [one for one in mine if time_of(one) > now - timedelta(hours=1)]
    if len(hour) >= action.max_per_hour:
        return f"{action.id} ran {len(hour)} times within the hour, and no more is allowed"
    return ""
