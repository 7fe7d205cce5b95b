"""Which episodes begin in the company of others of their group."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.noise.mining.episodes import Episodes, days_of, positions


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
    """

    episodes: int
    bursts: int
    good: int
    n: int
    days: int

    @property
    def spared(self) -> int:
        """Episodes that aren't told by themselves."""
        return self.episodes - self.bursts


def key_of(
    episodes: Episodes, group: NDArray[np.int64], rows: NDArray[np.int64]
) -> NDArray[np.int64]:  # fmt: skip
    """Group and start of some episodes as one number, in the order of both."""
    key: NDArray[np.int64] = group[episodes.series[rows]] * episodes.span + episodes.start[rows]
    return key


def company(
    episodes: Episodes, group: NDArray[np.int64], wait: int, unit_seconds: int
) -> tuple[Company, NDArray[np.int64]]:
    """Count what grouping series by `group` (-1: not in it) folds.

    Parameters
    ----------
    wait
        Seconds that the next episode may begin after the one before, in the same burst.
    unit_seconds
        Length of the stretches that count as independent of each other.

    Returns
    -------
    Counts, and the keys (`key_of`) of the episodes that came in company, ascending.
    """
    key = key_of(episodes, group, positions(episodes, np.flatnonzero(group >= 0)))
    if not len(key):
        return Company(0, 0, 0, 0, 0), key
    key.sort()
    new = np.ones(len(key) + 1, np.bool_)
    new[1:-1] = np.diff(key) > wait * 1000
    # A step from one group to the next is seldom shorter than the wait, but it can be.
    of = key // episodes.span
    new[1:-1] |= of[1:] != of[:-1]
    together = ~(new[:-1] & new[1:])
    of *= episodes.span
    start = np.subtract(key, of, out=of)
    good, n, days = _units(episodes, start, together, unit_seconds)
    return Company(len(key), int(new[:-1].sum()), good, n, days), key[together]


def _units(
    episodes: Episodes, start: NDArray[np.int64], together: NDArray[np.bool_], unit_seconds: int
) -> tuple[int, int, int]:
    block = start // (unit_seconds * 1000)
    count = np.bincount(block)
    in_company = np.bincount(block[together], minlength=len(count))
    used = count > 0
    good = int((used & (in_company * 2 >= count)).sum())
    return good, int(used.sum()), days_of(episodes, start)
