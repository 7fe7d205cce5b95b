"""The engine that heavy work is expressed on: DuckDB through Ibis, within a memory limit.

Stages say what they want as Ibis expressions (or SQL where Ibis has no word for it) and get small
results back as frames; another engine that Ibis speaks is one setting away.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DEFAULT_MEMORY_MB = 2048


def connect(memory_mb: int = DEFAULT_MEMORY_MB) -> Any:
    """Open an engine of its own for one stage; an `ibis.backends.duckdb.Backend`.

    Parameters
    ----------
    memory_mb
        The engine keeps to this much memory and spills to the system's temporary folder beyond it.
    """
    import tempfile

    import ibis

    folder = Path(tempfile.gettempdir()) / "signalbox-engine"
    connection = ibis.duckdb.connect()
    raw = connection.con
    raw.execute(f"SET memory_limit='{memory_mb}MB'")
    raw.execute("SET TimeZone='UTC'")
    raw.execute("SET preserve_insertion_order=false")
    raw.execute("SET temp_directory=?", [str(folder)])
    return connection


@contextmanager
def opened(memory_mb: int = DEFAULT_MEMORY_MB) -> Iterator[Any]:
    """Give a DuckDB connection of an engine of its own, which ends with the block."""
    connection = connect(memory_mb)
    try:
        yield connection.con
    finally:
        connection.disconnect()


def parquet(files: Iterable[Path]) -> str:
    """Say in SQL: these Parquet files as one table; a column that one of them lacks is null."""
    listed = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
    return f"read_parquet([{listed}], union_by_name=true, hive_partitioning=false)"
