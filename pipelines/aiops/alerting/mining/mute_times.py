"""Family recurring: it comes at the same hours, and nobody ever acts on it then."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.alerting.mining import support
from pipelines.aiops.alerting.mining.guards import guard_says, routine_guard
from pipelines.aiops.alerting.mining.history import History, Mined, members
from pipelines.aiops.alerting.rules import MuteTimeRule, with_id
from pipelines.aiops.lake.frame import NO, YES
from pipelines.core.stats import bonferroni_level, clopper_pearson_lower, clopper_pearson_upper
from pipelines.core.time import EPOCH

QUARTER_MS = 900_000
"""Zones change their offset on quarters of an hour."""


def local_minutes(at: NDArray[np.int64], timezone: str) -> NDArray[np.int64]:
    """Convert times in UTC to minutes on the clock of a time zone.

    Parameters
    ----------
    at : array of int64, shape (n,), milliseconds since 1970
        Times in UTC.
    timezone : str
        IANA name of a zone.

    Returns
    -------
    array of int64, shape (n,)
        Minutes since 1970 on the local clock.
    """
    if not len(at):
        return np.empty(0, np.int64)
    zone = ZoneInfo(timezone)
    first, last = int(at.min()) // QUARTER_MS, int(at.max()) // QUARTER_MS
    offsets = np.array([_offset(zone, quarter) for quarter in range(first, last + 1)], np.int64)
    return at // 60_000 + offsets[at // QUARTER_MS - first]


def _offset(zone: ZoneInfo, quarter: int) -> int:
    moment = (EPOCH + timedelta(milliseconds=quarter * QUARTER_MS)).astimezone(zone)
    offset = moment.utcoffset()
    return 0 if offset is None else int(offset.total_seconds() // 60)


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
    """When one pattern occurred, on one clock.

    Attributes
    ----------
    came, acted : array of bool, shape (days, bins)
        Whether it occurred unacted, and whether anybody acted on one that began then.
    weekday : array of int64, shape (days,)
        Weekday of each day, 0 = Monday.
    """

    came: NDArray[np.bool_]
    acted: NDArray[np.bool_]
    weekday: NDArray[np.int64]


@dataclass(frozen=True)
class MuteLimits:
    """What a window must fulfil.

    Attributes
    ----------
    longest : int
        Bins at most.
    min_days, min_day_share : int, float
        Days on which it occurred, and their share of the days that there are.
    confidence : float
        Level of each bound, after the correction for all windows tried.
    """

    longest: int
    min_days: int
    min_day_share: float
    confidence: float


@dataclass(frozen=True)
class MuteWindow:
    """A window that fulfils what is asked: bins from `start` on `weekdays`.

    Attributes
    ----------
    weekdays : tuple of int
        0 = Monday.
    start, bins : int
        First bin of the day, and number of bins.
    good, n : int
        Days on which the pattern occurred in the window, and all days of these weekdays.
    low : float
        Lower confidence bound of the share of days.
    chance : float
        Upper bound of the share that the pattern's rate outside of the window would bring.
    """

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


def find_windows(hours: Hours, limits: MuteLimits) -> Iterator[MuteWindow]:
    """Find the best windows that don't overlap each other on any weekday, daily ones first.

    The lower bound on the share of days must be above what the pattern's own rate outside of the
    window would bring into it by chance; bins in which one was acted on, on any weekday, are barred
    (leaving out its own would be picking). It came on at least half of the days of each weekday of
    the set: none rides on the others.

    Parameters
    ----------
    hours : Hours
        When the pattern occurred.
    limits : MuteLimits
        What a window must fulfil.

    Yields
    ------
    MuteWindow
        The windows, the best of each set of weekdays first.
    """
    bins = hours.came.shape[1]
    holding = _holding(hours, limits)
    taken = np.zeros((len(WEEKDAYS), bins), np.bool_)
    for number in np.unique(holding.days).tolist():
        windows, weekdays = holding.where(holding.days == number), DAY_SETS[number]
        for _ in range(WINDOWS_A_SET):
            barred = _before(taken[list(weekdays)])
            windows = windows.where(barred[windows.start] == barred[windows.start + windows.size])
            if not len(windows.start):
                break
            found = _best(windows, weekdays, min(limits.longest, bins))
            taken[list(weekdays), found.start : found.start + found.bins] = True
            yield found


def _best(windows: _Windows, weekdays: tuple[int, ...], longest: int) -> MuteWindow:
    worth = windows.good - A_BIN * windows.size * windows.n / longest
    i = int(np.argmax(worth >= worth.max() - SAME))
    return MuteWindow(
        weekdays, int(windows.start[i]), int(windows.size[i]), int(windows.good[i]),
        int(windows.n[i]), float(windows.low[i]), float(windows.chance[i]),
    )  # fmt: skip


def _holding(hours: Hours, limits: MuteLimits) -> _Windows:
    """All windows that hold, each by itself."""
    windows, outside = _often(hours, limits)
    bins = hours.came.shape[1]
    # The upper bound is above the rate itself: where that is too high already, it isn't worked out.
    trials = windows.n * (bins - windows.size)
    rate = np.divide(outside, trials, out=np.ones(len(trials)), where=trials > 0)
    hopeful = windows.low > 1 - (1 - rate) ** windows.size
    windows, outside, trials = windows.where(hopeful), outside[hopeful], trials[hopeful]
    windows.chance[:] = (
        1 - (1 - clopper_pearson_upper(outside, trials, limits.confidence)) ** windows.size
    )
    return windows.where(windows.low > windows.chance)


def _often(hours: Hours, limits: MuteLimits) -> tuple[_Windows, NDArray[np.int64]]:
    """Windows in which it came often enough, and how often it came outside of each."""
    bins = hours.came.shape[1]
    days = np.bincount(hours.weekday, minlength=len(WEEKDAYS))
    inside = _by_weekday(_slid(hours.came, min(limits.longest, bins)), hours.weekday)
    n = (MEMBERS @ days).astype(np.int64)
    enough = np.where(
        n < limits.min_days, np.inf, np.maximum(limits.min_day_share * n, limits.min_days)
    )
    # Sets of weekdays are sums over weekdays: a product of matrices instead of a loop.
    good = np.rint(np.tensordot(MEMBERS, inside, 1)).astype(np.int64)
    # No weekday of a set may ride on the others: it occurred on half of the days of each.
    steady = (inside >= ((days + 1) // 2)[:, None, None]).astype(np.float32)
    fits = good >= enough[:, None, None]
    fits &= np.tensordot(MEMBERS, steady, 1) == MEMBERS.sum(axis=1)[:, None, None]
    fits &= _free(hours.acted, len(inside[0]))
    which, size, start = np.nonzero(fits)
    came = good[fits]
    # Bounds depend on the set's number of days alone, and are looked up in a table of it.
    low = np.concatenate(
        [_lowest(int(n[i]), limits.confidence)[came[which == i]] for i in np.unique(which)]
        or [np.empty(0)]
    )
    per_bin = (MEMBERS @ inside[:, 0]).astype(np.int64)
    # Prefix sums give what lies inside of each window, and so what lies outside.
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
        # A window of this size is the one that is a bin shorter, and its last bin.
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
    return clopper_pearson_lower(np.arange(n + 1), n, confidence)


DAY_MINUTES = 1440
ALWAYS = 0.5
"""What comes in more than this share of all bins has no hours of its own."""


def mine_mute_time(history: History) -> Mined:
    """Find hours of the day and days of the week at which a pattern occurs nearly always.

    The lower bound on the share of days must be above what the pattern's own rate outside of the
    hours would bring into them by chance. Hours in which a single alert was acted on are no
    candidate; alerts of which nobody knows whether people acted don't count as having come. Days
    without any alert at all count as days without data.

    Parameters
    ----------
    history : History
        The training window as the families see it.

    Returns
    -------
    Mined
        Rules of family recurring.
    """
    params, patterns = history.params, history.patterns
    eligible = [i for i in range(len(patterns)) if _days(history, i) >= params.min_days]
    tried = _windows_tried(history) * len(eligible)
    limits = _limits(history, bonferroni_level(params.alpha, tried))
    found: list[tuple[int, str, MuteWindow]] = []
    done: set[int] = set()
    clocks = _clocks(history)
    for index in eligible:
        if done.intersection(patterns.ancestors(index)):
            continue
        best = _best_zone(history, index, clocks, limits)
        if best and patterns.matchers(index) is not None:
            done.add(index)
            found += [(index, zone, window) for zone, window in best]
    found.sort(key=lambda f: (-f[2].good, f[0], f[2].start))
    found = found[: params.max_rules]
    rules = [
        _rule(history, *candidate, clocks[candidate[1]].minutes, tried=tried, rules=len(found))
        for candidate in found
    ]
    return Mined([r for r in rules if r is not None], tried)


def _bins(history: History) -> int:
    return DAY_MINUTES // history.params.mute_time.step_minutes


def _limits(history: History, confidence: float) -> MuteLimits:
    params = history.params
    longest = max(1, params.mute_time.max_minutes // params.mute_time.step_minutes)
    return MuteLimits(longest, params.min_days, params.mute_time.min_day_share, confidence)


def _windows_tried(history: History) -> int:
    """Count the windows that are tried for one pattern, on all clocks and sets of weekdays."""
    bins, longest = _bins(history), _limits(history, 0).longest
    sizes = sum(bins - size + 1 for size in range(1, longest + 1))
    return len(history.params.mute_time.timezones) * len(DAY_SETS) * sizes


def _days(history: History, index: int) -> int:
    """Count the days on which a pattern came that is known not to have been acted on."""
    rows = members(history, index)
    rows = rows[history.episodes.acted[rows] == NO]
    return len(_different(history.episodes.start[rows] // 86_400_000))


def _different(days: NDArray[Any]) -> NDArray[np.int64]:
    """Give each day once, ascending."""
    first = int(days.min(initial=0))
    return np.flatnonzero(np.bincount(days - first)) + first


@dataclass(frozen=True)
class _Clock:
    """A clock on the wall: the minute (since 1970) at which each episode began there.

    Attributes
    ----------
    days
        Days with any alert at all.
    """

    minutes: NDArray[np.int32]
    days: NDArray[np.int64]


def _clock(history: History, zone: str) -> _Clock:
    at = history.episodes.start + history.episodes.origin // 1000
    minutes = local_minutes(at, zone).astype(np.int32)
    return _Clock(minutes, _different(minutes // DAY_MINUTES))


def _clocks(history: History) -> dict[str, _Clock]:
    """Clocks to look at: of those that never changed against each other the first named stays."""
    clocks: dict[str, _Clock] = {}
    for zone in history.params.mute_time.timezones:
        clock = _clock(history, zone)
        if all(np.ptp(clock.minutes - other.minutes) for other in clocks.values()):
            clocks[zone] = clock
    return clocks


def _best_zone(
    history: History, index: int, clocks: dict[str, _Clock], limits: MuteLimits
) -> list[tuple[str, MuteWindow]]:
    """Find windows on the clock that explains most days; of equals the zone named first."""
    best: list[tuple[str, MuteWindow]] = []
    rows = members(history, index)
    for zone, clock in clocks.items():
        hours = _hours(history, rows, clock)
        if hours.came.mean() > ALWAYS:
            continue
        windows = list(find_windows(hours, limits))
        if _worth([w for _, w in best]) < _worth(windows):
            best = [(zone, window) for window in windows]
    return best


def _worth(windows: list[MuteWindow]) -> float:
    return sum(w.good - 0.1 * w.bins for w in windows)


def _hours(history: History, rows: NDArray[np.int64], clock: _Clock) -> Hours:
    minutes, step = clock.minutes[rows], history.params.mute_time.step_minutes
    day = np.searchsorted(clock.days, minutes // DAY_MINUTES)
    slot = minutes % DAY_MINUTES // step
    came, acted = np.zeros((2, len(clock.days), _bins(history)), np.bool_)
    unacted = history.episodes.acted[rows] == NO
    came[day[unacted], slot[unacted]] = True
    used = history.episodes.acted[rows] == YES
    acted[day[used], slot[used]] = True
    return Hours(came, acted, (clock.days + 3) % 7)


def _rule(
    history: History, index: int, zone: str, found: MuteWindow, minutes: NDArray[np.int32], *,
    tried: int, rules: int,
) -> MuteTimeRule | None:  # fmt: skip
    matchers = history.patterns.matchers(index)
    if matchers is None:
        return None
    step = history.params.mute_time.step_minutes
    start, end = found.start * step, (found.start + found.bins) * step
    rows = members(history, index)
    of_day = minutes[rows] % DAY_MINUTES
    weekday = (minutes[rows] // DAY_MINUTES + 3) % 7
    inside = rows[(of_day >= start) & (of_day < end) & np.isin(weekday, found.weekdays)]
    inside = inside[history.episodes.acted[inside] == NO]
    guard = routine_guard(history, inside, rules)
    hours = f"{_clock_words(start)}–{_clock_words(end)} {zone}"
    return with_id(MuteTimeRule(
        id="",
        matchers=matchers,
        weekdays=found.weekdays,
        start_minute=start,
        end_minute=end,
        timezone=zone,
        guard=guard,
        sentence=(
            f"{history.patterns.items[index]} is expected {_day_words(found.weekdays)} at {hours}: "
            f"it came on {found.good:,} of {found.n:,} days (at least "
            f"{support.percent(found.low)} with confidence, {support.percent(found.chance)} at "
            f"most by chance) and nobody ever acted on it then. {guard_says(guard)}"
        ),
        support=support.support_of(history.episodes, inside, found.good),
        bound=support.bound_of(
            "share of days on which it came in these hours, unacted", found.good, found.n,
            low=found.low, alpha=history.params.alpha, tried=tried,
        ),
        expires=support.expiry(history),
        team=history.patterns.team(index),
        examples=support.examples_of(history, inside, lambda _: "in its hours, nobody acted"),
    ))  # fmt: skip


def _clock_words(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _day_words(weekdays: tuple[int, ...]) -> str:
    names = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    special = {WEEKDAYS: "every day", WEEKDAYS[:5]: "Monday to Friday", (5, 6): "at weekends"}
    return special.get(weekdays, "every " + " and ".join(names[day] for day in weekdays))
