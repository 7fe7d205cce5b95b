"""Numbers as a person reads them in a table."""

from pipelines.core.evidence import Figure

NONE = "–"
"""Stands where there is no number; the reason is said beside it."""

_COUNTED = {"rows", "subjects", "columns", "checks"}
_MINUS = "\N{MINUS SIGN}"


def count(value: float | None) -> str:
    """Write a whole number with thousands separators.

    Parameters
    ----------
    value : float or None
        The number; None is written as `NONE`.

    Returns
    -------
    str
    """
    return NONE if value is None else _minus(f"{value:,.0f}")


def decimal(value: float | None, digits: int = 3) -> str:
    """Write a fixed number of decimals, so that columns line up.

    Parameters
    ----------
    value : float or None
        The number; None is written as `NONE`.
    digits : int, default 3
        Digits after the decimal point.

    Returns
    -------
    str
    """
    if value is None:
        return NONE
    text = f"{value:,.{digits}f}"
    # A rounded-away negative number would read "-0.000".
    return text.removeprefix("-") if float(text.replace(",", "")) == 0 else _minus(text)


def percent(value: float | None, digits: int = 1) -> str:
    """Write a share as percent; small ones keep enough decimals to be told from zero.

    Parameters
    ----------
    value : float or None
        The share as a fraction; None is written as `NONE`.
    digits : int, default 1
        Digits after the decimal point, at least three below 0.1%.

    Returns
    -------
    str
    """
    if value is None:
        return NONE
    shown = value * 100
    if value != 0 and abs(shown) < 0.1:
        digits = max(digits, 3)
    return f"{decimal(shown, digits)}%"


def p_value(value: float | None) -> str:
    """Write a p-value; below a thousandth only that it is.

    Parameters
    ----------
    value : float or None
        The p-value; None is written as `NONE`.

    Returns
    -------
    str
    """
    if value is None:
        return NONE
    return "< 0.001" if value < 0.001 else decimal(value)


def with_unit(value: float | None, unit: str) -> str:
    """Write a number in the way of its unit; the unit itself only where it isn't obvious.

    Parameters
    ----------
    value : float or None
        The number; None is written as `NONE`.
    unit : str
        As in `Figure.unit`.

    Returns
    -------
    str
    """
    if value is None:
        return NONE
    if unit == "share":
        return percent(value)
    if unit in _COUNTED:
        return count(value)
    if unit in ("", "ratio", "difference of shares"):
        return decimal(value)
    if unit == "seconds" and not float(value).is_integer():
        return f"{decimal(value, 1)}\N{NO-BREAK SPACE}{unit}"
    # Whole numbers of a unit not named above are counts as well: rules, pages, incidents.
    shown = count(value) if float(value).is_integer() else decimal(value, 4)
    return f"{shown}\N{NO-BREAK SPACE}{unit}"


def interval(low: float | None, high: float | None, unit: str = "") -> str:
    """Write the bounds of an interval; "to" and not a dash, because bounds can be negative.

    Parameters
    ----------
    low : float or None
        Lower bound; None = none.
    high : float or None
        Upper bound; None = none.
    unit : str, default ''
        As in `Figure.unit`.

    Returns
    -------
    str
    """
    if low is None and high is None:
        return NONE
    left = "no lower bound" if low is None else _bare(low, unit)
    right = "no upper bound" if high is None else _bare(high, unit)
    return f"{left} to {right}{_SIGN.get(unit, '')}"


_SIGN = {"share": "%"}


def _bare(value: float, unit: str) -> str:
    """Bound without its unit, which stands once at the end or beside the value."""
    if unit == "share":
        return percent(value).removesuffix("%")
    return with_unit(value, unit).removesuffix(f"\N{NO-BREAK SPACE}{unit}")


def level(value: float | None) -> str:
    """Write a confidence level, for example "95%".

    Parameters
    ----------
    value : float or None
        The level, in (0, 1); None is written as nothing.

    Returns
    -------
    str
    """
    return "" if value is None else f"{value * 100:g}%"


def figure_value(figure: Figure) -> str:
    """Write the value of a figure in its unit.

    Parameters
    ----------
    figure : Figure
        A figure of the evidence.

    Returns
    -------
    str
    """
    return with_unit(figure.value, figure.unit)


def figure_interval(figure: Figure) -> str:
    """Write the interval of a figure in its unit.

    Parameters
    ----------
    figure : Figure
        A figure of the evidence.

    Returns
    -------
    str
    """
    return interval(figure.low, figure.high, figure.unit)


def _minus(text: str) -> str:
    return text.replace("-", _MINUS)
