"""Freeze a window of a lake: one sorted file a table, the same bytes for the same content.

Days are copied one after another, in batches, so that memory is bounded by the engine's limit and
one row group, not by the data. What this lake's own writer merged is copied as it is; files of
other writers are merged and sorted by the engine on the way.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.aiops.lake.batch import RAW_LIMIT
from pipelines.aiops.lake.contract import ALERTS, Table
from pipelines.aiops.lake.days import FILE
from pipelines.aiops.lake.merge import LEARNED, declare, merged_sql, quoted, versions_sql
from pipelines.aiops.lake.profile import broken_sql

GROUP = 1 << 17
"""Rows in a row group of a frozen file."""


@dataclass(frozen=True)
class Part:
    """Files that are merged together: a day of alerts, or all days of a small table.

    Attributes
    ----------
    files : tuple of Path
        Parquet files of one table.
    broken : str
        Relation with combinations of facts whose rows are left out; empty: none.
    keep : str
        Condition in SQL on rows to take; empty: all.
    """

    files: tuple[Path, ...]
    broken: str = ""
    """Relation with combinations of facts whose rows are left out; empty = none."""
    keep: str = ""
    """Condition on rows to take; empty = all."""


def freeze(raw: Any, table: Table, parts: Sequence[Part], path: Path) -> int:
    """Write the rows of all parts to one file.

    Parameters
    ----------
    raw : duckdb.DuckDBPyConnection
        An open connection.
    table : Table
        The table that all parts belong to.
    parts : sequence of Part
        In the order in which they are written; rows are sorted by time and key within each.
    path : Path
        The file to write; its folder exists.

    Returns
    -------
    int
        Number of rows.
    """
    import pyarrow.parquet as pq

    rows = 0
    with pq.ParquetWriter(path, table.schema, compression="zstd") as writer:
        for group in _grouped(table, _batches(raw, table, parts)):
            writer.write_table(group, row_group_size=GROUP)
            rows += len(group)
    return rows


def rejected_rows(raw: Any, table: Table, part: Part) -> list[dict[str, Any]]:
    """Return the rows of a part that break a rule, as quarantine holds them.

    Parameters
    ----------
    raw : duckdb.DuckDBPyConnection
        An open connection.
    table : Table
    part : Part
        With a relation `broken`.

    Returns
    -------
    list of dict
        ``source``, ``at``, ``raw`` (JSON of the row, at most `RAW_LIMIT` characters), sorted by
        source and key; without the reason.
    """
    declare(raw, table)
    key = ", ".join(f'"{name}"::VARCHAR' for name in ("source", *table.key))
    found = raw.sql(
        f'SELECT source, "{table.time}" AS "at", left(to_json(whole)::VARCHAR, '
        f"{RAW_LIMIT}) AS raw FROM ({_sql(table, part.files)}) AS whole "
        f"WHERE {broken_sql(table.name, part.broken)} ORDER BY {key}"
    )
    rows: list[dict[str, Any]] = found.to_arrow_table().to_pylist()
    return rows


def _sql(table: Table, files: Sequence[Path]) -> str:
    return merged_sql(table, versions_sql(table, list(files)))


def _rows_sql(raw: Any, table: Table, files: Sequence[Path]) -> str:
    """Build SQL of the rows of files; they are merged only if some key stands in them twice."""
    plain = versions_sql(table, list(files))
    key = quoted(table.key)
    rows, keys = raw.execute(
        f"SELECT count(*), count(DISTINCT ({key})) FROM (SELECT {key} FROM ({plain}))"
    ).fetchall()[0]
    return plain if rows == keys else merged_sql(table, plain)


def _batches(raw: Any, table: Table, parts: Sequence[Part]) -> Iterator[pa.RecordBatch]:
    import pyarrow.parquet as pq

    names = table.schema.names
    for part in parts:
        if not part.files:
            continue
        if _is_ours(table, part):
            yield from pq.ParquetFile(part.files[0]).iter_batches(GROUP // 4, columns=names)
            continue
        declare(raw, table)
        conditions = [f"NOT {broken_sql(table.name, part.broken)}"] if part.broken else []
        conditions += [part.keep] if part.keep else []
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        query = (
            f"SELECT {quoted(names)} FROM ({_rows_sql(raw, table, part.files)}){where} "
            f"ORDER BY {quoted([table.time, *table.key])}"
        )
        yield from raw.sql(query).to_arrow_reader(GROUP // 4)


def _is_ours(table: Table, part: Part) -> bool:
    """Whether a part is merged and sorted already; alerts' files say so by their last column."""
    import pyarrow.parquet as pq

    if table is not ALERTS or part.broken or part.keep or len(part.files) != 1:
        return False
    file = part.files[0]
    names = pq.read_schema(file).names
    # A file from before a column was added to the contract is read by the engine.
    return file.name == FILE and LEARNED in names and set(table.schema.names) <= set(names)


def _grouped(table: Table, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Row groups of one size, whatever the batches' sizes: bytes depend on content alone."""
    waiting: list[pa.Table] = []
    waiting_rows = 0
    for batch in batches:
        waiting.append(pa.Table.from_batches([batch]).cast(table.schema))
        waiting_rows += len(batch)
        while waiting_rows >= GROUP:
            rows = pa.concat_tables(waiting)
            yield rows.slice(0, GROUP)
            waiting, waiting_rows = [rows.slice(GROUP)], waiting_rows - GROUP
    if waiting_rows:
        yield pa.concat_tables(waiting)
