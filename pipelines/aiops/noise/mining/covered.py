"""A pair of kinds, counted on all of the history."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.noise.arrays import distinct
from pipelines.aiops.noise.mining.coincidence import Stretches, begin_inside
from pipelines.aiops.noise.mining.episodes import Episodes, days_of, positions
from pipelines.aiops.noise.mining.history import History
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
    history: History, kinds: Kinds, pair: tuple[int, int], place: NDArray[np.int64],
    firing: Stretches,
) -> Covered | None:  # fmt: skip
    """Count a pair; `place` is the code of each series' equal labels.

    Parameters
    ----------
    firing
        Stretches during which the source fires.

    Returns
    -------
    None if a target that was acted on would be hidden while its source tells of something else.
    """
    episodes, lead = history.episodes, history.params.implied.lead_seconds * 1000
    acted = kinds.acted[pair[1]]
    acted = acted[_inside(episodes, acted, place, firing)]
    # One harm decides, and is found without looking at all the rest.
    if len(acted) and _harm(episodes, _of_kind(episodes, kinds, pair[0]), acted, place, lead):
        return None
    rows = _of_kind(episodes, kinds, pair[1])
    inside = _inside(episodes, rows, place, firing)
    good, n = _units(history, rows, inside, place)
    hidden = rows[inside]
    days = days_of(episodes, episodes.start[hidden])
    return Covered(len(rows), hidden, good, n, days)


def _inside(
    episodes: Episodes, rows: NDArray[np.int64], place: NDArray[np.int64], firing: Stretches
) -> NDArray[np.bool_]:
    return begin_inside(
        firing, place[episodes.series[rows]], episodes.start[rows], episodes.span
    )  # fmt: skip


def _of_kind(episodes: Episodes, kinds: Kinds, kind: int) -> NDArray[np.int64]:
    return positions(episodes, np.flatnonzero(kinds.of_series == kind))


def _units(
    history: History, rows: NDArray[np.int64], inside: NDArray[np.bool_], place: NDArray[np.int64]
) -> tuple[int, int]:
    episodes, block = history.episodes, history.params.independence_seconds * 1000
    blocks = episodes.span // block + 1
    key = place[episodes.series[rows]] * blocks + episodes.start[rows] // block
    n, missed = len(distinct(key)), len(distinct(key[~inside]))
    return n - missed, n


def _harm(
    episodes: Episodes, source: NDArray[np.int64], acted: NDArray[np.int64],
    place: NDArray[np.int64], lead: int,
) -> bool:  # fmt: skip
    """Whether for one of the `acted` targets, all covered, no source tells of the same thing."""
    where = place[episodes.series[source]]
    for row in acted.tolist():
        covers = source[
            (where == place[episodes.series[row]])
            & (episodes.start[source] <= episodes.start[row] + lead)
            & (episodes.end[source] >= episodes.start[row])
        ]
        same = episodes.ticket[covers] == episodes.ticket[row]
        if not (same & (episodes.acted[covers] == YES)).any():
            return True
    return False
