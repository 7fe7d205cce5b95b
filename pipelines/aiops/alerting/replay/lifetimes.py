"""When alerts fire, and when aggregation groups are made and go.

A group is made by its first alert and first flushes `group_wait` later, then every
`group_interval`. A flush deletes what is resolved; a group that is empty when the dispatcher
sweeps is gone, and the next alert makes a new one with a new `group_wait`. An alert that comes
before the sweep waits for the next flush instead.

An alert that Alertmanager hears of only `group_wait` after its start flushes a new group at once.
In history an alert is heard of when it starts, so that doesn't occur here.
"""

from dataclasses import dataclass

import numpy as np

from pipelines.aiops.alerting.replay.model import FiringPeriods, Groups, Timing, next_flush
from pipelines.aiops.lake.frame import AlertFrame
from pipelines.core.arrays import Ints, heads, merged, order_of, running_max


def fire(frame: AlertFrame, until: int) -> FiringPeriods:
    """Work out when each series fires.

    Rows of one series that overlap or touch are one alert that goes on.

    Parameters
    ----------
    frame : AlertFrame
        Alert history, in any order.
    until : int, microseconds since 1970
        Alerts that start later are left out; those that last longer are cut off just after it.

    Returns
    -------
    FiringPeriods
        Sorted by series and start.
    """
    known = np.flatnonzero(frame.starts <= until)
    starts = frame.starts[known]
    ends = np.maximum(np.minimum(frame.ends[known], until + 1), starts)
    series, begins, stops, of_known = merged(frame.series[known].astype(np.int64), starts, ends)
    of_row = np.full(len(frame), -1, dtype=np.int64)
    of_row[known] = of_known
    return FiringPeriods(series, begins, stops, of_row)


FEW = 48
"""Below so many groups at once a plain loop is faster than whole columns."""


@dataclass(frozen=True)
class Members:
    """Firing periods as members of groups, sorted by group and start; shape (members,).

    Attributes
    ----------
    group, period : array of int64
        Index into `Groups` and index into `FiringPeriods`.
    first : array of int64, microseconds since 1970
        First flush of the group's life that the member is in.
    seen, gone : array of int64, microseconds since 1970
        First flush that sees it, first flush that sees it resolved (``gone >= seen``).
    """

    group: Ints
    period: Ints
    first: Ints
    seen: Ints
    gone: Ints

    def __len__(self) -> int:
        return len(self.group)


def _swept(timing: Timing, times: Ints) -> Ints:
    """Return the first sweep after each time; the time itself where nothing waits for one."""
    if not timing.sweep:
        return times
    return ((times - timing.sweep_at) // timing.sweep + 1) * timing.sweep + timing.sweep_at


def _one_by_one(
    rows: Ints, cluster: Ints, first: Ints, columns: tuple[Ints, ...], timing: Timing
) -> list[int]:
    """Do what `_rounds` does, for the few clusters with the longest chains; rows in order."""
    found = []
    known = {own: int(first[own]) for own in set(cluster.tolist())}
    values = zip(rows.tolist(), cluster.tolist(), *(c[rows].tolist() for c in columns), strict=True)
    for row, own, start, reach, wait, interval in values:
        late = max(reach - known[own], 0)
        over = known[own] + -(-late // interval) * interval
        if timing.sweep:
            over = ((over - timing.sweep_at) // timing.sweep + 1) * timing.sweep + timing.sweep_at
        if start > over:
            known[own] = start + wait
            found.append(row)
    return found


def _rounds(
    maybe: Ints, cluster: Ints, first: Ints, columns: tuple[Ints, ...], timing: Timing
) -> Ints:
    """Return which of the rows `maybe` begin a new life of their group.

    Parameters
    ----------
    maybe : array of int64
        Rows whose gap before them is neither surely long enough nor none, in order.
    cluster : array of int64, same shape
        Stretch without sure gaps that each is in; they don't depend on one another.
    first : array of int64, shape (clusters,), microseconds since 1970
        First flush of the life that each cluster begins with; updated in place.
    columns : tuple of arrays of int64, each of shape (members,), microseconds
        Start, latest end before, group_wait, group_interval of every row.
    timing : Timing
        When the dispatcher sweeps.

    Returns
    -------
    array of int64
        Some of `maybe`, in any order.
    """
    if not len(maybe):
        return maybe
    begins = np.flatnonzero(heads(cluster))
    depth = np.arange(len(maybe)) - np.repeat(begins, np.diff([*begins, len(maybe)]))
    order = np.argsort(depth, kind="stable")
    start, reach, wait, interval = columns
    found, done = [], 0
    for size in np.bincount(depth).tolist():
        if size < FEW:
            rest = np.sort(order[done:])
            left = _one_by_one(maybe[rest], cluster[rest], first, columns, timing)
            found.append(np.array(left, dtype=np.int64))
            break
        at = order[done : done + size]
        row, done = maybe[at], done + size
        over = next_flush(reach[row], first[cluster[at]], interval[row])
        fresh = start[row] > _swept(timing, over)
        first[cluster[at[fresh]]] = start[row[fresh]] + wait[row[fresh]]
        found.append(row[fresh])
    return np.concatenate(found)


def lifetimes(
    groups: Groups, group: Ints, period: Ints, periods: FiringPeriods, timing: Timing
) -> Members:
    """Place firing periods on the flushes of their groups.

    Parameters
    ----------
    groups : Groups
        ``group_wait`` and ``group_interval`` of each group.
    group, period : array of int64, shape (members,)
        Pairs of an index of a group and an index of a firing period in it, in any order.
    periods : FiringPeriods
        When each series fires.
    timing : Timing
        When the dispatcher removes empty groups.

    Returns
    -------
    Members
        Sorted by group and start.

    References
    ----------
    Alertmanager, `dispatch/dispatch.go`.
    """
    order = order_of(group, periods.starts[period])
    group, period = group[order], period[order]
    start, end = periods.starts[period], periods.ends[period]
    wait, interval = groups.wait[group], groups.interval[group]
    # `reach`: latest end among the members of the group that start before this one.
    reach = np.empty_like(start)
    reach[1:] = running_max(group, end)[:-1]
    head = heads(group)
    reach[head] = start[head]
    # A group without alerts lives at most until the flush after its last end, and a sweep.
    sure = head | (start > reach + np.maximum(wait, interval) + timing.sweep)
    cluster = np.cumsum(sure) - 1
    maybe = np.flatnonzero(~sure & (start > reach))
    first = (start + wait)[sure]
    begins = sure.copy()
    columns = (start, reach, wait, interval)
    begins[_rounds(maybe, cluster[maybe], first, columns, timing)] = True
    first_flush = (start + wait)[begins][np.cumsum(begins) - 1]
    seen, gone = next_flush(start, first_flush, interval), next_flush(end, first_flush, interval)
    return Members(group, period, first_flush, seen, gone)
