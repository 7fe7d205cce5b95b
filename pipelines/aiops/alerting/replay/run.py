"""`replay`: from alerts and a configuration to what was told; a few million alerts at a time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipelines.aiops.alerting import windows
from pipelines.aiops.alerting.config import Config, Silence, apply_rules
from pipelines.aiops.alerting.replay.flushes import firing_intervals_of, observe_at_flushes, rows_of
from pipelines.aiops.alerting.replay.held_pages import (
    add_held_pages,
    held_by_rules,
    lookups_of,
    merge_held_outcomes,
)
from pipelines.aiops.alerting.replay.lifetimes import fire, lifetimes
from pipelines.aiops.alerting.replay.model import (
    FiringPeriods,
    Groups,
    HeldAlerts,
    LabelTable,
    ReplayInputs,
    Timing,
    timing_of,
)
from pipelines.aiops.alerting.replay.notification_log import notify, notify_in_turn
from pipelines.aiops.alerting.replay.outcome import (
    FOLDED,
    NOT_YET,
    NOTIFIED,
    PAGED,
    STATUSES,
    Collector,
    Lookups,
    Outcomes,
    ReplayTrace,
    count_pages,
    judge,
)
from pipelines.aiops.alerting.replay.pagerduty import PagerdutyAlerts, PagerdutyEvents
from pipelines.aiops.alerting.replay.routing import route_series
from pipelines.aiops.alerting.replay.suppression import origins_of, suppressed
from pipelines.aiops.alerting.rules import Rule
from pipelines.aiops.lake.frame import NEVER, AlertFrame
from pipelines.core.arrays import Ints, spread
from pipelines.core.errors import SignalboxError
from pipelines.core.runtime import DEFAULT_MEMORY_MB

if TYPE_CHECKING:
    import pandas as pd


CHUNK = 100_000
"""Members of groups (alerts, mostly) worked on at once: so many take 50 MB at most, and more at
once are no faster."""


@dataclass(frozen=True)
class Replay:
    """What a configuration makes of alerts.

    Attributes
    ----------
    notifications : pandas.DataFrame
        ``time`` (µs), ``receiver``, ``group``, ``firing``, ``resolved`` (alerts it names),
        ``reason`` (first | change | repeat | resolved), ``page`` (somebody is woken: it names a
        firing alert, and the receiver pages). In order of time, group.
    alerts : pandas.DataFrame
        A row for each row of the frame: ``status`` (one of `STATUSES`), ``rule`` (id of the rule
        that holds it, or empty), ``group`` (-1: none) and ``pages``: of the alert that the row
        is part of, as long as that alert fires; ``first_page`` and ``first_notification`` (µs, -1:
        none): the first page, and the first notification to any receiver, that names the alert
        firing (or the page that stands for it) while it fires. A ``held`` alert was sent to chat
        instead of its pager. A ``folded`` one was over before its group's next flush, came back
        between two flushes, or (with a rule) was held, and a page told of it: then ``group`` is the
        page's. One that is ``unsent`` ends at a receiver that tells nobody; one that started after
        the end of the replay has ``not_fired``.
    stages : dict of str to int
        ``events`` (rows), ``episodes`` (what Alertmanager sees as separate alerts), ``alerts``
        (of them: not kept back, held or unsent), ``notifications``, ``pages``.
    tickets : pandas.DataFrame
        A row for each of the frame's tickets: ``ticket``, ``alerts`` (rows), ``opened`` (µs, start
        of the first of them, -1: none in the window), ``first_page`` (µs, -1: nobody was paged),
        ``group`` that paged first. No page is older than the episodes of the ticket's own alerts.
    groups : pandas.DataFrame
        A row for each group: ``group``, ``receiver``, ``rule`` (that made its route, or empty).
    receivers : pandas.DataFrame
        A row for each receiver that is routed to: ``receiver``, and how many ``notifications`` and
        ``pages`` among them it was sent since the time that `replay` was given.
    pagerduty : PagerdutyAlerts or None
        What is opened in PagerDuty, where `replay` was asked for it.
    """

    notifications: "pd.DataFrame"
    alerts: "pd.DataFrame"
    stages: dict[str, int]
    tickets: "pd.DataFrame"
    groups: "pd.DataFrame"
    receivers: "pd.DataFrame"
    pagerduty: PagerdutyAlerts | None = None


def _horizon(frame: AlertFrame, config: Config) -> int:
    """Return the latest time in the frame plus the longest wait for a notification (µs)."""
    ends = frame.ends[frame.ends < NEVER]
    last = max(int(frame.starts.max(initial=0)), int(ends.max(initial=0)))
    waits = [max(r.group_wait, r.group_interval) for _, r in config.route.walk()]
    return last + max(waits)


def _chunks(load: Ints, chunk: int, most: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of `load` with about `chunk` members and at most `most` entries each."""
    total = np.cumsum(load)
    low = 0
    while low < len(load):
        before = int(total[low - 1]) if low else 0
        high = int(np.searchsorted(total, before + chunk, side="right"))
        high = max(low + 1, min(high, low + most, len(load)))
        yield low, high
        low = high


def _parts(groups: Groups, load: Ints, chunk: int, most: int) -> Iterator[Ints]:
    """Yield the groups (ascending) that are worked on together.

    Those that share a log stand in one part, with none that has a log of its own.
    """
    alone = np.flatnonzero(groups.shared < 0)
    for low, high in _chunks(load[alone], chunk, most):
        yield alone[low:high]
    together = np.flatnonzero(groups.shared >= 0)
    if not len(together):
        return
    shared = groups.shared[together]
    sizes = np.bincount(shared)
    of_log = np.bincount(shared, weights=load[together]).astype(np.int64)
    for low, high in _chunks(of_log, chunk, max(most // int(sizes.max()), 1)):
        yield together[(shared >= low) & (shared < high)]


def _select(groups: Groups, which: Ints) -> Groups:
    position = np.full(len(groups), -1, dtype=np.int64)
    position[which] = np.arange(len(which))
    owner = position[groups.member_of]
    inside = owner >= 0
    cut = {
        name: getattr(groups, name)[which]
        for name in (
            "group_id",
            "route",
            "send_resolved",
            "has_receiver",
            "is_paging",
            "wait",
            "interval",
            "repeat",
            "shared",
        )
    }
    return replace(groups, **cut, members=groups.members[inside], member_of=owner[inside])


def _without_heartbeats(groups: Groups, inputs: ReplayInputs) -> Groups:
    """Return the groups; those in which there is nothing but heartbeats page nobody."""
    if inputs.heartbeats is None or not len(inputs.heartbeats):
        return groups
    others = ~np.isin(groups.members, inputs.heartbeats)
    wakes = np.bincount(groups.member_of, weights=others, minlength=len(groups)) > 0
    return replace(groups, is_paging=groups.is_paging & wakes)


def _part(
    inputs: ReplayInputs, groups: Groups, silences: tuple[Silence, ...], period_from: Ints
) -> ReplayTrace:
    periods = inputs.periods
    count = period_from[groups.members + 1] - period_from[groups.members]
    owner, period = spread(period_from[groups.members], count)
    members = lifetimes(groups, groups.member_of[owner], period, periods, inputs.timing)
    suppressions = suppressed(inputs, groups, members, silences)
    firing, resolved = observe_at_flushes(members, periods, suppressions)
    intervals = firing_intervals_of(firing, members.group)
    origin, span = _range(members.seen, members.gone, suppressions.end)
    rows = rows_of(intervals, resolved, members.group[resolved.member], origin, span)
    timing, until = inputs.timing, inputs.until
    if (groups.shared >= 0).any():
        pairs = np.zeros(max(firing.pair.max(initial=-1), resolved.pair.max(initial=-1)) + 1, int)
        for seen in (firing, resolved):
            pairs[seen.pair] = periods.series[members.period[seen.member]]
        log = notify_in_turn(groups, rows, intervals, resolved, pairs, timing=timing, until=until)
    else:
        log = notify(groups, rows, intervals, resolved, timing=timing, until=until)
    return ReplayTrace(members, suppressions, firing, resolved, intervals, rows, log, origin, span)


def _range(*times: Ints) -> tuple[int, int]:
    origin = min((int(each.min()) for each in times if len(each)), default=0)
    last = max((int(each.max()) for each in times if len(each)), default=0)
    return origin, last - origin + 2


def _run(
    inputs: ReplayInputs,
    silences: tuple[Silence, ...],
    chunk: int,
    lookups: Lookups,
    *,
    chats: Mapping[str, str],
    since: int,
    only_pages: bool,
    events: PagerdutyEvents | None,
) -> tuple[Groups, Outcomes, Collector]:
    groups = _without_heartbeats(route_series(inputs.config, inputs.table), inputs)
    periods = inputs.periods
    period_from = np.searchsorted(periods.series, np.arange(len(inputs.table) + 1))
    outcomes = Outcomes.empty(len(periods))
    sizes = (period_from[1:] - period_from[:-1])[groups.members]
    load = np.bincount(groups.member_of, weights=sizes, minlength=len(groups)).astype(np.int64)
    origins = origins_of(inputs.config)
    # `key_of` of a chunk must fit into 62 bits: that bounds the groups of a chunk.
    longest = int(np.max(groups.interval, initial=1)) + int(np.max(groups.wait, initial=0))
    _, span = _range(periods.starts, periods.ends)
    most = max(2**62 // (span + 4 * longest + 8), 1)
    notifications = Collector(groups, since=since, only_pages=only_pages)
    pages: list[tuple[Ints, Ints, Ints]] = []
    # Series are sorted: a series in one group only stands there once.
    alone = not (groups.members[1:] == groups.members[:-1]).any()
    for which in _parts(groups, load, chunk, most):
        part = _select(groups, which)
        trace = _part(inputs, part, silences, period_from)
        period, group_id, count = judge(part, trace, origins, outcomes, lookups, chats=chats)
        if alone:
            outcomes.pages[period] = count
        else:
            pages.append((period, group_id, count))
        notifications.add(part, trace.log)
        if events is not None:
            events.add(part, trace, inputs.table, periods)
        # Before the next chunk, not after it.
        del trace, period, group_id, count
    count_pages(outcomes, pages)
    return groups, outcomes, notifications


def _alerts(
    frame: AlertFrame,
    periods: FiringPeriods,
    outcomes: Outcomes,
    lookups: Lookups,
    names: list[str],
) -> "pd.DataFrame":
    import pandas as pd

    period = periods.of_row
    fired = period >= 0
    columns = {}
    for name, missing in (("status", len(STATUSES) - 1), ("rule", -1), ("group", NOT_YET),
                          ("pages", 0)):  # fmt: skip
        column = np.full(len(frame), missing, dtype=np.int64)
        column[fired] = getattr(outcomes, name)[period[fired]]
        columns[name] = np.where(column == NOT_YET, -1, column)
    for name in ("first_page", "first_notification"):
        column = np.full(len(frame), NOT_YET, dtype=np.int64)
        column[fired] = getattr(lookups, name)[period[fired]]
        columns[name] = np.where(column == NOT_YET, -1, column)
    ids = pd.array([*names, ""], dtype="str")
    decided = columns["rule"]
    categories = pd.Categorical.from_codes(columns["status"], categories=pd.Index(STATUSES))
    return pd.DataFrame(
        {
            "status": categories,
            "rule": ids.take(np.where(decided < 0, len(ids) - 1, decided)),
            "group": columns["group"],
            "first_page": columns["first_page"],
            "first_notification": columns["first_notification"],
            "pages": columns["pages"],
        }
    )


def _tickets(frame: AlertFrame, alerts: "pd.DataFrame") -> "pd.DataFrame":
    import pandas as pd

    size = len(frame.tickets)
    rows = np.flatnonzero(frame.ticket >= 0)
    ticket = frame.ticket[rows]
    # Minima a ticket, shape (tickets,), over the rows that belong to one.
    opened, first = np.full(size, NOT_YET), np.full(size, NOT_YET)
    np.minimum.at(opened, ticket, frame.starts[rows])
    page = alerts["first_page"].to_numpy()[rows]
    some = page >= 0
    np.minimum.at(first, ticket[some], page[some])
    group = np.full(size, NOT_YET)
    leading = some & (page == first[ticket])
    np.minimum.at(group, ticket[leading], alerts["group"].to_numpy()[rows][leading])
    return pd.DataFrame(
        {
            "ticket": np.array(frame.tickets, dtype=object),
            "alerts": np.bincount(ticket, minlength=size),
            "opened": np.where(opened == NOT_YET, -1, opened),
            "first_page": np.where(first == NOT_YET, -1, first),
            "group": np.where(group == NOT_YET, -1, group),
        }
    )


def _group_table(groups: Groups) -> "pd.DataFrame":
    import pandas as pd

    group_id, at = np.unique(groups.group_id, return_index=True)
    routes = [groups.routes[i] for i in groups.route[at].tolist()]
    return pd.DataFrame(
        {
            "group": group_id,
            "receiver": [route.receiver for route in routes],
            "rule": [route.origin for route in routes],
        }
    )


def replay(
    frame: AlertFrame,
    config: Config,
    *,
    rules: Sequence[Rule] = (),
    until: int | None = None,
    silences: Sequence[Silence] = (),
    timing: Timing | None = None,
    chunk: int = CHUNK,
    table: LabelTable | None = None,
    heartbeats: Ints | None = None,
    since: int = -NOT_YET,
    only_pages: bool = False,
    applied: bool = False,
    held: Sequence[HeldAlerts] = (),
    pagerduty: bool = False,
) -> Replay:
    """Replay alerts through a configuration with rules applied to it.

    Parameters
    ----------
    frame : AlertFrame
        Alerts, in any order.
    config : Config
        Today's configuration; `rules` are applied to it here.
    rules : sequence of Rule
        Rules to apply; none by default.
    until : int, optional, microseconds since 1970
        Time at which to stop: alerts that still fire then are repeated until then. By
        default the frame's latest time and the longest wait of any route.
    silences : sequence of Silence
        Silences that were active; none by default.
    timing : Timing, optional
        The process's own clocks; those of the configuration's `Process` by default.
    chunk : int
        Bounds memory: so many members of groups are worked on at once. The result doesn't depend
        on it.
    table : LabelTable, optional
        The frame's labels as an earlier replay read them (``LabelTable(frame.labels)``): what it
        found out about them isn't found out again.
    heartbeats : array of int64, optional
        Series whose notifications are no pages, whoever gets them (`heartbeats_of`).
    since : int, microseconds since 1970
        From when on `Replay.receivers` counts; all by default.
    only_pages : bool
        `Replay.notifications` has pages only: what else was sent is counted and dropped.
    applied : bool
        `config` has the rules in it already, and `rules` don't matter.
    held : sequence of HeldAlerts
        What each Prometheus holds; by default one has all alerts, and holds what `rules` say.
    pagerduty : bool
        Find out what is opened in PagerDuty (`Replay.pagerduty`).

    Returns
    -------
    Replay
        Notifications, and what became of each alert and ticket.

    Raises
    ------
    SignalboxError
        If a matcher's regex is invalid, or RE2 and Python understand it differently.
    """
    ruled = config if applied else apply_rules(config, rules)
    stop = _horizon(frame, ruled) if until is None else until
    servers = held if held or applied else held_by_rules(config, rules)
    alerts_fire = fire(frame, stop)
    table, periods, pages = add_held_pages(
        servers, table or LabelTable(frame.labels), alerts_fire, stop
    )
    inputs = ReplayInputs(
        ruled, table, periods, stop, timing or timing_of(ruled.process), heartbeats
    )
    lookups = lookups_of(alerts_fire, pages)
    events = PagerdutyEvents(ruled) if pagerduty else None
    groups, outcomes, collected = _run(
        inputs,
        tuple(silences),
        chunk,
        lookups,
        chats={rule.id: rule.chat for each in servers for rule in each.rules},
        since=since,
        only_pages=only_pages,
        events=events,
    )
    origins = origins_of(ruled)
    merge_held_outcomes(pages, outcomes, origins, lookups)
    alerts = _alerts(frame, periods, outcomes, lookups, list(origins))
    notifications, count = collected.result()
    visible = np.isin(outcomes.status, [PAGED, NOTIFIED, FOLDED])
    stages = {
        "events": len(frame),
        "episodes": len(periods),
        "alerts": int(visible.sum()),
        "notifications": count,
        "pages": int(notifications["page"].sum()),
    }
    return Replay(
        notifications,
        alerts,
        stages,
        _tickets(frame, alerts),
        _group_table(groups),
        collected.receivers(),
        events.result(alerts_fire.of_row, stop) if events else None,
    )


MEMBER_BYTES = 500
"""What working on one member of a group takes at most, measured."""
ROW_BYTES = 400
"""What an alert, what became of it and what was sent about it take, measured at a million."""
LEAST = 100_000
"""Members worked on together at least."""


def members_that_fit(alerts: int, memory_mb: int) -> int:
    """Count the members of groups that can be worked on at once, beside the alerts themselves.

    Parameters
    ----------
    alerts : int
        Number of alerts held in memory.
    memory_mb : int, MiB
        Memory for everything.

    Returns
    -------
    int
        Members; below `LEAST` a replay doesn't fit. It can be negative.
    """
    left = (memory_mb - windows.PROGRAM_MB) * windows.MB - alerts * ROW_BYTES
    return left // MEMBER_BYTES


def replay_files(
    folder: Path,
    config: Config,
    rules: Sequence[Rule] = (),
    memory_mb: int = DEFAULT_MEMORY_MB,
    *,
    until: int | None = None,
) -> Replay:
    """Read a history with `read_history` and replay it.

    Parameters
    ----------
    folder : Path
        Folder with ``alerts.parquet`` and ``tickets.parquet``.
    config : Config
        Today's configuration; `rules` are applied to it.
    rules : sequence of Rule
        Rules to apply; none by default.
    memory_mb : int, MiB
        Bounds everything: the engine that reads, the alerts with what becomes of them (some 400
        bytes each), and with what is left the work on groups, as many together as fit.
    until : int, optional, microseconds since 1970
        As for `replay`.

    Returns
    -------
    Replay
        As `replay` returns it.

    Raises
    ------
    SignalboxError
        If the alerts alone would take more than `memory_mb`.
    """
    from pipelines.aiops.lake.read import read_history

    alerts = windows.alerts_in(folder)
    members = members_that_fit(alerts, memory_mb)
    if members < LEAST:
        least = windows.PROGRAM_MB + -(-(alerts * ROW_BYTES + LEAST * MEMBER_BYTES) // windows.MB)
        raise SignalboxError(
            f"{folder / 'alerts.parquet'}: a replay of its {alerts:,} alerts takes at least "
            f"{least:,} MB, more than the {memory_mb:,} MB that memory_mb allows: raise it, or "
            "replay fewer days"
        )
    frame = read_history(folder, memory_mb)
    return replay(frame, config, rules=rules, until=until, chunk=members)
