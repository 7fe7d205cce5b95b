"""Rows of a lake's table in a time, as Arrow."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipelines.aiops.analysis.window import Window, lake_of
from pipelines.aiops.engine import opened, parquet
from pipelines.aiops.params import AiopsParams
from pipelines.aiops.telemetry.contract import Table
from pipelines.aiops.telemetry.days import files_between
from pipelines.base.errors import SignalboxError

if TYPE_CHECKING:
    import pyarrow as pa


def rows_between(
    params: AiopsParams,
    table: Table,
    window: Window,
    *,
    where: str = "true",
    values: Sequence[object] = (),
    columns: Sequence[str] = (),
    most: int | None = None,
) -> "pa.Table":
    """Read rows whose time lies in a window, by time and key.

    Parameters
    ----------
    where, values
        A further condition in SQL, with a question mark for each value.
    columns
        Only these; none: all.
    most
        Rows at most, the earliest; None: all.

    Raises
    ------
    SignalboxError
        If the files aren't of the contract.
    """
    import duckdb
    import pyarrow as pa

    files = files_between(lake_of(params.analysis), table, window.start.date(), window.last_day)
    schema = table.schema
    if columns:
        schema = pa.schema([schema.field(name) for name in columns])
    if not files:
        return schema.empty_table()
    names = ", ".join(f'"{name}"' for name in schema.names)
    keys = ", ".join(f'"{name}"' for name in (table.time, *table.key))
    limit = "" if most is None else f" LIMIT {most}"
    query = (
        f'SELECT {names} FROM {parquet(files)} WHERE "{table.time}" >= '
        f'make_timestamptz({window.start_us}) AND "{table.time}" < '
        f"make_timestamptz({window.end_us}) AND ({where}) ORDER BY {keys}{limit}"
    )
    try:
        with opened(params.analysis.memory_mb) as raw:
            found = raw.sql(query, params=list(values)).to_arrow_table()
    except duckdb.Error as error:
        text = str(error).splitlines()[0]
        raise SignalboxError(
            f"{files[0].parent.parent}: not a readable table of the contract: {text}"
        ) from error
    return found.cast(schema)
