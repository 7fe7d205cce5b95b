"""The engine that heavy work is expressed on: DuckDB through Ibis, within a memory limit.

Stages say what they want as Ibis expressions (or SQL where Ibis has no word for it) and get small
results back as frames; another engine that Ibis speaks is one setting away.
"""

from pathlib import Path
from typing import Any

DEFAULT_MEMORY_MB = 2048


def connect(memory_mb: int = DEFAULT_MEMORY_MB, spill: Path | None = None) -> Any:
    """Open an engine of its own for one stage; an `ibis.backends.duckdb.Backend`.

    Parameters
    ----------
    memory_mb
        The engine keeps to this much memory and spills to disk beyond it.
    spill
        Folder for what doesn't fit; the system's temporary folder by default.
    """
    import tempfile

    import ibis

    folder = spill or Path(tempfile.gettempdir()) / "signalbox-engine"
    connection = ibis.duckdb.connect()
    raw = connection.con
    raw.execute(f"SET memory_limit='{memory_mb}MB'")
    raw.execute("SET TimeZone='UTC'")
    raw.execute("SET preserve_insertion_order=false")
    raw.execute("SET temp_directory=?", [str(folder)])
    return connection
