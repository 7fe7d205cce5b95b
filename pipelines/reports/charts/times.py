"""Ticks of an axis of time, UTC, and numbers short enough to stand beside an axis."""

from datetime import UTC, datetime

from pipelines.reports.charts.scale import tick_label

_MINUTE = 60_000_000
_DAY = 1440 * _MINUTE
_STEPS = (
    1_000_000, 5_000_000, 15_000_000, 30_000_000,
    *(minutes * _MINUTE for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720)),
    *(days * _DAY for days in (1, 2, 7, 14, 30, 90, 365)),
)  # fmt: skip
_SIZES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k"))


def time_ticks(start_us: int, end_us: int, most: int = 4) -> list[tuple[int, str]]:
    """Round times from start to end, at most `most`, each with what stands below it.

    The hour alone where all lies within a day; the day where a tick is midnight.
    """
    length = max(end_us - start_us, 1)
    step = next((one for one in _STEPS if length / one <= most), length)
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
    if step < _MINUTE:
        return when.strftime("%H:%M:%S")
    return when.strftime("%b %d") if us % _DAY == 0 else when.strftime("%H:%M")


def short_number(value: float) -> str:
    """Write a number with three or four digits and a letter for its size."""
    if abs(value) >= 1e15:
        return tick_label(float(f"{value:.4g}"))
    for size, letter in _SIZES:
        if abs(value) >= size:
            return tick_label(float(f"{value / (size if letter != 'k' else 1e3):.4g}")) + letter
    return tick_label(float(f"{value:.4g}"))
