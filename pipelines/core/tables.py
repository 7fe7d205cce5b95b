"""Parquet tables with the same bytes for the same content."""

from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.core.errors import SignalboxError
from pipelines.core.files import replacing

if TYPE_CHECKING:
    import pandas as pd

SUBJECT = "subject_id"
"""Column with the subject's key (text), added by ``ingest``."""

ROW = "row_id"
"""Column with the row's number in the source, from 0, added by ``ingest``."""

UNREADABLE = "unreadable"
"""Column that says which values of a numeric column weren't numbers; ``validate`` takes it out."""

RESERVED = (SUBJECT, ROW, UNREADABLE)


def write_table(path: Path, frame: "pd.DataFrame") -> None:
    """Write `frame` without its index, whole or not at all.

    Parameters
    ----------
    path : Path
        Parquet file to replace; compressed with zstd.
    frame : pandas.DataFrame
        The table.
    """
    with replacing(path) as partial:
        frame.to_parquet(partial, engine="pyarrow", index=False, compression="zstd")


def read_table(path: Path, columns: list[str] | None = None) -> "pd.DataFrame":
    """Read a table that `write_table` wrote.

    Parameters
    ----------
    path : Path
        Parquet file.
    columns : list of str, optional
        Columns to read; None reads all.

    Returns
    -------
    pandas.DataFrame
        The table, with a new index.

    Raises
    ------
    SignalboxError
        If the file is missing or damaged.
    """
    import pandas as pd
    from pyarrow.lib import ArrowInvalid

    try:
        return pd.read_parquet(path, engine="pyarrow", columns=columns)
    except FileNotFoundError:
        raise SignalboxError(f"{path}: no such table; run the stage that makes it") from None
    except (ArrowInvalid, OSError) as error:
        raise SignalboxError(f"{path}: not a readable Parquet table ({error})") from error
