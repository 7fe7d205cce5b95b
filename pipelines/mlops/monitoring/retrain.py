"""Whether alarms may ask for a new training now.

Drift doesn't end because it was noticed: the same alarm goes off every day until a new model is
released. So the ledger's own alarms limit the requests: one in so many days, whatever asks.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Protocol

REQUEST = "retrain"
"""Key of an alarm's data that says whether it asked for a new training."""


class Told(Protocol):
    """What is read of a ledger's entry."""

    @property
    def kind(self) -> str:
        """What it tells of."""

    @property
    def subject(self) -> str:
        """The product."""

    @property
    def time(self) -> str:
        """When it was written, ISO 8601."""

    @property
    def data(self) -> dict[str, Any]:
        """What it says."""


def last_request(entries: Iterable[Told], product: str) -> datetime | None:
    """Time of the latest request in the ledger; by time and not by order: clocks go backwards."""
    times = [
        datetime.fromisoformat(entry.time)
        for entry in entries
        if entry.kind == "alarm" and entry.subject == product and entry.data.get(REQUEST) is True
    ]
    return max(times, default=None)


def held_back(entries: Iterable[Told], product: str, now: datetime, every_days: int) -> str:
    """Why no new training may be asked for now; empty if it may.

    A request in the future (the clock was set back) holds back as well: the safe side is not to
    start over and over.
    """
    last = last_request(entries, product)
    if last is None or now - last >= timedelta(days=every_days):
        return ""
    again = last + timedelta(days=every_days)
    return (
        f"asked on {last:%Y-%m-%d %H:%M} UTC, at most once in {every_days} days; "
        f"next from {again:%Y-%m-%d %H:%M} UTC"
    )
