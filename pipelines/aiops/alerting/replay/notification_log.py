"""Which flushes tell somebody: the notification log; `notify/notify.go`'s DedupStage and `nflog`.

The log remembers per group whom the last notification named firing and resolved. A flush tells if
an alert fires that the entry doesn't name firing; if none fires any more and the entry names one;
if an alert is resolved that the entry doesn't name resolved and the receiver wants to know; or if
alerts fire and the entry is older than `repeat_interval`, strictly. An entry's age counts from when
its notification was answered (`Timing.answer` after the flush), and flushes come a little later
than every `group_interval` (`Timing.drift`). So where `repeat_interval` is a multiple of
`group_interval`, the repeat comes with the flush at that time if the drift of all flushes since is
longer than the answer took, else with the next one.

An entry expires after twice `repeat_interval`, at the latest after the retention; it is there until
the next sweep of the log takes it away. Then alerts that fire are told as if for the first time.

Most flushes are decided by what they see alone (`_anchors`): an alert that is new to the entry
whatever happened before. Between two of those, the rest is decided in order, all groups at once.
Who is in the entry is never stored: an alert is in it if it was seen firing at the entry's time.
"""

from dataclasses import dataclass
from heapq import heapify, heappop, heappush

import numpy as np

from pipelines.aiops.alerting.replay.flushes import (
    FiringIntervals,
    Resolved,
    Rows,
    key_of,
    last_true,
)
from pipelines.aiops.alerting.replay.model import Groups, Timing
from pipelines.core.arrays import Bools, Ints, heads, order_of, spread

NEVER_NOTIFIED = -(2**61)
PASSES = 6
FIRST, CHANGE, REPEAT, RESOLVED = 0, 1, 2, 3
REASONS = ("first", "change", "repeat", "resolved")


@dataclass(frozen=True)
class NotificationLog:
    """What went into the notification log, sorted by group and time; shape (entries,).

    Attributes
    ----------
    group : array of int64
        Index into `Groups`.
    time : array of int64, microseconds since 1970
        The flush that made the entry.
    firing, resolved : array of int64
        How many alerts it names.
    reason : array of int64
        Index into `REASONS`.
    """

    group: Ints
    time: Ints
    firing: Ints
    resolved: Ints
    reason: Ints


@dataclass
class _State:
    """The entry as of each stretch of rows between two anchors (kept at the stretch's head)."""

    time: Ints
    firing: Ints


@dataclass(frozen=True)
class _Rules:
    """Settings of each row's group, each array of shape (rows,); times in microseconds.

    `answer` is how long an entry is younger than its flush, `life` how long it is kept,
    `send_resolved` whether resolved alerts are sent, `safe` whether an entry that is repeated in
    time can't expire.
    """

    interval: Ints
    repeat: Ints
    answer: Ints
    life: Ints
    send_resolved: Bools
    safe: Bools
    timing: Timing
    until: int


def _rules(groups: Groups, rows: Rows, timing: Timing, until: int) -> _Rules:
    interval, repeat = groups.interval[rows.group], groups.repeat[rows.group]
    answer = timing.answered(interval)
    life = np.minimum(timing.retention, 2 * repeat)
    # An entry that is repeated in time is never dropped from the log.
    safe = repeat + interval + answer < life
    sends = groups.send_resolved[rows.group]
    return _Rules(interval, repeat, answer, life, sends, safe, timing, until)


def _dropped(rules: _Rules, row: Ints, entry: Ints) -> Ints:
    """Return when the log drops an entry of flush `entry`: at the first sweep after its life."""
    timing = rules.timing
    late = entry + rules.answer[row] + rules.life[row] - timing.log_sweep_at
    dropped: Ints = -(-late // timing.log_sweep) * timing.log_sweep + timing.log_sweep_at
    return dropped


def _over(rules: _Rules, row: Ints, gap: Ints) -> Bools:
    """Return whether `repeat_interval` is over at a flush so long after the entry's flush."""
    drift = rules.timing.drift * (gap // rules.interval[row])
    over: Bools = gap + drift > rules.repeat[row] + rules.answer[row]
    return over


def _due(rules: _Rules, row: Ints, time: Ints, entry: Ints) -> Ints:
    """Return how many flushes after `time` an entry of flush `entry` is repeated, at least one."""
    passed, rest = np.divmod(time - entry, rules.interval[row])
    # Until the k-th flush since the entry k * (interval + drift) pass, and that rest.
    cycle = rules.interval[row] + rules.timing.drift
    first: Ints = (rules.repeat[row] + rules.answer[row] - rest) // cycle + 1 - passed
    return np.maximum(first, 1)


def _at(rows: Rows, row: Ints) -> Bools:
    found = np.zeros(len(rows), dtype=bool)
    found[row] = True
    return found


@dataclass(frozen=True)
class _Before:
    """For each firing interval and each resolution, the one before it in its pair (-1: none).

    Attributes
    ----------
    whole : array of int64, shape (intervals,)
        Index into `FiringIntervals`.
    resolved : array of int64, shape (resolutions,)
        Index into `Resolved`.
    resolved_end : array of bool, shape (intervals,)
        Whether the interval ended with a resolution that a flush saw.
    ends_whole : array of bool, shape (resolutions,)
        Whether the resolution ended an interval.
    """

    whole: Ints
    resolved: Ints
    resolved_end: Bools
    ends_whole: Bools


def _before(rows: Rows, intervals: FiringIntervals, resolved: Resolved) -> _Before:
    def previous(pair: Ints) -> Ints:
        return np.where(heads(pair), -1, np.arange(len(pair)) - 1)

    # Both are sorted by pair and time: a pair's end is a resolution if the same row has both.
    ends = intervals.pair * len(rows) + rows.finish_row
    gone = resolved.pair * len(rows) + rows.resolve_row
    return _Before(
        previous(intervals.pair), previous(resolved.pair), _among(ends, gone), _among(gone, ends)
    )


def _among(values: Ints, known: Ints) -> Bools:
    """Whether each value is one of `known` (sorted)."""
    at = np.searchsorted(known, values)
    found = np.zeros(len(values), dtype=bool)
    inside = at < len(known)
    found[inside] = known[at[inside]] == values[inside]
    return found


def _anchors(rows: Rows, before: _Before, rules: _Rules) -> tuple[Bools, Bools]:
    """Return the rows that surely notify, and the intervals whose beginning isn't surely new."""
    none = rows.firing == 0
    # A seen end surely notifies: of the last alert if the entry can't have expired, of others
    # if resolved alerts are sent.
    sure_end = before.ends_whole & np.where(
        none[rows.resolve_row], rules.safe[rows.resolve_row], rules.send_resolved[rows.resolve_row]
    )
    anchors = _at(rows, rows.resolve_row[sure_end])
    prior = before.whole
    end_row = rows.finish_row[prior]
    cleared = before.resolved_end[prior] & (rules.send_resolved[end_row] | none[end_row])
    unsure = (prior >= 0) & ~cleared
    anchors |= _at(rows, rows.begin_row[~unsure])
    group_head = heads(rows.group)
    for _ in range(PASSES):
        last = last_true(anchors, group_head)
        at = np.flatnonzero(unsure)
        # Told of others while it was away: it is no longer in the entry.
        new = at[last[rows.begin_row[at] - 1] >= rows.finish_row[prior[at]]]
        if not len(new):
            break
        unsure[new] = False
        anchors |= _at(rows, rows.begin_row[new])
    return anchors & (rows.time <= rules.until), unsure


class _Deduper:
    """Decides the rows between anchors, in order, for all groups at once."""

    def __init__(
        self, rows: Rows, intervals: FiringIntervals, resolved: Resolved, rules: _Rules
    ) -> None:
        self.rows, self.intervals, self.resolved, self.rules = rows, intervals, resolved, rules
        self.before = _before(rows, intervals, resolved)
        anchors, unsure = _anchors(rows, self.before, rules)
        self.notified = anchors
        self.reason = np.full(len(rows), -1, dtype=np.int64)
        kept = anchors | (rows.firing == 0) | _at(rows, rows.begin_row)
        kept |= rules.send_resolved & (rows.resolved > 0)
        kept &= rows.time <= rules.until
        self.kept = np.flatnonzero(kept)
        self._link()
        self.starts = _Lists(rows.begin_row[unsure], np.flatnonzero(unsure), len(rows))
        self.ends = _Lists(rows.resolve_row, np.arange(len(resolved.time)), len(rows))
        self.repeats: list[tuple[Ints, Ints, Ints, Ints]] = []

    def _link(self) -> None:
        """Find the head of each kept row's stretch, its depth in it, and when the next row is."""
        rows, kept = self.rows, self.kept
        group = rows.group[kept]
        new = heads(group) if len(kept) else np.zeros(0, dtype=bool)
        self.head = new | self.notified[kept]
        self.stretch = np.cumsum(self.head) - 1
        begins = np.flatnonzero(self.head)
        self.depth = np.arange(len(kept)) - np.repeat(begins, np.diff([*begins, len(kept)]))
        following = np.full(len(kept), self.rules.until + 1, dtype=np.int64)
        same = ~new[1:]
        following[:-1][same] = rows.time[kept][1:][same]
        self.following = following
        self.state = _State(np.full(len(begins), NEVER_NOTIFIED), np.zeros(len(begins), np.int64))

    def run(self) -> None:
        """Go through all rows."""
        if not len(self.kept):
            return
        # Rows of one depth belong to different stretches, so they are decided together.
        order = np.argsort(self.depth, kind="stable")
        done = 0
        for size in np.bincount(self.depth).tolist():
            at = order[done : done + size]
            done += size
            self._decide(at)
            self._repeat(at)
        self._explain()

    def _decide(self, at: Ints) -> None:
        """Decide whether each row notifies; updates the entry."""
        row, own = self.kept[at], self.stretch[at]
        time, firing = self.rows.time[row], self.rows.firing[row]
        entry, named = self.state.time[own], self.state.firing[own]
        known = (entry != NEVER_NOTIFIED) & (time < _dropped(self.rules, row, entry))
        # In DedupStage's terms: no entry; `repeat_interval` is over; all resolved; new alerts.
        notifies = self.notified[row] | ((firing > 0) & ~known)
        notifies |= (firing > 0) & _over(self.rules, row, np.where(known, time - entry, 0))
        notifies |= (firing == 0) & (self.rows.resolved[row] > 0) & known & (named > 0)
        open_ = np.flatnonzero(~notifies & (firing > 0) & known)
        notifies[open_[self._has_new_alerts(row[open_], entry[open_])]] = True
        self.notified[row] |= notifies
        self.state.time[own] = np.where(notifies, time, entry)
        self.state.firing[own] = np.where(notifies, firing, named)

    def _has_new_alerts(self, row: Ints, entry: Ints) -> Bools:
        """Return whether a row has an alert that its entry (of time `entry`) doesn't name."""
        news = np.zeros(len(row), dtype=bool)
        owner, which = self.starts.of(row)
        named = self._seen_at(self.before.whole[which], entry[owner])
        news[owner[~named]] = True
        owner, which = self.ends.of(row)
        wanted = self.rules.send_resolved[row[owner]]
        owner, which = owner[wanted], which[wanted]
        named = self._resolved_at(self.before.resolved[which], entry[owner])
        news[owner[~named]] = True
        return news

    def _seen_at(self, whole: Ints, entry: Ints) -> Bools:
        """Return whether the pair was firing at the entry's time, looking back from an interval."""
        at = whole.copy()
        while True:
            later = (at >= 0) & (self.intervals.start[at] > entry)
            if not later.any():
                break
            at[later] = self.before.whole[at[later]]
        named: Bools = (at >= 0) & (self.intervals.end[at] > entry)
        return named

    def _resolved_at(self, which: Ints, entry: Ints) -> Bools:
        """Return whether the pair was resolved at exactly the entry's time."""
        at = which.copy()
        while True:
            later = (at >= 0) & (self.resolved.time[at] > entry)
            if not later.any():
                break
            at[later] = self.before.resolved[at[later]]
        named: Bools = (at >= 0) & (self.resolved.time[at] == entry)
        return named

    def _repeat(self, at: Ints) -> None:
        """Count the repeats between each row and the next one of its group; updates the entry."""
        fires = self.rows.firing[self.kept[at]] > 0
        at = at[fires & (self.state.time[self.stretch[at]] != NEVER_NOTIFIED)]
        lapses = self.rules.life[self.kept[at]] < self.rules.repeat[self.kept[at]]
        self._repeat_lapsing(at[lapses])
        at = at[~lapses]
        row, own = self.kept[at], self.stretch[at]
        time, interval = self.rows.time[row], self.rules.interval[row]
        # Counted in flushes after the row: the first repeat, the flushes from one to the next, and
        # how many flushes come before the next row of the group.
        first = _due(self.rules, row, time, self.state.time[own])
        step = _due(self.rules, row, time, time)
        room = (self.following[at] - 1 - time) // interval
        count = np.maximum((room - first) // step + 1, 0)
        some = np.flatnonzero(count)
        last = time + (first + (count - 1) * step) * interval
        self.state.time[own[some]] = last[some]
        self.state.firing[own[some]] = self.rows.firing[row[some]]
        begin = (time + first * interval)[some]
        self.repeats.append((row[some], begin, (step * interval)[some], count[some]))

    def _repeat_lapsing(self, at: Ints) -> None:
        """Do the same where the retention is shorter than `repeat_interval`: one by one.

        An entry that was dropped is told again with the next flush; when that is depends on when
        the log is swept.
        """
        done = np.zeros(len(at), dtype=np.int64)
        while len(at):
            row, own = self.kept[at], self.stretch[at]
            time, interval = self.rows.time[row], self.rules.interval[row]
            entry = self.state.time[own]
            gone = -(-(_dropped(self.rules, row, entry) - time) // interval)
            flush = np.minimum(np.maximum(gone, 1), _due(self.rules, row, time, entry))
            flush = np.maximum(flush, done + 1)
            told = time + flush * interval
            some = told < self.following[at]
            at, done, row, own, told = at[some], flush[some], row[some], own[some], told[some]
            self.state.time[own] = told
            self.state.firing[own] = self.rows.firing[row]
            self.repeats.append((row, told, interval[some], np.ones(len(at), dtype=np.int64)))

    def _explain(self) -> None:
        """Give each notification its reason, once all is decided."""
        rows, notified = self.rows, np.flatnonzero(self.notified)
        group = rows.group[notified]
        firing = rows.firing[notified]
        # How many alerts the group's entry before named: a group with none begins anew.
        before = np.zeros(len(notified), dtype=np.int64)
        before[1:] = np.where(group[1:] == group[:-1], firing[:-1], 0)
        begun = _at(rows, rows.begin_row)[notified]
        reason = np.where(begun, np.where(before > 0, CHANGE, FIRST), REPEAT)
        quiet = ~begun & ((rows.resolved[notified] > 0) & self.rules.send_resolved[notified])
        self.reason[notified] = np.where((firing == 0) | quiet, RESOLVED, reason)

    def _firing_at(self, row: Ints, time: Ints) -> Ints:
        """Return how many alerts fire at a time after a row of the same group."""
        rows = self.rows
        keys = key_of(rows.group, rows.time, rows.origin, rows.span)
        wanted = key_of(rows.group[row], time, rows.origin, rows.span)
        return rows.firing[np.searchsorted(keys, wanted, side="right") - 1]

    def result(self) -> NotificationLog:
        """Return everything that was logged, repeats included."""
        notified = np.flatnonzero(self.notified)
        nothing = np.empty(0, dtype=np.int64)
        # Repeats are kept as (row, first time, step, count) and written out here, one row each.
        columns = zip((nothing,) * 4, *self.repeats, strict=True)
        row, begin, step, count = (np.concatenate(column) for column in columns)
        owner, number = spread(np.zeros_like(count), count)
        time = begin[owner] + number * step[owner]
        group = np.concatenate([self.rows.group[notified], self.rows.group[row][owner]])
        when = np.concatenate([self.rows.time[notified], time])
        named = np.concatenate([self.rows.firing[notified], self._firing_at(row[owner], time)])
        gone = np.concatenate([self.rows.resolved[notified], np.zeros(len(owner), np.int64)])
        why = np.concatenate([self.reason[notified], np.full(len(owner), REPEAT)])
        order = order_of(group, when)
        return NotificationLog(group[order], when[order], named[order], gone[order], why[order])


class _Lists:
    """Items filed under rows."""

    def __init__(self, row: Ints, item: Ints, size: int) -> None:
        order = np.argsort(row, kind="stable")
        self.item = item[order]
        self.begin = np.searchsorted(row[order], np.arange(size + 1))

    def of(self, row: Ints) -> tuple[Ints, Ints]:
        """(position in `row`, item) of everything filed under the rows."""
        owner, at = spread(self.begin[row], self.begin[row + 1] - self.begin[row])
        return owner, self.item[at]


def notify(
    groups: Groups,
    rows: Rows,
    intervals: FiringIntervals,
    resolved: Resolved,
    *,
    timing: Timing,
    until: int,
) -> NotificationLog:
    """Run the notification log over all groups: decide which flushes notify.

    Parameters
    ----------
    groups : Groups
        Settings of the groups.
    rows : Rows
        Flushes at which something changes.
    intervals : FiringIntervals
        When each (group, series) is seen firing.
    resolved : Resolved
        When members are seen resolved.
    timing : Timing
        Phases of the process's own clocks, and the log's retention.
    until : int, microseconds since 1970
        No flush after it notifies.

    Returns
    -------
    NotificationLog
        Every entry that is logged, repeats included; what a receiver without integrations, or one
        with ``send_resolved: false``, wasn't sent is among them.

    References
    ----------
    Alertmanager, `notify/notify.go` (DedupStage) and `nflog/nflog.go`.
    """
    deduper = _Deduper(rows, intervals, resolved, _rules(groups, rows, timing, until))
    deduper.run()
    return deduper.result()


@dataclass(frozen=True)
class _Entry:
    """What a log key holds, for groups that share it: who is named are series, not pairs.

    It was made by the flush at `flush` of group `owner`, is in the log from `seen` on, when its
    notification was answered, and is swept away at `gone`.
    """

    owner: int
    flush: int
    seen: int
    gone: int
    firing: frozenset[int]
    resolved: frozenset[int]


class _Flushes:
    """The flushes of one group, and what the latest one saw."""

    def __init__(self, groups: Groups, rows: Rows, group: int, timing: Timing) -> None:
        self.group = group
        self.interval, self.repeat = int(groups.interval[group]), int(groups.repeat[group])
        self.sends = bool(groups.send_resolved[group])
        self.answer = min(timing.answer, self.interval - 1)
        self.first, self.end = np.searchsorted(rows.group, [group, group + 1]).tolist()
        self.times: list[int] = rows.time[self.first : self.end].tolist()
        self.row = -1
        self.latest = NEVER_NOTIFIED
        self.firing: set[int] = set()

    @property
    def next_row(self) -> int | None:
        """Time of the next flush at which something changes."""
        return self.times[self.row + 1] if self.row + 1 < len(self.times) else None

    def next_from(self, time: int) -> int | None:
        """Return the first flush at or after a time and before the next row, if alerts fire."""
        begin = self.times[self.row] if self.row >= 0 else time
        late = max(time, self.latest + 1) - begin
        flush = begin + -(-late // self.interval) * self.interval
        over = self.next_row is not None and flush >= self.next_row
        return None if over or not self.firing else flush


class _SharedLog:
    """One key of the log and the groups that share it: their flushes, in the order of time."""

    def __init__(self, flushes: list[_Flushes], timing: Timing) -> None:
        self.flushes = {each.group: each for each in flushes}
        self.timing = timing
        self.entries: list[_Entry] = []
        self.queue = [(each.times[0], each.group) for each in flushes]
        heapify(self.queue)
        self.logged: list[tuple[int, int, int, int, int]] = []

    def run(self, starts: "_Lists", ends: "_Lists", gone: "_Lists", until: int) -> None:
        """Go through all flushes; the lists have the series that begin, finish, resolve at rows."""
        while self.queue and self.queue[0][0] <= until:
            now, group = heappop(self.queue)
            own = self.flushes[group]
            if own.latest == now:
                continue
            own.latest = now
            begun, resolved = False, frozenset[int]()
            if own.next_row == now:
                own.row += 1
                at = np.array([own.first + own.row])
                begin = starts.of(at)[1].tolist()
                own.firing -= set(ends.of(at)[1].tolist())
                own.firing |= set(begin)
                begun, resolved = bool(begin), frozenset(gone.of(at)[1].tolist())
                self._queue(own, own.next_row)
            if own.firing or resolved:
                self._decide(own, now, begun, resolved)
            self._look_ahead(own, now)

    def _queue(self, own: _Flushes, time: int | None) -> None:
        if time is not None:
            heappush(self.queue, (time, own.group))

    def _read(self, own: _Flushes, now: int) -> _Entry | None:
        """Return the entry that a flush finds: the one written last, unless it was swept away."""
        found = None
        for entry in self.entries:
            if entry.seen <= now or entry.owner == own.group:
                found = entry if found is None or entry.seen >= found.seen else found
        return None if found is None or found.gone <= now else found

    def _over(self, own: _Flushes, entry: _Entry, now: int) -> bool:
        gap = now - entry.flush
        late = gap + self.timing.drift * (gap // own.interval)
        return late > own.repeat + entry.seen - entry.flush

    def _decide(self, own: _Flushes, now: int, begun: bool, resolved: frozenset[int]) -> None:
        entry = self._read(own, now)
        if entry is None:
            notifies = bool(own.firing)
        elif not own.firing <= entry.firing:
            notifies = True
        elif not own.firing:
            notifies = bool(entry.firing)
        else:
            news = own.sends and not resolved <= entry.resolved
            notifies = news or self._over(own, entry, now)
        if not notifies:
            return
        seen = now + (own.answer if own.firing or own.sends else 0)
        timing = self.timing
        late = seen + min(timing.retention, 2 * own.repeat) - timing.log_sweep_at
        gone = -(-late // timing.log_sweep) * timing.log_sweep + timing.log_sweep_at
        if not own.firing or (not begun and resolved and own.sends):
            reason = RESOLVED
        elif entry is not None and own.firing <= entry.firing:
            reason = REPEAT
        else:
            reason = CHANGE if entry is not None and entry.firing else FIRST
        self.logged.append((own.group, now, len(own.firing), len(resolved), reason))
        named = frozenset(own.firing)
        # What a later entry hides from everybody by now is forgotten, nothing else.
        visible = (each.seen for each in self.entries if each.seen <= now)
        known = max(visible, default=NEVER_NOTIFIED)
        self.entries = [each for each in self.entries if each.seen >= known]
        self.entries.append(_Entry(own.group, now, seen, gone, named, resolved))
        for other in self.flushes.values():
            self._queue(other, other.next_from(seen))

    def _look_ahead(self, own: _Flushes, now: int) -> None:
        """Queue the flushes of a group that may tell although nothing changes for it."""
        if not own.firing:
            return
        for entry in self.entries:
            if entry.seen > now:
                self._queue(own, own.next_from(entry.seen))
        found = self._read(own, now)
        if found is None or not own.firing <= found.firing:
            self._queue(own, own.next_from(now + 1))
            return
        passed, rest = divmod(now - found.flush, own.interval)
        cycle = own.interval + self.timing.drift
        due = (own.repeat + found.seen - found.flush - rest) // cycle + 1 - passed
        self._queue(own, own.next_from(now + max(due, 1) * own.interval))
        self._queue(own, own.next_from(found.gone))


def notify_in_turn(
    groups: Groups,
    rows: Rows,
    intervals: FiringIntervals,
    resolved: Resolved,
    series: Ints,
    *,
    timing: Timing,
    until: int,
) -> NotificationLog:
    """Do what `notify` does for groups that share entries of the log: one flush after the other.

    Routes with equal matchers on the way to them and with the same receiver have one log key for
    equal group labels, though groups and timers of their own: each finds what the other was told.
    At the same moment the route that stands first flushes first; the other finds its entry if the
    answer took no time.

    Parameters
    ----------
    groups, rows, intervals, resolved, timing, until
        As for `notify`; every group shares its key.
    series : array of int64, shape (pairs,)
        Series of each (group, series).

    Returns
    -------
    NotificationLog
        As of `notify`.

    References
    ----------
    Alertmanager, `dispatch/route.go` (``Route.Key``) and `nflog/nflog.go` (``stateKey``); its
    issues 3564 and 3808.
    """
    lists = (
        _Lists(rows.begin_row, series[intervals.pair], len(rows)),
        _Lists(rows.finish_row, series[intervals.pair], len(rows)),
        _Lists(rows.resolve_row, series[resolved.pair], len(rows)),
    )
    logs: dict[int, list[_Flushes]] = {}
    for group in np.unique(rows.group).tolist():
        flushes = _Flushes(groups, rows, group, timing)
        logs.setdefault(int(groups.shared[group]), []).append(flushes)
    logged = []
    for members in logs.values():
        log = _SharedLog(members, timing)
        log.run(*lists, until)
        logged += log.logged
    table = np.array(logged, dtype=np.int64).reshape(-1, 5)
    table = table[order_of(table[:, 0], table[:, 1])]
    return NotificationLog(*table.T.copy())
