"""Family recurring: it comes at the same hours, and nobody ever acts on it then."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.noise.mining import describe
from pipelines.aiops.noise.mining.bounds import level
from pipelines.aiops.noise.mining.guard import guard_says, routine_guard
from pipelines.aiops.noise.mining.history import History, Mined, members
from pipelines.aiops.noise.mining.hours import DAY_SETS, WEEKDAYS, Asked, Found, Hours, find_windows
from pipelines.aiops.noise.mining.local_time import local_minutes
from pipelines.aiops.noise.rules import RecurringRule
from pipelines.aiops.telemetry.frame import NO, YES

DAY_MINUTES = 1440
ALWAYS = 0.5
"""What comes in more than this share of all bins has no hours of its own."""


def mine_recurring(history: History) -> Mined:
    """Find hours of the day and days of the week at which a pattern comes nearly always.

    The lower bound on the share of days must be above what the pattern's own rate outside of the
    hours would bring into them by chance. Hours in which a single alert was acted on are no
    candidate; alerts of which nobody knows whether people acted don't count as having come. Days
    without any alert at all count as days without data.
    """
    params, patterns = history.params, history.patterns
    eligible = [i for i in range(len(patterns)) if _days(history, i) >= params.min_days]
    tried = _places(history) * len(eligible)
    asked = _asked(history, level(params.alpha, tried))
    found: list[tuple[int, str, Found]] = []
    done: set[int] = set()
    clocks = _clocks(history)
    for index in eligible:
        if done.intersection(patterns.ancestors(index)):
            continue
        best = _best_zone(history, index, clocks, asked)
        if best and patterns.matchers(index) is not None:
            done.add(index)
            found += [(index, zone, window) for zone, window in best]
    found.sort(key=lambda f: (-f[2].good, f[0], f[2].start))
    found = found[: params.max_rules]
    rules = [
        _rule(history, *one, clocks[one[1]].minutes, tried=tried, rules=len(found)) for one in found
    ]
    return Mined([r for r in rules if r is not None], tried)


def _bins(history: History) -> int:
    return DAY_MINUTES // history.params.recurring.step_minutes


def _asked(history: History, confidence: float) -> Asked:
    params = history.params
    longest = max(1, params.recurring.max_minutes // params.recurring.step_minutes)
    return Asked(longest, params.min_days, params.recurring.min_day_share, confidence)


def _places(history: History) -> int:
    """Count the windows that are tried for one pattern, on all clocks and sets of weekdays."""
    bins, longest = _bins(history), _asked(history, 0).longest
    sizes = sum(bins - size + 1 for size in range(1, longest + 1))
    return len(history.params.recurring.timezones) * len(DAY_SETS) * sizes


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
    for zone in history.params.recurring.timezones:
        clock = _clock(history, zone)
        if all(np.ptp(clock.minutes - other.minutes) for other in clocks.values()):
            clocks[zone] = clock
    return clocks


def _best_zone(
    history: History, index: int, clocks: dict[str, _Clock], asked: Asked
) -> list[tuple[str, Found]]:
    """Find windows on the clock that explains most days; of equals the zone named first."""
    best: list[tuple[str, Found]] = []
    rows = members(history, index)
    for zone, clock in clocks.items():
        hours = _hours(history, rows, clock)
        if hours.came.mean() > ALWAYS:
            continue
        windows = list(find_windows(hours, asked))
        if _worth([w for _, w in best]) < _worth(windows):
            best = [(zone, window) for window in windows]
    return best


def _worth(windows: list[Found]) -> float:
    return sum(w.good - 0.1 * w.bins for w in windows)


def _hours(history: History, rows: NDArray[np.int64], clock: _Clock) -> Hours:
    minutes, step = clock.minutes[rows], history.params.recurring.step_minutes
    day = np.searchsorted(clock.days, minutes // DAY_MINUTES)
    place = minutes % DAY_MINUTES // step
    came, acted = np.zeros((2, len(clock.days), _bins(history)), np.bool_)
    unacted = history.episodes.acted[rows] == NO
    came[day[unacted], place[unacted]] = True
    used = history.episodes.acted[rows] == YES
    acted[day[used], place[used]] = True
    return Hours(came, acted, (clock.days + 3) % 7)


def _rule(
    history: History, index: int, zone: str, found: Found, minutes: NDArray[np.int32], *,
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
