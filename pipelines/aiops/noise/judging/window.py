"""A window of history as a replay needs it: with what was already firing when it began."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.telemetry.frame import AlertFrame

WARM_UP_US = 24 * 3_600_000_000
"""A day before the window is replayed as well, so that groups and repeats are under way; pages of
that day don't count."""


@dataclass(frozen=True)
class Span:
    """A stretch of time, microseconds since 1970 (UTC), end exclusive."""

    start: int
    end: int

    @property
    def days(self) -> float:
        """Length in days."""
        return (self.end - self.start) / 86_400_000_000

    def holds(self, times: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of `times` lie inside."""
        return (times >= self.start) & (times < self.end)


def span_rows(frame: AlertFrame, span: Span, warm_up: int = WARM_UP_US) -> NDArray[np.int64]:
    """Positions of the rows that a replay of `span` has to see."""
    seen = (frame.ends > span.start - warm_up) & (frame.starts < span.end)
    return np.flatnonzero(seen)
