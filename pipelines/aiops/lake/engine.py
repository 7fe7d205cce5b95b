"""The engine that heavy work is expressed on: DuckDB, within a memory limit.

Stages ask in SQL and get small results back as Arrow tables and frames.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipelines.core.runtime import DEFAULT_MEMORY_MB


def connect(memory_mb: int = DEFAULT_MEMORY_MB) -> Any:
    """Open an engine of its own for one stage.

    Parameters
    ----------
    memory_mb : int
        Limit of the engine's memory, MB; beyond it, it spills to the system's temporary folder.

    Returns
    -------
    duckdb.DuckDBPyConnection
        In memory, time zone UTC. Names in SQL are tables and files, never variables of the
        program.
    """
    import tempfile
    from uuid import uuid4

    import duckdb

    # The engine names its files alike everywhere: in one folder, two processes that spill at once
    # (stages in parallel, or two projects) would write over each other's rows.
    folder = Path(tempfile.gettempdir()) / f"signalbox-engine-{uuid4().hex}"
    raw = duckdb.connect(":memory:")
    raw.execute(f"SET memory_limit='{memory_mb}MB'")
    raw.execute("SET TimeZone='UTC'")
    raw.execute("SET python_enable_replacements=false")
    raw.execute("SET preserve_insertion_order=false")
    raw.execute("SET temp_directory=?", [str(folder)])
    return raw


@contextmanager
def opened(memory_mb: int = DEFAULT_MEMORY_MB) -> Iterator[Any]:
    """Open an engine that is closed when the block ends.

    Parameters
    ----------
    memory_mb : int
        Limit of the engine's memory, MB; see `connect`.

    Yields
    ------
    duckdb.DuckDBPyConnection
    """
    raw = connect(memory_mb)
    try:
        yield raw
    finally:
        raw.close()


def parquet(files: Iterable[Path]) -> str:
    """Build a table expression that reads Parquet files as one table.

    Parameters
    ----------
    files : iterable of Path
        At least one; a column that some file lacks is null in its rows.

    Returns
    -------
    str
        A call of DuckDB's ``read_parquet``.
    """
    listed = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
    return f"read_parquet([{listed}], union_by_name=true, hive_partitioning=false)"
