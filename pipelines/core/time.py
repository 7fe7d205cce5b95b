"""Lengths of time in the units of the lake: microseconds since 1970, UTC (and its milliseconds).

Durations taken apart into units; how a page or a file writes them is its own matter.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US

HOUR_MS = HOUR_US // 1000
DAY_MS = DAY_US // 1000


Units = Sequence[tuple[int, str]]

DAYS: Units = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
"""Seconds of a unit and its sign (SI's, with the minute as ``min``), largest first."""

PROMETHEUS_DAYS: Units = ((86_400, "d"), (3600, "h"), (60, "m"), (1, "s"))
PROMETHEUS_HOURS: Units = PROMETHEUS_DAYS[1:]
WORDS: Units = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_OF_A_CALL: Units = ((60_000_000, "min"), (1_000_000, "s"), (1000, "ms"), (1, "µs"))


def parts(seconds: int, units: Units = DAYS) -> list[tuple[int, str]]:
    """Split a duration into units, largest first; units of none are left out.

    Parameters
    ----------
    seconds : int
        The duration, not negative.
    units : sequence of tuple of (int, str)
        Seconds of a unit and its name, largest first, the last one a second.

    Returns
    -------
    list of tuple of (int, str)
        Count and name of each unit that is in the duration.
    """
    found = []
    for size, unit in units:
        count, seconds = divmod(seconds, size)
        if count:
            found.append((count, unit))
    return found


def largest_parts(seconds: int, units: Units = DAYS) -> list[tuple[int, str]]:
    """Split a duration into its largest unit and the next smaller one, if there is any of it.

    Whatever is smaller is cut off: a day and three seconds are a day.

    Parameters
    ----------
    seconds : int
        The duration, not negative.
    units : sequence of tuple of (int, str), default `DAYS`
        Seconds of a unit and its name, largest first, the last one a second.

    Returns
    -------
    list of tuple of (int, str)
        Count and name of at most two units; empty for no time.
    """
    found = parts(seconds, units)
    names = [unit for _, unit in units]
    return [
        (count, unit) for count, unit in found if names.index(unit) - names.index(found[0][1]) < 2
    ]


def prometheus(seconds: int, units: Units = PROMETHEUS_DAYS) -> str:
    """Write a duration as Prometheus does: 5400 as ``1h30m``, zero as ``0s``.

    Parameters
    ----------
    seconds : int
        The duration; a negative one is written as ``0s``.
    units : sequence of tuple of (int, str), default `PROMETHEUS_DAYS`
        Seconds of a unit and its sign, largest first, the last one a second.

    Returns
    -------
    str
    """
    return "".join(f"{count}{unit}" for count, unit in parts(max(seconds, 0), units)) or "0s"


def in_one_unit(us: float) -> tuple[float, str]:
    """Express microseconds in the largest unit, up to minutes, of which there is at least one.

    Parameters
    ----------
    us : float
        The duration, in microseconds.

    Returns
    -------
    tuple of (float, str)
        The number, and its unit: ``min``, ``s``, ``ms`` or ``µs``.
    """
    size, unit = next((entry for entry in _OF_A_CALL if us >= entry[0]), _OF_A_CALL[-1])
    return us / size, unit
