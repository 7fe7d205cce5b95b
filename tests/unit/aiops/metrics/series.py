"""Synthetic series for these tests."""

import numpy as np
import pyarrow as pa

from pipelines.aiops.lake.contract import METRICS

STEP = 300_000_000
DAY = 288
START = 1_767_225_600_000_000  # 2026-01-01 00:00 UTC


def noise(rows: int = 1, days: float = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, round(days * DAY)))


def daily(rows: int = 1, days: float = 6, seed: int = 0) -> np.ndarray:
    return noise(rows, days, seed) + 10 * np.sin(np.arange(round(days * DAY)) * 2 * np.pi / DAY)


def metrics(values: np.ndarray, kind: str = "gauge", step: int = STEP, **first: object) -> pa.Table:
    rows, columns = values.shape
    subjects = pa.table(
        {
            "source": ["test"] * rows,
            "fingerprint": [f"{row:016x}" for row in range(rows)],
            "name": [str(first.get("name", "load"))] * rows,
            "labels": pa.array(
                [
                    [("service", str(first.get("service", "web"))), ("pod", f"p{r}")]
                    for r in range(rows)
                ],
                METRICS.schema.field("labels").type,
            ),
            "kind": [kind] * rows,
            "unit": [""] * rows,
        }
    )
    table = subjects.take(np.repeat(np.arange(rows), columns))
    at = pa.array(np.tile(int(str(first.get("start", START))) + np.arange(columns) * step, rows))
    table = table.append_column("at", at.cast(METRICS.schema.field("at").type))
    table = table.append_column("value", pa.array(values.ravel()))
    return table.select(METRICS.schema.names).cast(METRICS.schema)
