"""Which days of a lake are frozen."""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from pipelines.aiops.engine import parquet
from pipelines.aiops.params.alert_history import AlertHistoryParams
from pipelines.aiops.telemetry.contract import ALERTS, TABLES
from pipelines.aiops.telemetry.days import days_of, files_between
from pipelines.base.errors import SignalboxError


@dataclass(frozen=True)
class Span:
    """Days of the window, both included."""

    first: date
    last: date

    @property
    def days(self) -> list[date]:
        """All its days."""
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]


def window(raw: Any, lake: Path, settings: AlertHistoryParams) -> Span:
    """Days to freeze.

    Raises
    ------
    SignalboxError
        If the lake has no alerts in them.
    """
    known = days_of(lake, ALERTS)
    if not known:
        raise SignalboxError(
            f"{lake}: has no alerts; run signalbox ingest, or the stage simulate, "
            "or set aiops.alert_history.lake"
        )
    until = date.fromisoformat(settings.until) if settings.until else latest(raw, lake, known)
    first = until - timedelta(days=settings.days - 1) if settings.days else min(known[0], until)
    if not any(first <= day <= until for day in known):
        raise SignalboxError(
            f"{lake}: no alerts from {first} to {until}; there are some from {known[0]} to "
            f"{known[-1]}: change aiops.alert_history.until or days"
        )
    return Span(first, until)


def latest(raw: Any, lake: Path, known: list[date]) -> date:
    """Find the latest complete day: one after which something is known. A lone day counts too."""
    files = [file for table in TABLES.values() for file in files_between(lake, table, known[-1])]
    newest = raw.execute(
        f"SELECT (max(updated_at) AT TIME ZONE 'UTC')::DATE FROM {parquet(files)}"
    ).fetchall()[0][0]
    complete = [day for day in known if newest is not None and day < newest]
    return complete[-1] if complete else known[-1]
