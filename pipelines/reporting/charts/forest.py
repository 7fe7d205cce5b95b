"""Forest plot: one table row an estimate, dot and whisker beside the numbers.

It lives in a table's column instead of one big drawing, so it breaks over pages, takes sixty groups
as easily as two, and the numbers stand where the eye is.
"""

from dataclasses import dataclass

from markupsafe import Markup

from pipelines.reporting.charts.axes import Scale, covering, tick_label
from pipelines.reporting.charts.svg import (
    BLUE,
    INK,
    QUIET,
    VERMILLION,
    line,
    picture,
    points_text,
    tag,
    text,
)

WIDTH, HEIGHT, MARGIN = 220, 26, 14


@dataclass(frozen=True)
class Estimate:
    """A value with its interval; None where it isn't known.

    Attributes
    ----------
    value : float or None
        Point estimate; None = not known.
    low : float or None
        Lower bound of the interval.
    high : float or None
        Upper bound of the interval.
    """

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Forest:
    """The axis that all rows of one table share.

    Attributes
    ----------
    low : float
        Smallest value of the axis.
    high : float
        Largest value of the axis.
    reference : float or None
        Value at which every row gets a line (a threshold, or no difference).
    reference_label : str
        What the line means.
    """

    low: float
    high: float
    reference: float | None = None
    reference_label: str = ""

    @property
    def _scale(self) -> Scale:
        return Scale(self.low, self.high, MARGIN, WIDTH - MARGIN)

    def row(self, estimate: Estimate, title: str, *, highlight: bool = False) -> Markup:
        """Draw one row.

        Parameters
        ----------
        estimate : Estimate
            Value and interval.
        title : str
            What a screen reader or a hovering mouse gets.
        highlight : bool, default False
            Whether the row stands out.

        Returns
        -------
        Markup
            An ``svg`` element.
        """
        scale, middle = self._scale, HEIGHT / 2
        parts = [line(scale(t), 0, scale(t), HEIGHT) for t in scale.ticks(4)]
        parts.append(self._line(0, HEIGHT))
        if estimate.value is not None:
            parts += _whisker(scale, estimate, middle, VERMILLION if highlight else BLUE)
            parts.append(_dot(scale(estimate.value), middle, highlight=highlight))
        return picture(WIDTH, HEIGHT, title, parts)

    def axis(self, title: str) -> Markup:
        """Draw the axis below (or above) the rows.

        Parameters
        ----------
        title : str
            What a screen reader or a hovering mouse gets.

        Returns
        -------
        Markup
            An ``svg`` element.
        """
        scale = self._scale
        parts = [line(scale(self.low), 1, scale(self.high), 1, stroke=QUIET)]
        for tick in scale.ticks(4):
            parts.append(line(scale(tick), 1, scale(tick), 5, stroke=QUIET))
            parts.append(text(scale(tick), 17, tick_label(tick), anchor="middle"))
        return picture(WIDTH, 21, title, parts)

    def _line(self, top: float, bottom: float) -> Markup:
        if self.reference is None:
            return Markup("")
        x = self._scale(self.reference)
        return line(x, top, x, bottom, stroke=INK, stroke_dasharray="3 2", stroke_width=1.2)


def forest(
    estimates: list[Estimate],
    *,
    reference: float | None = None,
    reference_label: str = "",
    include: tuple[float, ...] = (),
) -> Forest:
    """Choose an axis on which all `estimates` and the reference can be seen.

    Parameters
    ----------
    estimates : list of Estimate
        Values and intervals of all rows.
    reference : float, optional
        Value at which every row gets a line; None = no line.
    reference_label : str, default ''
        What the line means.
    include : tuple of float, default ()
        Further values that the axis must cover.

    Returns
    -------
    Forest
    """
    values = [x for e in estimates for x in (e.value, e.low, e.high)]
    must = (*include, reference) if reference is not None else include
    low, high = covering(values, include=must)
    return Forest(low, high, reference, reference_label)


def _whisker(scale: Scale, estimate: Estimate, y: float, colour: str) -> list[Markup]:
    if estimate.low is None or estimate.high is None:
        return []
    left, right = scale(estimate.low), scale(estimate.high)
    ends = [line(x, y - 4, x, y + 4, stroke=colour, stroke_width=1.6) for x in (left, right)]
    return [line(left, y, right, y, stroke=colour, stroke_width=1.6), *ends]


def _dot(x: float, y: float, *, highlight: bool) -> Markup:
    if highlight:  # a diamond, so that it isn't colour alone that stands out
        corners = ((x - 5.5, y), (x, y - 5.5), (x + 5.5, y), (x, y + 5.5))
        return tag("polygon", points=points_text(corners), fill=VERMILLION)
    return tag("circle", cx=x, cy=y, r=4, fill=BLUE)
