"""Alerts by which guards tell of what rules hide: natively Prometheus rules over ``ALERTS``.

- `GUARD_NAME`: more of a rule's alerts started within a sliding window than ever.
- `STILL_NAME`: an alert fires for longer than ever; it has the alert's own labels.

For a mute-time rule only what is muted counts: starts in its interval, and time in it.
`pipelines.aiops.alerting.export.guard_rules` writes the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipelines.aiops.alerting.config import (
    DAY,
    GUARD_NAME,
    SECOND,
    STILL_NAME,
    interval_of,
    values_of,
)
from pipelines.aiops.alerting.config.model import stretches
from pipelines.aiops.alerting.replay.model import Episodes, FiringPeriods, LabelTable
from pipelines.aiops.alerting.replay.outcome import (
    DEMOTED,
    FOLDED,
    MUTED,
    PAGED,
    Lookups,
    Outcomes,
)
from pipelines.aiops.alerting.rules import DemotionRule, Guard, MuteTimeRule, Rule
from pipelines.aiops.lake.frame import Labels
from pipelines.core.arrays import Ints, codes_of, merged, search, spread

_SEVERITIES = ("critical", "page", "error", "high", "warning", "medium", "info", "low")
_REPLACED = ("alert", "rule")
"""Labels that `STILL_NAME` sets: alerts that differ in nothing else are one to it."""


def counted_by(guard: Guard) -> tuple[str, ...]:
    """Return the labels that a guard's count is kept apart by, without those that its alert sets.

    Counts that differ in those only would be alerts with equal labels, which Prometheus refuses.

    Parameters
    ----------
    guard : Guard
        The guard of a rule.

    Returns
    -------
    tuple of str
        Label names, in the guard's order.
    """
    return tuple(name for name in guard.by if name not in ("alertname", "rule", "severity"))


def guard_labels(rule: Rule) -> Labels:
    """Return the labels of a rule's `GUARD_NAME`, without those it counts by.

    Its severity is the worst that the rule's matchers name, ``critical`` if they name none: a
    storm of quiet alerts has to go where somebody looks.

    Parameters
    ----------
    rule : Rule
        The rule that hides alerts.

    Returns
    -------
    dict of str to str
        ``alertname``, ``rule`` and ``severity``.
    """
    named = [
        value
        for matcher in rule.matchers
        if matcher.label == "severity"
        for value in values_of(matcher) or ()
    ]
    rank = {name: i for i, name in enumerate(_SEVERITIES)}
    worst = min(named, key=lambda name: (rank.get(name, len(rank)), name), default="critical")
    return {"alertname": GUARD_NAME, "rule": rule.id, "severity": worst}


def still_labels(rule: Rule, labels: Labels) -> Labels:
    """Return the labels of `STILL_NAME` for a hidden alert.

    Parameters
    ----------
    rule : Rule
        The rule that hides the alert.
    labels : dict of str to str
        The alert's own labels.

    Returns
    -------
    dict of str to str
        The alert's labels, with its name moved to ``alert`` and the rule's id in ``rule``.
    """
    kept = {name: value for name, value in labels.items() if name not in _REPLACED}
    kept |= {"alertname": STILL_NAME, "rule": rule.id}
    return kept | ({"alert": labels["alertname"]} if labels.get("alertname") else {})


@dataclass(frozen=True)
class GuardAlert:
    """Alerts of one guard, and which hidden alerts each of them reports.

    Attributes
    ----------
    rule : Rule
        The rule that is guarded.
    labels : list of dict of str to str
        Label sets of the guard's alerts.
    series : array of int64, shape (guard periods,)
        Index into `labels`; `replay_guards` returns it as an index into the grown `LabelTable`.
    starts, ends : array of int64, shape (guard periods,), microseconds since 1970
        When the guard's alerts fire, end exclusive; sorted by series and start.
    period, by : array of int64, shape (pairs,)
        Index of a hidden alert's firing period, and index of the guard's firing period that
        reports it.
    own : bool
        Whether only an alert that this very rule hides is reported: a count has no names.
    """

    rule: Rule
    labels: list[Labels]
    series: Ints
    starts: Ints
    ends: Ints
    period: Ints
    by: Ints
    own: bool


@dataclass(frozen=True)
class _GuardPieces:
    """When alerts that a rule hides fire, as far as it hides them."""

    period: Ints
    series: Ints
    starts: Ints
    ends: Ints
    whole: Ints

    def __len__(self) -> int:
        return len(self.period)


def _hidden(
    rule: DemotionRule | MuteTimeRule, table: LabelTable, periods: FiringPeriods
) -> _GuardPieces:
    """Return the parts of firing periods that a rule hides; `whole`: 1 if the start is in it."""
    mine = np.flatnonzero(table.mask(rule.matchers)[periods.series])
    # A demotion rule hides whole firing periods, a recurring one only what falls into its hours.
    starts, ends = periods.starts[mine], periods.ends[mine]
    if isinstance(rule, DemotionRule) or not len(mine):
        return _GuardPieces(mine, periods.series[mine], starts, ends, np.ones_like(mine))
    ranges = interval_of(rule).ranges
    inside = stretches(ranges, int(starts.min()) - DAY, int(ends.max()) + DAY)
    low, high = np.array(inside, dtype=np.int64).reshape(-1, 2).T
    first = np.searchsorted(high, starts, side="right")
    # What ends as it starts has its start in the hours all the same.
    stop = np.searchsorted(low, np.maximum(ends, starts + 1))
    owner, at = spread(first, np.maximum(stop - first, 0))
    begins, stops = np.maximum(starts[owner], low[at]), np.minimum(ends[owner], high[at])
    period = mine[owner]
    return _GuardPieces(
        period, periods.series[period], begins, stops, (begins == starts[owner]).astype(np.int64)
    )


def _counted(
    rule: Rule, guard: Guard, table: LabelTable, pieces: _GuardPieces
) -> GuardAlert | None:
    """Return the guard's alerts: fire while more than ``max_count`` starts are in the window."""
    begun = np.flatnonzero(pieces.whole)
    if len(begun) <= guard.max_count:
        return None
    columns = [table.column(name)[0][pieces.series[begun]] for name in counted_by(guard)]
    key_of = codes_of(columns, len(begun))
    order = np.lexsort((pieces.starts[begun], key_of))
    starts, key = pieces.starts[begun][order], key_of[order]
    # More than n starts in a window: a start and the one n before it (same key) are that close.
    back, window = guard.max_count, guard.window_seconds * SECOND
    now = np.arange(back, len(key))
    before = now - back
    storm = (key[now] == key[before]) & (starts[now] - starts[before] < window)
    if not storm.any():
        return None
    found = merged(key[now[storm]], starts[now[storm]], starts[before[storm]] + window)[:3]
    # The first of its firing periods that isn't over; it tells of what its window holds.
    at = search(found[0], found[2], key_of, pieces.starts[begun])
    inside = np.minimum(at, len(found[0]) - 1)
    covered = (at < len(found[0])) & (found[0][inside] == key_of)
    covered &= pieces.starts[begun] >= found[1][inside] - window
    # One label set a key, from any of the series that it counts.
    keys, code = np.unique(found[0], return_inverse=True)
    _, example = np.unique(key_of, return_index=True)
    labels = []
    for series_id in pieces.series[begun][example[keys]].tolist():
        own = table.labels[series_id]
        by = {name: own[name] for name in counted_by(guard) if name in own}
        labels.append({**by, **guard_labels(rule)})
    pairs = pieces.period[begun][covered], inside[covered]
    return GuardAlert(rule, labels, code.astype(np.int64), found[1], found[2], *pairs, own=True)


def _alike(table: LabelTable, series: Ints) -> Ints:
    """Return for each series the first of those that `STILL_NAME` can't tell apart from it."""
    if all(table.column(name)[1] in ([], [""]) for name in _REPLACED):
        return series
    first: dict[tuple[tuple[str, str], ...], int] = {}
    known = np.unique(series)
    alike = []
    for series_id in known.tolist():
        kept = {k: v for k, v in table.labels[series_id].items() if k not in _REPLACED}
        alike.append(first.setdefault(tuple(sorted(kept.items())), series_id))
    return np.array(alike, dtype=np.int64)[np.searchsorted(known, series)]


def _united(pieces: _GuardPieces, alike: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Like `merged`; pieces of series that nothing is alike to never touch, and are in order."""
    if alike is pieces.series:
        return alike, pieces.starts, pieces.ends, np.arange(len(pieces))
    return merged(alike, pieces.starts, pieces.ends)


def _lasting(
    rule: Rule, guard: Guard, table: LabelTable, pieces: _GuardPieces
) -> GuardAlert | None:
    """Return the guard's alerts: fire once an alert is hidden for longer than ``max_seconds``."""
    if guard.max_seconds is None or not len(pieces):
        return None
    limit = guard.max_seconds * SECOND
    who, starts, ends, of_piece = _united(pieces, _alike(table, pieces.series))
    # Like any ``for``: what ends at the very moment doesn't fire.
    lasts = ends - starts > limit
    if not lasts.any():
        return None
    number = np.cumsum(lasts) - 1
    begins = starts[lasts] + limit
    covered = lasts[of_piece]
    covered[covered] = pieces.ends[covered] > begins[number[of_piece[covered]]]
    series, code = np.unique(who[lasts], return_inverse=True)
    labels = [still_labels(rule, table.labels[series_id]) for series_id in series.tolist()]
    pairs = pieces.period[covered], number[of_piece[covered]]
    return GuardAlert(rule, labels, code.astype(np.int64), begins, ends[lasts], *pairs, own=False)


def _guard_alerts(
    rules: Sequence[Rule], table: LabelTable, periods: FiringPeriods
) -> Iterator[GuardAlert]:
    for rule in rules:
        if not isinstance(rule, DemotionRule | MuteTimeRule) or rule.guard is None:
            continue
        pieces = _hidden(rule, table, periods)
        for found in (
            _counted(rule, rule.guard, table, pieces),
            _lasting(rule, rule.guard, table, pieces),
        ):
            if found is not None:
                yield found


def replay_guards(
    rules: Sequence[Rule], table: LabelTable, periods: FiringPeriods
) -> tuple[LabelTable, FiringPeriods, list[GuardAlert]]:
    """Add the alerts of the rules' guards to the alerts of the replay.

    Parameters
    ----------
    rules : sequence of Rule
        Only quiet and mute-time rules with a guard matter.
    table : LabelTable
        Labels of all series.
    periods : FiringPeriods
        When each series fires.

    Returns
    -------
    table : LabelTable
        Labels with those of the guards' alerts after them.
    periods : FiringPeriods
        Firing periods with those of the guards after them.
    guard_alerts : list of GuardAlert
        What each guard reports; `GuardAlert.by` is an index into the grown `periods`.
    """
    labels: list[Labels] = []
    guard_alerts: list[GuardAlert] = []
    size = len(periods)
    for each in _guard_alerts(rules, table, periods):
        first = len(table) + len(labels)
        labels += each.labels
        guard_alerts.append(replace(each, series=first + each.series, by=size + each.by))
        size += len(each.series)
    if not guard_alerts:
        return table, periods, []

    def grown(name: str) -> Ints:
        return np.concatenate(
            [getattr(periods, name), *(getattr(each, name) for each in guard_alerts)]
        )

    # Guards have new series, the last ones: firing periods stay sorted, and keep their places.
    more = replace(periods, series=grown("series"), starts=grown("starts"), ends=grown("ends"))
    return table.with_more(labels), more, guard_alerts


def lookups_of(periods: FiringPeriods, guard_alerts: Sequence[GuardAlert]) -> Lookups:
    """Return what is looked up: each episode's own notifications, then those of guards of it.

    Parameters
    ----------
    periods : FiringPeriods
        As `replay_guards` returns them, with their episodes.
    guard_alerts : sequence of GuardAlert
        As `replay_guards` returns them.

    Returns
    -------
    Lookups
        The targets are the episodes, and then the pairs of `_reported_episodes`, guard by guard.
    """
    episodes = periods.episodes
    pairs = [_reported_episodes(each, episodes) for each in guard_alerts]
    at = np.concatenate([np.arange(len(episodes)), *(episode for _, episode in pairs)])
    by = [each.by[pair] for each, (pair, _) in zip(guard_alerts, pairs, strict=True)]
    period = np.concatenate([episodes.period, *by])
    return Lookups.of(period, episodes.starts[at], episodes.ends[at])


def _reported_episodes(guard_alert: GuardAlert, episodes: Episodes) -> tuple[Ints, Ints]:
    """Return the episodes of each (hidden alert, guard's alert) pair: (pair, episode)."""
    fired = np.flatnonzero(episodes.period >= 0)
    # Episodes and firing periods are both in order of series and start.
    first = np.searchsorted(episodes.period[fired], guard_alert.period)
    stop = np.searchsorted(episodes.period[fired], guard_alert.period, side="right")
    pair, at = spread(first, stop - first)
    return pair, fired[at]


def merge_guard_outcomes(
    guard_alerts: Sequence[GuardAlert],
    outcomes: Outcomes,
    origins: dict[str, int],
    episodes: Episodes,
    lookups: Lookups,
) -> None:
    """Record which hidden alerts a guard's page reported: ``folded``.

    Of an alert's first pages, its own and those of guards, the earliest counts. A guard's page
    notifies of an alert that the guard's rule hides, if it is sent while the alert's own episode
    lasts. An alert that was paged anyway keeps its status.

    Parameters
    ----------
    guard_alerts : sequence of GuardAlert
        As `replay_guards` returns them.
    outcomes : Outcomes
        Changed in place.
    origins : dict of str to int
        Rule id → number in `Outcomes.rule`, as `origins_of` counts.
    episodes : Episodes
        The alerts' own episodes.
    lookups : Lookups
        As `lookups_of` made them; first pages of the episodes are changed in place.
    """
    done = len(episodes)
    for each in guard_alerts:
        status, rule = outcomes.status[each.period], outcomes.rule[each.period]
        own = (rule == origins.get(each.rule.id, -1)) if each.own else (rule >= 0)
        hidden = np.isin(status, [DEMOTED, MUTED, FOLDED]) & own
        reported = hidden | (status == PAGED)
        pair, episode = _reported_episodes(each, episodes)
        target = done + np.flatnonzero(reported[pair])
        done += len(pair)
        for found in (lookups.first_page, lookups.first_notification):
            np.minimum.at(found, episode[reported[pair]], found[target])
        reported &= outcomes.pages[each.by] > 0
        period, by, hidden = each.period[reported], each.by[reported], hidden[reported]
        outcomes.status[period[hidden]] = FOLDED
        # Of several guards' pages the earliest counts for a hidden alert.
        page = outcomes.first_page[by]
        order = np.lexsort((by, page, period))
        who, first = np.unique(period[order], return_index=True)
        at = order[first]
        sooner = page[at] < outcomes.first_page[who]
        outcomes.first_page[who[sooner]] = page[at][sooner]
        outcomes.group[who[sooner]] = outcomes.group[by[at][sooner]]
