"""Plots of findings: how far around a finding they reach, and how many points they have."""

from collections.abc import Sequence
from math import isfinite

BEFORE, AFTER = 200, 50
"""Steps shown before and after a finding, at least."""
POINTS = 300
"""Values of a plot, about; more are thinned."""


def thinned(values: Sequence[float | None], most: int = POINTS) -> tuple[list[float | None], int]:
    """Return at most so many values, and how many each stands for: of some in a row, the extremes.

    Of each ``2 * every`` values the least and the greatest are kept, in their order; None and NaN
    are no values.
    """
    every = -(-len(values) // most) if values else 1
    known = [value if value is not None and isfinite(value) else None for value in values]
    if every == 1:
        return known, 1
    found: list[float | None] = []
    for at in range(0, len(known), 2 * every):
        part = [
            (value, i) for i, value in enumerate(known[at : at + 2 * every]) if value is not None
        ]
        if not part:
            found += [None, None]
            continue
        ends = sorted((min(part), max(part)), key=lambda one: one[1])
        found += [value for value, _ in ends]
    return found, every
