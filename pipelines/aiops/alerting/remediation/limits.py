"""Alerts that fire now, and what may be done about them: limits outlive a restart."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from pipelines.aiops.alerting.publishing.released import PRODUCT
from pipelines.aiops.lake.frame import AlertFrame
from pipelines.aiops.params.alert_rules import ActionParams
from pipelines.release.ledger import Entry


@dataclass(frozen=True)
class LiveAlert:
    """An alert that fires.

    Attributes
    ----------
    labels : mapping of str to str
        Its labels.
    starts : int, microseconds since 1970
        When it began to fire.
    """

    labels: Mapping[str, str]
    starts: int

    @property
    def series(self) -> str:
        """Hash of the labels: equal for the same alert at another time."""
        return series_of(self.labels)

    @property
    def episode(self) -> str:
        """Hash of labels and start: the ledger knows an episode by it, not by its labels."""
        return episode_of(self.series, self.starts)


def series_of(labels: Mapping[str, str]) -> str:
    """Return the hash of a label set.

    Parameters
    ----------
    labels : mapping of str to str
        In any order.

    Returns
    -------
    str
        32 hex digits (the beginning of a SHA-256).
    """
    text = "\0".join(f"{name}\1{labels[name]}" for name in sorted(labels))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def episode_of(series: str, starts: int) -> str:
    """Return the hash of an episode.

    Parameters
    ----------
    series : str
        As `series_of` returns it.
    starts : int, microseconds since 1970
        When the episode began.

    Returns
    -------
    str
        32 hex digits (the beginning of a SHA-256).
    """
    return hashlib.sha256(f"{series}\0{starts}".encode()).hexdigest()[:32]


def live_alerts(frame: AlertFrame, now: int) -> list[LiveAlert]:
    """Return the alerts of a frame that fire at a moment.

    Parameters
    ----------
    frame : AlertFrame
        Alert history.
    now : int, microseconds since 1970
        The moment.

    Returns
    -------
    list of LiveAlert
        Oldest first, each series and start once.
    """
    firing = np.flatnonzero((frame.starts <= now) & (frame.ends > now))
    found = {
        (int(frame.series[row]), int(frame.starts[row])): LiveAlert(
            frame.labels[frame.series[row]], int(frame.starts[row])
        )
        for row in firing
    }
    return sorted(found.values(), key=lambda alert: (alert.starts, alert.series))


STARTED, ENDED, DRY = "started", "ended", "dry_run"


def remediations(entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries of remediations.

    Parameters
    ----------
    entries : sequence of Entry
        The ledger's, oldest first.

    Returns
    -------
    list of Entry
        Oldest first; attempts, their ends and dry runs.
    """
    return [entry for entry in entries if entry.kind == "remediation" and entry.subject == PRODUCT]


def time_of(entry: Entry) -> datetime:
    """Return the time of an entry.

    Parameters
    ----------
    entry : Entry
        Of any kind.

    Returns
    -------
    datetime
        UTC, with its time zone.
    """
    return datetime.strptime(entry.time, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


def objection(
    alert: LiveAlert, action: ActionParams, entries: Sequence[Entry], now: datetime, *, dry: bool
) -> str:
    """Return why the action must not be taken for the alert now.

    An attempt counts from its start, however it ended: what fails or hangs isn't tried again and
    again. Dry runs have limits of their own, so that they show what would happen.

    Parameters
    ----------
    alert : LiveAlert
        The alert.
    action : ActionParams
        The action, with its limits.
    entries : sequence of Entry
        The ledger's.
    now : datetime
        With a time zone.
    dry : bool
        Whether earlier dry runs count, instead of real attempts.

    Returns
    -------
    str
        The reason; empty if the action may be taken.
    """
    kind = DRY if dry else STARTED
    tried = [entry for entry in remediations(entries) if entry.data.get("step") == kind]
    if any(entry.data.get("episode") == alert.episode for entry in tried):
        return "tried for this alert already"
    mine = [entry for entry in tried if entry.data.get("action") == action.id]
    cooled = now - timedelta(seconds=action.cooldown_seconds)
    same = [entry for entry in mine if entry.data.get("series") == alert.series]
    if any(time_of(entry) > cooled for entry in same):
        return f"tried for these labels less than {action.cooldown_seconds} s ago"
    hour = [entry for entry in mine if time_of(entry) > now - timedelta(hours=1)]
    if len(hour) >= action.max_per_hour:
        return f"{action.id} ran {len(hour)} times within the hour, and no more is allowed"
    return ""
