"""What happened when, as a strip: a row for each kind of thing, a mark for each thing."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pipelines.core.time import SECOND_US
from pipelines.reporting.charts.axes import Scale, time_ticks
from pipelines.reporting.charts.svg import (
    BLUE,
    GREEN,
    GRID,
    INK,
    PURPLE,
    QUIET,
    VERMILLION,
    line,
    picture,
    points_text,
    tag,
    text,
)

WIDTH, ROW, LEFT, RIGHT, TOP, BOTTOM = 400, 22, 76, 8, 18, 22
_APART = 4
"""Marks closer than this, in pixels, are drawn as one."""
_COLOURS = {
    "change": INK,
    "alert": VERMILLION,
    "metric": BLUE,
    "log": GREEN,
    "service_map": PURPLE,
}

_SQUARE = ((-4.0, -4.0), (4.0, -4.0), (4.0, 4.0), (-4.0, 4.0))
_SHAPES: dict[str, tuple[tuple[float, float], ...]] = {
    "change": ((0, -6), (5, 0), (0, 6), (-5, 0)),
    "alert": ((0, -6), (5.5, 4.5), (-5.5, 4.5)),
    "service_map": (
        (-5, -3), (-3, -5), (0, -2), (3, -5), (5, -3), (2, 0),
        (5, 3), (3, 5), (0, 2), (-3, 5), (-5, 3), (-2, 0),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Mark:
    """Something that happened, in one row of the strip.

    Attributes
    ----------
    row : str
        Key of the row.
    start_us : int
        Microseconds since 1970, UTC.
    end_us : int
        Microseconds since 1970, UTC.
    """

    row: str
    start_us: int
    end_us: int


def strip(
    title: str,
    rows: Sequence[tuple[str, str]],
    marks: Sequence[Mark],
    span: tuple[int, int],
    describe: str = "",
) -> Markup:
    """Draw marks in rows over time.

    Parameters
    ----------
    title : str
        Name of the chart, for those who can't see it.
    rows : sequence of tuple of (str, str)
        Key of a row and what it is called; kinds with a shape of their own: ``change`` a diamond,
        ``alert`` a triangle, ``metric`` a dot, ``log`` a square, ``service_map`` a cross.
    marks : sequence of Mark
        What happened.
    span : tuple of (int, int)
        Start and end of the incident, shaded; marks may lie outside.
    describe : str, default ''
        What the chart shows, in a sentence.

    Returns
    -------
    Markup
        An ``svg`` element.
    """
    first = min([span[0], *(mark.start_us for mark in marks)])
    last = max([span[1], *(mark.end_us for mark in marks)])
    room = max((last - first) // 50, SECOND_US)
    across = Scale(first - room, last + room, LEFT, WIDTH - RIGHT)
    bottom = TOP + ROW * len(rows)
    parts = [_incident(across, span, bottom), *_times(across, first - room, last + room, bottom)]
    for position, (key, label) in enumerate(rows):
        y = TOP + ROW * (position + 0.5)
        parts.append(line(LEFT, y, across.end, y, stroke=GRID))
        parts.append(text(0, y + 4, label, class_="axis"))
        parts += _marks(across, y, key, [mark for mark in marks if mark.row == key])
    return picture(WIDTH, bottom + BOTTOM, title, parts, describe=describe)


def _incident(across: Scale, span: tuple[int, int], bottom: float) -> Markup:
    left, right = across(span[0]), across(span[1])
    shade = tag("rect", x=left, y=TOP - 4, width=max(right - left, 2), height=bottom - TOP + 8,
                fill="#efeae2")  # fmt: skip
    near = left > WIDTH - 90
    return shade + text(WIDTH - RIGHT if near else left, TOP - 8, "incident",
                        anchor="end" if near else "start")  # fmt: skip


def _times(across: Scale, first: int, last: int, bottom: float) -> list[Markup]:
    parts = [line(LEFT, bottom + 4, across.end, bottom + 4, stroke=QUIET)]
    for us, label in time_ticks(first, last, 5):
        x = across(us)
        anchor = "end" if x > across.end - 18 else "middle"
        parts.append(line(x, bottom + 4, x, bottom + 8, stroke=QUIET))
        parts.append(text(x, bottom + 19, label, anchor=anchor))
    parts.append(text(0, bottom + 19, "UTC"))
    return parts


def _marks(across: Scale, y: float, key: str, marks: Sequence[Mark]) -> list[Markup]:
    colour = _COLOURS.get(key, QUIET)
    parts: list[Markup] = []
    drawn: set[tuple[int, int]] = set()
    free = float("-inf")
    for mark in sorted(marks, key=lambda mark_drawn: (mark_drawn.start_us, -mark_drawn.end_us)):
        x, end = across(mark.start_us), across(mark.end_us)
        bar = (round(x / _APART), round(end / _APART))
        if end - x >= _APART and bar not in drawn:
            drawn.add(bar)
            parts.append(line(x, y, end, y, stroke=colour, stroke_width=3, stroke_opacity=0.45))
        if x >= free:
            parts.append(_shape(key, x, y, colour))
            free = x + _APART
    return parts


def _shape(key: str, x: float, y: float, colour: str) -> Markup:
    if key == "metric":
        return tag("circle", cx=x, cy=y, r=4, fill=colour)
    corners = _SHAPES.get(key, _SQUARE)
    return tag("polygon", points=points_text((x + a, y + b) for a, b in corners), fill=colour)
