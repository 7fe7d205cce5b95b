"""A KPI's trend, small: in block characters for a terminal, as SVG for a page."""

from collections.abc import Sequence
from html import escape

BARS = "▁▂▃▄▅▆▇█"
GAP = "·"
WIDTH, HEIGHT, EDGE = 160, 36, 4
BLUE, QUIET = "#0072b2", "#555"  # Okabe and Ito (2008)

Values = Sequence[float | None]


def spark(values: Values) -> str:
    """Draw one block character a value, from lowest to highest; a dot where there is none.

    Parameters
    ----------
    values : sequence of (float or None)
        Oldest first.

    Returns
    -------
    str
        As many characters as there are values.

    Examples
    --------
    >>> spark([1, 2, None, 3])
    '▁▄·█'
    """
    known = [value for value in values if value is not None]
    if not known:
        return GAP * len(values)
    low, span = min(known), max(known) - min(known)
    return "".join(GAP if v is None else BARS[_level(v, low, span)] for v in values)


def _level(value: float, low: float, span: float) -> int:
    top = len(BARS) - 1
    # A constant series is drawn in the middle: it is neither low nor high.
    return top // 2 if span == 0 else int((value - low) / span * top)


def plot(values: Values, target: float, title: str) -> str:
    """Draw a trend as inline SVG: the values as a line with a dot at the last, the target dashed.

    Parameters
    ----------
    values : Values
        Oldest first; gaps are left out, the line goes on after them.
    target : float
        In the unit of the values.
    title : str
        Name of the drawing, read aloud by screen readers; escaped here.

    Returns
    -------
    str
        An ``svg`` element.
    """
    known = [(i, value) for i, value in enumerate(values) if value is not None]
    numbers = [value for _, value in known] + [target]
    low, span = min(numbers), max(numbers) - min(numbers)
    step = (WIDTH - 2 * EDGE) / max(len(values) - 1, 1)

    def y(value: float) -> str:
        share = 0.5 if span == 0 else (value - low) / span
        return f"{HEIGHT - EDGE - share * (HEIGHT - 2 * EDGE):.1f}"

    points = [(f"{EDGE + i * step:.1f}", y(value)) for i, value in known]
    line = " ".join(f"{a},{b}" for a, b in points)
    last = (
        f'<circle cx="{points[-1][0]}" cy="{points[-1][1]}" r="3" fill="{BLUE}"/>' if points else ""
    )
    name = escape(title, quote=True)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="{name}"><title>{name}</title>'
        f'<line x1="0" x2="{WIDTH}" y1="{y(target)}" y2="{y(target)}" stroke="{QUIET}" '
        'stroke-dasharray="4 3"/>'
        f'<polyline points="{line}" fill="none" stroke="{BLUE}" stroke-width="2"/>'
        f"{last}</svg>"
    )
