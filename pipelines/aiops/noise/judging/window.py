"""A window of history as a replay needs it: with what was already firing when it began."""

import numpy as np

from pipelines.aiops.noise.windows import DAY_US, Window
from pipelines.aiops.telemetry.frame import NEVER, AlertFrame

WARM_UP_US = DAY_US
"""A day before the window is replayed as well, so that groups and repeats are under way; pages of
that day don't count."""


def rows_of(frame: AlertFrame, window: Window, warm_up: int = WARM_UP_US) -> AlertFrame:
    """Alerts that a replay of `window` has to see; what ends after it goes on for ever."""
    seen = (frame.ends > window.start - warm_up) & (frame.starts < window.end)
    part = frame.where(np.flatnonzero(seen))
    ends = np.where(part.ends < window.end, part.ends, NEVER)
    return AlertFrame(
        part.series, part.starts, ends, part.acted, part.ticket, part.labels, part.tickets, part.ids
    )
