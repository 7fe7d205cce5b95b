"""A number with everything needed to judge it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final

from pipelines.core.stats import FEWEST

SCARCE: Final = f"; closed form because a rate has fewer than {FEWEST} of a kind"
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
    """A group's rate with both intervals beside the one that is used.

    ``low`` and ``high`` are the bootstrap's, except where there are few successes or failures:
    there the bootstrap sees too little variation, and Wilson's stand in.

    Attributes
    ----------
    numerator : int
        Rows counted, of ``n``.
    wilson, bootstrap : tuple of float or None
        Lower and upper limit of each interval; None when the rate is undefined, and for the
        bootstrap also when most replicates have no value.
    """

    numerator: int = 0
    wilson: tuple[float, float] | None = None
    bootstrap: tuple[float, float] | None = None


def missing(reason: str, *, level: float, n: int = 0) -> Estimate:
    """Return an estimate without a value.

    Parameters
    ----------
    reason : str
        Why there is none.
    level : float
        Confidence level that was asked for.
    n : int, default=0
        Rows in the denominators.

    Returns
    -------
    Estimate
        ``value``, ``low`` and ``high`` are None.
    """
    return Estimate(None, None, None, level, n, "none", 0.0, reason)


def too_few(groups: int) -> str | None:
    """Say why nothing can be compared.

    Parameters
    ----------
    groups : int
        Number of groups that take part.

    Returns
    -------
    str or None
        The reason; None with two groups or more.
    """
    return None if groups >= 2 else "fewer than two groups to compare"


def finite(number: float) -> float | None:
    """Return the number as a plain float, None for NaN.

    Parameters
    ----------
    number : float
        NumPy scalars are accepted.

    Returns
    -------
    float or None
    """
    return None if math.isnan(number) else float(number)


def plain(value: Any) -> Any:
    """Turn dataclasses and tuples into what JSON knows.

    Parameters
    ----------
    value : object
        Dataclasses, mappings, tuples and lists are converted recursively; the rest is kept.

    Returns
    -------
    dict, list or scalar

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
