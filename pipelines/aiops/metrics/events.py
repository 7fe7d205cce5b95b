"""From alarms to events: how long, of which kind, how sure after correction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipelines.aiops.metrics.alarms import alarms, event_rareness
from pipelines.aiops.metrics.features import LEVEL, RHYTHM, SEASON, carried, periods
from pipelines.aiops.metrics.runs import Run, flat_runs, missing_runs
from pipelines.aiops.metrics.scoring import CHUNK, Scores, score
from pipelines.aiops.metrics.settings import DEFAULTS, DetectorSettings

Floats = npt.NDArray[np.float64]

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
    row, left, right, peak
        Series, first and last unusual column, the most unusual one.
    rareness
        -log10 of the chance that such an event starts at a point, not corrected.
    surprise
        As in `Scores`, at the peak; 0 for runs.
    observed, expected, low, high
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
    """Return the events of many series, and the number of points judged.

    Parameters
    ----------
    values
        ``[series, time]``, as for `score`.
    from_column
        Earlier columns only teach: events that start there are not returned, nor points counted.
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
        for place in range(len(details.surprise)):
            row, starts = left + place, columns[rows == place].tolist()
            if not starts and row not in flat:
                continue
            course = _Course.of(row, values[row], details, place, (int(first[row]), grown))
            found += _of_row(course, starts, [run for run in flats if run.row == row], settings)
    teaching = np.maximum(first + settings.warm_up * 3 // 2, from_column)[:, None]
    judged = int((np.isfinite(values) & (np.arange(values.shape[1]) >= teaching)).sum())
    return [event for event in found if event.left >= from_column], judged


@dataclass(frozen=True)
class _Course:
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
        cls, row: int, values: Floats, scores: Scores, place: int, youth: tuple[int, int]
    ) -> _Course:
        assert scores.parts is not None
        assert scores.low is not None
        assert scores.high is not None
        assert scores.expected is not None
        return cls(
            row,
            values,
            scores.surprise[place],
            scores.parts[:, place],
            scores.low[place],
            scores.high[place],
            scores.expected[place],
            *youth,
        )


def _of_row(
    course: _Course, starts: list[int], flats: list[Run], settings: DetectorSettings
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


def _event(course: _Course, span: tuple[int, int], settings: DetectorSettings) -> Event:
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


def _kind(course: _Course, span: tuple[int, int], settings: DetectorSettings) -> Kind:
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


def corrected(rareness: list[float], judged: int) -> list[float]:
    """Return -log10 of the share of false events among those at least so rare.

    Benjamini and Hochberg 1995, over every point at which an event could have started.

    Parameters
    ----------
    rareness
        -log10 of the chance per point, of each event.
    judged
        Points at which an event could have started.

    Returns
    -------
    list of float
        In the order of `rareness`; 0 for the hopeless.
    """
    order = sorted(range(len(rareness)), key=lambda place: -rareness[place])
    result, best = [0.0] * len(rareness), 0.0
    for rank in range(len(order), 0, -1):
        place = order[rank - 1]
        best = max(best, rareness[place] - float(np.log10(max(judged, 1) / rank)))
        result[place] = best
    return result
