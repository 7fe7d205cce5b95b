"""Ticks at which something changes for a group, with what changes; input of `dedup`."""

from dataclasses import dataclass

import numpy as np

from pipelines.aiops.noise.arrays import Bools, Ints, heads
from pipelines.aiops.noise.replay.visible import Firing, Resolved


@dataclass(frozen=True)
class Wholes:
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
        Row at which each of `Wholes` begins and ends.
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


def wholes_of(firing: Firing, group_of_member: Ints) -> Wholes:
    """Unite parts of a stretch that belong to different spells."""
    new, last = heads(firing.whole), np.ones(len(firing.whole), dtype=bool)
    last[:-1] = new[1:]
    group = group_of_member[firing.member[new]]
    return Wholes(firing.pair[new], firing.start[new], firing.end[last], group)


def rows_of(
    wholes: Wholes, resolved: Resolved, resolved_group: Ints, origin: int, span: int
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
