"""Scales, from values to positions, and ticks of numbers and of time (UTC)."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from pipelines.core.time import DAY_US, MINUTE_US


@dataclass(frozen=True)
class Scale:
    """Linear map from [low, high] to [start, end].

    Attributes
    ----------
    low : float
        Smallest value, in the unit of the data.
    high : float
        Largest value; greater than `low`.
    start : float
        Coordinate of `low`, in pixels.
    end : float
        Coordinate of `high`, in pixels.
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Place of `value`; what lies outside is put on the edge."""
        inside = min(max(value, self.low), self.high)
        share = (inside - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, about: int = 5) -> list[float]:
        """Return round values within the scale, about as many as asked for.

        Parameters
        ----------
        about : int, default 5
            Number of values to aim at.

        Returns
        -------
        list of float
            In the unit of the data, ascending.
        """
        step = nice_step((self.high - self.low) / max(about, 1))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(i * step, 12) for i in range(first, last + 1)]


def nice_step(rough: float) -> float:
    """Return the smallest of 1, 2, 5 × 10ⁿ that isn't below `rough`.

    Parameters
    ----------
    rough : float
        Wanted distance of two ticks; positive.

    Returns
    -------
    float
    """
    magnitude: float = 10.0 ** math.floor(math.log10(rough))
    for factor in (1, 2, 5):
        if factor * magnitude >= rough * (1 - 1e-9):
            return factor * magnitude
    return 10 * magnitude


def covering(
    values: Iterable[float | None], *, include: Iterable[float] = ()
) -> tuple[float, float]:
    """Return a round range that covers all finite `values` and whatever must be seen beside them.

    Parameters
    ----------
    values : iterable of float or None
        Values; None and infinite ones are left out.
    include : iterable of float, default ()
        Further values to cover.

    Returns
    -------
    tuple of (float, float)
        Low and high, low < high.
    """
    finite = [v for v in (*values, *include) if v is not None and math.isfinite(v)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    step = nice_step((high - low) / 4)
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step


def tick_label(value: float) -> str:
    """Write a tick's value as short as possible.

    Parameters
    ----------
    value : float
        The value; six significant digits are kept.

    Returns
    -------
    str
    """
    return f"{value:.6g}".replace("-", "\N{MINUS SIGN}")


_STEPS = (
    1_000_000, 5_000_000, 15_000_000, 30_000_000,
    *(minutes * MINUTE_US for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720)),
    *(days * DAY_US for days in (1, 2, 7, 14, 30, 90, 365)),
)  # fmt: skip
_SIZES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k"))


def time_ticks(start_us: int, end_us: int, most: int = 4) -> list[tuple[int, str]]:
    """Choose round times from start to end, each with what stands below it.

    The hour alone where all lies within a day; the day where a tick is midnight.

    Parameters
    ----------
    start_us : int
        First moment, microseconds since 1970, UTC.
    end_us : int
        Last moment, microseconds since 1970, UTC.
    most : int, default 4
        Number of ticks at most.

    Returns
    -------
    list of tuple of (int, str)
        Time in microseconds since 1970, and its label.
    """
    length = max(end_us - start_us, 1)
    step = next((candidate for candidate in _STEPS if length / candidate <= most), length)
    first = -(-start_us // step) * step
    found: list[tuple[int, str]] = []
    for us in range(first, end_us + 1, step):
        label = _label(us, step)
        if label and len(found) < most:
            found.append((us, label))
    return found


def _label(us: int, step: int) -> str:
    try:
        when = datetime.fromtimestamp(us / 1e6, UTC)
    except (OverflowError, ValueError, OSError):
        return ""
    if step < MINUTE_US:
        return when.strftime("%H:%M:%S")
    return when.strftime("%b %d") if us % DAY_US == 0 else when.strftime("%H:%M")


def short_number(value: float) -> str:
    """Write a number with three or four digits and a letter for its size.

    Parameters
    ----------
    value : float
        The number.

    Returns
    -------
    str
        For example ``1.2M``.
    """
    if abs(value) >= 1e15:
        return tick_label(float(f"{value:.4g}"))
    for size, letter in _SIZES:
        if abs(value) >= size:
            return tick_label(float(f"{value / (size if letter != 'k' else 1e3):.4g}")) + letter
    return tick_label(float(f"{value:.4g}"))
