"""A line over time, what was expected, and where it was unusual."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from pipelines.reporting.charts.axes import Scale, covering, short_number, time_ticks
from pipelines.reporting.charts.svg import (
    BLUE,
    GREEN,
    GRID,
    INK,
    QUIET,
    VERMILLION,
    line,
    path,
    picture,
    points_text,
    tag,
    text,
)

WIDTH, HEIGHT = 380, 190
LEFT, RIGHT, TOP, BOTTOM = 50, 10, 22, 36
_LEAST_WIDE = 26.0
"""Least width of the expected band, in pixels: a moment must be seen too."""
_LARGEST = 1e300
_UNUSUAL, _LETTER = "unusual", 6.4
"""Label of the unusual time, and the width of a letter, in pixels."""
Number = float | None
ChartPoint = tuple[float, float]


@dataclass(frozen=True)
class Watched:
    """Values over time, one a step; None: there was none.

    Attributes
    ----------
    start_us : int
        Start of the first step, microseconds since 1970, UTC.
    step_us : int
        Length of a step, microseconds.
    values : sequence of (float or None)
        One a step, in `unit`; None = there was none.
    left_us, right_us : int
        First and last unusual value.
    low, high : float or None
        What was expected there; None: no bound.
    unit : str
        What the values are measured in.
    counts : bool
        Whether values count things within a step: drawn as steps from zero.
    """

    start_us: int
    step_us: int
    values: Sequence[Number]
    left_us: int
    right_us: int
    low: Number = None
    high: Number = None
    unit: str = ""
    counts: bool = False

    @property
    def end_us(self) -> int:
        """End of the last step."""
        return self.start_us + max(len(self.values), 1) * self.step_us

    def unusual(self, index: int) -> bool:
        """Return whether a value lies in the unusual time.

        Parameters
        ----------
        index : int
            Position in `values`.

        Returns
        -------
        bool
        """
        at = self.start_us + index * self.step_us
        if self.counts:
            return at + self.step_us > self.left_us and at <= self.right_us
        return self.left_us <= at <= self.right_us


def band(title: str, watched: Watched, describe: str = "") -> Markup:
    """Draw values, the expected band where they are unusual, and that time shaded.

    Parameters
    ----------
    title : str
        Name of the chart, for those who can't see it.
    watched : Watched
        The series, and what was unusual in it.
    describe : str, default ''
        What the chart shows, in a sentence.

    Returns
    -------
    Markup
        An ``svg`` element.
    """
    values = [_finite(value) for value in watched.values]
    bounds = [_finite(watched.low), _finite(watched.high)]
    low, high = _range([*values, *bounds], zero=watched.counts)
    across = Scale(watched.start_us, watched.end_us, LEFT, WIDTH - RIGHT)
    up = Scale(low, high, HEIGHT - BOTTOM, TOP)
    parts = [
        *_axes(across, up, watched),
        *_time(across, up, watched),
        *_expected(across, up, watched),
        *(_steps if watched.counts else _line)(across, up, watched, values),
    ]
    return picture(WIDTH, HEIGHT, title, parts, describe=describe)


def _finite(value: Number) -> Number:
    good = value is not None and math.isfinite(value) and abs(value) < _LARGEST
    return value if good else None


def _range(values: Sequence[Number], *, zero: bool) -> tuple[float, float]:
    known = [value for value in values if value is not None]
    if zero:
        known.append(0.0)
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        pad = 0.1 * abs(high) or 0.5
        return (0.0, 1.0) if zero else (low - pad, high + pad)
    if high - low < 1e-6:
        return low - 0.1 * (high - low), high + 0.1 * (high - low)
    return covering([low, high])


def _axes(across: Scale, up: Scale, watched: Watched) -> list[Markup]:
    parts = []
    for tick in up.ticks(4):
        parts.append(line(LEFT, up(tick), across.end, up(tick), stroke=GRID))
        parts.append(text(LEFT - 6, up(tick) + 4, short_number(tick), anchor="end"))
    base = up.start
    parts.append(line(LEFT, base, across.end, base, stroke=QUIET))
    for us, label in time_ticks(watched.start_us, watched.end_us):
        x = across(us)
        anchor = "end" if x > across.end - 16 else "start" if x < LEFT + 12 else "middle"
        parts.append(line(x, base, x, base + 4, stroke=QUIET))
        parts.append(text(x, base + 17, label, anchor=anchor))
    parts.append(text(0, 12, watched.unit or "value", class_="axis"))
    parts.append(text(across.end, HEIGHT - 3, "time, UTC", anchor="end"))
    return parts


def _inside(across: Scale, watched: Watched, least: float) -> ChartPoint:
    """Left and right edge of the unusual time, at least so far apart, within the frame."""
    left, right = across(watched.left_us), across(watched.right_us)
    if watched.counts:
        right = across(watched.right_us + watched.step_us)
    lack = max(0.0, least - (right - left)) / 2
    left, right = left - lack, right + lack
    shift = max(0.0, across.start - left) - max(0.0, right - across.end)
    return left + shift, right + shift


def _time(across: Scale, up: Scale, watched: Watched) -> list[Markup]:
    left, right = _inside(across, watched, 4)
    shade = tag("rect", x=left, y=TOP, width=right - left, height=up.start - TOP, fill=VERMILLION,
                fill_opacity=0.13)  # fmt: skip
    roof = line(left, TOP, right, TOP, stroke=VERMILLION, stroke_width=3)
    return [shade, roof, *_label((left + right) / 2, across.end, watched.unit)]


def _label(middle: float, end: float, unit: str) -> list[Markup]:
    """Name the unusual time, right of the unit that stands on the same line, if there is room."""
    half = _LETTER * len(_UNUSUAL) / 2
    left = max(LEFT, _LETTER * (len(unit) + 2)) + half
    if left > end - half:
        return []
    return [text(min(max(middle, left), end - half), TOP - 7, _UNUSUAL, anchor="middle")]


def _expected(across: Scale, up: Scale, watched: Watched) -> list[Markup]:
    low, high = _finite(watched.low), _finite(watched.high)
    if low is None and high is None:
        return []
    left, right = _inside(across, watched, _LEAST_WIDE)
    top, bottom = TOP if high is None else up(high), up.start if low is None else up(low)
    shape = tag("rect", x=left, y=top, width=right - left, height=max(bottom - top, 1.5),
                fill=GREEN, fill_opacity=0.25)  # fmt: skip
    edges = [
        line(
            left,
            up(bound),
            right,
            up(bound),
            stroke=GREEN,
            stroke_width=1.5,
            stroke_dasharray="5 2",
        )
        for bound in (low, high)
        if bound is not None
    ]
    return [shape, *edges]


def _line(across: Scale, up: Scale, watched: Watched, values: Sequence[Number]) -> list[Markup]:
    """Draw stretches without gaps; one of a single value is a dot."""
    parts: list[Markup] = []
    for stretch in _stretches(values):
        points = [_at(across, up, watched, i, v) for i, v in stretch]
        if len(points) == 1:
            parts.append(tag("circle", cx=points[0][0], cy=points[0][1], r=1.6, fill=BLUE))
        else:
            parts.append(path(points, stroke=BLUE, stroke_width=1.4))
        parts += _unusual(across, up, watched, stretch)
    return parts


def _stretches(values: Sequence[Number]) -> list[list[tuple[int, float]]]:
    known = [(i, v) for i, v in enumerate(values) if v is not None]
    runs = groupby(enumerate(known), key=lambda pair: pair[1][0] - pair[0])
    return [[item for _, item in run] for _, run in runs]


def _unusual(
    across: Scale, up: Scale, watched: Watched, stretch: list[tuple[int, float]]
) -> list[Markup]:
    points = [_at(across, up, watched, i, v) for i, v in stretch if watched.unusual(i)]
    if not points:
        return []
    if len(points) == 1:
        return [tag("circle", cx=points[0][0], cy=points[0][1], r=3.5, fill=VERMILLION,
                    stroke=INK, stroke_width=0.8)]  # fmt: skip
    return [path(points, stroke=VERMILLION, stroke_width=2.4)]


def _at(across: Scale, up: Scale, watched: Watched, i: int, value: float) -> ChartPoint:
    return _x(across, watched, i), round(up(value), 1)


def _steps(across: Scale, up: Scale, watched: Watched, values: Sequence[Number]) -> list[Markup]:
    """Draw counts as one filled outline, and those of the unusual time on top of it."""
    counts = [value or 0.0 for value in values]
    unusual = [value if watched.unusual(i) and value else None for i, value in enumerate(counts)]
    parts = [_filled(_outline(across, up, watched, enumerate(counts)), up, BLUE, 0.35)]
    for stretch in _stretches(unusual):
        parts.append(_filled(_outline(across, up, watched, stretch), up, VERMILLION, 0.85))
    return parts


def _outline(
    across: Scale, up: Scale, watched: Watched, counts: Iterable[tuple[int, float]]
) -> list[ChartPoint]:
    corners: list[ChartPoint] = []
    for i, value in counts:
        y = round(up(value), 1)
        if corners and corners[-1][1] == y:
            corners.pop()  # Equal counts side by side need no corner between them.
        else:
            corners.append((_x(across, watched, i), y))
        corners.append((_x(across, watched, i + 1), y))
    return corners


def _x(across: Scale, watched: Watched, i: int) -> float:
    return round(across(watched.start_us + i * watched.step_us), 1)


def _filled(corners: list[ChartPoint], up: Scale, colour: str, opacity: float) -> Markup:
    if not corners:
        return Markup()
    ground = [(corners[-1][0], up.start), (corners[0][0], up.start)]
    return tag("polygon", points=points_text([*corners, *ground]), fill=colour,
               fill_opacity=opacity, stroke=colour, stroke_width=0.8)  # fmt: skip
