"""A number with everything needed to judge it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final

COLLAPSED: Final = "; closed form because a rate is exactly 0 or 1"
"""Ends the method of a pair's interval that the bootstrap could not give."""


@dataclass(frozen=True)
class Estimate:
    """A statistic and its interval.

    Attributes
    ----------
    value, low, high : float or None
        None together with a ``reason``, never NaN.
    level : float
        Two-sided confidence level of the interval.
    n : int
        Rows in the denominators of what is compared.
    method : str
        How the interval was made.
    undefined_share : float
        Share of bootstrap replicates in which the statistic had no value.
    reason : str or None
        Why a value or an interval is missing.
    """

    value: float | None
    low: float | None
    high: float | None
    level: float
    n: int
    method: str
    undefined_share: float = 0.0
    reason: str | None = None


@dataclass(frozen=True)
class RateEstimate(Estimate):
    """A group's rate: ``numerator`` of ``n``, with both intervals beside the one that is used.

    ``low`` and ``high`` are the bootstrap's, except at 0 and 1, where the bootstrap collapses and
    Wilson's stands in.
    """

    numerator: int = 0
    wilson: tuple[float, float] | None = None
    bootstrap: tuple[float, float] | None = None


def missing(reason: str, *, level: float, n: int = 0) -> Estimate:
    """Return an estimate without a value."""
    return Estimate(None, None, None, level, n, "none", 0.0, reason)


def too_few(groups: int) -> str | None:
    """Return why nothing can be compared, or None when something can."""
    return None if groups >= 2 else "fewer than two groups to compare"


def finite(number: float) -> float | None:
    """Return the number as a plain float, None for NaN."""
    return None if math.isnan(number) else float(number)


def plain(value: Any) -> Any:
    """Turn dataclasses and tuples into what JSON knows.

    Raises
    ------
    ValueError
        A float is not finite: such a number has no JSON form and no meaning in an audit.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("an audit result holds a number that is not finite")
    return value
