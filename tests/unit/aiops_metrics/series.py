"""Synthetic series for these tests."""

import numpy as np
import pyarrow as pa

from pipelines.aiops.telemetry.contract import METRICS

STEP = 300_000_000
DAY = 288
START = 1_767_225_600_000_000  # 2026-01-01 00:00 UTC


def noise(rows: int = 1, days: float = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, round(days * DAY)))


def daily(rows: int = 1, days: float = 6, seed: int = 0) -> np.ndarray:
    return noise(rows, days, seed) + 10 * np.sin(np.arange(round(days * DAY)) * 2 * np.pi / DAY)


def metrics(values: np.ndarray, kind: str = "gauge", step: int = STEP, **first: object) -> pa.Table:
    rows, columns = values.shape
    count = rows * columns
    names = np.repeat([f"{row:016x}" for row in range(rows)], columns)
    table = {
        "source": ["test"] * count,
        "fingerprint": names.tolist(),
        "name": [str(first.get("name", "load"))] * count,
        "labels": [
            [("service", str(first.get("service", "web"))), ("pod", f"p{row}")]
            for row in range(rows)
            for _ in range(columns)
        ],
        "at": pa.array(np.tile(START + np.arange(columns) * step, rows)).cast(
            pa.timestamp("us", tz="UTC")
        ),
        "value": pa.array(values.ravel()),
        "kind": [kind] * count,
        "unit": [""] * count,
    }
    return pa.table(table, schema=METRICS.schema)
