"""Line charts in a square-ish frame, and counts by day as step lines."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pipelines.reporting.charts.axes import Scale, covering, tick_label
from pipelines.reporting.charts.svg import (
    BLUE,
    DASHES,
    GRID,
    INK,
    QUIET,
    SERIES,
    line,
    number,
    path,
    picture,
    points_text,
    tag,
    text,
)

WIDTH, HEIGHT = 320, 290
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 12, 42
KEY_LINE = 17

Point = tuple[float, float]


@dataclass(frozen=True)
class Curve:
    """A line through points, with a band around it if there is one.

    Attributes
    ----------
    points : sequence of tuple of (float, float)
        (x, y) from left to right, in the units of the axes.
    label : str
        Stands beside the line; there is no legend to look up.
    band : sequence of tuple of (float, float, float)
        (x, low, high) of the confidence band.
    dots : bool
        Whether each point is marked.
    """

    points: Sequence[Point]
    label: str = ""
    band: Sequence[tuple[float, float, float]] = ()
    dots: bool = False


@dataclass(frozen=True)
class Axis:
    """Title and range of one axis.

    Attributes
    ----------
    title : str
        Stands beside the axis.
    low : float
        Smallest value.
    high : float
        Largest value.
    """

    title: str
    low: float = 0.0
    high: float = 1.0


@dataclass(frozen=True)
class Reference:
    """A dashed line to compare with, and what it stands for.

    Attributes
    ----------
    points : tuple of two points, each (float, float)
        Its two ends, (x, y).
    label : str
        What it stands for.
    """

    points: tuple[Point, Point]
    label: str


def curves(
    title: str,
    x: Axis,
    y: Axis,
    lines: Sequence[Curve],
    *,
    reference: Reference | None = None,
    point: tuple[Point, str] | None = None,
    describe: str = "",
) -> Markup:
    """Draw curves on one pair of axes.

    Parameters
    ----------
    title : str
        Name of the chart, for those who can't see it.
    x, y : Axis
        The axes.
    lines : sequence of Curve
        The curves.
    reference : Reference, optional
        A line to compare with.
    point : tuple of ((float, float), str), optional
        One marked point and its label, for example the operating threshold.
    describe : str, default ''
        What the chart shows, in a sentence.

    Returns
    -------
    Markup
        An ``svg`` element.
    """
    across = Scale(x.low, x.high, LEFT, WIDTH - RIGHT)
    up = Scale(y.low, y.high, HEIGHT - BOTTOM, TOP)
    parts = [*_frame(across, up, x, y)]
    if reference:
        parts += _reference(across, up, reference)
    for index, curve in enumerate(lines):
        parts += _curve(across, up, curve, index)
    if point:
        parts += _point(across, up, *point)
    if len(lines) > 1:
        return _with_key(title, parts, lines, describe)
    return picture(WIDTH, HEIGHT, title, parts, describe=describe)


def _frame(across: Scale, up: Scale, x: Axis, y: Axis) -> list[Markup]:
    parts = []
    for tick in across.ticks(5):
        parts.append(line(across(tick), TOP, across(tick), up.start, stroke=GRID))
        parts.append(text(across(tick), up.start + 15, tick_label(tick), anchor="middle"))
    for tick in up.ticks(5):
        parts.append(line(LEFT, up(tick), across.end, up(tick), stroke=GRID))
        parts.append(text(LEFT - 6, up(tick) + 4, tick_label(tick), anchor="end"))
    parts.append(line(LEFT, up.start, across.end, up.start, stroke=QUIET))
    parts.append(line(LEFT, TOP, LEFT, up.start, stroke=QUIET))
    middle = (LEFT + across.end) / 2
    parts.append(text(middle, HEIGHT - 6, x.title, anchor="middle", class_="axis"))
    height = (TOP + up.start) / 2
    parts.append(
        tag(
            "text",
            y.title,
            transform=f"translate(13 {number(height)}) rotate(-90)",
            text_anchor="middle",
            class_="axis",
        )
    )
    return parts


def _reference(across: Scale, up: Scale, reference: Reference) -> list[Markup]:
    (x1, y1), (x2, y2) = reference.points
    return [
        line(across(x1), up(y1), across(x2), up(y2), stroke=QUIET, stroke_dasharray="4 3"),
        text(across(x2) - 4, up(y2) + 22, reference.label, anchor="end", class_="tick")
        if y1 == y2
        else text(across(x2) - 6, up.start - 8, reference.label, anchor="end", class_="tick"),
    ]


def _curve(across: Scale, up: Scale, curve: Curve, index: int) -> list[Markup]:
    colour = SERIES[index % len(SERIES)]
    dash = DASHES[index % len(DASHES)] or None
    parts = [_band(across, up, curve, colour)] if curve.band else []
    points = [(across(a), up(b)) for a, b in curve.points]
    parts.append(path(points, stroke=colour, stroke_width=2, stroke_dasharray=dash))
    if curve.dots:
        parts += [tag("circle", cx=a, cy=b, r=3, fill=colour) for a, b in points]
    return parts


def _band(across: Scale, up: Scale, curve: Curve, colour: str) -> Markup:
    over = [(across(a), up(high)) for a, _, high in curve.band]
    under = [(across(a), up(low)) for a, low, _ in reversed(curve.band)]
    return tag("polygon", points=points_text([*over, *under]), fill=colour, fill_opacity=0.18)


def _with_key(title: str, parts: Sequence[Markup], lines: Sequence[Curve], describe: str) -> Markup:
    """Put a line a curve above the frame, where it hides nothing."""
    top = KEY_LINE * len(lines)
    key: list[Markup] = []
    for index, curve in enumerate(lines):
        y = KEY_LINE * index + 12
        colour, dash = SERIES[index % len(SERIES)], DASHES[index % len(DASHES)] or None
        end = LEFT + 28
        key.append(line(LEFT, y - 4, end, y - 4, colour, stroke_width=2, stroke_dasharray=dash))
        key.append(text(end + 8, y, curve.label, class_="axis"))
    frame = tag("g", Markup("").join(parts), transform=f"translate(0 {top})")
    return picture(WIDTH, HEIGHT + top, title, [*key, frame], describe=describe)


def _point(across: Scale, up: Scale, at: Point, label: str) -> list[Markup]:
    x, y = across(at[0]), up(at[1])
    left = x > (LEFT + across.end) / 2
    return [
        tag("circle", cx=x, cy=y, r=5, fill="#fff", stroke=INK, stroke_width=2),
        text(x - 9 if left else x + 9, y + 16, label, anchor="end" if left else "start",
             class_="axis"),
    ]  # fmt: skip


MOST_LABELS = 4
_STROKES = (QUIET, BLUE)
_FILLS = ("#dcdcdc", BLUE)


@dataclass(frozen=True)
class Steps:
    """A count for each day, in the order of the days.

    Attributes
    ----------
    label : str
        What is counted.
    counts : sequence of float
        One a day.
    """

    label: str
    counts: Sequence[float]


def steps(
    title: str, days: Sequence[str], lines: Sequence[Steps], unit: str, describe: str = ""
) -> Markup:
    """Draw one or two series of daily counts; the area below each is filled.

    Parameters
    ----------
    title : str
        Name of the chart, for those who can't see it.
    days : sequence of str
        What stands below the days; at most four of them are written out.
    lines : sequence of Steps
        Series with as many counts as there are days; the larger one first.
    unit : str
        Title of the vertical axis.
    describe : str, default ''
        What the chart shows, in a sentence.

    Returns
    -------
    Markup
        An ``svg`` element.
    """
    most = covering([count for curve in lines for count in curve.counts], include=(0.0,))[1]
    up = Scale(0, most, HEIGHT - BOTTOM, TOP)
    across = Scale(0, max(len(days), 1), LEFT, WIDTH - RIGHT)
    parts = [*_grid(up, across, unit), *_days(across, days)]
    for index, curve in enumerate(lines):
        parts += _steps(across, up, curve, index % 2)
    top = KEY_LINE * len(lines)
    frame = tag("g", Markup("").join(parts), transform=f"translate(0 {top})")
    return picture(WIDTH, HEIGHT + top, title, [*_key(lines), frame], describe=describe)


def _grid(up: Scale, across: Scale, unit: str) -> list[Markup]:
    parts = []
    for tick in up.ticks(5):
        parts.append(line(LEFT, up(tick), across.end, up(tick), stroke=GRID))
        parts.append(text(LEFT - 6, up(tick) + 4, tick_label(tick), anchor="end"))
    turned = f"translate(11 {number((TOP + up.start) / 2)}) rotate(-90)"
    parts.append(tag("text", unit, transform=turned, text_anchor="middle", class_="axis"))
    return parts


def _days(across: Scale, days: Sequence[str]) -> list[Markup]:
    """Names of some days below the frame, the first and the last among them."""
    if not days:
        return []
    last = len(days) - 1
    wanted = min(MOST_LABELS, len(days))
    chosen = sorted({round(i * last / max(wanted - 1, 1)) for i in range(wanted)})
    y = HEIGHT - BOTTOM
    parts = []
    for day in chosen:
        x = across(day + 0.5)
        anchor = "middle" if 0 < day < last or last == 0 else ("start" if day == 0 else "end")
        edge = {"start": across.start, "end": across.end, "middle": x}[anchor]
        parts.append(line(x, y, x, y + 4, stroke=QUIET))
        parts.append(text(edge, y + 18, days[day], anchor=anchor))
    return parts


def _steps(across: Scale, up: Scale, curve: Steps, index: int) -> list[Markup]:
    corners = [
        (across(day + side), up(count)) for day, count in enumerate(curve.counts) for side in (0, 1)
    ]
    if not corners:
        return []
    ground = [(corners[-1][0], up.start), (corners[0][0], up.start)]
    opacity = 0.55 if index == 0 else 0.3
    area = tag("polygon", points=points_text([*corners, *ground]), fill=_FILLS[index],
               fill_opacity=opacity)  # fmt: skip
    dash = DASHES[1] if index == 0 else None
    return [area, path(corners, stroke=_STROKES[index], stroke_width=2, stroke_dasharray=dash)]


def _key(lines: Sequence[Steps]) -> list[Markup]:
    parts: list[Markup] = []
    for index, curve in enumerate(lines):
        y = KEY_LINE * index + 12
        dash = DASHES[1] if index % 2 == 0 else None
        parts.append(line(LEFT, y - 4, LEFT + 28, y - 4, _STROKES[index % 2], stroke_width=2,
                          stroke_dasharray=dash))  # fmt: skip
        parts.append(text(LEFT + 36, y, curve.label, class_="axis"))
    return parts
