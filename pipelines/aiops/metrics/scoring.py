"""Score every point of many series, each point by what came before it.

Three distances of a row from its past, each in units of its own past: the *discord*, how far the
course of the last rows is from the most similar earlier one (a left matrix profile without
z-normalisation, as in Yeh et al., "Matrix Profile I", ICDM 2016, whose rows weigh less the older
they are); the *spike*, how far the value is from the median of the few before; the *level*, how far
a short median is from the longer one before it. Their sum is the surprise; spike and level count
only as far as the discord does, so that what happens regularly is no news.

What is suspected to be an anomaly is no reference for what comes after, lest one hide the next. It
becomes one if it lasts, or if it has come twice before at equal distances: a habit. No parameter
depends on the series; no clock and no calendar is asked.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.aiops.metrics.features import (
    DEFAULTS,
    DetectorSettings,
    carried,
    delayed,
    moving_largest,
    moving_median,
)

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

DISCORD, SPIKE, LEVEL = range(3)
PARTS = ("discord", "spike", "level")

CHUNK = 64
"""Series whose details are in memory together."""
LARGEST = 1e150
"""Values beyond are as good as this: their squares could not be summed."""
HIGHEST = 1e9
"""Surprises are cut here: none higher says more."""
FARTHEST = 200.0
"""Spreads from the median beyond which all values are alike: single precision stays exact."""
SAMPLE = 600
"""Past rows that scales are taken from: more change them by little."""
NORMAL = np.array([1.5, 2.4, 2.4])
"""The 90 % quantile of each distance in its medians, for normal noise: units of one another."""
NOISE = 0.02
"""Share of the spread that counts as nothing: noise of the last digits."""
FIRST_ROWS, MOST_ROWS = 48, 1920
"""Rows between two new spreads of a series: more often while it is young."""
YOUNG = 0.04
"""Share of its level by which a young series must move: it fades as `DetectorSettings.young`."""
SAME = 3.0
"""Discord up to which two courses are the same."""
OFTEN = 4
"""Occurrences of the same that make a habit, at any distances: an error now and then."""
EVEN = 0.05
"""Share by which the distances between three occurrences of a habit may differ."""


@dataclass(frozen=True)
class Scores:
    """Surprise per point.

    Attributes
    ----------
    surprise : array of float32, shape (series, time)
        ``discord + (spike held / 4 + level / 4) * min(1, discord / 3)``, held; 0 for what is
        missing or not judged.
    parts : array of float32, shape (3, series, time), or None
        The distances in the order of `PARTS`, in their scales; None if not asked for.
    expected, scale : array of float64, shape (series, time), or None
        The median of the few values before, and the usual distance from it; None if not asked for.
    """

    surprise: Singles
    parts: Singles | None = None
    expected: Floats | None = None
    scale: Floats | None = None


def score(
    values: Floats, settings: DetectorSettings = DEFAULTS, *, details: bool = False
) -> Scores:
    """Score each point of each series by its past.

    Parameters
    ----------
    values : array of float64, shape (series, time)
        Evenly spaced; NaN and infinite: missing. Series may start late.
    settings : DetectorSettings
        Settings of the detector.
    details : bool, default False
        Also return parts, expected values and scales (needs ten times the memory).

    Returns
    -------
    Scores
        The score of a column depends on columns up to it only.
    """
    values = np.asarray(values, dtype=np.float64)
    shape = values.shape
    found = Scores(
        np.zeros(shape, dtype=np.float32),
        np.zeros((len(PARTS), *shape), dtype=np.float32) if details else None,
        np.full(shape, np.nan) if details else None,
        np.full(shape, np.nan) if details else None,
    )
    if not values.size:
        return found
    filled, first = carried(values)
    filled = np.clip(filled, -LARGEST, LARGEST)
    for row in range(shape[0]):
        start = int(first[row])
        if shape[1] - start <= settings.first_judged:
            continue
        series = _Series(filled[row, start:], ~np.isfinite(values[row, start:]), settings)
        series.judge()
        found.surprise[row, start:] = np.minimum(series.surprise, HIGHEST)
        if found.parts is not None and found.expected is not None and found.scale is not None:
            found.parts[:, row, start:] = np.minimum(series.parts, HIGHEST)
            found.expected[row, start:] = series.expected
            found.scale[row, start:] = series.scale
    return found


class _Series:
    """One series while it is judged, block by block."""

    def __init__(self, values: Floats, missing: Bools, settings: DetectorSettings) -> None:
        self.values, self.missing, self.settings = values, missing, settings
        size = len(values)
        self.expected = delayed(moving_median(values, settings.smooth), 1)
        level = moving_median(values, settings.level)
        before = delayed(moving_median(values, settings.before), settings.level)
        self.distances = np.zeros((len(PARTS), size))
        self.distances[SPIKE] = np.abs(values - self.expected)
        self.distances[LEVEL] = np.abs(level - before)
        self.parts = np.zeros((len(PARTS), size))
        self.sum, self.surprise = np.zeros(size), np.zeros(size)
        self.scale = np.full(size, np.nan)
        # By the last row of a window: whether one of its rows is suspected.
        self.suspected = np.zeros(size + settings.window, dtype=bool)
        self.run = (-1, -1)
        weights = settings.decay ** np.arange(settings.window)[::-1]
        self.weights = np.sqrt(weights / weights.sum()).astype(np.float32)

    def judge(self) -> None:
        """Judge all rows, in order."""
        left, rows = self.settings.warm_up, FIRST_ROWS
        while left < len(self.values):
            right = min(len(self.values), left + rows)
            self._between_spreads(left, right)
            left, rows = right, min(MOST_ROWS, 2 * rows)

    def _between_spreads(self, left: int, right: int) -> None:
        s = self.settings
        low = max(0, left - s.past - s.window)
        middle, spread = middle_and_spread(self.values[low:left])
        spread = max(spread, YOUNG * (s.young / left) ** 2 * abs(middle))
        # Products in single precision are fast; of the median in spreads they are exact enough.
        scaled = np.clip((self.values[low:right] - middle) / spread, -FARTHEST, FARTHEST)
        windows = np.lib.stride_tricks.sliding_window_view(scaled.astype(np.float32), s.window)
        windows = windows * self.weights
        squares = (windows * windows).sum(axis=1)
        # (a - b)² = a² + (b² - 2ab): what is in brackets is one product of matrices.
        earlier = np.vstack((-2 * windows.T, squares))
        later = np.column_stack((windows, np.ones(len(windows), dtype=np.float32)))
        shift = low + s.window - 1
        for start in range(left, right, s.window):
            rows = np.arange(start, min(start + s.window, right))
            self._block(rows, shift, (earlier, later, squares), (middle, spread))

    def _block(
        self,
        rows: Ints,
        shift: int,
        windows: tuple[Singles, Singles, Singles],
        usual: tuple[float, float],
    ) -> None:
        s, (earlier, later, squares), (middle, spread) = self.settings, windows, usual
        start = int(rows[0])
        # A block is no longer than a window: windows that end before it can't reach into it.
        first, last = max(shift, start - s.past), start
        queries = np.zeros((s.window, later.shape[1]), dtype=np.float32)
        queries[: len(rows)] = later[rows - shift]
        far = (queries @ earlier[:, first - shift : last - shift])[: len(rows)]
        far += squares[rows - shift][:, None]
        # A neighbour that overlaps is no neighbour.
        recent = np.arange(max(first, last - s.window), last)
        far[:, -len(recent) :][recent > rows[:, None] - s.window] = np.inf
        bad = np.flatnonzero(self.suspected[first:last])
        hidden = far[:, bad]
        far[:, bad] = np.inf
        nearest = far.min(axis=1).astype(np.float64)
        nearest[~np.isfinite(nearest)] = 0.0
        self.distances[DISCORD, rows] = spread * np.sqrt(np.maximum(nearest, 0))
        scales = self._scales(start, middle, spread)
        self.parts[:, rows] = self.distances[:, rows] / scales[:, None]
        self.scale[rows] = scales[SPIKE]
        flagged = np.flatnonzero(self._surprise(rows) >= s.suspect)
        if len(flagged) and len(bad):
            limit = min((SAME * scales[DISCORD] / spread) ** 2, 1e30)
            for at in flagged.tolist():
                near = bad[hidden[at] <= limit] + first
                if is_habit(int(rows[at]) - near, s.window):
                    self.parts[DISCORD, rows[at]] = (
                        spread * np.sqrt(max(float(hidden[at].min()), 0.0)) / scales[DISCORD]
                    )
            flagged = np.flatnonzero(self._surprise(rows) >= s.suspect)
        for row in rows[flagged].tolist():
            self._suspect(row)

    def _scales(self, start: int, middle: float, spread: float) -> Floats:
        """Return the scale of each distance, from rows before `start`."""
        s = self.settings
        past = self.distances[:, max(s.warm_up, start - s.past) : start]
        if past.shape[1] < s.warm_up // 2:
            return np.full(len(PARTS), np.inf)
        past = past[:, ::-1][:, :: max(1, past.shape[1] // SAMPLE)]
        place = int(s.usual_share * (past.shape[1] - 1))
        usual = np.partition(past, place, axis=1)[:, place] / NORMAL
        # The fewer rows there are, the less is known of what is usual: only large changes count,
        # also those of a series that has not moved yet.
        age = (s.young / start) ** 2
        grown: Floats = np.maximum(usual, NOISE * spread + YOUNG * age * abs(middle)) * (1 + age)
        return grown

    def _surprise(self, rows: Ints) -> Floats:
        """Set the surprise of rows; return that of each alone, not held."""
        s = self.settings
        discord, level = self.parts[DISCORD, rows], self.parts[LEVEL, rows]
        spike = self._recent_max(self.parts[SPIKE], rows)
        self.sum[rows] = discord + (s.spike_weight * spike + s.level_weight * level) * np.minimum(
            1, discord / s.gate
        )
        self.sum[rows[self.missing[rows]]] = 0.0
        self.surprise[rows] = np.where(self.missing[rows], 0.0, self._recent_max(self.sum, rows))
        return self.sum[rows]

    def _recent_max(self, course: Floats, rows: Ints) -> Floats:
        since = max(0, int(rows[0]) - self.settings.hold)
        return moving_largest(course[since : rows[-1] + 1], self.settings.hold)[-len(rows) :]

    def _suspect(self, row: int) -> None:
        """Leave the windows that hold this row out of the reference, unless that lasts."""
        start, last = self.run
        self.run = (start if start >= 0 and row - last <= self.settings.window else row, row)
        if row - self.run[0] < self.settings.absorb:
            self.suspected[row : row + self.settings.window] = True
        else:
            self.suspected[self.run[0] : row + self.settings.window] = False


def middle_and_spread(past: Floats) -> tuple[float, float]:
    """Compute a median, and a spread that is never nothing.

    Parameters
    ----------
    past : array of float64, shape (time,)
        Values without gaps.

    Returns
    -------
    (float, float)
        Median; distance of the 5th from the 95th percentile, or a twentieth of the whole range.
    """
    ordered = np.sort(past[::-1][:: max(1, len(past) // 1000)])
    last = len(ordered) - 1
    middle = float(ordered[last // 2])
    inner = float(ordered[int(0.95 * last)] - ordered[int(0.05 * last)])
    whole = float(ordered[-1] - ordered[0]) / 20
    return middle, max(inner, whole, 1e-9 * abs(middle), 1e-290)


def is_habit(lags: Ints, apart: int) -> bool:
    """Test whether the same came before: twice at equal distances, or `OFTEN`.

    Parameters
    ----------
    lags : array of int64, shape (n,)
        Rows since each time that it was the same.
    apart : int
        Rows up to which two of them are one occurrence.

    Returns
    -------
    bool
        True for a habit: yesterday and the day before, without asking what a day is.
    """
    if len(lags) < 2:
        return False
    lags = np.sort(lags)
    first = lags[np.concatenate(([True], np.diff(lags) > apart))]
    if len(first) >= OFTEN:
        return True
    allowed = EVEN * first[:, None] + apart
    return bool((np.abs(first[None, :] - 2 * first[:, None]) <= allowed).any())
