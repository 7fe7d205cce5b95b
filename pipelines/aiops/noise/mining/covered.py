"""A pair of kinds, counted on all of the history."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.noise.mining.coincidence import Stretches, stretches
from pipelines.aiops.noise.mining.describe import count_days
from pipelines.aiops.noise.mining.episodes import Episodes
from pipelines.aiops.noise.mining.history import History, positions
from pipelines.aiops.noise.mining.kinds import Kinds
from pipelines.aiops.telemetry.frame import YES


@dataclass(frozen=True)
class Covered:
    """What a source covers of a target.

    Attributes
    ----------
    episodes
        Episodes of the target.
    rows
        Those that began while the source fired, positions.
    good, n, days
        Independent ones (one a place and stretch of time, the worst speaks), all of them, and the
        days of the good ones.
    """

    episodes: int
    rows: NDArray[np.int64]
    good: int
    n: int
    days: int


def covered(
    history: History, kinds: Kinds, pair: tuple[int, int], place: NDArray[np.int64]
) -> Covered | None:
    """Count a pair; `place` is the code of each series' equal labels.

    None if a target that was acted on would be hidden while its source tells of something else.
    """
    episodes, lead = history.episodes, history.params.implied.lead_seconds * 1000
    source = _of_kind(episodes, kinds, pair[0])
    rows = _of_kind(episodes, kinds, pair[1])
    # One harm decides, and is found without looking at all the rest.
    if _harm(episodes, source, rows[episodes.acted[rows] == YES], place, lead):
        return None
    there = np.where(kinds.of_series == pair[0], place, -1)
    firing = stretches(episodes.where(source), there, kinds.of_series, lead)
    inside = _inside(firing, place[episodes.series[rows]], episodes.start[rows], episodes.span)
    good, n = _units(history, rows, inside, place)
    hidden = rows[inside]
    days = count_days(episodes, hidden)
    return Covered(len(rows), hidden, good, n, days)


def _of_kind(episodes: Episodes, kinds: Kinds, kind: int) -> NDArray[np.int64]:
    series = np.flatnonzero(kinds.of_series == kind).astype(np.int32)
    return positions(episodes, series)


def _inside(
    firing: Stretches, place: NDArray[np.int64], at: NDArray[np.int64], span: int
) -> NDArray[np.bool_]:
    """Whether each moment lies in a stretch of its place; they don't overlap each other there."""
    if not len(firing.place):
        return np.zeros(len(at), np.bool_)
    begin = firing.place * span + np.maximum(firing.start, 0)
    before = np.searchsorted(begin, place * span + at, "right") - 1
    known = np.maximum(before, 0)
    result: NDArray[np.bool_] = (
        (before >= 0) & (firing.place[known] == place) & (firing.end[known] >= at)
    )
    return result


def _units(
    history: History, rows: NDArray[np.int64], inside: NDArray[np.bool_], place: NDArray[np.int64]
) -> tuple[int, int]:
    episodes, block = history.episodes, history.params.independence_seconds * 1000
    blocks = episodes.span // block + 1
    key = place[episodes.series[rows]] * blocks + episodes.start[rows] // block
    units, unit = np.unique(key, return_inverse=True)
    missed = np.bincount(unit[~inside], minlength=len(units))
    return int((missed == 0).sum()), len(units)


def _harm(
    episodes: Episodes, source: NDArray[np.int64], acted: NDArray[np.int64],
    place: NDArray[np.int64], lead: int,
) -> bool:  # fmt: skip
    """Whether for one of the `acted` targets no covering source tells of the same thing."""
    where = place[episodes.series[source]]
    for row in acted.tolist():
        covers = source[
            (where == place[episodes.series[row]])
            & (episodes.start[source] <= episodes.start[row] + lead)
            & (episodes.end[source] >= episodes.start[row])
        ]
        same = episodes.ticket[covers] == episodes.ticket[row]
        if len(covers) and not (same & (episodes.acted[covers] == YES)).any():
            return True
    return False
