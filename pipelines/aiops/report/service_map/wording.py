"""Numbers and kinds of a map as people read them."""

import hashlib
from datetime import UTC, datetime

from pipelines.core.time import in_one_unit
from pipelines.reporting.numbers import NONE

SPACE = "\N{NO-BREAK SPACE}"
KINDS = {
    "user": ("Users", "whoever calls from outside"),
    "service": ("Services", "send spans"),
    "database": ("Databases", "named by attributes of spans"),
    "queue": ("Queues", "messages pass through them"),
    "external": ("External", "called, but send no spans"),
}
"""Kinds of nodes: what they are called, and what they are."""


def duration(us: float | None) -> str:
    """Write a duration with three digits in its unit.

    Parameters
    ----------
    us : float or None
        Microseconds; None gives a dash.

    Returns
    -------
    str
        Duration.
    """
    if us is None:
        return NONE
    value, unit = in_one_unit(us)
    return f"{_three(value)}{SPACE}{unit}"


def rate(n: int, seconds: float) -> str:
    """Write calls a second, or a minute or an hour where they are few.

    Parameters
    ----------
    n : int
        Number of calls.
    seconds : float
        Length of the time, seconds.

    Returns
    -------
    str
        Rate, or a dash.
    """
    if not seconds:
        return NONE
    for size, unit in ((1, "s"), (60, "min"), (3600, "h")):
        if n * size / seconds >= 1 or unit == "h":
            return f"{_three(n * size / seconds)}/{unit}"
    return NONE


def _three(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def when(us: int) -> str:
    """Write a time in UTC to the minute; a dash if no calendar has it.

    Parameters
    ----------
    us : int
        Microseconds since 1970.

    Returns
    -------
    str
        Time.
    """
    try:
        return datetime.fromtimestamp(us / 1e6, UTC).strftime("%Y-%m-%d %H:%M")
    except (OverflowError, ValueError, OSError):
        return NONE


def plural(n: int, one: str, many: str = "") -> str:
    """Write a number with its noun.

    Parameters
    ----------
    n : int
        How many.
    one : str
        Noun in the singular.
    many : str, default ''
        Noun in the plural; "" adds an s.

    Returns
    -------
    str
        Number and noun.
    """
    return f"{n:,}{SPACE}{one if n == 1 else many or one + 's'}"


def anchor_of(node: str) -> str:
    """Make the anchor of a node's row, for links from other pages; any name gives a valid one.

    Parameters
    ----------
    node : str
        Name of the node.

    Returns
    -------
    str
        Anchor.
    """
    return f"node-{hashlib.sha256(node.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def short(text: str, most: int) -> str:
    """Leave out the middle of a long name: begins and ends tell services apart.

    Parameters
    ----------
    text : str
        Name.
    most : int
        Most characters.

    Returns
    -------
    str
        Name, with an ellipsis if it was cut.
    """
    if len(text) <= most:
        return text
    head = (most - 1) // 2
    return f"{text[:head]}…{text[len(text) - (most - 1 - head) :]}"
