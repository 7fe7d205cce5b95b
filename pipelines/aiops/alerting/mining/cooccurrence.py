"""Which alerts occur together: in one group, or while another kind fires."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.alerting.mining.episodes import Episodes, days_of, positions
from pipelines.core.arrays import runs


@dataclass(frozen=True)
class Cooccurrence:
    """What a grouping would fold.

    Attributes
    ----------
    episodes, bursts : int
        Episodes, and bursts of the groups: a burst goes on while the next episode begins in time.
    good, n : int
        Units (stretches of time) in which most episodes had company, and all units.
    days : int
        Separate days with a unit.
    """

    episodes: int
    bursts: int
    good: int
    n: int
    days: int

    @property
    def spared(self) -> int:
        """Episodes that aren't notified by themselves."""
        return self.episodes - self.bursts


def key_of(
    episodes: Episodes, group: NDArray[np.int64], rows: NDArray[np.int64]
) -> NDArray[np.int64]:  # fmt: skip
    """Encode group and start of some episodes as one number, in the order of both.

    Parameters
    ----------
    episodes : Episodes
        Episodes of the training window.
    group : array of int64, shape (series,)
        Group of each series.
    rows : array of int64, shape (n,)
        Positions of episodes.

    Returns
    -------
    array of int64, shape (n,)
        Group × `Episodes.span` + start.
    """
    key: NDArray[np.int64] = group[episodes.series[rows]] * episodes.span + episodes.start[rows]
    return key


def cooccurrence(
    episodes: Episodes, group: NDArray[np.int64], wait: int, unit_seconds: int
) -> tuple[Cooccurrence, NDArray[np.int64]]:
    """Count what grouping series by `group` folds.

    Parameters
    ----------
    episodes : Episodes
        Episodes of the training window.
    group : array of int64, shape (series,)
        Group of each series, -1: not in any.
    wait : int
        Seconds that the next episode may begin after the one before, in the same burst.
    unit_seconds : int
        Length of the stretches that count as independent of each other, seconds.

    Returns
    -------
    (Cooccurrence, array of int64)
        Counts, and the keys (`key_of`) of the episodes that had company, ascending.
    """
    key = key_of(episodes, group, positions(episodes, np.flatnonzero(group >= 0)))
    if not len(key):
        return Cooccurrence(0, 0, 0, 0, 0), key
    # Sorted by group and start, a burst is a stretch without a gap longer than the wait.
    key.sort()
    new = np.ones(len(key) + 1, np.bool_)
    new[1:-1] = np.diff(key) > wait * 1000
    # A step from one group to the next is seldom shorter than the wait, but it can be.
    of = key // episodes.span
    new[1:-1] |= of[1:] != of[:-1]
    # Alone is who begins a burst right before another one begins.
    together = ~(new[:-1] & new[1:])
    of *= episodes.span
    start = np.subtract(key, of, out=of)
    good, n, days = _units(episodes, start, together, unit_seconds)
    return Cooccurrence(len(key), int(new[:-1].sum()), good, n, days), key[together]


def _units(
    episodes: Episodes, start: NDArray[np.int64], together: NDArray[np.bool_], unit_seconds: int
) -> tuple[int, int, int]:
    block = start // (unit_seconds * 1000)
    count = np.bincount(block)
    with_others = np.bincount(block[together], minlength=len(count))
    used = count > 0
    good = int((used & (with_others * 2 >= count)).sum())
    return good, int(used.sum()), days_of(episodes, start)


@dataclass(frozen=True)
class FiringIntervals:
    """The intervals during which a kind fires, sorted by location and start.

    Attributes
    ----------
    location : array of int64, shape (n,)
        Code of the equal labels' values.
    start, end : array of int64, shape (n,), milliseconds
        Since the origin; the start is the lead earlier than the alert's.
    kind : array of int64, shape (n,)
        Code of the kind of alert.
    """

    location: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    kind: NDArray[np.int64]


@dataclass(frozen=True)
class TargetStarts:
    """The starts of targets, sorted by location and time.

    Attributes
    ----------
    location : array of int64, shape (n,)
        Code of the equal labels' values.
    at : array of int64, shape (n,), milliseconds
        Start since the origin.
    kind : array of int64, shape (n,)
        Code of the kind of alert.
    """

    location: NDArray[np.int64]
    at: NDArray[np.int64]
    kind: NDArray[np.int64]


def firing_intervals(
    episodes: Episodes, location: NDArray[np.int64], kind: NDArray[np.int64], lead: int
) -> FiringIntervals:
    """Merge each kind's episodes with equal labels into intervals.

    The lead (milliseconds) is put before each start, so that no target is counted twice.

    Parameters
    ----------
    episodes : Episodes
        Episodes of the training window.
    location : array of int64, shape (series,)
        Code of each series' equal labels, -1 leaves it out.
    kind : array of int64, shape (series,)
        Code of each series' kind, -1 leaves it out.
    lead : int
        Milliseconds put before each start, so that no target is counted twice.

    Returns
    -------
    FiringIntervals
        Intervals that don't overlap within a kind and location.
    """
    both, pair = _pairs(location, kind)
    rows = positions(episodes, np.flatnonzero(pair >= 0))
    code = pair[episodes.series[rows]]
    span = episodes.span + lead + 1
    start = code * span + np.maximum(episodes.start[rows], 0)
    order = np.argsort(start)
    start, code = start[order], code[order]
    end = code * span + episodes.observed_end[rows][order] + lead
    # Codes are part of the numbers, so the running maximum restarts at each kind and location.
    reach = np.maximum.accumulate(end) if len(end) else end
    first = np.flatnonzero(np.concatenate([[True], start[1:] > reach[:-1]])[: len(rows)])
    last = np.append(first[1:], len(rows)) - 1
    pairs = code[first]
    begin = start[first] - pairs * span - lead
    stop = reach[last] - pairs * span - lead if len(first) else reach
    sort = np.lexsort((begin, both[pairs, 0]))
    return FiringIntervals(both[pairs, 0][sort], begin[sort], stop[sort], both[pairs, 1][sort])


def target_starts(
    episodes: Episodes, location: NDArray[np.int64], kind: NDArray[np.int64], block: int
) -> TargetStarts:
    """Find the first start of each kind at each location in each block of time.

    Parameters
    ----------
    episodes : Episodes
        Episodes of the training window.
    location : array of int64, shape (series,)
        Code of each series' equal labels, -1 leaves it out.
    kind : array of int64, shape (series,)
        Code of each series' kind, -1 leaves it out.
    block : int
        Length of a block, milliseconds.

    Returns
    -------
    TargetStarts
        One start a kind, location and block.
    """
    both, pair = _pairs(location, kind)
    rows = positions(episodes, np.flatnonzero(pair >= 0))
    key = pair[episodes.series[rows]] * episodes.span + episodes.start[rows]
    key.sort()
    # Of a kind's starts in one block the first one counts: the rest aren't independent of it.
    code, at = key // episodes.span, key % episodes.span
    unit = code * (episodes.span // block + 1) + at // block
    first = np.flatnonzero(np.concatenate([[True], unit[1:] != unit[:-1]])[: len(unit)])
    code, at = code[first], at[first]
    sort = np.lexsort((at, both[code, 0]))
    return TargetStarts(both[code, 0][sort], at[sort], both[code, 1][sort])


def _pairs(
    location: NDArray[np.int64], kind: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the pairs (location, kind) that occur, and each series' pair (-1 without)."""
    inside = np.flatnonzero((location >= 0) & (kind >= 0))
    pair = np.full(len(location), -1, np.int64)
    if not len(inside):
        return np.empty((0, 2), np.int64), pair
    width = int(kind.max()) + 1
    found, code = np.unique(location[inside] * width + kind[inside], return_inverse=True)
    pair[inside] = code
    both = np.stack([found // width, found % width], axis=1)
    return both, pair


def begin_inside(
    firing: FiringIntervals, location: NDArray[np.int64], at: NDArray[np.int64], span: int
) -> NDArray[np.bool_]:
    """Test whether each time lies in an interval of its location, given the intervals of one kind.

    Parameters
    ----------
    firing : FiringIntervals
        Intervals of one kind.
    location : array of int64, shape (n,)
        Location of each time.
    at : array of int64, shape (n,), milliseconds
        Times since the origin.
    span : int
        Length of the history, milliseconds.

    Returns
    -------
    array of bool, shape (n,)
        True inside, both ends included.
    """
    if not len(firing.location):
        return np.zeros(len(at), np.bool_)
    # Intervals don't overlap: only the last one that begins no later can hold the time.
    begin = firing.location * span + np.maximum(firing.start, 0)
    before = np.searchsorted(begin, location * span + at, "right") - 1
    known = np.maximum(before, 0)
    result: NDArray[np.bool_] = (
        (before >= 0) & (firing.location[known] == location) & (firing.end[known] >= at)
    )
    return result


def count_coincidences(sources: FiringIntervals, wanted: TargetStarts, span: int) -> int:
    """Count the coincidences, kinds with themselves included.

    Parameters
    ----------
    sources : FiringIntervals
        Intervals of all kinds.
    wanted : TargetStarts
        Starts of all targets.
    span : int
        Length of the history, milliseconds.

    Returns
    -------
    int
        Number of pairs (interval, start inside).
    """
    low, high = _ranges(sources, wanted, span)
    return int((high - low).sum())


def coincidences(
    sources: FiringIntervals, wanted: TargetStarts, span: int, kinds: int, chunk: int = 4_000_000
) -> dict[int, int]:
    """Count the targets that begin during an interval, for each pair of kinds.

    Parameters
    ----------
    sources : FiringIntervals
        Intervals of all kinds.
    wanted : TargetStarts
        Starts of all targets.
    span : int
        Length of the history, milliseconds.
    kinds : int
        Number of kinds.
    chunk : int, default 4000000
        Pairs counted at once: bounds the memory.

    Returns
    -------
    dict of int to int
        Source kind × `kinds` + target kind to number of targets.
    """
    low, high = _ranges(sources, wanted, span)
    count = high - low
    counts: dict[int, int] = {}
    # Pairs are expanded a chunk at a time: there can be many more of them than episodes.
    for rows in _chunks(count, chunk):
        some = count[rows]
        target = wanted.kind[runs(low[rows], some)]
        source = np.repeat(sources.kind[rows], some)
        pairs, number = np.unique(source * kinds + target, return_counts=True)
        for pair, found in zip(pairs.tolist(), number.tolist(), strict=True):
            counts[pair] = counts.get(pair, 0) + found
    return counts


def _ranges(
    sources: FiringIntervals, wanted: TargetStarts, span: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    # Clipped to the location's own range, so that no interval reaches into the next location.
    key = wanted.location * span + wanted.at
    begin = sources.location * span + np.clip(sources.start, 0, span - 1)
    end = sources.location * span + np.clip(sources.end, 0, span - 1)
    return np.searchsorted(key, begin, "left"), np.searchsorted(key, end, "right")


def _chunks(count: NDArray[np.int64], chunk: int) -> list[slice]:
    """Slices of rows whose counts add up to about `chunk` each."""
    total = np.cumsum(count)
    if not len(total):
        return []
    edges = np.searchsorted(total, np.arange(chunk, int(total[-1]) + chunk, chunk), "left") + 1
    bounds = np.unique(np.concatenate([[0], np.minimum(edges, len(count)), [len(count)]]))
    return [slice(int(a), int(b)) for a, b in pairwise(bounds)]


def shifted(wanted: TargetStarts, by: int, span: int) -> TargetStarts:
    """Shift the targets in time, wrapping at the end of the window; locations keep theirs.

    Parameters
    ----------
    wanted : TargetStarts
        Starts of targets.
    by : int
        Shift, milliseconds.
    span : int
        Length of the window, milliseconds.

    Returns
    -------
    TargetStarts
        The shifted starts, sorted by location and time.
    """
    at = (wanted.at + by) % span
    sort = np.lexsort((at, wanted.location))
    return TargetStarts(wanted.location[sort], at[sort], wanted.kind[sort])
