"""Hours of the day, on sets of weekdays, at which something comes nearly always, not by chance."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.noise.mining.bounds import lower, upper

WEEKDAYS = tuple(range(7))
DAY_SETS = (WEEKDAYS, WEEKDAYS[:5], WEEKDAYS[5:], *((day,) for day in WEEKDAYS))
"""Sets of weekdays that are tried, those that say most first."""
MEMBERS = np.array([[day in days for day in WEEKDAYS] for days in DAY_SETS], np.float32)
"""Which weekdays each set has, shape (sets, 7)."""
WINDOWS_A_SET = 3
A_BIN = 0.05
"""What a window's length costs: this share of its days, if it is as long as a window may be."""
SAME = 1e-9
"""Windows are worth the same up to this, for sums in floating point; the first one is taken."""


@dataclass(frozen=True)
class Hours:
    """When one pattern came, on one clock.

    Attributes
    ----------
    came, acted
        Whether it came unacted, and whether anybody acted on one that began then; bool, shape
        (days, bins).
    weekday
        Weekday of each day, 0 = Monday, shape (days,).
    """

    came: NDArray[np.bool_]
    acted: NDArray[np.bool_]
    weekday: NDArray[np.int64]


@dataclass(frozen=True)
class Asked:
    """What a window must do.

    Attributes
    ----------
    longest
        Bins at most.
    min_days, min_day_share
        Days on which it came, and their share of the days that there are.
    """

    longest: int
    min_days: int
    min_day_share: float
    confidence: float


@dataclass(frozen=True)
class Found:
    """A window that holds: bins from `start` on `weekdays`."""

    weekdays: tuple[int, ...]
    start: int
    bins: int
    good: int
    n: int
    low: float
    chance: float


@dataclass(frozen=True)
class _Windows:
    """Windows in order of their set of weekdays, size and start; row i of all is the same one."""

    days: NDArray[np.int64]
    size: NDArray[np.int64]
    start: NDArray[np.int64]
    good: NDArray[np.int64]
    n: NDArray[np.int64]
    low: NDArray[np.float64]
    chance: NDArray[np.float64]

    def where(self, keep: NDArray[np.bool_]) -> "_Windows":
        return _Windows(*(values[keep] for values in vars(self).values()))


def find_windows(hours: Hours, asked: Asked) -> Iterator[Found]:
    """Find the best windows that don't overlap each other on any weekday, daily ones first.

    The lower bound on the share of days must be above what the pattern's own rate outside of the
    window would bring into it by chance; bins in which one was acted on, on any weekday, are barred
    (leaving out its own would be picking). It came on at least half of the days of each weekday of
    the set: none rides on the others.
    """
    bins = hours.came.shape[1]
    holding = _holding(hours, asked)
    taken = np.zeros((len(WEEKDAYS), bins), np.bool_)
    for number in np.unique(holding.days).tolist():
        windows, weekdays = holding.where(holding.days == number), DAY_SETS[number]
        for _ in range(WINDOWS_A_SET):
            barred = _before(taken[list(weekdays)])
            windows = windows.where(barred[windows.start] == barred[windows.start + windows.size])
            if not len(windows.start):
                break
            found = _best(windows, weekdays, min(asked.longest, bins))
            taken[list(weekdays), found.start : found.start + found.bins] = True
            yield found


def _best(windows: _Windows, weekdays: tuple[int, ...], longest: int) -> Found:
    worth = windows.good - A_BIN * windows.size * windows.n / longest
    i = int(np.argmax(worth >= worth.max() - SAME))
    return Found(
        weekdays, int(windows.start[i]), int(windows.size[i]), int(windows.good[i]),
        int(windows.n[i]), float(windows.low[i]), float(windows.chance[i]),
    )  # fmt: skip


def _holding(hours: Hours, asked: Asked) -> _Windows:
    """All windows that hold, each by itself."""
    windows, outside = _often(hours, asked)
    bins = hours.came.shape[1]
    # The upper bound is above the rate itself: where that is too high already, it isn't worked out.
    places = windows.n * (bins - windows.size)
    rate = np.divide(outside, places, out=np.ones(len(places)), where=places > 0)
    hopeful = windows.low > 1 - (1 - rate) ** windows.size
    windows, outside, places = windows.where(hopeful), outside[hopeful], places[hopeful]
    windows.chance[:] = 1 - (1 - upper(outside, places, asked.confidence)) ** windows.size
    return windows.where(windows.low > windows.chance)


def _often(hours: Hours, asked: Asked) -> tuple[_Windows, NDArray[np.int64]]:
    """Windows in which it came often enough, and how often it came outside of each."""
    bins = hours.came.shape[1]
    days = np.bincount(hours.weekday, minlength=len(WEEKDAYS))
    inside = _by_weekday(_slid(hours.came, min(asked.longest, bins)), hours.weekday)
    n = (MEMBERS @ days).astype(np.int64)
    enough = np.where(
        n < asked.min_days, np.inf, np.maximum(asked.min_day_share * n, asked.min_days)
    )
    good = np.rint(np.tensordot(MEMBERS, inside, 1)).astype(np.int64)
    steady = (inside >= ((days + 1) // 2)[:, None, None]).astype(np.float32)
    fits = good >= enough[:, None, None]
    fits &= np.tensordot(MEMBERS, steady, 1) == MEMBERS.sum(axis=1)[:, None, None]
    fits &= _free(hours.acted, len(inside[0]))
    which, size, start = np.nonzero(fits)
    came = good[fits]
    low = np.concatenate(
        [_lowest(int(n[i]), asked.confidence)[came[which == i]] for i in np.unique(which)]
        or [np.empty(0)]
    )
    per_bin = (MEMBERS @ inside[:, 0]).astype(np.int64)
    before = np.concatenate([np.zeros((len(n), 1), np.int64), per_bin.cumsum(axis=1)], axis=1)
    size = size + 1
    outside = before[which, -1] - (before[which, start + size] - before[which, start])
    chance = np.ones(len(start))
    return _Windows(which, size, start, came, n[which], low, chance), outside


def _slid(came: NDArray[np.bool_], longest: int) -> NDArray[np.bool_]:
    """Whether any of the bins from each on is set, shape (sizes, days, bins).

    Windows that would go beyond the day are empty.
    """
    slid = np.zeros((longest, *came.shape), np.bool_)
    slid[0] = came
    for size in range(2, longest + 1):
        room = came.shape[1] - size + 1
        slid[size - 1, :, :room] = slid[size - 2, :, :room] | came[:, size - 1 :]
    return slid


def _by_weekday(came: NDArray[np.bool_], weekday: NDArray[np.int64]) -> NDArray[np.float32]:
    """Count days by weekday, shape (7, sizes, bins)."""
    of_weekday = (weekday == np.arange(len(WEEKDAYS))[:, None]).astype(np.float32)
    return np.tensordot(of_weekday, came.astype(np.float32), (1, 1))


def _free(barred: NDArray[np.bool_], longest: int) -> NDArray[np.bool_]:
    """Whether windows stay within the day and have no barred bin, shape (sizes, bins)."""
    before, bins = _before(barred), barred.shape[1]
    end = np.arange(bins) + np.arange(1, longest + 1)[:, None]
    free: NDArray[np.bool_] = (end <= bins) & (before[np.minimum(end, bins)] == before[:-1])
    return free


def _before(barred: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count the bins before each that are barred on any day, shape (bins + 1,)."""
    return np.concatenate([[0], np.bitwise_or.reduce(barred, axis=0).cumsum()])


@cache
def _lowest(n: int, confidence: float) -> NDArray[np.float64]:
    """Lower bounds of the shares 0/n, 1/n … n/n."""
    return lower(np.arange(n + 1), n, confidence)
