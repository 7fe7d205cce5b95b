"""SVG elements and the style all charts share."""

from collections.abc import Iterable

from markupsafe import Markup, escape

# Okabe & Ito (2008), "Color universal design": told apart with any common colour blindness.
BLUE, VERMILLION, GREEN, ORANGE, PURPLE = "#0072b2", "#d55e00", "#009e73", "#e69f00", "#cc79a7"
INK, QUIET, GRID = "#1a1a1a", "#555", "#d9d9d9"

SERIES = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE)
DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 3")
"""Lines differ in dash as well, so that a black-and-white print keeps them apart."""


def number(value: float) -> str:
    """Write a coordinate with two decimals at most: stable bytes, small files.

    Parameters
    ----------
    value : float
        In pixels.

    Returns
    -------
    str
    """
    text_ = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text_ == "-0" else text_


def points_text(points: Iterable[tuple[float, float]]) -> str:
    """Write points as SVG does.

    Parameters
    ----------
    points : iterable of tuple of (float, float)
        (x, y) in pixels.

    Returns
    -------
    str
    """
    return " ".join(f"{number(x)},{number(y)}" for x, y in points)


def tag(element: str, content: Markup | str = "", /, **attributes: object) -> Markup:
    """Write one element.

    Parameters
    ----------
    element : str
        Name of the element.
    content : str or Markup
        What stands in it; escaped unless it is markup.
    **attributes : object
        Attributes; names with ``_`` stand for ``-``, and ``class_`` for ``class``. None is left
        out, numbers are rounded to two decimals.

    Returns
    -------
    Markup
    """
    given = Markup("").join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), _value(value))
        for key, value in attributes.items()
        if value is not None
    )
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(element), given, content)


def _value(value: object) -> str:
    return number(value) if isinstance(value, int | float) else str(value)


def text(
    x: float, y: float, content: str, *, anchor: str = "start", class_: str = "tick"
) -> Markup:
    """Write text as text, so that it can be found, copied and read aloud.

    Parameters
    ----------
    x : float
        In pixels.
    y : float
        Base line, in pixels.
    content : str
        The text; escaped.
    anchor : str, default 'start'
        ``start``, ``middle`` or ``end``: which part of the text stands at `x`.
    class_ : str, default 'tick'
        Class in the style sheet.

    Returns
    -------
    Markup
    """
    return tag("text", content, x=x, y=y, text_anchor=anchor, class_=class_)


def line(x1: float, y1: float, x2: float, y2: float, stroke: str = GRID, **more: object) -> Markup:
    """Draw a straight line.

    Parameters
    ----------
    x1 : float
        Start, in pixels.
    y1 : float
        Start, in pixels.
    x2 : float
        End, in pixels.
    y2 : float
        End, in pixels.
    stroke : str, default `GRID`
        Colour.
    **more : object
        Further attributes, as in `tag`.

    Returns
    -------
    Markup
    """
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=stroke, **more)


def path(points: Iterable[tuple[float, float]], **attributes: object) -> Markup:
    """Draw a line through `points`.

    Parameters
    ----------
    points : iterable of tuple of (float, float)
        (x, y) in pixels.
    **attributes : object
        Further attributes, as in `tag`.

    Returns
    -------
    Markup
    """
    return tag("polyline", points=points_text(points), fill="none", **attributes)


def picture(
    width: float, height: float, title: str, parts: Iterable[Markup], *, describe: str = ""
) -> Markup:
    """Draw a picture that scales with its column and has a name and a description.

    Parameters
    ----------
    width : float
        In pixels.
    height : float
        In pixels.
    title : str
        Name of the picture, for those who can't see it.
    parts : iterable of Markup
        Its elements, the lowest first.
    describe : str, default ''
        What it shows, in a sentence; empty = nothing.

    Returns
    -------
    Markup
        An ``svg`` element.
    """
    inner = tag("title", title)
    if describe:
        inner += tag("desc", describe)
    inner += Markup("").join(escape(part) for part in parts)
    return tag(
        "svg",
        inner,
        viewBox=f"0 0 {number(width)} {number(height)}",
        width=width,
        height=height,
        role="img",
        aria_label=title,
        class_="chart",
    )
