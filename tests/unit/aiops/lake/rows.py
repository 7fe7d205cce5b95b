"""Small rows for tests."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.aiops.lake.contract import (
    ALERTS,
    CHANGES,
    TICKETS,
    alert_id,
    fingerprint,
    microseconds,
)
from pipelines.core.files import sha256_file

NOON = datetime(2024, 3, 9, 12, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def alert(labels: dict[str, str], start: float, **more: Any) -> dict[str, Any]:
    series = fingerprint(labels)
    return {
        "alert_id": alert_id("test", series, microseconds(at(start))),
        "source": "test", "fingerprint": series, "name": labels.get("alertname", ""),
        "labels": sorted(labels.items()), "annotations": [], "starts_at": at(start),
        "ends_at": None, "updated_at": at(start), "acknowledged_at": None, "acted": None,
        "ticket_id": None, **more,
    }  # fmt: skip


def alerts(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=ALERTS.schema)


def ticket(name: str, opened: float, **more: Any) -> dict[str, Any]:
    row = dict.fromkeys(TICKETS.schema.names)
    row |= {"ticket_id": name, "source": "test", "opened_at": at(opened), "updated_at": at(opened)}
    return {**row, "kind": "incident", **more}


def tickets(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=TICKETS.schema)


def changes(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=CHANGES.schema)


def content(lake: Path) -> dict[str, str]:
    """Path → SHA-256 of each table file in a lake."""
    found = sorted(lake.rglob("*.parquet"))
    return {file.relative_to(lake).as_posix(): sha256_file(file) for file in found}
