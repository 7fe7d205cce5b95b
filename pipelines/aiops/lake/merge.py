"""Merge versions of the same row: which one counts, whatever order they came in.

A row is identified by its table's key. Of two versions the one with the later ``updated_at``
counts; between equally late ones the greater content, so that the order of arrival never shows.
Signals (metrics, logs, spans) have no such time: of two versions the greater content counts.
Some columns of alerts are *sticky*: what was once known stays until something newer is known (a
later version that is silent on who acknowledged doesn't undo the acknowledgement). When each was
learned stands in the column `LEARNED` of the lake's files, outside the contract; without it merging
in another order could end differently. Files without that column were learned at ``updated_at``.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.aiops.lake.contract import TIME, Table
from pipelines.aiops.lake.engine import parquet

LEARNED = "learned"
STICKY: dict[str, tuple[str, ...]] = {
    "alerts": ("ends_at", "acknowledged_at", "acted", "ticket_id"),
}


def quoted(names: Iterable[str]) -> str:
    """List columns for SQL; quoted, because some (``at``) are words of the engine's language.

    Parameters
    ----------
    names : iterable of str

    Returns
    -------
    str
    """
    return ", ".join(f'"{name}"' for name in names)


def lake_schema(table: Table) -> pa.Schema:
    """Return the schema of a table's files in the lake.

    Parameters
    ----------
    table : Table

    Returns
    -------
    pyarrow.Schema
        The contract's, and `LEARNED` (a struct of times) where the table has sticky columns.
    """
    sticky = STICKY.get(table.name, ())
    if not sticky:
        return table.schema
    return table.schema.append(pa.field(LEARNED, pa.struct([(name, TIME) for name in sticky])))


def merged_sql(table: Table, versions: str) -> str:
    """Build SQL that merges versions of rows; sorted by time and key, columns as in the lake.

    Parameters
    ----------
    table : Table
    versions : str
        A query with the contract's columns and, where the table has sticky columns, `LEARNED`.

    Returns
    -------
    str
        A SELECT.
    """
    sticky = STICKY.get(table.name, ())
    key = quoted(table.key)
    plain = [name for name in table.schema.names if name not in sticky]
    order = ", ".join(
        f'"{name}"::VARCHAR DESC NULLS LAST' for name in plain if name not in table.key
    )
    latest = "updated_at DESC, " if "updated_at" in table.schema.names else ""
    newest = (
        f"SELECT {quoted(plain)} FROM versions QUALIFY row_number() OVER "
        f"(PARTITION BY {key} ORDER BY {latest}{order}) = 1"
    )
    sort = quoted([table.time, *table.key])
    if not sticky:
        return f"WITH versions AS ({versions}) {newest} ORDER BY {sort}"
    kept = ", ".join(_newest_known(name) for name in sticky)
    columns = ", ".join(
        f'known."{name}".value AS "{name}"' if name in sticky else f'newest."{name}"'
        for name in table.schema.names
    )
    learned = ", ".join(f"{name} := known.{name}.at" for name in sticky)
    order = ", ".join(f'newest."{name}"' for name in (table.time, *table.key))
    return (
        f"WITH versions AS ({versions}), newest AS ({newest}), "
        f"known AS (SELECT {key}, {kept} FROM versions GROUP BY {key}) "
        f"SELECT {columns}, struct_pack({learned}) AS {LEARNED} "
        f"FROM newest JOIN known USING ({key}) ORDER BY {order}"
    )


def _newest_known(name: str) -> str:
    """Aggregate to the newest value that isn't null, with the time it was learned."""
    at = f"coalesce({LEARNED}.{name}, updated_at)"
    return (
        f"max(struct_pack(at := {at}, value := {name})) FILTER (WHERE {name} IS NOT NULL) AS {name}"
    )


def versions_sql(table: Table, files: list[Path]) -> str:
    """Build SQL that reads files of a lake, ours or others', as input of `merged_sql`.

    Parameters
    ----------
    table : Table
        `declare` must have been called for it on the connection that runs the query.
    files : list of Path
        Parquet files.

    Returns
    -------
    str
        A SELECT; empty without files.
    """
    if not files:
        return ""
    columns = quoted(table.schema.names)
    reader = parquet(files)
    if table.name not in STICKY:
        return f"SELECT {columns} FROM {reader}"
    # A column that no file has is found as null through the empty relation with the lake's schema.
    return (
        f"SELECT {columns}, {LEARNED} FROM "
        f"(SELECT * FROM {reader} UNION ALL BY NAME SELECT * FROM nothing_{table.name})"
    )


def declare(connection: Any, table: Table) -> None:
    """Register with the engine the relation that `versions_sql` refers to.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        An open connection.
    table : Table
    """
    connection.register(f"nothing_{table.name}", lake_schema(table).empty_table())


def merge(connection: Any, table: Table, rows: pa.Table | None, files: list[Path]) -> pa.Table:
    """Merge new rows with those in files of the lake.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        An open connection.
    table : Table
    rows : pyarrow.Table or None
        New rows, with the contract's columns; None for none.
    files : list of Path
        Parquet files with the rows that are known already.

    Returns
    -------
    pyarrow.Table
        Rows with `lake_schema`, sorted by time and key.
    """
    declare(connection, table)
    parts = [versions_sql(table, files)] if files else []
    if rows is not None:
        connection.register("new_rows", with_learned(table, rows))
        parts.append("SELECT * FROM new_rows")
    if not parts:
        return lake_schema(table).empty_table()
    merged = connection.sql(merged_sql(table, " UNION ALL BY NAME ".join(parts))).to_arrow_table()
    return merged.cast(lake_schema(table)).combine_chunks()


def with_learned(table: Table, rows: pa.Table) -> pa.Table:
    """Bring rows of the contract to the lake's schema; what is added to it is null.

    Parameters
    ----------
    table : Table
    rows : pyarrow.Table
        Rows with the contract's columns.

    Returns
    -------
    pyarrow.Table
        Rows with `lake_schema`.
    """
    rows = rows.select(table.schema.names).cast(table.schema)
    for field in list(lake_schema(table))[len(table.schema) :]:
        rows = rows.append_column(field, pa.nulls(len(rows), field.type))
    return rows
