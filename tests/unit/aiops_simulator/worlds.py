"""Worlds that tests look at."""

from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.aiops.params.simulate import SimulateParams
from pipelines.aiops.simulator.run import Simulated, simulate, write
from pipelines.aiops.telemetry.contract import TABLES


@lru_cache(maxsize=8)
def world(seed: int = 1, days: int = 42, alerts: int = 20_000) -> Simulated:
    """Simulate a world of which there is one only, for all tests."""
    return simulate(SimulateParams(seed=seed, days=days, alerts=alerts))


ROOT_PARAMS = Path(__file__).resolve().parents[3] / "params.yaml"


def tiny(seed: int) -> SimulateParams:
    """Parameters of a world that is drawn in a moment."""
    return SimulateParams(seed=seed, days=5, alerts=400, services=8, incidents_per_day=2.0)


def written(params: SimulateParams, folder: Path) -> Path:
    """Simulate a world and write it."""
    write(simulate(params), folder)
    return folder


def rows(folder: Path, table: str) -> pa.Table:
    """All rows of a table in a lake, read file by file."""
    files = sorted((folder / table).glob("day=*/*.parquet"))
    parts = [pq.ParquetFile(file).read() for file in files]
    return pa.concat_tables(parts) if parts else TABLES[table].schema.empty_table()


def truth(folder: Path, name: str) -> pa.Table:
    """One of the two tables of the truth."""
    return pq.ParquetFile(folder / "truth" / f"{name}.parquet").read()
