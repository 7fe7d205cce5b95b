"""Read sources of signals in tests."""

import json
from pathlib import Path
from typing import Any

from pipelines.aiops.lake.batch import Batch, ReadWindow
from tests.unit.aiops.sources.sources import EVER, read, reasons, utc

__all__ = ["EVER", "PAYLOADS", "ReadWindow", "logs", "metrics", "read", "reasons", "utc", "write"]
PAYLOADS = Path(__file__).parent / "payloads"


def logs(batch: Batch) -> list[dict[str, Any]]:
    """Rows in order of time; attributes as a dictionary."""
    rows = batch.signals["logs"].to_pylist() if "logs" in batch.signals else []
    found = [{**row, "attributes": dict(row["attributes"])} for row in rows]
    return sorted(found, key=lambda row: row["at"])


def metrics(batch: Batch) -> dict[tuple[str, ...], list[tuple[Any, Any]]]:
    """Name and values of labels → times and values."""
    found: dict[tuple[str, ...], list[tuple[Any, Any]]] = {}
    for row in batch.signals["metrics"].to_pylist():
        key = (row["name"], *(value for _, value in row["labels"]))
        found.setdefault(key, []).append((row["at"], row["value"]))
    return found


def write(path: Path, *lines: Any) -> Path:
    """Write lines: texts, bytes, or objects as JSON."""
    parts = [line if isinstance(line, bytes)
             else (line if isinstance(line, str) else json.dumps(line)).encode()
             for line in lines]  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\n".join(parts) + b"\n")
    return path
