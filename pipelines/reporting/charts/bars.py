"""Horizontal bars: each with its words above it and its number behind it."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pipelines.reporting.charts.axes import Scale
from pipelines.reporting.charts.svg import BLUE, QUIET, number, picture, tag, text

WIDTH, THICK, GAP, LABEL, APART = 320, 13, 3, 18, 11
NUMBERS = 74
"""Room for the number behind the longest bar."""
KEY = 22
PALE = "#dcdcdc"
PAIR_WIDTH, PAIR_HEIGHT = 220, 26


@dataclass(frozen=True)
class Bar:
    """Bars of one thing, one a series.

    Attributes
    ----------
    label : str
        Stands above the bars.
    values : sequence of float
        One a series, in the unit of the chart.
    shown : sequence of str
        What stands behind each bar; the unit is in the chart's caption.
    """

    label: str
    values: Sequence[float]
    shown: Sequence[str]


def bars(title: str, rows: Sequence[Bar], series: Sequence[str], describe: str = "") -> Markup:
    """Draw groups of bars on one scale that begins at 0.

    Parameters
    ----------
    title : str
        Name of the chart, for those who can't see it.
    rows : sequence of Bar
        From top to bottom.
    series : sequence of str
        What the bars of a row stand for; with two, the first is pale and the last is full, so that
        they are told apart without colour.
    describe : str, default ''
        What the chart shows, in a sentence.

    Returns
    -------
    Markup
        An ``svg`` element.
    """
    scale = _scale([value for row in rows for value in row.values], WIDTH - NUMBERS)
    top = KEY if len(series) > 1 else 0
    parts = _key(series) if top else []
    y = float(top)
    for row in rows:
        parts.append(text(0, y + 12, row.label, class_="axis"))
        y += LABEL
        for index, (value, shown) in enumerate(zip(row.values, row.shown, strict=True)):
            long = scale(max(value, 0.0))
            parts.append(_bar(0, y, long, THICK, pale=index < len(series) - 1))
            parts.append(text(long + 6, y + THICK - 2.5, shown, class_="axis"))
            y += THICK + GAP
        y += APART
    return picture(WIDTH, round(y), title, parts, describe=describe)


def pair(before: float, after: float, most: float, title: str) -> Markup:
    """Draw two thin bars for a row of a table.

    Parameters
    ----------
    before : float
        Length of the upper, pale bar, in the unit of the data.
    after : float
        Length of the lower bar.
    most : float
        The longest of all rows; it fills the width.
    title : str
        Name of the drawing, for those who can't see it.

    Returns
    -------
    Markup
        An ``svg`` element.
    """
    scale = _scale([most], PAIR_WIDTH - 1)
    parts = [
        _bar(0.5, 3, scale(before), 9, pale=True),
        _bar(0.5, 14, scale(after), 9, pale=False),
    ]
    return picture(PAIR_WIDTH, PAIR_HEIGHT, title, parts)


def _scale(values: Sequence[float], end: float) -> Scale:
    return Scale(0, max([*values, 0.0]) or 1.0, 0, end)


def _bar(x: float, y: float, width: float, height: float, *, pale: bool) -> Markup:
    fill, stroke = (PALE, QUIET) if pale else (BLUE, BLUE)
    return tag("rect", x=x, y=y, width=max(width, 1), height=height, fill=fill, stroke=stroke)


def _key(series: Sequence[str]) -> list[Markup]:
    parts: list[Markup] = []
    for index, label in enumerate(series):
        pale = index < len(series) - 1
        box = _bar(1, 3, 11, 11, pale=pale)
        moved = f"translate({number(index * 90)} 0)"
        parts.append(tag("g", box + text(18, 13, label, class_="axis"), transform=moved))
    return parts
