"""Family recurring: it comes at the same hours, and nobody ever acts on it then."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.noise.mining import describe
from pipelines.aiops.noise.mining.bounds import level, lower, upper
from pipelines.aiops.noise.mining.guard import guard_says, routine_guard
from pipelines.aiops.noise.mining.history import History, Mined, members
from pipelines.aiops.noise.mining.local_time import local_minutes
from pipelines.aiops.noise.rules import RecurringRule
from pipelines.aiops.telemetry.frame import NO, YES

DAY_MINUTES = 1440
WEEKDAYS = tuple(range(7))
DAY_SETS = (WEEKDAYS, WEEKDAYS[:5], WEEKDAYS[5:], *((day,) for day in WEEKDAYS))
"""Sets of weekdays that are tried, those that say most first."""
WINDOWS_A_PATTERN = 3
ALWAYS = 0.5
"""What comes in more than this share of all bins has no hours of its own."""


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
class Found:
    """A window that holds: bins from `start` on `weekdays`."""

    weekdays: tuple[int, ...]
    start: int
    bins: int
    good: int
    n: int
    low: float
    chance: float


def mine_recurring(history: History) -> Mined:
    """Find hours of the day and days of the week at which a pattern comes nearly always.

    The lower bound on the share of days must be above what the pattern's own rate outside of the
    hours would bring into them by chance. Hours in which a single alert was acted on are no
    candidate; alerts of which nobody knows whether people acted don't count as having come. Days
    without any alert at all count as days without data.
    """
    params, patterns = history.params, history.patterns
    eligible = [i for i in range(len(patterns)) if _days(history, i) >= params.min_days]
    bins = DAY_MINUTES // params.recurring.step_minutes
    longest = max(1, params.recurring.max_minutes // params.recurring.step_minutes)
    places = sum(bins - size + 1 for size in range(1, longest + 1))
    tried = len(eligible) * len(params.recurring.timezones) * len(DAY_SETS) * places
    confidence = level(params.alpha, tried)
    found: list[tuple[int, str, Found]] = []
    done: set[int] = set()
    clocks = _clocks(history)
    for index in eligible:
        if done.intersection(patterns.ancestors(index)):
            continue
        best = _best_zone(history, index, clocks, longest, confidence)
        if best and patterns.matchers(index) is not None:
            done.add(index)
            found += [(index, zone, window) for zone, window in best]
    found.sort(key=lambda f: (-f[2].good, f[0], f[2].start))
    found = found[: params.max_rules]
    rules = [
        _rule(history, *one, clocks[one[1]][0], tried=tried, rules=len(found)) for one in found
    ]
    return Mined([r for r in rules if r is not None], tried)


def _days(history: History, index: int) -> int:
    """Count the days on which a pattern came that is known not to have been acted on."""
    rows = members(history, index)
    rows = rows[history.episodes.acted[rows] == NO]
    return len(np.unique(history.episodes.start[rows] // 86_400_000))


Clock = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Local minute of every episode, and local days with any alert at all."""


def _clock(history: History, zone: str) -> Clock:
    at = history.episodes.start + history.episodes.origin // 1000
    minutes = local_minutes(at, zone)
    return minutes, np.unique(minutes // DAY_MINUTES)


def _clocks(history: History) -> dict[str, Clock]:
    """Clocks to look at: of those that never changed against each other the first named stays."""
    clocks: dict[str, Clock] = {}
    for zone in history.params.recurring.timezones:
        clock = _clock(history, zone)
        if all(len(np.unique(clock[0] - other[0])) > 1 for other in clocks.values()):
            clocks[zone] = clock
    return clocks


def _best_zone(
    history: History, index: int, clocks: dict[str, Clock], longest: int, confidence: float
) -> list[tuple[str, Found]]:
    """Find windows on the clock that explains most days; of equals the zone named first."""
    best: list[tuple[str, Found]] = []
    for zone, clock in clocks.items():
        hours = _hours(history, index, clock)
        if hours.came.mean() > ALWAYS:
            continue
        windows = list(_windows(hours, history, longest, confidence))
        if _worth([w for _, w in best]) < _worth(windows):
            best = [(zone, window) for window in windows]
    return best


def _worth(windows: list[Found]) -> float:
    return sum(w.good - 0.1 * w.bins for w in windows)


def _hours(history: History, index: int, clock: Clock) -> Hours:
    minutes, days = clock
    bins = DAY_MINUTES // history.params.recurring.step_minutes
    rows = members(history, index)
    day = np.searchsorted(days, minutes[rows] // DAY_MINUTES)
    place = minutes[rows] % DAY_MINUTES // history.params.recurring.step_minutes
    came, acted = np.zeros((2, len(days), bins), np.bool_)
    unacted = history.episodes.acted[rows] == NO
    came[day[unacted], place[unacted]] = True
    used = history.episodes.acted[rows] == YES
    acted[day[used], place[used]] = True
    return Hours(came, acted, (days + 3) % 7)


def _windows(hours: Hours, history: History, longest: int, confidence: float) -> Iterator[Found]:
    """Best windows that don't overlap each other on any weekday, daily ones first."""
    bins = hours.came.shape[1]
    taken = np.zeros((7, bins), np.bool_)
    sizes = range(1, min(longest, bins) + 1)
    table = Table(
        days=np.bincount(hours.weekday, minlength=7),
        per_bin=_by_weekday(hours.came, hours.weekday),
        inside=[_by_weekday(_slide(hours.came, size), hours.weekday) for size in sizes],
        barred=np.asarray(hours.acted.any(axis=0)),
    )
    for weekdays in DAY_SETS:
        for _ in range(WINDOWS_A_PATTERN):
            found = _best(table, weekdays, taken, history, confidence)
            if found is None:
                break
            taken[np.array(weekdays), found.start : found.start + found.bins] = True
            yield found


@dataclass(frozen=True)
class Table:
    """Days counted by weekday.

    Attributes
    ----------
    days
        Days with data, shape (7,).
    per_bin
        Days on which it came in each bin, shape (7, bins).
    inside
        For windows of 1, 2, … bins: days on which it came in the one from each bin on, shape
        (7, bins - size + 1).
    barred
        Bins in which one was acted on, on any weekday: leaving out its own would be picking.
    """

    days: NDArray[np.int64]
    per_bin: NDArray[np.int64]
    inside: list[NDArray[np.int64]]
    barred: NDArray[np.bool_]


def _by_weekday(came: NDArray[np.bool_], weekday: NDArray[np.int64]) -> NDArray[np.int64]:
    of_weekday = (weekday == np.arange(7)[:, None]).astype(np.float32)
    counts: NDArray[np.int64] = np.rint(of_weekday @ came.astype(np.float32)).astype(np.int64)
    return counts


def _best(
    table: Table, weekdays: tuple[int, ...], taken: NDArray[np.bool_], history: History,
    confidence: float,
) -> Found | None:  # fmt: skip
    chosen = np.array(weekdays)
    n = int(table.days[chosen].sum())
    enough = max(history.params.recurring.min_day_share * n, history.params.min_days)
    if n < history.params.min_days:
        return None
    barred = table.barred | taken[chosen].any(axis=0)
    least = (table.days[chosen, None] + 1) // 2
    lowest = lower(np.arange(n + 1), n, confidence)
    best: tuple[float, Found] | None = None
    for size, inside in enumerate(table.inside, start=1):
        good = inside[chosen].sum(axis=0)
        # It came on at least half of the days of each weekday: none rides on the others.
        fits = (good >= enough) & (inside[chosen] >= least).all(axis=0)
        if fits.any():
            fits &= ~_slide(barred[None, :], size)[0]
        starts = np.flatnonzero(fits)
        if not len(starts):
            continue
        low = lowest[good[starts]]
        outside = _outside(table.per_bin[chosen].sum(axis=0), size)[starts]
        chance = _chance(outside, (n, len(barred)), size, confidence)
        for i in np.flatnonzero(low > chance).tolist():
            count = int(good[starts[i]])
            worth = count - 0.05 * size * n / len(table.inside)
            if best is None or worth > best[0] + 1e-9:
                place = int(starts[i])
                found = Found(weekdays, place, size, count, n, float(low[i]), float(chance[i]))
                best = (worth, found)
    return None if best is None else best[1]


def _slide(came: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    """Whether any of `size` bins from each on is set; shape (days, bins - size + 1)."""
    total = np.concatenate([np.zeros((len(came), 1), np.int64), came.cumsum(axis=1)], axis=1)
    inside: NDArray[np.bool_] = total[:, size:] > total[:, :-size]
    return inside


def _outside(per_bin: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Count what came outside of the window of `size` bins from each bin on."""
    total = np.concatenate([[0], per_bin.cumsum()])
    outside: NDArray[np.int64] = total[-1] - (total[size:] - total[:-size])
    return outside


def _chance(
    outside: NDArray[np.int64], shape: tuple[int, int], size: int, confidence: float
) -> NDArray[np.float64]:
    """Share of days that the rate outside of each window would bring into it (upper bound)."""
    days, bins = shape
    if bins <= size:
        return np.ones(len(outside))
    result: NDArray[np.float64] = 1 - (1 - upper(outside, days * (bins - size), confidence)) ** size
    return result


def _rule(
    history: History, index: int, zone: str, found: Found, minutes: NDArray[np.int64], *,
    tried: int, rules: int,
) -> RecurringRule | None:  # fmt: skip
    matchers = history.patterns.matchers(index)
    if matchers is None:
        return None
    step = history.params.recurring.step_minutes
    start, end = found.start * step, (found.start + found.bins) * step
    rows = members(history, index)
    of_day = minutes[rows] % DAY_MINUTES
    weekday = (minutes[rows] // DAY_MINUTES + 3) % 7
    inside = rows[(of_day >= start) & (of_day < end) & np.isin(weekday, found.weekdays)]
    inside = inside[history.episodes.acted[inside] == NO]
    guard = routine_guard(history, inside, rules)
    hours = f"{_clock_words(start)}–{_clock_words(end)} {zone}"
    return RecurringRule(
        id=describe.identity(
            "recurring", matchers, weekdays=found.weekdays, start_minute=start, end_minute=end,
            timezone=zone, guard=guard.model_dump(),
        ),
        matchers=matchers,
        weekdays=found.weekdays,
        start_minute=start,
        end_minute=end,
        timezone=zone,
        guard=guard,
        sentence=(
            f"{history.patterns.items[index]} is expected {_day_words(found.weekdays)} at {hours}: "
            f"it came on {found.good:,} of {found.n:,} days (at least "
            f"{describe.percent(found.low)} with confidence, {describe.percent(found.chance)} at "
            f"most by chance) and nobody ever acted on it then. {guard_says(guard)}"
        ),
        support=describe.support_of(history.episodes, inside, found.good),
        bound=describe.bound_of(
            "share of days on which it came in these hours, unacted", found.good, found.n,
            low=found.low, alpha=history.params.alpha, tried=tried,
        ),
        expires=describe.expiry(history),
        team=history.patterns.team(index),
        examples=describe.examples_of(history, inside, lambda _: "in its hours, nobody acted"),
    )  # fmt: skip


def _clock_words(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _day_words(weekdays: tuple[int, ...]) -> str:
    names = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    special = {WEEKDAYS: "every day", WEEKDAYS[:5]: "Monday to Friday", (5, 6): "at weekends"}
    return special.get(weekdays, "every " + " and ".join(names[day] for day in weekdays))
