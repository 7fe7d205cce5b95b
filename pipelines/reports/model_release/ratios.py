"""An impact ratio beside the line of four fifths, in words."""

from pipelines.reports import numbers
from pipelines.reports.model_release.fairness_shapes import (
    Estimated,
    Ratio,
)

FOUR_FIFTHS = 0.8
"""29 CFR 1607.4 D: a screening figure for further enquiry."""


def interval_text(estimate: Estimated) -> str:
    """Bounds of an estimate."""
    return numbers.interval(estimate.low, estimate.high)


def side(ratio: Ratio) -> str:
    """Where the interval lies to the line of four fifths."""
    if ratio.value is None:
        return f"not defined: {ratio.reason or 'no reason given'}"
    low = ratio.value if ratio.low is None else ratio.low
    high = ratio.value if ratio.high is None else ratio.high
    if high < FOUR_FIFTHS:
        return "below 0.8"
    return "at least 0.8" if low >= FOUR_FIFTHS else "interval straddles 0.8"


def is_below(ratio: Ratio) -> bool:
    """Whether the ratio itself, without its interval, is under four fifths."""
    return ratio.value is not None and ratio.value < FOUR_FIFTHS
