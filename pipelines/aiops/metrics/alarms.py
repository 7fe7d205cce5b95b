"""From surprise per point to alarms: one for an event, not one for each of its points."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.aiops.metrics.settings import DAY_US, DEFAULTS, DetectorSettings

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

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
    """Return -log10 of the chance that an event so surprising starts at a point."""
    return RARE_BASE + surprise / SURPRISE_PER_DECADE


def quiet_points(column: int, step_us: int, settings: DetectorSettings = DEFAULTS) -> int:
    """Return for how many points after an alarm at `column` (from the series' start) none follows.

    What is the same event cannot be told sooner from a new one, the less is known.
    """
    day = max(settings.quiet_least, round(DAY_US / step_us))
    return min(max(settings.quiet_least, int(settings.quiet_share * column)), day)


def alarms(
    surprise: npt.NDArray[np.floating],
    step_us: int,
    settings: DetectorSettings = DEFAULTS,
    first: Ints | None = None,
) -> tuple[Ints, Ints]:
    """Return row and column of each alarm, by row, then by column.

    Parameters
    ----------
    surprise
        ``[series, time]``.
    step_us
        Microseconds from one column to the next.
    first
        Column where each series starts; None: 0.
    """
    rows, columns = np.nonzero(surprise >= settings.alarm)
    kept, row_before, free_from = [], -1, 0
    for place, (row, column) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
        if row == row_before and column <= free_from:
            continue
        start = 0 if first is None else int(first[row])
        free_from = column + quiet_points(column - start, step_us, settings)
        row_before = row
        kept.append(place)
    return rows[kept].astype(np.int64), columns[kept].astype(np.int64)


def alarm_scores(
    surprise: npt.NDArray[np.floating], step_us: int, settings: DetectorSettings = DEFAULTS
) -> npt.NDArray[np.float64]:
    """Return a score between 0 and 1 per point: 0.5 and more are alarms, no two of one event.

    Points in the quiet time after an alarm are 0; all others ``surprise / (surprise + alarm)``.
    """
    rows, columns = alarms(surprise, step_us, settings)
    result = np.asarray(surprise / (surprise + settings.alarm), dtype=np.float64)
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        quiet = quiet_points(column, step_us, settings)
        result[row, column + 1 : column + 1 + quiet] = 0.0
    return result
