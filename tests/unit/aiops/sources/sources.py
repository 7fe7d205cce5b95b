"""Read a source in tests."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from pipelines.aiops.lake.batch import Batch, ReadWindow
from pipelines.aiops.params.telemetry import Source
from pipelines.aiops.sources.ingest import read_source

PAYLOADS = Path(__file__).parent / "payloads"
NOW = datetime(2026, 12, 1, tzinfo=UTC)
EVER = ReadWindow(None, None, NOW)


def settings(**keys: Any) -> Source:
    return TypeAdapter(Source).validate_python({"name": "test", **keys})


def read(window: ReadWindow = EVER, project: Path = PAYLOADS, **keys: Any) -> Batch:
    return read_source(settings(**keys), window, project)


def rows(batch: Batch) -> list[dict[str, Any]]:
    """Alerts by start, labels as a dictionary."""
    found = sorted(batch.alerts.to_pylist(), key=lambda row: (row["starts_at"], row["alert_id"]))
    return [
        {**r, "labels": dict(r["labels"]), "annotations": dict(r["annotations"])} for r in found
    ]


def reasons(batch: Batch) -> list[str]:
    return list(batch.rejected["reason"].to_pylist())


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
