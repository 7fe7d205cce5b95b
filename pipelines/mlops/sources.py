"""Read a source as it is: delimited text, Parquet or SQL; local, or wherever fsspec reaches."""

import hashlib
import io
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.base.errors import SignalboxError
from pipelines.base.params.data import CsvSource, DataParams, ParquetSource, SqlSource

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SourceFile:
    """What was read from one file (or query).

    Attributes
    ----------
    address
        Path, address, or ``sql`` for a query; never holds a password.
    sha256
        Hash of the unpacked bytes; empty for a query.
    rows
        Number of rows read.
    """

    address: str
    sha256: str
    rows: int


def read_source(data: DataParams) -> "tuple[pd.DataFrame, list[SourceFile]]":
    """Read all parts of the source, in order, into one frame.

    Returns
    -------
    frame
        CSV sources: every column text, missing values None. Other sources: their own types.
    files
        One entry a part.

    Raises
    ------
    SignalboxError
        If a part is missing, empty, unreadable, or differs from its pinned hash.
    """
    import pandas as pd

    source = data.source
    if isinstance(source, SqlSource):
        frame = _read_sql(source)
        return frame, [SourceFile("sql", "", len(frame))]
    frames, files = [], []
    pins = source.sha256 if isinstance(source, CsvSource) else []
    for index, path in enumerate(source.paths):
        for address, content in _contents(path):
            digest = hashlib.sha256(content).hexdigest()
            if pins and digest != pins[index]:
                raise SignalboxError(
                    f"{address}: SHA-256 of the unpacked file is {digest}, but "
                    f"data.source.sha256 pins {pins[index]}; restore the file or change the pin"
                )
            frame = _parse(source, data, address, content)
            if frame.empty:
                raise SignalboxError(f"{address}: has no rows of data")
            frames.append(frame)
            files.append(SourceFile(address, digest, len(frame)))
    _same_columns(frames, files)
    return pd.concat(frames, ignore_index=True), files


def _contents(path: str) -> list[tuple[str, bytes]]:
    """Unpacked bytes of every file that `path` (or its glob) names."""
    import fsspec

    try:
        opened = fsspec.open_files(path, mode="rb", compression="infer")
        if not opened:
            raise FileNotFoundError(path)
        contents = []
        for file in sorted(opened, key=lambda f: str(f.path)):
            with file as stream:
                contents.append((path if len(opened) == 1 else str(file.path), stream.read()))
    except FileNotFoundError:
        raise SignalboxError(f"{path}: no such file; check data.source.paths") from None
    except (OSError, ValueError, ImportError, EOFError) as error:
        raise SignalboxError(f"{path}: cannot be read: {error}; check data.source.paths") from error
    for address, content in contents:
        if not content.strip():
            raise SignalboxError(f"{address}: is empty; check data.source.paths")
    return contents


def _parse(
    source: CsvSource | ParquetSource, data: DataParams, address: str, content: bytes
) -> "pd.DataFrame":
    if isinstance(source, ParquetSource):
        return _parse_parquet(address, content)
    return _parse_csv(source, data, address, content)


def _parse_parquet(address: str, content: bytes) -> "pd.DataFrame":
    import pandas as pd
    from pyarrow.lib import ArrowException

    try:
        return pd.read_parquet(io.BytesIO(content), engine="pyarrow")
    except (ArrowException, OSError) as error:
        raise SignalboxError(f"{address}: is not a Parquet file: {error}") from error


def _parse_csv(source: CsvSource, data: DataParams, address: str, content: bytes) -> "pd.DataFrame":
    """Parse delimited text; every row must have as many fields as there are columns."""
    from pyarrow import csv
    from pyarrow.lib import ArrowInvalid

    text = _decode(source, address, content)
    wrong: list[str] = []

    def on_wrong_row(row: Any) -> str:
        wrong.append(
            f"{address}: row {row.number}: {row.actual_columns} fields instead of "
            f"{row.expected_columns}: {row.text[:60]!r}; check data.source.delimiter "
            f"({source.delimiter!r}) and data.source.columns"
        )
        return "error"

    try:
        table = csv.read_csv(
            io.BytesIO(text.encode()),
            read_options=csv.ReadOptions(
                use_threads=False, column_names=source.columns or None, block_size=1 << 26
            ),
            parse_options=csv.ParseOptions(
                delimiter=source.delimiter,
                quote_char=source.quote,
                newlines_in_values=True,
                invalid_row_handler=on_wrong_row,
            ),
            convert_options=_all_text(source, text),
        )
    except ArrowInvalid as error:
        raise SignalboxError(wrong[0] if wrong else f"{address}: {error}") from None
    return _tidy(table, data, address)


def _all_text(source: CsvSource, text: str) -> Any:
    """Convert options that leave every column text; types are inferred over all files at once."""
    import pyarrow as pa
    from pyarrow import csv

    names = source.columns
    if not names:
        head = csv.read_csv(
            io.BytesIO(text.split("\n", 1)[0].encode() + b"\n"),
            parse_options=csv.ParseOptions(delimiter=source.delimiter, quote_char=source.quote),
        )
        names = head.column_names
    return csv.ConvertOptions(
        column_types={name: pa.string() for name in names},
        strings_can_be_null=False,
        quoted_strings_can_be_null=False,
    )


def _decode(source: CsvSource, address: str, content: bytes) -> str:
    try:
        text = content.decode(source.encoding)
    except LookupError:
        raise SignalboxError(
            f"data.source.encoding: {source.encoding!r} is no known encoding"
        ) from None
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SignalboxError(
            f"{address}: line {line}: byte 0x{content[error.start]:02x} is not "
            f"{source.encoding}; set data.source.encoding (for example latin-1)"
        ) from None
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if not source.comment:
        return text
    return "\n".join(line for line in text.split("\n") if not line.startswith(source.comment))


def _tidy(table: Any, data: DataParams, address: str) -> "pd.DataFrame":
    """Strip blanks around values and turn missing marks into None."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    names = [name.strip() for name in table.column_names]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SignalboxError(f"{address}: column name stands twice: {twice}")
    marks = pa.array(["", *data.missing_marks])
    columns: dict[str, pd.Series[str]] = {}
    for name, column in zip(names, table.columns, strict=True):
        trimmed = pc.utf8_trim_whitespace(column)
        present = pc.invert(pc.is_in(trimmed, value_set=marks))
        nulled = pc.if_else(present, trimmed, pa.scalar(None, pa.string()))
        columns[name] = pd.Series(nulled.to_pandas(), dtype="str")
    return pd.DataFrame(columns)


def _read_sql(source: SqlSource) -> "pd.DataFrame":
    import pandas as pd
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import SQLAlchemyError

    url = source.url or os.environ.get(source.url_env or "", "")
    if not url:
        raise SignalboxError(
            f"data.source.url_env: environment variable {source.url_env} is not set; "
            "put the database's URL there"
        )
    try:
        engine = create_engine(url)
        with engine.connect() as connection:
            frame = pd.read_sql_query(text(source.query), connection)
        engine.dispose()
    except (SQLAlchemyError, pd.errors.DatabaseError, ImportError) as error:
        cause = error.__cause__ if isinstance(error, pd.errors.DatabaseError) else error
        reason = str(getattr(cause, "orig", None) or error).replace(url, "(url)")
        raise SignalboxError(f"data.source.query: {reason}") from None
    if frame.empty:
        raise SignalboxError("data.source.query: returned no rows")
    return frame


def _same_columns(frames: "list[pd.DataFrame]", files: list[SourceFile]) -> None:
    first = list(frames[0].columns)
    for frame, file in zip(frames[1:], files[1:], strict=True):
        if list(frame.columns) != first:
            differing = sorted(set(first) ^ set(frame.columns)) or "their order"
            raise SignalboxError(
                f"{file.address}: columns differ from those of {files[0].address}: {differing}"
            )
