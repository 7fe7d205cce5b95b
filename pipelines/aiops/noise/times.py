"""Microseconds since 1970 as people and files write them."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(us: int) -> datetime:
    """UTC time of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=int(us))


def iso(us: int) -> str:
    """ISO 8601 in UTC, whole seconds where it is whole seconds."""
    return moment(us).isoformat().replace("+00:00", "Z")
