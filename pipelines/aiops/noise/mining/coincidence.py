"""Which kinds of alert begin while another kind fires, within equal labels."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.noise.arrays import runs
from pipelines.aiops.noise.mining.episodes import Episodes, positions


@dataclass(frozen=True)
class Stretches:
    """Times during which a kind fires somewhere; sorted by place and start.

    Attributes
    ----------
    place
        Code of the equal labels' values.
    start, end
        Milliseconds; the start is the lead earlier than the alert's.
    kind
        Code of the kind of alert.
    """

    place: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    kind: NDArray[np.int64]


@dataclass(frozen=True)
class Targets:
    """Begins of targets, sorted by place and time."""

    place: NDArray[np.int64]
    at: NDArray[np.int64]
    kind: NDArray[np.int64]


def stretches(
    episodes: Episodes, place: NDArray[np.int64], kind: NDArray[np.int64], lead: int
) -> Stretches:
    """Merge each kind's episodes in each place; arrays are per series, -1 leaves a series out.

    The lead (milliseconds) is put before each start, so that no target is counted twice.
    """
    both, pair = _pairs(place, kind)
    rows = positions(episodes, np.flatnonzero(pair >= 0))
    code = pair[episodes.series[rows]]
    span = episodes.span + lead + 1
    start = code * span + np.maximum(episodes.start[rows], 0)
    order = np.argsort(start)
    start, code = start[order], code[order]
    end = code * span + episodes.end[rows][order] + lead
    reach = np.maximum.accumulate(end) if len(end) else end
    first = np.flatnonzero(np.concatenate([[True], start[1:] > reach[:-1]])[: len(rows)])
    last = np.append(first[1:], len(rows)) - 1
    pairs = code[first]
    begin = start[first] - pairs * span - lead
    stop = reach[last] - pairs * span - lead if len(first) else reach
    sort = np.lexsort((begin, both[pairs, 0]))
    return Stretches(both[pairs, 0][sort], begin[sort], stop[sort], both[pairs, 1][sort])


def targets(
    episodes: Episodes, place: NDArray[np.int64], kind: NDArray[np.int64], block: int
) -> Targets:
    """First begin of each kind in each place and block of `block` milliseconds."""
    both, pair = _pairs(place, kind)
    rows = positions(episodes, np.flatnonzero(pair >= 0))
    key = pair[episodes.series[rows]] * episodes.span + episodes.start[rows]
    key.sort()
    code, at = key // episodes.span, key % episodes.span
    unit = code * (episodes.span // block + 1) + at // block
    first = np.flatnonzero(np.concatenate([[True], unit[1:] != unit[:-1]])[: len(unit)])
    code, at = code[first], at[first]
    sort = np.lexsort((at, both[code, 0]))
    return Targets(both[code, 0][sort], at[sort], both[code, 1][sort])


def _pairs(
    place: NDArray[np.int64], kind: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the pairs (place, kind) that occur, and each series' pair (-1 without)."""
    inside = np.flatnonzero((place >= 0) & (kind >= 0))
    pair = np.full(len(place), -1, np.int64)
    if not len(inside):
        return np.empty((0, 2), np.int64), pair
    width = int(kind.max()) + 1
    found, code = np.unique(place[inside] * width + kind[inside], return_inverse=True)
    pair[inside] = code
    both = np.stack([found // width, found % width], axis=1)
    return both, pair


def begin_inside(
    firing: Stretches, place: NDArray[np.int64], at: NDArray[np.int64], span: int
) -> NDArray[np.bool_]:
    """Whether each moment lies in a stretch of its place, given the stretches of one kind."""
    if not len(firing.place):
        return np.zeros(len(at), np.bool_)
    begin = firing.place * span + np.maximum(firing.start, 0)
    before = np.searchsorted(begin, place * span + at, "right") - 1
    known = np.maximum(before, 0)
    result: NDArray[np.bool_] = (
        (before >= 0) & (firing.place[known] == place) & (firing.end[known] >= at)
    )
    return result


def size_of(sources: Stretches, wanted: Targets, span: int) -> int:
    """How many coincidences there are, kinds with themselves included."""
    low, high = _ranges(sources, wanted, span)
    return int((high - low).sum())


def coincidences(
    sources: Stretches, wanted: Targets, span: int, kinds: int, chunk: int = 4_000_000
) -> dict[int, int]:
    """Count targets that begin during a stretch: source kind × `kinds` + target kind → number."""
    low, high = _ranges(sources, wanted, span)
    count = high - low
    counts: dict[int, int] = {}
    for rows in _chunks(count, chunk):
        some = count[rows]
        target = wanted.kind[runs(low[rows], some)]
        source = np.repeat(sources.kind[rows], some)
        pairs, number = np.unique(source * kinds + target, return_counts=True)
        for pair, found in zip(pairs.tolist(), number.tolist(), strict=True):
            counts[pair] = counts.get(pair, 0) + found
    return counts


def _ranges(
    sources: Stretches, wanted: Targets, span: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    key = wanted.place * span + wanted.at
    begin = sources.place * span + np.clip(sources.start, 0, span - 1)
    end = sources.place * span + np.clip(sources.end, 0, span - 1)
    return np.searchsorted(key, begin, "left"), np.searchsorted(key, end, "right")


def _chunks(count: NDArray[np.int64], chunk: int) -> list[slice]:
    """Slices of rows whose counts add up to about `chunk` each."""
    total = np.cumsum(count)
    if not len(total):
        return []
    edges = np.searchsorted(total, np.arange(chunk, int(total[-1]) + chunk, chunk), "left") + 1
    bounds = np.unique(np.concatenate([[0], np.minimum(edges, len(count)), [len(count)]]))
    return [slice(int(a), int(b)) for a, b in pairwise(bounds)]


def shifted(wanted: Targets, by: int, span: int) -> Targets:
    """Lay the targets some time later, around the end of the window; places keep theirs."""
    at = (wanted.at + by) % span
    sort = np.lexsort((at, wanted.place))
    return Targets(wanted.place[sort], at[sort], wanted.kind[sort])
