"""Small made-up logs of two services over a few days."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.aiops.lake.contract import LOGS
from pipelines.aiops.lake.findings import Finding
from pipelines.aiops.logs.anomalies import LogAnomalySettings, count_lines, find
from pipelines.aiops.logs.templates import TemplateStore
from pipelines.core.time import DAY_US, HOUR_US

START = datetime(2026, 3, 1, tzinfo=UTC)
START_US = int(START.timestamp()) * 1_000_000
HISTORY = 7
Row = tuple[int, str, str, str]
"""Microseconds, service, severity, body."""
SHARES = (0.4, 0.2, 0.2, 0.1, 0.05, 0.05)
TEXTS = ("request {} done", "cache hit for key {}", "connection from peer {} opened",
         "flushed {} segments", "lease number {} renewed", "slow query took {} ms")  # fmt: skip


def clean(day: int, seed: int = 1, per_day: int = 1500) -> list[Row]:
    """Lines of a day: messages in clumps, a heartbeat each minute, states of batches."""
    rng = np.random.default_rng([seed, day])
    begin = START_US + day * DAY_US
    rows: list[Row] = []
    for service in ("cart", "shop"):
        for text, share in zip(TEXTS, SHARES, strict=True):
            n = rng.poisson(share * per_day * rng.gamma(50, 1 / 50))
            at = begin + rng.integers(0, DAY_US, n)
            rows += [(int(us), service, "info", text.format(rng.integers(1e6))) for us in at]
        at = begin + np.arange(1440) * 60_000_000 + rng.integers(0, 2_000_000, 1440)
        rows += [(int(us), service, "info", "heartbeat ok") for us in at]
        for us in begin + rng.integers(0, DAY_US, 200):
            state = rng.choice(["OK", "RETRY", "EMPTY"], p=[0.8, 0.1, 0.1])
            rows.append(
                (int(us), service, "info", f"batch ended state={state} rows={rng.integers(9)}")
            )
    return rows


def table(rows: list[Row]) -> pa.Table:
    columns: dict[str, list[Any]] = {name: [None] * len(rows) for name in LOGS.schema.names}
    columns["at"] = [datetime.fromtimestamp(0, UTC) + timedelta(microseconds=r[0]) for r in rows]
    columns["service"], columns["severity"] = [r[1] for r in rows], [r[2] for r in rows]
    columns["body"] = [r[3] for r in rows]
    columns["log_id"] = [f"{i}:{r}" for i, r in enumerate(rows)]
    columns["source"], columns["attributes"] = ["test"] * len(rows), [[]] * len(rows)
    return pa.table(columns, schema=LOGS.schema)


class World:
    """A week of history, counted once; with lines added to some of its days."""

    def __init__(self, added: Mapping[int, list[Row]] | None = None) -> None:
        self.store = TemplateStore()
        self.counts: list[pa.Table] = []
        self.values: list[pa.Table] = []
        for day in range(HISTORY):
            counted = count_lines(table(clean(day) + (added or {}).get(day, [])), self.store)
            self.store = counted.store
            self.counts.append(counted.counts)
            self.values.append(counted.values)

    def judged(
        self, change: Callable[[list[Row]], list[Row]] = lambda rows: rows, **keys: Any
    ) -> list[Finding]:
        """Findings of the day after the history, with its lines changed."""
        begin = START_US + HISTORY * DAY_US
        counted = count_lines(table(change(clean(HISTORY))), self.store)
        return find(
            pa.concat_tables([*self.counts, counted.counts]),
            pa.concat_tables([*self.values, counted.values]),
            counted.store, begin, begin + DAY_US, settings=LogAnomalySettings(**keys),
        )  # fmt: skip


def noon(minutes: float = 0) -> int:
    """Time on the day after the history."""
    return START_US + HISTORY * DAY_US + 12 * HOUR_US + int(minutes * 60_000_000)
