"""Days of the lake: how rows are filed, and which files lie between two days."""

import re
from datetime import date
from pathlib import Path

from pipelines.aiops.lake.contract import Table

FILE = "rows.parquet"
_DAY = re.compile(r"^day=(\d{4}-\d{2}-\d{2})$")


def day_folder(lake: Path, table: Table, day: date) -> Path:
    """Folder of a table's day."""
    return lake / table.name / f"day={day.isoformat()}"


def day_files(lake: Path, table: Table, day: date) -> list[Path]:
    """Files of a table's day, in order; files in the making begin with a dot and don't count."""
    found = day_folder(lake, table, day).glob("*.parquet")
    return sorted(path for path in found if not path.name.startswith("."))


def days_of(lake: Path, table: Table) -> list[date]:
    """Days that a table has files for, rising."""
    folder = lake / table.name
    names = [_DAY.match(path.name) for path in folder.iterdir()] if folder.is_dir() else []
    days = sorted(date.fromisoformat(name[1]) for name in names if name)
    return [day for day in days if day_files(lake, table, day)]


def files_between(
    lake: Path, table: Table, first: date | None = None, last: date | None = None
) -> list[Path]:
    """Files of the days `first` to `last`, both included; None is without bound."""
    return [
        file
        for day in days_of(lake, table)
        if (first is None or day >= first) and (last is None or day <= last)
        for file in day_files(lake, table, day)
    ]


def quarantine_file(lake: Path, source: str) -> Path:
    """File with the records of a source that could not be read."""
    return lake / "quarantine" / f"{source}.parquet"


def quarantine_files(lake: Path) -> list[Path]:
    """Quarantine files of all sources, in order."""
    found = (lake / "quarantine").glob("*.parquet")
    return sorted(path for path in found if not path.name.startswith("."))
