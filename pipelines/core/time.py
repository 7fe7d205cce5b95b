"""Lengths of time in the units of the lake: microseconds since 1970, UTC (and its milliseconds)."""

from datetime import UTC, datetime

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US

HOUR_MS = HOUR_US // 1000
DAY_MS = DAY_US // 1000
