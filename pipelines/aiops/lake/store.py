"""The lake: day partitions that rows are merged into, idempotently and incrementally.

A day's file is replaced whole by a rename, or left untouched if nothing changed in it. One writer
at a time: others wait for the lake's lock. Readers need no lock; they see a day before or after.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.aiops.lake.contract import ALERTS, SIGNALS, TABLES, Table
from pipelines.aiops.lake.days import FILE, LOCK, day_files, day_folder, days_of
from pipelines.aiops.lake.engine import opened
from pipelines.aiops.lake.merge import merge
from pipelines.core.errors import SignalboxError
from pipelines.core.files import write_with
from pipelines.core.locks import exclusive_lock
from pipelines.core.runtime import DEFAULT_MEMORY_MB
from pipelines.core.time import DAY_US, EPOCH

WAIT_SECONDS = 600


@dataclass
class Written:
    """What an upsert did.

    Attributes
    ----------
    rows : dict of str to int
        Rows delivered, by table.
    records : dict of str to int
        Records among them, by table of alerts, tickets and changes: versions of one are merged.
    days : dict of str to list of str
        Days whose file changed (``YYYY-MM-DD``), by table; empty if everything was known.
    """

    rows: dict[str, int] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=dict)
    days: dict[str, list[str]] = field(default_factory=dict)


def upsert(
    lake: Path,
    rows: dict[str, pa.Table],
    memory_mb: int = DEFAULT_MEMORY_MB,
    wait_seconds: float = WAIT_SECONDS,
) -> Written:
    """Merge rows into the lake.

    Parameters
    ----------
    lake : Path
        Folder of the lake; made if missing.
    rows : dict of str to pyarrow.Table
        Table name of the contract → rows with its schema.
    memory_mb : int
        Memory limit of the engine that merges, MB; a day at a time is in memory.
    wait_seconds : float
        How long to wait for another writer, in seconds.

    Returns
    -------
    Written

    Raises
    ------
    SignalboxError
        If rows don't have the contract's form, or another writer holds the lake for too long.
    """
    tables = [(_table(name), _checked(_table(name), part)) for name, part in rows.items()]
    written = Written()
    with locked(lake, wait_seconds), opened(memory_mb) as raw:
        for table, part in tables:
            written.rows[table.name] = len(part)
            if table.name in TABLES:
                keys = part.select(table.key).group_by(list(table.key)).aggregate([])
                written.records[table.name] = len(keys)
            changed = _merge_days(raw, lake, table, part)
            written.days[table.name] = [day.isoformat() for day in changed]
    return written


@contextmanager
def locked(lake: Path, wait_seconds: float = WAIT_SECONDS) -> Iterator[None]:
    """Hold the lake's lock while the block runs; it ends with the process, whatever happens.

    Parameters
    ----------
    lake : Path
        Folder of the lake; made if missing.
    wait_seconds : float
        How long to wait for another writer, in seconds.

    Raises
    ------
    SignalboxError
        If another writer holds the lock for longer.
    """
    lake.mkdir(parents=True, exist_ok=True)

    def busy(holder: str) -> SignalboxError:
        return SignalboxError(
            f"{lake}: another writer holds {LOCK} for {wait_seconds:.0f} s (process {holder}); "
            "end it or try again later"
        )

    with exclusive_lock(lake / LOCK, busy, wait_seconds=wait_seconds):
        yield


def _table(name: str) -> Table:
    known = {**TABLES, **SIGNALS}
    if name not in known:
        raise SignalboxError(f"no table '{name}' in the contract; there are {sorted(known)}")
    return known[name]


def _checked(table: Table, rows: pa.Table) -> pa.Table:
    try:
        rows = rows.select(table.schema.names).cast(table.schema)
    except (KeyError, pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        text = " ".join(str(error).split())
        raise SignalboxError(
            f"{table.name}: rows don't have the contract's columns: {text}"
        ) from None
    for name in table.required:
        if rows[name].null_count:
            raise SignalboxError(f"{table.name}.{name}: {rows[name].null_count} rows lack it")
    return rows


def _merge_days(raw: Any, lake: Path, table: Table, rows: pa.Table) -> list[date]:
    """Merge rows into their days; return the days that changed."""
    if not len(rows):
        return []
    parts = [([day], part) for day, part in by_day(table, rows)]
    if table is not ALERTS and table.name not in SIGNALS:
        # A ticket may be told to have been opened on another day than thought: it moves.
        days = [day for part_days, _ in parts for day in part_days]
        parts = [(_with_earlier_days(lake, table, rows, days), rows)]
    changed: list[date] = []
    for days, part in parts:
        files = [file for day in days for file in day_files(lake, table, day)]
        merged = dict(by_day(table, merge(raw, table, part, files)))
        changed += [day for day in days if _write(lake, table, day, merged.get(day))]
    return sorted(changed)


def by_day(table: Table, rows: pa.Table) -> list[tuple[date, pa.Table]]:
    """Split rows by the UTC day of their time; order within a day is kept.

    Parameters
    ----------
    table : Table
    rows : pyarrow.Table
        Rows whose column `Table.time` has no nulls.

    Returns
    -------
    list of (date, pyarrow.Table)
        Ascending by day.
    """
    import numpy as np

    time_us = rows[table.time].cast(pa.int64()).to_numpy()
    days = time_us // DAY_US
    # One stable sort instead of a mask a day: each day's rows keep their order.
    order = np.argsort(days, kind="stable")
    found, first = np.unique(days[order], return_index=True)
    return [
        (EPOCH.date() + timedelta(days=int(day)), rows.take(part))
        for day, part in zip(found, np.split(order, first[1:]), strict=True)
    ]


def _with_earlier_days(lake: Path, table: Table, rows: pa.Table, days: list[date]) -> list[date]:
    """Days of the rows, and days on which rows with the same keys lie already."""
    import pyarrow.parquet as pq

    keys = set(_keys(table, rows))
    others: Iterable[date] = (day for day in days_of(lake, table) if day not in days)
    found = [
        day
        for day in others
        if any(
            keys.intersection(_keys(table, pq.read_table(file, columns=list(table.key))))
            for file in day_files(lake, table, day)
        )
    ]
    return sorted([*days, *found])


def _keys(table: Table, rows: pa.Table) -> Iterable[tuple[Any, ...]]:
    return zip(*(rows[name].to_pylist() for name in table.key), strict=True)


def _write(lake: Path, table: Table, day: date, rows: pa.Table | None) -> bool:
    """Put a day's rows in place of all its files; say whether anything changed."""
    path = day_folder(lake, table, day) / FILE
    others = [file for file in day_files(lake, table, day) if file != path]
    changed = bool(others)
    if rows is None:
        changed = changed or path.exists()
        path.unlink(missing_ok=True)
    else:
        changed = write_if_changed(path, rows) or changed
    for file in others:
        file.unlink()
    return changed


def write_if_changed(path: Path, rows: pa.Table) -> bool:
    """Write a Parquet file, whole or not at all; leave one with the same bytes untouched.

    Parameters
    ----------
    path : Path
    rows : pyarrow.Table

    Returns
    -------
    bool
        Whether the file changed.
    """
    import pyarrow.parquet as pq

    def write(partial: Path) -> None:
        pq.write_table(rows, partial, compression="zstd", row_group_size=1 << 17)

    return write_with(path, write, keep_equal=True)
