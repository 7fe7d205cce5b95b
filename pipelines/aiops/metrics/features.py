"""What is compared with the past: five distances, each from earlier points only.

Of the value from the level, of the short mean from the level, of the value from itself a short time
ago, of the value from the season, and the short mean of the latter (a rhythm that is lost without
any value being odd).

Every array is ``[series, time]``. All distances scale with the series and do not change when a
constant is added.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.aiops.metrics.settings import SEASONS_DAYS, DetectorSettings
from pipelines.core.time import DAY_US

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

SAMPLE = 256
"""Points that level and spread are taken from: more change neither by much."""

LEVEL, MEAN, CHANGE, SEASON, RHYTHM = range(5)
PARTS = ("level", "mean", "change", "season", "rhythm")


def carried(values: Floats) -> tuple[Floats, Ints]:
    """Return values with gaps filled by the last value before, and each row's first real column.

    Before its first value a row holds that value (it is not judged there); a row without any
    value is zero and starts after its end.
    """
    rows, columns = values.shape
    known = np.isfinite(values)
    if known.all():
        return values, np.zeros(rows, dtype=np.int64)
    first = np.where(known.any(axis=1), known.argmax(axis=1), columns)
    place = np.where(known, np.arange(columns), 0)
    np.maximum.accumulate(place, axis=1, out=place)
    place = np.maximum(place, np.minimum(first, columns - 1)[:, None])
    filled = np.take_along_axis(values, place, axis=1)
    filled[first == columns] = 0.0
    return filled, first


def moving_mean(values: Floats, width: int) -> Floats:
    """Return the mean of the last `width` points (of fewer at the start)."""
    # Sums of differences from the first value: no digits are lost when the level is high.
    base = values[:, :1]
    total = np.cumsum(values - base, axis=1)
    mean = total.copy()
    mean[:, width:] -= total[:, :-width]
    mean[:, width:] /= width
    start = min(width, values.shape[1])
    mean[:, :start] /= np.arange(1, start + 1)
    mean += base
    return mean


def change(values: Floats, lag: int) -> Floats:
    """Return the absolute change over `lag` points."""
    result = np.zeros_like(values)
    result[:, lag:] = np.abs(values[:, lag:] - values[:, :-lag])
    return result


def _median_of_three(a: Floats, b: Floats, c: Floats) -> Floats:
    low, high = np.minimum(a, b), np.maximum(a, b)
    np.minimum(high, c, out=high)
    return np.maximum(low, high, out=low)


def seasonal(values: Floats, period: int) -> Floats:
    """Return what the same time of the last three periods leads to expect; NaN in the first.

    The median of three: one odd day is not expected to come back.
    """
    columns = values.shape[1]
    result = np.full_like(values, np.nan)
    if period >= columns:
        return result
    result[:, period:] = values[:, :-period]
    if 3 * period < columns:
        three = (values[:, 2 * period : -period], values[:, period : -2 * period])
        result[:, 3 * period :] = _median_of_three(*three, values[:, : -3 * period])
    return result


def periods(step_us: int) -> tuple[int, ...]:
    """Return the seasons in points, those that have enough points to have a shape."""
    found = (round(days * DAY_US / step_us) for days in SEASONS_DAYS)
    return tuple(period for period in found if period >= 4)


def season_error(values: Floats, lengths: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Return the distance from the nearest season's expectation, and that expectation.

    NaN where no season has passed yet. What fits yesterday or last week is not odd: seasons need
    not be configured, and a series without one is merely compared with arbitrary earlier values,
    whose distances are what its distances are judged by.
    """
    error, expected = np.full_like(values, np.nan), np.full_like(values, np.nan)
    for length in lengths:
        guess = seasonal(values, length)
        distance = np.abs(values - guess)
        if length == lengths[0]:
            error, expected = distance, guess
            continue
        better = distance < error
        np.copyto(error, distance, where=better)
        np.copyto(expected, guess, where=better)
    return error, expected


def level_and_spread(past: Floats) -> tuple[Floats, Floats]:
    """Return the median and the distance of the 5th from the 95th percentile of each row."""
    stride = max(1, -(-past.shape[1] // SAMPLE))
    ordered = np.sort(past[:, ::-1][:, ::stride], axis=1)
    size = ordered.shape[1]
    low, high = ordered[:, int(0.05 * (size - 1))], ordered[:, -1 - int(0.05 * (size - 1))]
    middle = (ordered[:, (size - 1) // 2] + ordered[:, size // 2]) / 2
    return middle, high - low


def floors(level: Floats, spread: Floats) -> Floats:
    """Return the distance of each row that counts as nothing (noise of the last digits)."""
    return 0.02 * spread + 1e-9 * np.abs(level) + np.finfo(np.float64).tiny


def starts(first: Ints, lengths: tuple[int, ...], settings: DetectorSettings) -> tuple[Ints, Ints]:
    """Return the column from which each row's distances count: the first three, and the season.

    They teach from there and are judged half a warm-up later.
    """
    plain = first + settings.warm_up
    return plain, np.maximum(plain, first + min(lengths)) if lengths else np.full_like(first, 2**62)
