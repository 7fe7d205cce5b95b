"""From surprise per point to alarms and events: how long, of which kind, how sure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipelines.aiops.metrics.features import (
    DEFAULTS,
    LEVEL,
    RHYTHM,
    SEASON,
    DetectorSettings,
    carried,
    periods,
)
from pipelines.aiops.metrics.scoring import CHUNK, Scores, score
from pipelines.core.time import DAY_US

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

LONGER = 3
"""How many times the longest earlier run a run must be."""


@dataclass(frozen=True)
class Run:
    """A run of flagged points in one series.

    Attributes
    ----------
    row : int
        Series.
    left, right : int
        First and last column.
    rareness : float
        -log10 of the chance that such a run starts at a point.
    """

    row: int
    left: int
    right: int
    rareness: float


def edges(flags: Bools) -> tuple[Ints, Ints]:
    """Find the first and last position of each run of true.

    Parameters
    ----------
    flags : array of bool, shape (n,)
        One series' flags.

    Returns
    -------
    (array of int64, array of int64), shape (runs,)
        First and last positions.
    """
    padded = np.concatenate(([False], flags, [False])).astype(np.int8)
    turns = np.flatnonzero(np.diff(padded))
    return turns[::2], turns[1::2] - 1


def longest(flags: Bools, row: int, least: int, settings: DetectorSettings) -> list[Run]:
    """Find runs of at least `least` points and `LONGER` times the longest before.

    Lengths of earlier runs are taken as geometric with their own mean; so a run costs nothing in a
    series that often has long ones.

    Parameters
    ----------
    flags : array of bool, shape (time,)
        One series' flags.
    row : int
        Series, for the result.
    least : int
        Fewest points.
    settings : DetectorSettings
        Settings of the detector.

    Returns
    -------
    list of Run
        Runs, by start.
    """
    left, right = edges(flags)
    length = right - left + 1
    before_most, before_sum, found = 0, 0, []
    for number, (start, size) in enumerate(zip(left.tolist(), length.tolist(), strict=True)):
        if start >= settings.warm_up and size >= max(least, LONGER * before_most):
            mean = (before_sum + 1) / (number + 1)
            often = np.log10((start + 1) / (number + 1))
            rare = float(often + (size - 1) / mean * np.log10(np.e))
            found.append(Run(row, start, start + size - 1, min(rare, 300.0)))
        before_most, before_sum = max(before_most, size), before_sum + size
    return found


def missing_runs(values: Floats, settings: DetectorSettings = DEFAULTS) -> list[Run]:
    """Find unusual gaps of series that had begun; those at the end too.

    Parameters
    ----------
    values : array of float64, shape (series, time)
        NaN: missing.
    settings : DetectorSettings
        Settings of the detector.

    Returns
    -------
    list of Run
        Runs, by series and start.
    """
    found = []
    known = np.isfinite(values)
    for row in np.flatnonzero(~known.all(axis=1) & known.any(axis=1)).tolist():
        first = int(known[row].argmax())
        for run in longest(~known[row, first:], row, settings.smooth, settings):
            found.append(Run(row, run.left + first, run.right + first, run.rareness))
    return found


def flat_runs(values: Floats, settings: DetectorSettings = DEFAULTS) -> list[Run]:
    """Find runs of one and the same value in series that used to change.

    Parameters
    ----------
    values : array of float64, shape (series, time)
        NaN: missing.
    settings : DetectorSettings
        Settings of the detector.

    Returns
    -------
    list of Run
        Runs, by series and start.
    """
    found = []
    for row in range(len(values)):
        known = np.flatnonzero(np.isfinite(values[row]))
        if len(known) <= settings.warm_up:
            continue
        same = np.diff(values[row, known], prepend=np.nan) == 0
        if same.mean() > 0.9:  # Rarely changes: to stand still is its nature.
            continue
        found += [
            Run(row, int(known[run.left]), int(known[run.right]), run.rareness)
            for run in longest(same, row, 2 * settings.smooth, settings)
        ]
    return found


RARE_BASE, SURPRISE_PER_DECADE = 1.9, 7.0
"""-log10 of the rate of false events a point is 1.9 and a seventh of their surprise.

The five summands depend on one another, so their sum is not -log10 of a chance. The line goes
through the medians, at alarm levels 10 to 25, of what ten kinds of synthetic series without
anomalies raised, a million points each (normal, Student's t with 3 degrees of freedom, log-normal,
autoregressive .9 and .99, random walk, daily and weekly seasons, trend, sparse counts). Light tails
and seasons raise fewer alarms; heavy tails and random walks up to 2.6 times as many at 10, 16 times
at 25, so for them the share of false findings is not kept. Beyond 10⁻⁶ it is extrapolated.
"""


def event_rareness(surprise: float) -> float:
    """Calibrate a surprise: -log10 of the chance that an event so surprising starts at a point.

    Parameters
    ----------
    surprise : float
        Sum of surprises (`Scores.surprise`).

    Returns
    -------
    float
        Rareness; see `SURPRISE_PER_DECADE` for where the line comes from.
    """
    return RARE_BASE + surprise / SURPRISE_PER_DECADE


def quiet_points(column: int, step_us: int, settings: DetectorSettings = DEFAULTS) -> int:
    """Return for how many points after an alarm no other one follows.

    What is the same event cannot be told sooner from a new one, the less is known.

    Parameters
    ----------
    column : int
        Column of the alarm, counted from the series' start.
    step_us : int
        Microseconds from one column to the next.
    settings : DetectorSettings
        Settings of the detector.

    Returns
    -------
    int
        Number of points, at most a day's.
    """
    day = max(settings.quiet_least, round(DAY_US / step_us))
    return min(max(settings.quiet_least, int(settings.quiet_share * column)), day)


def alarms(
    surprise: npt.NDArray[np.floating],
    step_us: int,
    settings: DetectorSettings = DEFAULTS,
    first: Ints | None = None,
) -> tuple[Ints, Ints]:
    """Find the alarms: surprising points that aren't in the quiet time of one before.

    Parameters
    ----------
    surprise : array of floating, shape (series, time)
        As in `Scores`.
    step_us : int
        Microseconds from one column to the next.
    settings : DetectorSettings
        Settings of the detector.
    first : array of int64, shape (series,), or None
        Column where each series starts; None: 0.

    Returns
    -------
    (array of int64, array of int64), shape (alarms,)
        Row and column of each alarm, by row, then by column.
    """
    rows, columns = np.nonzero(surprise >= settings.alarm)
    kept, row_before, free_from = [], -1, 0
    for position, (row, column) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
        if row == row_before and column <= free_from:
            continue
        start = 0 if first is None else int(first[row])
        free_from = column + quiet_points(column - start, step_us, settings)
        row_before = row
        kept.append(position)
    return rows[kept].astype(np.int64), columns[kept].astype(np.int64)


def alarm_scores(
    surprise: npt.NDArray[np.floating], step_us: int, settings: DetectorSettings = DEFAULTS
) -> npt.NDArray[np.float64]:
    """Score each point between 0 and 1: 0.5 and more are alarms, no two of one event.

    Points in the quiet time after an alarm are 0; all others ``surprise / (surprise + alarm)``.

    Parameters
    ----------
    surprise : array of floating, shape (series, time)
        As in `Scores`.
    step_us : int
        Microseconds from one column to the next.
    settings : DetectorSettings
        Settings of the detector.

    Returns
    -------
    array of float64, shape (series, time)
        Scores.
    """
    rows, columns = alarms(surprise, step_us, settings)
    result = np.asarray(surprise / (surprise + settings.alarm), dtype=np.float64)
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        quiet = quiet_points(column, step_us, settings)
        result[row, column + 1 : column + 1 + quiet] = 0.0
    return result


Kind = Literal["spike", "level_shift", "trend_change", "flat_line", "missing_data", "season_broken"]
STRAIGHT = 0.9
"""Correlation with time from which a course counts as a trend."""
GROWN, GROWN_SEASONS = 4, 2
"""Warm-ups, and shortest seasons, after which a series is no longer young."""


@dataclass(frozen=True)
class Event:
    """Something unusual in one series.

    Attributes
    ----------
    row, left, right, peak : int
        Series, first and last unusual column, the most unusual one.
    kind : Kind
        What kind of change it is.
    rareness : float
        -log10 of the chance that such an event starts at a point, not corrected.
    surprise : float
        As in `Scores`, at the peak; 0 for runs.
    observed, expected, low, high : float
        At the peak; NaN if there is none.
    """

    row: int
    left: int
    right: int
    peak: int
    kind: Kind
    rareness: float
    surprise: float = 0.0
    observed: float = float("nan")
    expected: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")


def find_events(
    values: Floats, step_us: int, settings: DetectorSettings = DEFAULTS, from_column: int = 0
) -> tuple[list[Event], int]:
    """Find the events of many series, and count the points judged.

    Parameters
    ----------
    values : array of float64, shape (series, time)
        As for `score`.
    step_us : int
        Microseconds from one column to the next.
    settings : DetectorSettings
        Settings of the detector.
    from_column : int, default 0
        Earlier columns only teach: events that start there are not returned, nor points counted.

    Returns
    -------
    (list of Event, int)
        Events by series and start, and the number of points judged.
    """
    first = carried(np.asarray(values, dtype=np.float64))[1]
    gaps, flats = missing_runs(values, settings), flat_runs(values, settings)
    found = [
        Event(run.row, run.left, run.right, run.left, "missing_data", run.rareness) for run in gaps
    ]
    grown = max(GROWN * settings.warm_up, GROWN_SEASONS * min(periods(step_us), default=0))
    for left in range(0, len(values), CHUNK):
        # A chunk at a time: bands of all points of all series would need too much memory.
        part = slice(left, left + CHUNK)
        details = score(values[part], step_us, settings, details=True)
        rows, columns = alarms(details.surprise, step_us, settings, first[part])
        flat = {run.row for run in flats}
        for position in range(len(details.surprise)):
            row, starts = left + position, columns[rows == position].tolist()
            if not starts and row not in flat:
                continue
            course = _ScoredSeries.of(row, values[row], details, position, (int(first[row]), grown))
            found += _of_row(course, starts, [run for run in flats if run.row == row], settings)
    teaching = np.maximum(first + settings.warm_up * 3 // 2, from_column)[:, None]
    judged = int((np.isfinite(values) & (np.arange(values.shape[1]) >= teaching)).sum())
    return [event for event in found if event.left >= from_column], judged


@dataclass(frozen=True)
class _ScoredSeries:
    """One series with its scores."""

    row: int
    values: Floats
    surprise: npt.NDArray[np.float32]
    parts: npt.NDArray[np.float32]
    low: Floats
    high: Floats
    expected: Floats
    first: int
    grown: int

    def trust(self, column: int) -> float:
        """Return how far the bound on the rate of false events holds: less in a young series."""
        return min(1.0, (column - self.first) / self.grown)

    @classmethod
    def of(
        cls, row: int, values: Floats, scores: Scores, position: int, youth: tuple[int, int]
    ) -> _ScoredSeries:
        assert scores.parts is not None
        assert scores.low is not None
        assert scores.high is not None
        assert scores.expected is not None
        return cls(
            row,
            values,
            scores.surprise[position],
            scores.parts[:, position],
            scores.low[position],
            scores.high[position],
            scores.expected[position],
            *youth,
        )


def _of_row(
    course: _ScoredSeries, starts: list[int], flats: list[Run], settings: DetectorSettings
) -> list[Event]:
    found = []
    for start, until in pairwise([*starts, len(course.values)]):
        if any(run.left - settings.smooth <= start <= run.right for run in flats):
            continue  # The beginning of a flat line is not a second event.
        span = (start, _end(course.surprise, start, until, settings))
        found.append(_event(course, span, settings))
    for run in flats:
        event = _event(course, (run.left, run.right), settings)
        rareness = max(run.rareness, event.rareness if event.surprise else 0.0)
        found.append(replace(event, kind="flat_line", rareness=rareness))
    return found


def _end(
    surprise: npt.NDArray[np.float32], start: int, until: int, settings: DetectorSettings
) -> int:
    """Return the last unusual column: after it comes a quiet time."""
    busy = np.flatnonzero(surprise[start:until] >= settings.alarm / 2)
    breaks = np.flatnonzero(np.diff(busy) > settings.smooth)
    return start + int(busy[breaks[0]] if len(breaks) else busy[-1])


def _event(course: _ScoredSeries, span: tuple[int, int], settings: DetectorSettings) -> Event:
    left, right = span
    surprise = course.surprise[left : right + 1]
    peak = left + int(surprise.argmax())
    return Event(
        course.row,
        left,
        right,
        peak,
        _kind(course, span, settings),
        event_rareness(float(surprise.max())) * course.trust(left),
        float(surprise.max()),
        float(course.values[peak]),
        float(course.expected[peak]),
        float(course.low[peak]),
        float(course.high[peak]),
    )


def _kind(course: _ScoredSeries, span: tuple[int, int], settings: DetectorSettings) -> Kind:
    left, right = span
    values, half = course.values, (course.high[left] - course.low[left]) / 2
    parts = course.parts[:, left : right + 1].sum(axis=1)
    seasonal = parts[SEASON] + parts[RHYTHM]
    if seasonal > 0.6 * parts.sum() and parts[LEVEL] < 0.2 * parts.sum():
        return "season_broken"
    before = float(np.nanmedian(values[max(0, left - settings.reference) : left]))
    inside = _known(values[left : right + 1])
    after = _known(values[right + 1 : right + 1 + settings.smooth])
    width = min(settings.smooth, len(inside))
    first, last = float(np.median(inside[:width])), float(np.median(inside[-width:]))
    grew = abs(first - before) < 0.5 * abs(last - before)
    if grew and len(inside) > 2 * settings.smooth and _straight(inside):
        return "trend_change"
    settled = float(np.median(after)) if len(after) >= settings.smooth // 2 else last
    if len(inside) + len(after) > settings.smooth and abs(settled - before) > half:
        return "level_shift"
    return "spike" if len(inside) <= 2 * settings.smooth else "level_shift"


def _known(values: Floats) -> Floats:
    return values[np.isfinite(values)]


def _straight(values: Floats) -> bool:
    """Return whether values follow a sloping line."""
    if not np.ptp(values):
        return False
    return bool(abs(np.corrcoef(np.arange(len(values)), values)[0, 1]) > STRAIGHT)
