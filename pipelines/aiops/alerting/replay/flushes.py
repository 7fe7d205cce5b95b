"""What each flush gets to see, and the flushes at which something changes for a group."""

from dataclasses import dataclass

import numpy as np

from pipelines.aiops.alerting.replay.lifetimes import Members
from pipelines.aiops.alerting.replay.model import FiringPeriods
from pipelines.aiops.alerting.replay.suppression import SuppressedIntervals
from pipelines.core.arrays import Bools, Ints, heads, merged, order_of, search


@dataclass(frozen=True)
class Firing:
    """Intervals of flushes at which a member is seen firing; every array has shape (intervals,).

    Attributes
    ----------
    member : array of int64
        Index into `Members`.
    start, end : array of int64, microseconds since 1970
        First flush that sees it firing, and first flush that doesn't any more. Rows are sorted by
        pair and start.
    pair : array of int64
        Number of its (group, series).
    whole : array of int64
        Number of the unbroken interval of the pair that it is part of: an alert that ends and
        comes back between two flushes is never seen to be away.
    """

    member: Ints
    start: Ints
    end: Ints
    pair: Ints
    whole: Ints


@dataclass(frozen=True)
class Resolved:
    """Flushes that see a member resolved, sorted by pair and time; shape (resolutions,).

    Attributes
    ----------
    member : array of int64
        Index into `Members`.
    time : array of int64, microseconds since 1970
        The flush.
    pair : array of int64
        Number of its (group, series), as in `Firing`.
    """

    member: Ints
    time: Ints
    pair: Ints


def _gaps(suppressed: SuppressedIntervals) -> tuple[Ints, Ints, Ints]:
    return merged(suppressed.member, suppressed.start, suppressed.end)[:3]


def _cut(members: Members, gaps: tuple[Ints, Ints, Ints]) -> tuple[Ints, Ints, Ints]:
    """Return intervals ``[seen, gone)`` of all members without the gaps: (member, start, end)."""
    who, start, end = gaps
    first, last = heads(who), np.ones(len(who), dtype=bool)
    last[:-1] = first[1:]
    # A member without gaps is one stretch; n gaps leave n + 1, before, between and after them.
    free = np.ones(len(members), dtype=bool)
    free[who] = False
    free_at = np.flatnonzero(free)
    before = np.where(first, members.seen[who], 0)
    before[~first] = end[np.flatnonzero(~first) - 1]
    rows = (
        np.concatenate([free_at, who, who[last]]),
        np.concatenate([members.seen[free_at], before, end[last]]),
        np.concatenate([members.gone[free_at], start, members.gone[who[last]]]),
    )
    starts = np.maximum(rows[1], members.seen[rows[0]])
    ends = np.minimum(rows[2], members.gone[rows[0]])
    some = starts < ends
    return rows[0][some], starts[some], ends[some]


def _pairs(members: Members, periods: FiringPeriods) -> Ints:
    wide = int(periods.series.max(initial=0)) + 1
    # One code a (group, series): `unique` numbers the pairs in that order.
    code = members.group * wide + periods.series[members.period]
    pair: Ints = np.unique(code, return_inverse=True)[1].astype(np.int64)
    return pair


def _overtaken(members: Members, pair: Ints) -> Bools:
    """Return the members whose end no flush sees, because the alert is back (and gone) by then."""
    order = order_of(pair, members.period)
    here, after = order[:-1], order[1:]
    found = np.zeros(len(members), dtype=bool)
    found[here] = (pair[here] == pair[after]) & (members.seen[after] <= members.gone[here])
    return found


def observe_at_flushes(
    members: Members, periods: FiringPeriods, suppressed: SuppressedIntervals
) -> tuple[Firing, Resolved]:
    """Work out what the flushes of every group see of its members.

    Parameters
    ----------
    members : Members
        Firing periods as members of groups, with the flushes between which each is seen.
    periods : FiringPeriods
        When each series fires.
    suppressed : SuppressedIntervals
        When members are kept back; they may overlap.

    Returns
    -------
    firing : Firing
        When members are seen firing, without what is suppressed.
    resolved : Resolved
        When members are seen resolved. An end is not among them if the alert is back by then, or
        if it is suppressed at the flush that would see it.
    """
    pair = _pairs(members, periods)
    gaps = _gaps(suppressed)
    who, start, end = _cut(members, gaps)
    order = order_of(pair[who], start)
    who, start, end = who[order], start[order], end[order]
    # Stretches that touch were never seen apart: a flush sees no gap between them.
    whole = merged(pair[who], start, end)[3]
    firing = Firing(who, start, end, pair[who], whole)
    ended = np.flatnonzero(~_overtaken(members, pair))
    if len(gaps[0]):
        # An end within a gap of its member is dropped: the flush that would see it is suppressed.
        at = search(gaps[0], gaps[2], ended, members.gone[ended])
        inside = np.minimum(at, len(gaps[0]) - 1)
        hidden = (
            (gaps[0][inside] == ended)
            & (gaps[1][inside] <= members.gone[ended])
            & (at < len(gaps[0]))
        )
        ended = ended[~hidden]
    ended = ended[order_of(pair[ended], members.gone[ended])]
    return firing, Resolved(ended, members.gone[ended], pair[ended])


@dataclass(frozen=True)
class FiringIntervals:
    """Unbroken intervals in which a (group, series) is seen firing; shape (intervals,).

    Attributes
    ----------
    pair : array of int64
        Number of the (group, series), as in `Firing`.
    start, end : array of int64, microseconds since 1970
        First flush that sees it firing, first flush that doesn't; sorted by pair and start.
    group : array of int64
        Index into `Groups`.
    """

    pair: Ints
    start: Ints
    end: Ints
    group: Ints


@dataclass(frozen=True)
class Rows:
    """One row for each (group, flush) at which something changes, sorted.

    Attributes
    ----------
    group : array of int64, shape (rows,)
        Index into `Groups`.
    time : array of int64, shape (rows,), microseconds since 1970
        The flush.
    firing, resolved : array of int64, shape (rows,)
        How many alerts the flush sees firing and resolved.
    begin_row, finish_row : array of int64, shape (intervals,)
        Row at which each of `FiringIntervals` begins and ends.
    resolve_row : array of int64, shape (resolutions,)
        Row of each of `Resolved`.
    origin, span : int, microseconds
        As for `key_of`.
    """

    group: Ints
    time: Ints
    firing: Ints
    resolved: Ints
    begin_row: Ints
    finish_row: Ints
    resolve_row: Ints
    origin: int
    span: int

    def __len__(self) -> int:
        return len(self.group)


def key_of(group: Ints, time: Ints, origin: int, span: int) -> Ints:
    """Encode (group, time) as one number that sorts like the two.

    Parameters
    ----------
    group : array of int64, shape (n,)
        Index into `Groups`.
    time : array of int64, shape (n,), microseconds since 1970
        Not before `origin`.
    origin : int, microseconds since 1970
        The earliest time that occurs.
    span : int, microseconds
        Longer than the distance of any time from `origin`.

    Returns
    -------
    array of int64, shape (n,)
        ``group * span + (time - origin)``.
    """
    return group * span + (time - origin)


def firing_intervals_of(firing: Firing, group_of_member: Ints) -> FiringIntervals:
    """Unite parts of an unbroken interval that belong to different firing periods.

    Parameters
    ----------
    firing : Firing
        Intervals of members.
    group_of_member : array of int64, shape (members,)
        Index into `Groups`.

    Returns
    -------
    FiringIntervals
        One row for each distinct `Firing.whole`.
    """
    # Parts of one interval stand together: its start is its first part's, its end its last one's.
    new, last = heads(firing.whole), np.ones(len(firing.whole), dtype=bool)
    last[:-1] = new[1:]
    group = group_of_member[firing.member[new]]
    return FiringIntervals(firing.pair[new], firing.start[new], firing.end[last], group)


def rows_of(
    wholes: FiringIntervals, resolved: Resolved, resolved_group: Ints, origin: int, span: int
) -> Rows:
    """Collect the flushes at which something changes for a group.

    Parameters
    ----------
    wholes : FiringIntervals
        When a (group, series) is seen firing.
    resolved : Resolved
        When members are seen resolved.
    resolved_group : array of int64, shape (resolutions,)
        Group of each of `resolved`.
    origin, span : int, microseconds
        As for `key_of`.

    Returns
    -------
    Rows
        Distinct (group, flush) with the number of alerts firing and resolved.
    """
    begin = key_of(wholes.group, wholes.start, origin, span)
    finish = key_of(wholes.group, wholes.end, origin, span)
    gone = key_of(resolved_group, resolved.time, origin, span)
    # One sort of all three kinds of event: equal (group, flush) become one row.
    both = np.concatenate([begin, finish, gone])
    order = np.argsort(both)
    new = heads(both[order])
    key = both[order][new]
    size = len(key)
    at = np.empty(len(both), dtype=np.int64)
    at[order] = np.cumsum(new) - 1
    begin_row, finish_row, gone_row = np.split(at, [len(begin), 2 * len(begin)])
    # Every interval that begins in a group ends in it, so one running sum serves all groups.
    change = np.bincount(begin_row, minlength=size) - np.bincount(finish_row, minlength=size)
    return Rows(
        key // span,
        key % span + origin,
        np.cumsum(change),
        np.bincount(gone_row, minlength=size),
        begin_row,
        finish_row,
        gone_row,
        origin,
        span,
    )


def last_true(flags: Bools, group_head: Bools) -> Ints:
    """Find the last true flag at or before each row of its group.

    Parameters
    ----------
    flags : array of bool, shape (rows,)
        Rows of one group stand together.
    group_head : array of bool, shape (rows,)
        Whether a row is the first one of its group.

    Returns
    -------
    array of int64, shape (rows,)
        Position of the flag; -1 if none.
    """
    at = np.where(flags, np.arange(len(flags)), -1)
    at = np.maximum.accumulate(at) if len(at) else at
    # A flag of an earlier group doesn't count: it lies before the group's first row.
    begin = np.flatnonzero(group_head)
    start = np.repeat(begin, np.diff([*begin, len(flags)])) if len(begin) else begin
    return np.where(at >= start, at, -1)
