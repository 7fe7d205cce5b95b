"""What each flush gets to see, and the flushes at which something changes for a group."""

from dataclasses import dataclass

import numpy as np

from pipelines.aiops.alerting.replay.model import FiringPeriods
from pipelines.aiops.alerting.replay.rule_durations import Members
from pipelines.aiops.alerting.replay.suppression import SuppressedIntervals
from pipelines.core.arrays import Bools, Ints, heads, merged, order_of, search


@dataclass(frozen=True)
class Firing:
    """Stretches of ticks at which a member is seen firing.

    Attributes
    ----------
    member, start, end
        Which member; first tick that sees it, first tick that doesn't; sorted by pair and start.
    pair
        Number of its (group, series).
    whole
        Number of the unbroken stretch of the pair that it is part of: an alert that ends and
        comes back between two ticks is never seen to be away.
    """

    member: Ints
    start: Ints
    end: Ints
    pair: Ints
    whole: Ints


@dataclass(frozen=True)
class Resolved:
    """Ticks that see a member resolved; sorted by pair and time."""

    member: Ints
    time: Ints
    pair: Ints


def _gaps(pieces: SuppressedIntervals) -> tuple[Ints, Ints, Ints]:
    return merged(pieces.member, pieces.start, pieces.end)[:3]


def _cut(members: Members, gaps: tuple[Ints, Ints, Ints]) -> tuple[Ints, Ints, Ints]:
    """Stretches ``[seen, gone)`` of all members without the gaps: (member, start, end)."""
    who, start, end = gaps
    first, last = heads(who), np.ones(len(who), dtype=bool)
    last[:-1] = first[1:]
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


def _pairs(members: Members, spells: FiringPeriods) -> Ints:
    wide = int(spells.series.max(initial=0)) + 1
    code = members.group * wide + spells.series[members.spell]
    pair: Ints = np.unique(code, return_inverse=True)[1].astype(np.int64)
    return pair


def _overtaken(members: Members, pair: Ints) -> Bools:
    """Members whose end no tick sees, because the alert is back (or back and gone) by then."""
    order = order_of(pair, members.spell)
    here, after = order[:-1], order[1:]
    found = np.zeros(len(members), dtype=bool)
    found[here] = (pair[here] == pair[after]) & (members.seen[after] <= members.gone[here])
    return found


def observe_at_flushes(
    members: Members, spells: FiringPeriods, pieces: SuppressedIntervals
) -> tuple[Firing, Resolved]:
    """Work out what ticks see."""
    pair = _pairs(members, spells)
    gaps = _gaps(pieces)
    who, start, end = _cut(members, gaps)
    order = order_of(pair[who], start)
    who, start, end = who[order], start[order], end[order]
    whole = merged(pair[who], start, end)[3]
    firing = Firing(who, start, end, pair[who], whole)
    ended = np.flatnonzero(~_overtaken(members, pair))
    if len(gaps[0]):
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
    """Unbroken stretches in which a (group, series) is seen firing, sorted by pair and start."""

    pair: Ints
    start: Ints
    end: Ints
    group: Ints


@dataclass(frozen=True)
class Rows:
    """One row a (group, tick), sorted.

    Attributes
    ----------
    firing, resolved
        How many alerts the tick sees firing and resolved, shape (rows,).
    begin_row, finish_row
        Row at which each of `FiringIntervals` begins and ends.
    resolve_row
        Row of each of `Resolved`.
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
    """One number for (group, time) that sorts like the two; `span` is longer than all times."""
    return group * span + (time - origin)


def firing_intervals_of(firing: Firing, group_of_member: Ints) -> FiringIntervals:
    """Unite parts of a stretch that belong to different spells."""
    new, last = heads(firing.whole), np.ones(len(firing.whole), dtype=bool)
    last[:-1] = new[1:]
    group = group_of_member[firing.member[new]]
    return FiringIntervals(firing.pair[new], firing.start[new], firing.end[last], group)


def rows_of(
    wholes: FiringIntervals, resolved: Resolved, resolved_group: Ints, origin: int, span: int
) -> Rows:
    """Collect the ticks; `origin` and `span` as for `key_of`."""
    begin = key_of(wholes.group, wholes.start, origin, span)
    finish = key_of(wholes.group, wholes.end, origin, span)
    gone = key_of(resolved_group, resolved.time, origin, span)
    both = np.concatenate([begin, finish, gone])
    order = np.argsort(both)
    new = heads(both[order])
    key = both[order][new]
    size = len(key)
    at = np.empty(len(both), dtype=np.int64)
    at[order] = np.cumsum(new) - 1
    begin_row, finish_row, gone_row = np.split(at, [len(begin), 2 * len(begin)])
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
    """Position of the last true flag at or before each row in its group; -1 if none."""
    at = np.where(flags, np.arange(len(flags)), -1)
    at = np.maximum.accumulate(at) if len(at) else at
    begin = np.flatnonzero(group_head)
    start = np.repeat(begin, np.diff([*begin, len(flags)])) if len(begin) else begin
    return np.where(at >= start, at, -1)
