"""Alerts that fire now, what may be done about them, and whether it helped.

Limits outlive a restart. What helped: alerts that ended soon after an action, against those that
nobody touched. An untreated episode of the same rule's alerts is a fair comparison only if it lived
as long as the treated one had when it was treated: short ones end by themselves before anybody
could act.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.alerting.config import matches
from pipelines.aiops.alerting.publishing.released import PRODUCT
from pipelines.aiops.alerting.rules import KnownFixRule, Rule
from pipelines.aiops.lake.frame import NEVER, AlertFrame
from pipelines.aiops.params.alert_rules import ActionParams
from pipelines.core.stats import newcombe_interval, normal_quantile
from pipelines.core.time import SECOND_US
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


LEVEL = 0.95
METHOD = (
    "share of treated episodes that ended in time, less that of untreated ones of the same rule "
    "that lived as long; Newcombe's hybrid score interval"
)


@dataclass(frozen=True)
class ActionEffect:
    """Effect of one action under one rule.

    Attributes
    ----------
    rule, action : str
        Their ids.
    n, ended : int
        Treated episodes that history knows, and those that ended within the time.
    controls : int
        Untreated episodes that were compared with.
    share, control_share : float or None
        Share of treated episodes that ended in time, and of untreated ones that lived as long.
    difference : float or None
        ``share - control_share``.
    low, high : float or None
        95 % confidence interval of the difference. None, as those above, where there is nothing to
        compute it from; `missing` says why.
    missing : str
        Why there is no difference; empty if there is one.
    """

    rule: str
    action: str
    n: int
    ended: int
    controls: int
    share: float | None
    control_share: float | None
    difference: float | None
    low: float | None
    high: float | None
    missing: str = ""


def measure(
    entries: Sequence[Entry], frame: AlertFrame, rules: Sequence[Rule], minutes: int
) -> list[ActionEffect]:
    """Measure what executed remediations did.

    Parameters
    ----------
    entries : sequence of Entry
        The ledger's.
    frame : AlertFrame
        Alert history up to now, with the treated episodes in it.
    rules : sequence of Rule
        Rules in production; only known fixes matter.
    minutes : int
        An alert that ends within so many minutes counts as remediated.

    Returns
    -------
    list of ActionEffect
        One for each pair of rule and action that was executed, in order of their ids; rules that
        aren't among `rules` are left out.
    """
    done = [
        entry
        for entry in remediations(entries)
        if entry.data.get("step") == ENDED and entry.data.get("outcome") == "done"
    ]
    touched = {
        str(entry.data.get("episode"))
        for entry in remediations(entries)
        if entry.data.get("step") != DRY
    }
    pairs = sorted({(str(entry.data["rule"]), str(entry.data["action"])) for entry in done})
    known = {rule.id: rule for rule in rules if isinstance(rule, KnownFixRule)}
    found = []
    for rule, action in pairs:
        mine = [o for o in done if (o.data["rule"], o.data["action"]) == (rule, action)]
        if rule in known:
            rows = _rows(frame, known[rule])
            found.append(_compared(rule, action, _count(mine, frame, rows, touched, minutes)))
    return found


def _rows(frame: AlertFrame, rule: KnownFixRule) -> NDArray[np.int64]:
    # Matched once a series, then spread to rows.
    hit = np.array([matches(rule.matchers, labels) for labels in frame.labels], dtype=bool)
    if not len(hit):
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero(hit[frame.series])


@dataclass(frozen=True)
class _Counts:
    """What one action under one rule was seen to do."""

    n: int
    ended: int
    shares: tuple[float, ...]
    controls: int


def _count(
    done: Sequence[Entry],
    frame: AlertFrame,
    rows: NDArray[np.int64],
    touched: set[str],
    minutes: int,
) -> _Counts:
    within = minutes * 60 * SECOND_US
    names = {series: series_of(frame.labels[series]) for series in set(frame.series[rows].tolist())}
    episodes = {
        episode_of(names[int(frame.series[row])], int(frame.starts[row])): int(row) for row in rows
    }
    free = np.array(sorted(row for name, row in episodes.items() if name not in touched), dtype=int)
    # Shape (untreated episodes,): how long each lived; one whose end isn't known outlives all.
    lived = np.where(frame.ends[free] >= NEVER, NEVER, frame.ends[free] - frame.starts[free])
    n, ended, shares, used = 0, 0, [], np.zeros(len(free), dtype=bool)
    for entry in done:
        row = episodes.get(str(entry.data["episode"]))
        if row is None:
            continue
        n += 1
        at = int(time_of(entry).timestamp() * SECOND_US)
        ended += bool(frame.ends[row] <= at + within)
        age = int(entry.data["age_seconds"]) * SECOND_US
        # Compared with those that lived longer than the treated one had when it was treated.
        alike = lived > age
        used |= alike
        if alike.any():
            shares.append(float(np.mean(lived[alike] <= age + within)))
    return _Counts(n, ended, tuple(shares), int(used.sum()))


def _compared(rule: str, action: str, seen: _Counts) -> ActionEffect:
    n, ended, controls = seen.n, seen.ended, seen.controls
    share = ended / n if n else None
    if share is None or not controls:
        missing = (
            "history doesn't hold the treated alerts yet"
            if share is None
            else "no untreated episode lived as long as the treated ones"
        )
        return ActionEffect(
            rule, action, n, ended, controls, share, None, None, None, None, missing
        )
    control = sum(seen.shares) / len(seen.shares)
    low, high = newcombe_interval(share, n, control, controls, normal_quantile(LEVEL))
    return ActionEffect(
        rule, action, n, ended, controls, share, control, share - control, float(low), float(high)
    )
