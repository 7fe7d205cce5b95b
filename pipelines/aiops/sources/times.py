"""Times as programs write them."""

import math
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipelines.aiops.lake.batch import MalformedError
from pipelines.core.errors import SignalboxError
from pipelines.core.time import EPOCH

_UNITS = {"epoch_s": 1e6, "epoch_ms": 1e3, "epoch_us": 1.0}
_FIRST, _LAST = datetime(1980, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_ZERO_YEAR = 1


def zone(name: str, key: str) -> tzinfo:
    """Return a time zone by name.

    Parameters
    ----------
    name : str
        IANA name, such as ``Europe/Berlin``.
    key : str
        The parameter that names it, for the error.

    Returns
    -------
    tzinfo

    Raises
    ------
    SignalboxError
        If there is no such zone.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise SignalboxError(
            f"{key}: no time zone {name!r}; write for example Europe/Berlin"
        ) from None


def read_time(value: Any, form: str = "iso", local: tzinfo = UTC) -> datetime | None:
    """Read a time.

    Parameters
    ----------
    value : str, number, datetime or None
    form : {"iso", "auto", "epoch_s", "epoch_ms", "epoch_us"}
        ``auto`` finds out: numbers are epochs whose unit their size tells, the rest is ISO 8601.
    local : tzinfo
        Zone of times that don't say theirs. Of a time that happens twice, when clocks are put
        back, the first is meant; one that doesn't exist is read by the offset before the gap.

    Returns
    -------
    datetime or None
        UTC; None for nothing, and for Go's zero time, which means "not set".

    Raises
    ------
    MalformedError
        If it isn't a time, or lies outside the years 1980 to 2199.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        time = value if isinstance(value, datetime) else _parse(value, form)
        if time.tzinfo is None:
            time = time.replace(tzinfo=local)
        if time.year == _ZERO_YEAR:
            return None
        time = time.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise MalformedError(f"not a time: {str(value)[:60]!r}") from None
    if not _FIRST <= time < _LAST:
        raise MalformedError(f"not a time of this age: {str(value)[:60]!r}")
    return time


def _parse(value: Any, form: str) -> datetime:
    if form == "iso" or (form == "auto" and not _is_number(value)):
        return datetime.fromisoformat(_trimmed(str(value).strip()))
    number = float(value)
    if math.isnan(number) or math.isinf(number):
        raise ValueError(value)
    unit = _UNITS[_unit(number) if form == "auto" else form]
    # Whole numbers stay exact: a double cannot hold every microsecond.
    whole = int(value) if float(value).is_integer() else None
    micro = whole * int(unit) if whole is not None else round(number * unit)
    return EPOCH + timedelta(microseconds=micro)


def _unit(number: float) -> str:
    """Seconds have ten digits in our age, milliseconds thirteen, microseconds sixteen."""
    return "epoch_s" if number < 1e11 else "epoch_ms" if number < 1e14 else "epoch_us"


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _trimmed(text: str) -> str:
    """Cut a fraction longer than microseconds, as Go writes it."""
    head, dot, tail = text.partition(".")
    if not dot:
        return text
    digits = len(tail) - len(tail.lstrip("0123456789"))
    return f"{head}.{tail[: min(digits, 6)].ljust(3, '0')}{tail[digits:]}"
