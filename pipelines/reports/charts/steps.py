"""Counts by day as step lines: a day is a step, and no day stands between two others."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pipelines.reports.charts.curves import BOTTOM, HEIGHT, KEY_LINE, LEFT, RIGHT, TOP, WIDTH
from pipelines.reports.charts.scale import Scale, covering, tick_label
from pipelines.reports.charts.svg import (
    BLUE,
    DASHES,
    GRID,
    QUIET,
    line,
    number,
    path,
    picture,
    places,
    tag,
    text,
)

MOST_LABELS = 4
_STROKES = (QUIET, BLUE)
_FILLS = ("#dcdcdc", BLUE)


@dataclass(frozen=True)
class Steps:
    """A count for each day, in the order of the days."""

    label: str
    counts: Sequence[float]


def steps(
    title: str, days: Sequence[str], lines: Sequence[Steps], unit: str, describe: str = ""
) -> Markup:
    """Draw one or two series of daily counts; the area below each is filled.

    Parameters
    ----------
    title
        Name of the chart, for those who can't see it.
    days
        What stands below the days; at most four of them are written out.
    lines
        Series with as many counts as there are days; the larger one first.
    unit
        Title of the vertical axis.
    """
    most = covering([count for one in lines for count in one.counts], include=(0.0,))[1]
    up = Scale(0, most, HEIGHT - BOTTOM, TOP)
    across = Scale(0, max(len(days), 1), LEFT, WIDTH - RIGHT)
    parts = [*_grid(up, across, unit), *_days(across, days)]
    for index, one in enumerate(lines):
        parts += _steps(across, up, one, index % 2)
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


def _steps(across: Scale, up: Scale, one: Steps, index: int) -> list[Markup]:
    corners = [
        (across(day + side), up(count)) for day, count in enumerate(one.counts) for side in (0, 1)
    ]
    if not corners:
        return []
    ground = [(corners[-1][0], up.start), (corners[0][0], up.start)]
    opacity = 0.55 if index == 0 else 0.3
    area = tag("polygon", points=places([*corners, *ground]), fill=_FILLS[index],
               fill_opacity=opacity)  # fmt: skip
    dash = DASHES[1] if index == 0 else None
    return [area, path(corners, stroke=_STROKES[index], stroke_width=2, stroke_dasharray=dash)]


def _key(lines: Sequence[Steps]) -> list[Markup]:
    parts: list[Markup] = []
    for index, one in enumerate(lines):
        y = KEY_LINE * index + 12
        dash = DASHES[1] if index % 2 == 0 else None
        parts.append(line(LEFT, y - 4, LEFT + 28, y - 4, _STROKES[index % 2], stroke_width=2,
                          stroke_dasharray=dash))  # fmt: skip
        parts.append(text(LEFT + 36, y, one.label, class_="axis"))
    return parts
