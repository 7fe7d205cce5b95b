"""Numbers as they stand in evidence."""

from typing import Any, overload

DIGITS = 10
"""Significant digits: more than anyone reads, fewer than rounding errors reach."""


@overload
def tidy(value: float) -> float: ...
@overload
def tidy(value: dict[str, Any]) -> dict[str, Any]: ...
@overload
def tidy(value: list[Any]) -> list[Any]: ...
def tidy(value: Any) -> Any:
    """Round every float in `value` to `DIGITS` significant digits; infinite and NaN become None.

    The last bits of a sum depend on the processor; what is written must not.
    """
    if isinstance(value, dict):
        return {key: tidy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [tidy(item) for item in value]
    if isinstance(value, float):
        rounded = float(f"{value:.{DIGITS}g}")
        return rounded if abs(rounded) < float("inf") else None
    return value
