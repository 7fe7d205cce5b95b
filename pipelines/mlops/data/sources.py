"""Read a source as it is: delimited text, Parquet or SQL; local, or wherever fsspec reaches."""

import hashlib
import io
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.core.errors import SignalboxError
from pipelines.core.params import CsvSource, DataParams, ParquetSource, SqlSource
from pipelines.mlops.data.keys import key_columns, key_texts
from pipelines.mlops.data.records import first_record, without_comments

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
        CSV sources: every column text, missing values None. Other sources: their own types. Keys of
        subjects: always text, as `keys.key_texts` gives it.
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
        frame = _read_sql(source, data)
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
        return _parse_parquet(data, address, content)
    return parse_csv(source, data, address, content)


def _parse_parquet(data: DataParams, address: str, content: bytes) -> "pd.DataFrame":
    import pandas as pd
    from pyarrow import parquet
    from pyarrow.lib import ArrowException

    try:
        frame = pd.read_parquet(io.BytesIO(content), engine="pyarrow")
        names = [name for name in key_columns(data) if name in frame.columns]
        keys = parquet.read_table(io.BytesIO(content), columns=names)
    except (ArrowException, OSError) as error:
        raise SignalboxError(f"{address}: is not a Parquet file: {error}") from error
    return with_keys(frame, {name: keys.column(name) for name in names}, address)


def with_keys(frame: "pd.DataFrame", columns: dict[str, Any], where: str) -> "pd.DataFrame":
    """`frame` with keys from columns that pandas has not touched (it makes floats of integers)."""
    for name, column in columns.items():
        frame[name] = key_texts(column, name, where).set_axis(frame.index)
    return frame


def parse_csv(source: CsvSource, data: DataParams, address: str, content: bytes) -> "pd.DataFrame":
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
    return _strip_blanks(table, data, address)


def _all_text(source: CsvSource, text: str) -> Any:
    """Convert options that leave every column text; types are inferred over all files at once."""
    import pyarrow as pa
    from pyarrow import csv

    names = source.columns
    if not names:
        head = csv.read_csv(
            io.BytesIO(first_record(text, source).encode() + b"\n"),
            parse_options=csv.ParseOptions(
                delimiter=source.delimiter, quote_char=source.quote, newlines_in_values=True
            ),
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
    return without_comments(text.removeprefix("\ufeff"), source)


def _strip_blanks(table: Any, data: DataParams, address: str) -> "pd.DataFrame":
    """Strip blanks around values and turn missing marks into None; keys stay as written."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    names = [name.strip() for name in table.column_names]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SignalboxError(f"{address}: column name stands twice: {twice}")
    marks = pa.array(["", *data.missing_marks])
    columns: dict[str, pd.Series[str]] = {}
    keys = key_columns(data)
    for name, column in zip(names, table.columns, strict=True):
        if name in keys:
            columns[name] = key_texts(column, name, address)
            continue
        trimmed = pc.utf8_trim_whitespace(column)
        present = pc.invert(pc.is_in(trimmed, value_set=marks))
        nulled = pc.if_else(present, trimmed, pa.scalar(None, pa.string()))
        columns[name] = pd.Series(nulled.to_pandas(), dtype="str")
    return pd.DataFrame(columns)


def _read_sql(source: SqlSource, data: DataParams) -> "pd.DataFrame":
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
            result = connection.execute(text(source.query))
            names = list(result.keys())
            rows = [tuple(row) for row in result.fetchall()]
        engine.dispose()
    except (SQLAlchemyError, ImportError) as error:
        reason = str(getattr(error, "orig", None) or error).replace(url, "(url)")
        raise SignalboxError(f"data.source.query: {reason}") from None
    if not rows:
        raise SignalboxError("data.source.query: returned no rows")
    # As pandas.read_sql_query does it; but keys are taken from what the database gave.
    frame = pd.DataFrame.from_records(rows, columns=names, coerce_float=True)
    keys = [name for name in key_columns(data) if name in names]
    columns = {name: [row[names.index(name)] for row in rows] for name in keys}
    return with_keys(frame, columns, "data.source.query")


def _same_columns(frames: "list[pd.DataFrame]", files: list[SourceFile]) -> None:
    first = list(frames[0].columns)
    for frame, file in zip(frames[1:], files[1:], strict=True):
        if list(frame.columns) != first:
            differing = sorted(set(first) ^ set(frame.columns)) or "their order"
            raise SignalboxError(
                f"{file.address}: columns differ from those of {files[0].address}: {differing}"
            )
