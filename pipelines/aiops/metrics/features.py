"""What is compared with the past: five distances, each from earlier points only.

Of the value from the level, of the short mean from the level, of the value from itself a short time
ago, of the value from the season, and the short mean of the latter (a rhythm that is lost without
any value being odd).

Every array is ``[series, time]``. All distances scale with the series and do not change when a
constant is added.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.core.time import DAY_US

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

SEASONS_DAYS = (1, 7)
"""Seasons that are looked for, days."""


@dataclass(frozen=True)
class DetectorSettings:
    """Sizes in points unless said otherwise; none depends on the unit or scale of a series.

    Attributes
    ----------
    reference : int
        Points whose median is the level that a value is compared with.
    smooth : int
        Points of the short mean, and lag of the change: what "sudden" means.
    warm_up : int
        First points of a series that set the level; half as many more teach what is usual, and
        only then it is judged.
    history, segments : int
        Points that rareness is judged by, in this many pieces; the oldest piece is dropped.
    tail_share, tail_least, tail_most : float, int, int
        Share, least and largest number of past extremes that the tail is fitted to.
    refresh : int
        Most points between two updates of level and tails.
    alarm : float
        Surprise (see `Scores`) from which a point starts an event.
    quiet_share, quiet_least : float, int
        After an alarm none for this share of the points seen so far, and at least so many; at most
        a day.
    """

    reference: int = 1000
    smooth: int = 12
    warm_up: int = 96
    history: int = 8192
    segments: int = 8
    tail_share: float = 0.02
    tail_least: int = 30
    tail_most: int = 128
    refresh: int = 256
    alarm: float = 10.0
    quiet_share: float = 0.04
    quiet_least: int = 16


DEFAULTS = DetectorSettings()

SAMPLE = 256
"""Points that level and spread are taken from: more change neither by much."""

LEVEL, MEAN, CHANGE, SEASON, RHYTHM = range(5)
PARTS = ("level", "mean", "change", "season", "rhythm")


def carried(values: Floats) -> tuple[Floats, Ints]:
    """Fill gaps with the last value before, and find each row's first real column.

    Before its first value a row holds that value (it is not judged there); a row without any
    value is zero and starts after its end.

    Parameters
    ----------
    values : array of float64, shape (series, time)
        NaN and infinite: missing.

    Returns
    -------
    (array of float64, array of int64), shapes (series, time) and (series,)
        Filled values; `values` itself without gaps. First real columns.
    """
    rows, columns = values.shape
    known = np.isfinite(values)
    if known.all():
        return values, np.zeros(rows, dtype=np.int64)
    first = np.where(known.any(axis=1), known.argmax(axis=1), columns)
    last_known = np.where(known, np.arange(columns), 0)
    # Column of the last known value: a running maximum of the known columns.
    np.maximum.accumulate(last_known, axis=1, out=last_known)
    last_known = np.maximum(last_known, np.minimum(first, columns - 1)[:, None])
    filled = np.take_along_axis(values, last_known, axis=1)
    filled[first == columns] = 0.0
    return filled, first


def moving_mean(values: Floats, width: int) -> Floats:
    """Compute the mean of the last `width` points (of fewer at the start).

    Parameters
    ----------
    values : array of float64, shape (series, time)
        Values without gaps.
    width : int
        Number of points.

    Returns
    -------
    array of float64, shape (series, time)
        Means.
    """
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
    """Compute the absolute change over `lag` points.

    Parameters
    ----------
    values : array of float64, shape (series, time)
        Values without gaps.
    lag : int
        Number of points.

    Returns
    -------
    array of float64, shape (series, time)
        Changes, 0 in the first `lag` columns.
    """
    result = np.zeros_like(values)
    result[:, lag:] = np.abs(values[:, lag:] - values[:, :-lag])
    return result


def _median_of_three(a: Floats, b: Floats, c: Floats) -> Floats:
    low, high = np.minimum(a, b), np.maximum(a, b)
    np.minimum(high, c, out=high)
    return np.maximum(low, high, out=low)


def seasonal(values: Floats, period: int) -> Floats:
    """Predict each point from the same time of the last three periods; NaN in the first period.

    The median of three: one odd day is not expected to come back.

    Parameters
    ----------
    values : array of float64, shape (series, time)
        Values without gaps.
    period : int
        Length of the season, points.

    Returns
    -------
    array of float64, shape (series, time)
        Expected values.
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
    """List the seasons that have enough points to have a shape.

    Parameters
    ----------
    step_us : int
        Microseconds from one column to the next.

    Returns
    -------
    tuple of int
        Lengths in points.
    """
    found = (round(days * DAY_US / step_us) for days in SEASONS_DAYS)
    return tuple(period for period in found if period >= 4)


def season_error(values: Floats, lengths: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Compute the distance from the nearest season's expectation, and that expectation.

    NaN where no season has passed yet. What fits yesterday or last week is not odd: seasons need
    not be configured, and a series without one is merely compared with arbitrary earlier values,
    whose distances are what its distances are judged by.

    Parameters
    ----------
    values : array of float64, shape (series, time)
        Values without gaps.
    lengths : tuple of int
        Lengths of the seasons, points.

    Returns
    -------
    (array of float64, array of float64), shape (series, time)
        Distances, and expected values.
    """
    error, expected = np.full_like(values, np.nan), np.full_like(values, np.nan)
    for length in lengths:
        guess = seasonal(values, length)
        distance = np.abs(values - guess)
        if length == lengths[0]:
            error, expected = distance, guess
            continue
        # NaN compares as false: a season that hasn't passed yet never replaces one that has.
        better = distance < error
        np.copyto(error, distance, where=better)
        np.copyto(expected, guess, where=better)
    return error, expected


def level_and_spread(past: Floats) -> tuple[Floats, Floats]:
    """Compute the median, and the distance of the 5th from the 95th percentile, of each row.

    Parameters
    ----------
    past : array of float64, shape (series, time)
        Recent values without gaps.

    Returns
    -------
    (array of float64, array of float64), shape (series,)
        Levels, and spreads.
    """
    stride = max(1, -(-past.shape[1] // SAMPLE))
    # Every n-th point from the newest on: sorting all of the past would cost most of the time.
    ordered = np.sort(past[:, ::-1][:, ::stride], axis=1)
    size = ordered.shape[1]
    low, high = ordered[:, int(0.05 * (size - 1))], ordered[:, -1 - int(0.05 * (size - 1))]
    middle = (ordered[:, (size - 1) // 2] + ordered[:, size // 2]) / 2
    return middle, high - low


def floors(level: Floats, spread: Floats) -> Floats:
    """Compute the distance of each row that counts as nothing (noise of the last digits).

    Parameters
    ----------
    level, spread : array of float64, shape (series,)
        As of `level_and_spread`.

    Returns
    -------
    array of float64, shape (series,)
        Least distances.
    """
    return 0.02 * spread + 1e-9 * np.abs(level) + np.finfo(np.float64).tiny


def starts(first: Ints, lengths: tuple[int, ...], settings: DetectorSettings) -> tuple[Ints, Ints]:
    """Find the column from which each row's distances count: the first three, and the season.

    They teach from there and are judged half a warm-up later.

    Parameters
    ----------
    first : array of int64, shape (series,)
        First real column of each row.
    lengths : tuple of int
        Lengths of the seasons, points.
    settings : DetectorSettings
        Settings of the detector.

    Returns
    -------
    (array of int64, array of int64), shape (series,)
        Columns for level, mean and change; and for season and rhythm.
    """
    plain = first + settings.warm_up
    return plain, np.maximum(plain, first + min(lengths)) if lengths else np.full_like(first, 2**62)
