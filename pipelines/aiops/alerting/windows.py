"""Windows of a frozen history: all of it, and its thirds, by time.

Times are microseconds since 1970 (UTC), ends exclusive.

Whether a history fits into the memory that a setting allows, asked before anything is read.

Labels, episodes and what became of each alert are arrays in memory, because groups, inhibitions and
patterns reach across series and days. They grow with the alerts, so a setting can only bound them
by refusing.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.lake.frame import NEVER, AlertFrame
from pipelines.core.errors import SignalboxError
from pipelines.core.time import DAY_US, EPOCH, HOUR_US


@dataclass(frozen=True)
class HistoryWindow:
    """A stretch of time."""

    start: int
    end: int

    @property
    def days(self) -> float:
        """Length in days."""
        return (self.end - self.start) / DAY_US

    def holds(self, times: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of `times` lie inside."""
        return (times >= self.start) & (times < self.end)


def whole_window(frame: AlertFrame) -> HistoryWindow:
    """Give the whole UTC days from the first start to the last one.

    Raises
    ------
    SignalboxError
        If there are no alerts.
    """
    if not len(frame):
        raise SignalboxError(
            "the alert history is empty: no rule can be mined from it or tested on it"
        )
    first, last = int(frame.starts.min()), int(frame.starts.max())
    return HistoryWindow(first // DAY_US * DAY_US, (last // DAY_US + 1) * DAY_US)


def thirds(whole: HistoryWindow) -> tuple[HistoryWindow, ...]:
    """Split into three by time; parts of whole days wherever the window has days enough.

    What is mined on two of them is judged on the third, three times (cross-fitting).

    Raises
    ------
    SignalboxError
        If the window is too short for three parts.
    """
    length = whole.end - whole.start
    unit = DAY_US if length >= 3 * DAY_US else 1
    cuts = [whole.start + round(length * part / 3 / unit) * unit for part in range(3)]
    ends = [*cuts[1:], whole.end]
    if any(start >= end for start, end in zip(cuts, ends, strict=True)):
        raise SignalboxError(
            f"a history of {whole.days:.1f} days cannot be split into three parts: freeze a "
            "longer window"
        )
    return tuple(HistoryWindow(start, end) for start, end in zip(cuts, ends, strict=True))


def started_in(frame: AlertFrame, window: HistoryWindow) -> AlertFrame:
    """Alerts that started in `window`, knowing of nothing that came after it.

    An end after the window isn't known yet, unless it is assumed: how long a point in time holds
    is known when it begins. That an alert was acted on is kept even if a person did so just after
    the window: it can only protect.
    """
    part = frame.where(window.holds(frame.starts))
    known = part.ends < window.end
    if part.end_observed is not None:
        known |= ~part.end_observed
    ends = np.where(known, part.ends, NEVER)
    return replace(part, ends=ends)


def moment(us: int) -> datetime:
    """UTC time of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=int(us))


def iso(us: int) -> str:
    """ISO 8601 in UTC, whole seconds where it is whole seconds."""
    return moment(us).isoformat().replace("+00:00", "Z")


WARM_UP_US = DAY_US
"""A day before the window is replayed as well, so that groups and repeats are under way; pages of
that day don't count."""


FOLLOW_UP_US = 4 * HOUR_US
"""So long after a window its incidents may still be told; pages of that time don't count."""


def rows_of(frame: AlertFrame, window: HistoryWindow, warm_up: int = WARM_UP_US) -> AlertFrame:
    """Alerts that a replay of `window` has to see; what ends after it goes on for ever."""
    seen = (frame.ends > window.start - warm_up) & (frame.starts < window.end)
    part = frame.where(seen)
    ends = np.where(part.ends < window.end, part.ends, NEVER)
    return replace(part, ends=ends)


PROGRAM_MB = 320
"""The program, its libraries and the engine at work, before there are alerts; measured."""
REPLAY_BYTES = 650
"""One alert of the history, while rules are mined, chosen or judged: the whole, then each third, is
replayed without and with rules, and freed. Where all alerts page, 612 bytes of each of 300,000 and
561 of each of a million; of a million of which 7 % page, 483."""
MB = 1 << 20
SETTING = "runtime.memory_mb in release.yaml"
"""Of the stages that mine, choose and judge."""


def needed_mb(alerts: int, alert_bytes: int) -> int:
    """Estimate the peak memory for so many alerts, in MB."""
    return PROGRAM_MB + -(-alerts * alert_bytes // MB)


def alerts_in(folder: Path) -> int:
    """Count the rows of a frozen history, from the file's footer alone; 0 without a file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / "alerts.parquet"
    if not path.is_file():
        return 0
    try:
        return int(pq.read_metadata(path).num_rows)
    except (pa.ArrowException, OSError):
        return 0  # whoever reads it says what is wrong with it


def require(folder: Path, memory_mb: int, alert_bytes: int) -> None:
    """Refuse a history that needs more memory than is allowed.

    Parameters
    ----------
    memory_mb
        What `SETTING` allows.
    alert_bytes
        What an alert takes, for example `REPLAY_BYTES`.

    Raises
    ------
    SignalboxError
        If the estimate is larger than `memory_mb`.
    """
    alerts = alerts_in(folder)
    needed = needed_mb(alerts, alert_bytes)
    if needed > memory_mb:
        raise SignalboxError(
            f"{folder / 'alerts.parquet'}: its {alerts:,} alerts need about {needed:,} MB, more "
            f"than {SETTING} ({memory_mb:,}) allows: raise it, or freeze fewer days "
            "(aiops.alert_history.days)"
        )
