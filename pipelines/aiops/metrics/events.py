"""From surprise per point to alarms and events: how long, of which kind, how sure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipelines.aiops.metrics.features import DEFAULTS, DetectorSettings, carried
from pipelines.aiops.metrics.scoring import CHUNK, DISCORD, LEVEL, SPIKE, Scores, score

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
        if start >= settings.first_judged and size >= max(least, LONGER * before_most):
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
        for run in longest(~known[row, first:], row, settings.window // 2, settings):
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
            for run in longest(same, row, 2 * settings.window // 2, settings)
        ]
    return found


RARENESS_OF_ONE, DECADES_PER_DECADE = 2.24, 2.04
"""-log10 of the rate of false events a row: at surprise 1, and its growth with log10 surprise.

The line goes through the rates, at surprises 8 to 40, of events outside the labels of 88 series of
a value a minute (WSD), 25 days each, within .1 everywhere. Labels miss some that are real.
"""


def event_rareness(surprise: float) -> float:
    """Estimate -log10 of the rate of false events of at least this surprise, a row.

    Parameters
    ----------
    surprise : float
        As in `Scores`, more than 0.

    Returns
    -------
    float
        Rareness; see `RARENESS_OF_ONE` for where the line comes from.
    """
    return RARENESS_OF_ONE + DECADES_PER_DECADE * float(np.log10(max(surprise, 1e-9)))


def surprise_of(rareness: float) -> float:
    """Return the surprise of a rareness: the inverse of `event_rareness`.

    Parameters
    ----------
    rareness : float
        -log10 of the rate of false events, a row.

    Returns
    -------
    float
        Surprise.
    """
    return float(10 ** ((rareness - RARENESS_OF_ONE) / DECADES_PER_DECADE))


LARGER = 3.0
"""How many times the surprise so far ends an event: another one, that it must not hide."""


def spans(
    surprise: npt.NDArray[np.floating], settings: DetectorSettings = DEFAULTS
) -> list[tuple[int, int]]:
    """Find the first and last row of each event of a series.

    An event begins with a suspected row and lasts while rows are half as surprising, with breaks of
    less than half a window; nothing is quiet after it. A much larger surprise is another event.

    Parameters
    ----------
    surprise : array of floating, shape (time,)
        As in `Scores`.
    settings : DetectorSettings
        Settings of the detector.

    Returns
    -------
    list of (int, int)
        First and last rows, by start.
    """
    found: list[tuple[int, int]] = []
    busy = np.flatnonzero(surprise >= settings.suspect / 2)
    if not len(busy):
        return found
    breaks = np.flatnonzero(np.diff(busy) > settings.window // 2) + 1
    for part in np.split(busy, breaks):
        suspected = part[surprise[part] >= settings.suspect]
        if not len(suspected):
            continue
        start, highest = int(suspected[0]), float(surprise[suspected[0]])
        for row, height in zip(suspected.tolist(), surprise[suspected].tolist(), strict=True):
            if height > LARGER * highest and row - start >= settings.window:
                found.append((start, row - 1))
                start, highest = row, height
            highest = max(highest, height)
        found.append((start, int(part[-1])))
    return found


def alarm_scores(
    surprise: npt.NDArray[np.floating], settings: DetectorSettings = DEFAULTS
) -> npt.NDArray[np.float64]:
    """Score each row between 0 and 1 for a scorer that counts alarms: one row an event.

    Parameters
    ----------
    surprise : array of floating, shape (series, time)
        As in `Scores`.
    settings : DetectorSettings
        Settings of the detector.

    Returns
    -------
    array of float64, shape (series, time)
        ``surprise / (surprise + suspect)`` where an event starts, 0 elsewhere.
    """
    result = np.zeros(surprise.shape)
    for row, course in enumerate(np.asarray(surprise, dtype=np.float64)):
        starts = [left for left, _ in spans(course, settings)]
        result[row, starts] = course[starts] / (course[starts] + settings.suspect)
    return result


Kind = Literal["spike", "level_shift", "trend_change", "flat_line", "missing_data", "season_broken"]
STRAIGHT = 0.9
"""Correlation with time from which a course counts as a trend."""
REFERENCE = 1000
"""Rows whose median is the level before an event."""
BAND = 6.0
"""Scales on either side of what was expected: what is beyond is unusual on its own."""


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
    age : int
        Rows of the series before the event.
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
    age: int
    surprise: float = 0.0
    observed: float = float("nan")
    expected: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")


@dataclass(frozen=True)
class Found:
    """Events of many series, and what was looked at.

    Attributes
    ----------
    events : list of Event
        By series and start.
    judged : array of int64, shape (series,)
        Points of each series at which an event could have started.
    surprise : array of float32, shape (series, time)
        As in `Scores`.
    """

    events: list[Event]
    judged: Ints
    surprise: npt.NDArray[np.float32]


def find_events(
    values: Floats, settings: DetectorSettings = DEFAULTS, from_column: int = 0
) -> Found:
    """Find the events of many series, and count the points judged.

    Parameters
    ----------
    values : array of float64, shape (series, time)
        As for `score`.
    settings : DetectorSettings
        Settings of the detector.
    from_column : int, default 0
        Earlier columns only teach: events that start there are not returned, nor points counted.

    Returns
    -------
    Found
        Events and counts.
    """
    values = np.asarray(values, dtype=np.float64)
    first = carried(values)[1]
    gaps, flats = missing_runs(values, settings), flat_runs(values, settings)
    found = [
        Event(
            run.row, run.left, run.right, run.left, "missing_data", run.rareness,
            run.left - int(first[run.row]),
        )
        for run in gaps
    ]  # fmt: skip
    surprise = np.zeros(values.shape, dtype=np.float32)
    for left in range(0, len(values), CHUNK):
        # A chunk at a time: details of all points of all series would need too much memory.
        scores = score(values[left : left + CHUNK], settings, details=True)
        surprise[left : left + CHUNK] = scores.surprise
        for position in range(len(scores.surprise)):
            row = left + position
            course = _ScoredSeries.of(row, values[row], scores, position, int(first[row]))
            found += _of_row(course, [run for run in flats if run.row == row], settings)
    teaching = np.maximum(first + settings.first_judged, from_column)[:, None]
    judged = (np.isfinite(values) & (np.arange(values.shape[1]) >= teaching)).sum(axis=1)
    events = [event for event in found if event.left >= from_column]
    return Found(events, judged.astype(np.int64), surprise)


@dataclass(frozen=True)
class _ScoredSeries:
    """One series with its scores."""

    row: int
    values: Floats
    surprise: npt.NDArray[np.float32]
    parts: npt.NDArray[np.float32]
    expected: Floats
    scale: Floats
    first: int

    @classmethod
    def of(
        cls, row: int, values: Floats, scores: Scores, position: int, first: int
    ) -> _ScoredSeries:
        assert scores.parts is not None
        assert scores.expected is not None
        assert scores.scale is not None
        return cls(
            row,
            values,
            scores.surprise[position],
            scores.parts[:, position],
            scores.expected[position],
            scores.scale[position],
            first,
        )


def _of_row(course: _ScoredSeries, flats: list[Run], settings: DetectorSettings) -> list[Event]:
    found = []
    for span in spans(course.surprise, settings):
        if any(run.left - settings.window <= span[0] <= run.right for run in flats):
            continue  # The beginning of a flat line is not a second event.
        found.append(_event(course, span, settings))
    for run in flats:
        event = _event(course, (run.left, run.right), settings)
        rareness = max(run.rareness, event.rareness if event.surprise else 0.0)
        found.append(replace(event, kind="flat_line", rareness=rareness))
    return found


def _event(course: _ScoredSeries, span: tuple[int, int], settings: DetectorSettings) -> Event:
    left, right = span
    # The values before the event say what was expected in it; before the peak it may be in it.
    expected, half = float(course.expected[left]), BAND * float(course.scale[left])
    off = np.flatnonzero(np.abs(course.values[left : right + 1] - expected) > half)
    if len(off):
        # The course of the last rows is odd for longer than the values are.
        right = left + int(off[-1])
    surprise = course.surprise[left : right + 1]
    peak = left + int(surprise.argmax())
    return Event(
        course.row,
        left,
        right,
        peak,
        _kind(course, (left, right), len(off), settings),
        event_rareness(float(surprise.max())),
        left - course.first,
        float(surprise.max()),
        _farthest(course.values[left : right + 1], expected),
        expected,
        expected - half,
        expected + half,
    )


def _farthest(values: Floats, expected: float) -> float:
    known = _known(values)
    if not len(known):
        return float("nan")
    return float(known[np.abs(known - expected).argmax()]) if np.isfinite(expected) else known[0]


def _kind(
    course: _ScoredSeries, span: tuple[int, int], off: int, settings: DetectorSettings
) -> Kind:
    left, right = span
    values, half = course.values, BAND * float(course.scale[left])
    window = settings.window // 2
    parts = course.parts[:, left : right + 1].max(axis=1)
    if not off and parts[DISCORD] > parts[SPIKE] and parts[DISCORD] > parts[LEVEL]:
        return "season_broken"
    before = _known(values[max(0, left - REFERENCE) : left])
    inside = _known(values[left : right + 1])
    after = _known(values[right + 1 : right + 1 + window])
    if not len(inside) or not len(before):
        return "spike"
    level, width = float(np.median(before[-settings.before :])), min(window, len(inside))
    begun, last = float(np.median(inside[:width])), float(np.median(inside[-width:]))
    grew = abs(begun - level) < 0.5 * abs(last - level)
    if grew and len(inside) > 2 * window and _straight(inside):
        return "trend_change"
    settled = float(np.median(after)) if len(after) >= window // 2 else last
    if len(inside) + len(after) > window and abs(settled - level) > half:
        return "level_shift"
    return "spike" if len(inside) <= 2 * window else "level_shift"


def _known(values: Floats) -> Floats:
    return values[np.isfinite(values)]


def _straight(values: Floats) -> bool:
    """Return whether values follow a sloping line."""
    if not np.ptp(values):
        return False
    return bool(abs(np.corrcoef(np.arange(len(values)), values)[0, 1]) > STRAIGHT)
