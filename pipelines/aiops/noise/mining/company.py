"""Which episodes begin in the company of others of their group."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.noise.mining.episodes import Episodes
from pipelines.aiops.noise.mining.history import positions


@dataclass(frozen=True)
class Company:
    """What a grouping would fold.

    Attributes
    ----------
    episodes, bursts
        Episodes, and groups' bursts of them: a burst goes on while the next one begins in time.
    good, n
        Units (stretches of time) in which most episodes came in company, and all of them.
    days
        Separate days with a unit.
    lags
        Seconds from each burst's begin, of the episodes that came in company.
    rows
        Episodes that came in company, positions.
    """

    episodes: int
    bursts: int
    good: int
    n: int
    days: int
    lags: NDArray[np.float64]
    rows: NDArray[np.int64]


def company(episodes: Episodes, group: NDArray[np.int64], wait: int, unit_seconds: int) -> Company:
    """Count what grouping series by `group` (-1: not in it) folds.

    Parameters
    ----------
    wait
        Seconds that the next episode may begin after the one before, in the same burst.
    unit_seconds
        Length of the stretches that count as independent of each other.
    """
    place = positions(episodes, np.flatnonzero(group >= 0).astype(np.int32))
    of = group[episodes.series[place]]
    key = of * episodes.span + episodes.start[place]
    order = np.argsort(key)
    key, place, of = key[order], place[order], of[order]
    if not len(key):
        nothing = np.empty(0, np.int64)
        return Company(0, 0, 0, 0, 0, nothing.astype(np.float64), nothing)
    new = np.concatenate([[True], np.diff(key) > wait * 1000])
    # A step from one group to the next is seldom shorter than the wait, but it can be.
    new[1:] |= np.diff(of) != 0
    first = np.flatnonzero(new)
    size = np.diff(np.append(first, len(key)))
    burst = np.cumsum(new) - 1
    together = size[burst] > 1
    lags = (key - key[first[burst]])[together] / 1000
    good, n, days = _units(episodes, place, together, unit_seconds)
    return Company(
        len(key), len(first), good, n, days, lags, place[together]
    )  # fmt: skip


def _units(
    episodes: Episodes, place: NDArray[np.int64], together: NDArray[np.bool_], unit_seconds: int
) -> tuple[int, int, int]:
    block = episodes.start[place] // (unit_seconds * 1000)
    blocks = episodes.span // (unit_seconds * 1000) + 1
    count = np.bincount(block, minlength=blocks)
    in_company = np.bincount(block[together], minlength=blocks)
    used = count > 0
    good = int((used & (in_company * 2 >= count)).sum())
    day = (episodes.start[place] + episodes.origin // 1000) // 86_400_000
    first_day = int(day.min())
    return good, int(used.sum()), int((np.bincount(day - first_day) > 0).sum())
