"""Local time of many moments at once."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

QUARTER_MS = 900_000
"""Zones change their offset on quarters of an hour."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def local_minutes(at: NDArray[np.int64], timezone: str) -> NDArray[np.int64]:
    """Minutes since 1970 on the clock of `timezone`, for milliseconds since 1970 UTC."""
    if not len(at):
        return np.empty(0, np.int64)
    zone = ZoneInfo(timezone)
    first, last = int(at.min()) // QUARTER_MS, int(at.max()) // QUARTER_MS
    offsets = np.array([_offset(zone, quarter) for quarter in range(first, last + 1)], np.int64)
    return at // 60_000 + offsets[at // QUARTER_MS - first]


def _offset(zone: ZoneInfo, quarter: int) -> int:
    moment = (EPOCH + timedelta(milliseconds=quarter * QUARTER_MS)).astimezone(zone)
    offset = moment.utcoffset()
    return 0 if offset is None else int(offset.total_seconds() // 60)
