"""Settings of the detector, and what is measured at each row, from it and earlier ones only.

Every array is ``[series, time]``. All distances scale with the series and do not change when a
constant is added.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class DetectorSettings:
    """Sizes in rows of a series; none depends on its unit, its scale, a clock or a calendar.

    Attributes
    ----------
    past : int
        Rows that a row is compared with: a week of minutes.
    window, decay : int, float
        Rows of a course, and the weight of each against the one after it.
    smooth : int
        Rows whose median a spike is measured from.
    hold : int
        Rows for which a spike, and the sum, count: what was odd a moment ago is the same event.
    level, before : int, int
        Rows of the new and of the old level.
    warm_up : int
        First rows of a series that teach; half as many more, and it is judged.
    young : int
        Rows at which a series' own scales count double; the doubt falls with the square of age.
    usual_share : float
        Quantile of a distance's own past that is its scale.
    spike_weight, level_weight : float
        Weights of spike and level beside the discord.
    gate : float
        Discord from which spike and level count in full.
    suspect : float
        Surprise from which a row is suspected, and an event may start; it ends below half of it.
    absorb : int
        Rows in a row that may be suspected; a change that lasts longer is the new normal.
    """

    past: int = 10_080
    window: int = 24
    decay: float = 0.85
    smooth: int = 5
    hold: int = 5
    level: int = 10
    before: int = 60
    warm_up: int = 48
    young: int = 128
    usual_share: float = 0.9
    spike_weight: float = 0.25
    level_weight: float = 0.25
    gate: float = 3.0
    suspect: float = 8.0
    absorb: int = 240

    @property
    def first_judged(self) -> int:
        """Row of a series from which it is judged."""
        return self.warm_up * 3 // 2


DEFAULTS = DetectorSettings()


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


def moving_median(values: Floats, width: int) -> Floats:
    """Compute the median of the last `width` points; the first point stands for those before it.

    Parameters
    ----------
    values : array of float64, shape (time,)
        Values without gaps.
    width : int
        Number of points.

    Returns
    -------
    array of float64, shape (time,)
        Medians.
    """
    padded = np.concatenate((np.full(width - 1, values[0]), values))
    found: Floats = np.median(np.lib.stride_tricks.sliding_window_view(padded, width), axis=1)
    return found


def moving_largest(values: Floats, width: int) -> Floats:
    """Find the largest of the last `width` points along the last axis; zeros stand before them.

    Parameters
    ----------
    values : array of float64, shape (time,)
        Values of zero and more.
    width : int
        Number of points.

    Returns
    -------
    array of float64, shape (time,)
        Maxima.
    """
    padded = np.concatenate((np.zeros(width - 1), values))
    found: Floats = np.lib.stride_tricks.sliding_window_view(padded, width).max(axis=1)
    return found


def delayed(values: Floats, by: int) -> Floats:
    """Shift points to later columns; the first one stands for those before it.

    Parameters
    ----------
    values : array of float64, shape (time,)
        Values.
    by : int
        Columns, one or more.

    Returns
    -------
    array of float64, shape (time,)
        Values of `by` columns earlier.
    """
    return np.concatenate((np.full(min(by, len(values)), values[0]), values[:-by]))
