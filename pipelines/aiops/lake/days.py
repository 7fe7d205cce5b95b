"""Days of the lake: how rows are filed, and which files lie between two days."""

import re
from datetime import date
from pathlib import Path

from pipelines.aiops.lake.contract import Table

FILE = "rows.parquet"
LOCK = ".lock"
"""Name of the file in a folder that its writers lock."""
_DAY = re.compile(r"^day=(\d{4}-\d{2}-\d{2})$")


def day_folder(lake: Path, table: Table, day: date) -> Path:
    """Return the folder of a table's day.

    Parameters
    ----------
    lake : Path
        Folder of the lake.
    table : Table
    day : date
        UTC.

    Returns
    -------
    Path
        ``<lake>/<table>/day=YYYY-MM-DD``, whether it exists or not.
    """
    return lake / table.name / f"day={day.isoformat()}"


def day_files(lake: Path, table: Table, day: date) -> list[Path]:
    """Return the files of a table's day; files in the making begin with a dot and don't count.

    Parameters
    ----------
    lake : Path
        Folder of the lake.
    table : Table
    day : date
        UTC.

    Returns
    -------
    list of Path
        Parquet files, sorted by name.
    """
    found = day_folder(lake, table, day).glob("*.parquet")
    return sorted(path for path in found if not path.name.startswith("."))


def days_of(lake: Path, table: Table) -> list[date]:
    """Return the days that a table has files for.

    Parameters
    ----------
    lake : Path
        Folder of the lake.
    table : Table

    Returns
    -------
    list of date
        UTC, ascending; empty if the lake doesn't have the table.
    """
    folder = lake / table.name
    names = [_DAY.match(path.name) for path in folder.iterdir()] if folder.is_dir() else []
    days = sorted(date.fromisoformat(name[1]) for name in names if name)
    return [day for day in days if day_files(lake, table, day)]


def files_between(
    lake: Path, table: Table, first: date | None = None, last: date | None = None
) -> list[Path]:
    """Return the files of a range of days.

    Parameters
    ----------
    lake : Path
        Folder of the lake.
    table : Table
    first, last : date, optional
        UTC days, both included; None is without bound.

    Returns
    -------
    list of Path
        Sorted by day, then by name.
    """
    return [
        file
        for day in days_of(lake, table)
        if (first is None or day >= first) and (last is None or day <= last)
        for file in day_files(lake, table, day)
    ]


def quarantine_file(lake: Path, source: str) -> Path:
    """Return the file with a source's records that could not be read.

    Parameters
    ----------
    lake : Path
        Folder of the lake.
    source : str
        Name of the source.

    Returns
    -------
    Path
        ``<lake>/quarantine/<source>.parquet``, whether it exists or not.
    """
    return lake / "quarantine" / f"{source}.parquet"


def quarantine_files(lake: Path) -> list[Path]:
    """Return the quarantine files of all sources.

    Parameters
    ----------
    lake : Path
        Folder of the lake.

    Returns
    -------
    list of Path
        Sorted by name.
    """
    found = (lake / "quarantine").glob("*.parquet")
    return sorted(path for path in found if not path.name.startswith("."))
