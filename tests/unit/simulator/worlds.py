"""Worlds that tests look at."""

from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.aiops.lake.contract import SIGNALS, TABLES, Table
from pipelines.aiops.params.telemetry import SignalsParams, SimulateParams
from pipelines.simulator.simulate import Simulated, simulate, write


@lru_cache(maxsize=8)
def world(seed: int = 1, days: int = 42, alerts: int = 20_000) -> Simulated:
    """Simulate a world of which there is one only, for all tests."""
    return simulate(SimulateParams(seed=seed, days=days, alerts=alerts))


ROOT_PARAMS = Path(__file__).resolve().parents[3] / "params.yaml"


def tiny(seed: int) -> SimulateParams:
    """Parameters of a world that is drawn in a moment."""
    signals = SignalsParams(days=2, span_days=1, lines_per_day=2_000, spans_per_day=2_000)
    return SimulateParams(
        seed=seed, days=5, alerts=400, services=8, incidents_per_day=2.0, signals=signals
    )


def written(params: SimulateParams, folder: Path) -> Path:
    """Simulate a world and write it."""
    write(simulate(params), folder)
    return folder


def rows(folder: Path, table: str) -> pa.Table:
    """All rows of a table in a lake, read file by file."""
    files = sorted((folder / table).glob("day=*/*.parquet"))
    parts = [pq.ParquetFile(file).read() for file in files]
    return pa.concat_tables(parts) if parts else (TABLES | SIGNALS)[table].schema.empty_table()


@lru_cache(maxsize=1)
def troubled() -> SimulateParams:
    """Parameters of a small world with many faults and with signals of all of its days."""
    signals = SignalsParams(days=8, span_days=2, lines_per_day=6_000, spans_per_day=8_000)
    return SimulateParams(
        seed=9, days=8, alerts=400, services=16, incidents_per_day=5.0, signals=signals
    )


def truth(folder: Path, name: str) -> pa.Table:
    """One of the tables of the truth."""
    return pq.ParquetFile(folder / "truth" / f"{name}.parquet").read()


def check_contract(lake: Path, table: Table) -> pa.Table:
    """Hold a table against its schema, days, required columns and keys; give its rows."""
    found = rows(lake, table.name)
    for file in (lake / table.name).glob("day=*/*.parquet"):
        part = pq.ParquetFile(file).read()
        assert part.schema.equals(table.schema)
        days = set(pc.strftime(part[table.time], format="%Y-%m-%d").to_pylist())
        assert days == {file.parent.name.removeprefix("day=")}
    assert not any(found[column].null_count for column in table.required)
    assert len(found.group_by(list(table.key)).aggregate([])) == len(found)
    return found
