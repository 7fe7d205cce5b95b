"""Read a source as it is: delimited text, Parquet or SQL; local, or wherever fsspec reaches."""

import hashlib
import io
import itertools
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.core.errors import SignalboxError
from pipelines.core.params import CsvSource, DataParams, ParquetSource, SqlSource
from pipelines.mlops.data.keys import key_columns, key_texts
from pipelines.mlops.data.records import first_record, without_comments

if TYPE_CHECKING:
    import pandas as pd


_DRIVERS = {
    "psycopg": "pip install 'psycopg[binary]'",
    "psycopg2": "pip install 'psycopg[binary]' and write the URL as postgresql+psycopg://…",
    "MySQLdb": "pip install pymysql and write the URL as mysql+pymysql://…",
    "pyodbc": "pip install pyodbc",
    "oracledb": "pip install oracledb",
    "cx_Oracle": "pip install oracledb and write the URL as oracle+oracledb://…",
}

_LINE_END = re.compile(r"\s*[\r\n]+\s*")

PARQUET = (".parquet", ".pq")
"""Endings of Parquet files."""


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
    parts = list(read_files(data))
    frames = [part.frame for part in parts]
    files = [SourceFile(part.location.address, part.sha256, len(part.frame)) for part in parts]
    _same_columns(frames, files)
    return pd.concat(frames, ignore_index=True), files


@dataclass(frozen=True)
class Part:
    """One file of a source, read.

    Attributes
    ----------
    location : Location
        Where it is.
    sha256 : str
        Hash of the unpacked bytes.
    frame : pandas.DataFrame
        Its rows, as `read_source` gives them.
    """

    location: "Location"
    sha256: str
    frame: "pd.DataFrame"


def read_files(
    data: DataParams,
    root: Path = Path(),
    *,
    leave_out: Callable[[bytes], bool] = lambda content: False,
) -> Iterator[Part]:
    """Read the files of a source one by one, in order.

    Parameters
    ----------
    data : DataParams
        Section ``data``, whose source is no query.
    root : Path, default: the current directory
        Directory that relative paths begin at.
    leave_out : callable
        Whether a file, by its unpacked bytes, is passed over.

    Yields
    ------
    Part

    Raises
    ------
    SignalboxError
        If a file is missing, empty, unreadable, or differs from its pinned hash.
    """
    source = data.source
    if isinstance(source, SqlSource):
        return
    pins = source.sha256 if isinstance(source, CsvSource) else []
    suffixes = PARQUET if isinstance(source, ParquetSource) else ()
    for index, path in enumerate(source.paths):
        for location in locations(path, suffixes, root=root):
            address, content = location.address, _content(location, path)
            if leave_out(content):
                continue
            if not content.strip():
                raise SignalboxError(f"{address}: is empty; check data.source.paths")
            digest = hashlib.sha256(content).hexdigest()
            if pins and digest != pins[index]:
                raise SignalboxError(
                    f"{address}: SHA-256 of the unpacked file is {digest}, but "
                    f"data.source.sha256 pins {pins[index]}; restore the file or change the pin"
                )
            frame = _parse(source, data, location, content)
            if frame.empty:
                raise SignalboxError(f"{address}: has no rows of data")
            yield Part(location, digest, frame)


@dataclass(frozen=True)
class Location:
    """One file of a source.

    Attributes
    ----------
    address : str
        As it is written in params, with globs and folders resolved: relative paths stay relative,
        so that the same project elsewhere names the same files.
    opened : fsspec.core.OpenFile
        Opens the unpacked file.
    partition : dict of str to str or None
        Columns that stand in the path (``year=2024/``), as Hive writes them.
    """

    address: str
    opened: Any
    partition: dict[str, str | None]


def locations(
    path: str,
    suffixes: tuple[str, ...] = (),
    *,
    key: str = "data.source.paths",
    root: Path = Path(),
) -> list[Location]:
    """Resolve a path, a glob or (where `suffixes` are given) a folder into files, in order.

    Parameters
    ----------
    path : str
        Local path, or any address or glob that fsspec reads.
    suffixes : tuple of str
        Endings of the files that count in a folder, below it to any depth; hidden files and those
        that begin with ``_`` don't. Without any, a folder is refused.
    key : str
        Parameter or option that holds the path, for errors.
    root : Path, default: the current directory
        Directory that relative paths begin at.

    Returns
    -------
    list of Location
        At least one; sorted by address.

    Raises
    ------
    SignalboxError
        If there is no such file.
    """
    try:
        folder, opened = _opened(path, root)
    except (OSError, ValueError, ImportError) as error:
        if isinstance(error, FileNotFoundError):
            raise SignalboxError(f"{path}: no such file; check {key}") from None
        raise SignalboxError(f"{path}: cannot be read: {error}; check {key}") from error
    if folder and not suffixes:
        raise SignalboxError(f"{path}: is a folder; name its files in {key}, by a glob if many")
    found = []
    for file in opened:
        address = _address(path, file, root)
        inside = _inside(address, path, folder=folder)
        if folder and not _is_data(inside, suffixes):
            continue
        found.append(Location(address, file, _partition(inside)))
    if not found:
        what = f"has no {' or '.join(suffixes)} file" if folder else "no such file"
        raise SignalboxError(f"{path}: {what}; check {key}")
    return sorted(found, key=lambda location: location.address)


def _opened(path: str, root: Path) -> tuple[bool, list[Any]]:
    """Whether `path` is a folder, and what fsspec opens of it: files alone, to any depth."""
    import fsspec

    if "::" in path:
        return False, list(fsspec.open_files(path, mode="rb", compression="infer"))
    filesystem, start = fsspec.core.url_to_fs(path if "://" in path else str(root / path))
    folder = not _is_glob(path) and filesystem.isdir(start)
    if folder:
        names = filesystem.find(start)
    elif _is_glob(path):
        names = [name for name in filesystem.glob(start) if filesystem.isfile(name)]
    else:
        names = [start]
        if is_local(path) and not filesystem.exists(start):
            raise FileNotFoundError(path)
    if not names:
        return folder, []
    whole = [filesystem.unstrip_protocol(name) for name in names]
    return folder, list(fsspec.open_files(whole, mode="rb", compression="infer", expand=False))


def is_local(path: str) -> bool:
    """Return whether `path` is on this machine's file system.

    Parameters
    ----------
    path : str
        Path or URL, as in ``data.source.paths``.

    Returns
    -------
    bool
    """
    from fsspec.utils import get_protocol

    return "::" not in path and get_protocol(path) in {"file", "local"}


def _is_glob(path: str) -> bool:
    return any(mark in path for mark in "*?[")


def _address(path: str, file: Any, root: Path) -> str:
    """Name a file as `path` names it: relative if that is, with its protocol if that has one."""
    if not _is_glob(path) and str(file.path).endswith(path.split("://")[-1].lstrip("./")):
        return path
    if "::" in path:
        return f"{path} ({file.path})"
    if "://" in path:
        return f"{path.split('://', 1)[0]}://{str(file.path).lstrip('/')}"
    if os.path.isabs(path):
        return str(file.path)
    return os.path.relpath(file.path, root.resolve()).replace(os.sep, "/")


def _inside(address: str, path: str, *, folder: bool) -> str:
    """Part of an address that `path` leaves open: below a folder, or from the first wildcard on."""
    fixed = path.rstrip("/").split("/")
    if not folder:
        fixed = list(itertools.takewhile(lambda part: not _is_glob(part), fixed))
        if len(fixed) == len(path.rstrip("/").split("/")):
            return ""
    return "/".join(address.split("/")[len([p for p in fixed if p != "."]) :])


def _is_data(inside: str, suffixes: tuple[str, ...]) -> bool:
    hidden = any(part.startswith((".", "_")) for part in inside.split("/"))
    return not hidden and inside.lower().endswith(suffixes)


def _partition(inside: str) -> dict[str, str | None]:
    """Columns in the directories of a path, percent-decoded, as Hive and Spark write them."""
    from urllib.parse import unquote

    found: dict[str, str | None] = {}
    for part in inside.split("/")[:-1]:
        name, sign, value = part.partition("=")
        if sign and name:
            missing = value == "__HIVE_DEFAULT_PARTITION__"
            found[unquote(name)] = None if missing else unquote(value)
    return found


def _content(location: Location, path: str) -> bytes:
    try:
        with location.opened as stream:
            content = bytes(stream.read())
    except FileNotFoundError:
        raise SignalboxError(f"{path}: no such file; check data.source.paths") from None
    except (OSError, ValueError, ImportError, EOFError) as error:
        raise SignalboxError(
            f"{location.address}: cannot be read: {error}; check data.source.paths"
        ) from error
    return content


def _parse(
    source: CsvSource | ParquetSource, data: DataParams, location: Location, content: bytes
) -> "pd.DataFrame":
    if isinstance(source, ParquetSource):
        frame = _parse_parquet(data, location.address, content)
        return with_partition(frame, location, data)
    return parse_csv(source, data, location.address, content)


def with_partition(frame: "pd.DataFrame", location: Location, data: DataParams) -> "pd.DataFrame":
    """`frame` with the columns that stand in its path: numbers where they are whole, else text.

    A column that the file holds as well stays as the file has it.
    """
    import pandas as pd

    for name, value in location.partition.items():
        if name in frame.columns:
            continue
        column: list[Any] = [value] * len(frame)
        if name in key_columns(data):
            frame[name] = key_texts(column, name, location.address).set_axis(frame.index)
        elif value is not None and value.isdecimal() and str(int(value)) == value:
            frame[name] = pd.Series(int(value), index=frame.index)
        else:
            frame[name] = pd.Series(column, dtype="str", index=frame.index)
    return frame


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
    import pyarrow as pa
    from pyarrow import csv
    from pyarrow.lib import ArrowInvalid

    text = _decode(source, address, content)
    wrong: list[str] = []

    def on_wrong_row(row: Any) -> str:
        wrong.append(
            f"{address}: row {row.number + headers}: {row.actual_columns} fields instead of "
            f"{row.expected_columns}: {row.text[:60]!r}; check data.source.delimiter "
            f"({source.delimiter!r}) and data.source.columns"
        )
        return "error"

    names, headers = source.columns, 0
    if not names:
        head = first_record(text, source)
        names, headers = _header_names(head, source, address), 1
        text = text[text.index(head) + len(head) :]
    if not text.strip("\r\n"):
        text = ""
    try:
        table = csv.read_csv(
            io.BytesIO(text.encode() or b"\n"),
            read_options=csv.ReadOptions(
                use_threads=False, column_names=names, block_size=1 << 26
            ),
            parse_options=csv.ParseOptions(
                delimiter=source.delimiter,
                quote_char=source.quote,
                newlines_in_values=True,
                invalid_row_handler=on_wrong_row,
            ),
            convert_options=csv.ConvertOptions(
                column_types={name: pa.string() for name in names},
                strings_can_be_null=False,
                quoted_strings_can_be_null=False,
            ),
        )
    except ArrowInvalid as error:
        raise SignalboxError(wrong[0] if wrong else f"{address}: {error}") from None
    return _strip_blanks(table, data, address)


def _header_names(head: str, source: CsvSource, address: str) -> list[str]:
    """Names in the header line, which may hold quotes and line ends; these become blanks.

    A column without a name, as the index of a table written by pandas, gets one.
    """
    import csv

    try:
        (names,) = csv.reader(
            [head], delimiter=source.delimiter, quotechar=source.quote, strict=True
        )
    except (ValueError, csv.Error) as error:
        raise SignalboxError(
            f"{address}: the header line cannot be read: {error}; check data.source.quote"
        ) from None
    return [
        _LINE_END.sub(" ", name.strip()) or f"unnamed_{position}"
        for position, name in enumerate(names, start=1)
    ]


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
    except ModuleNotFoundError as error:
        raise SignalboxError(
            f"data.source: the database's driver is not installed ({error.name}); "
            f"{_DRIVERS.get(error.name or '', f'install the package that has {error.name}')}"
        ) from None
    except (SQLAlchemyError, ImportError) as error:
        reason = str(getattr(error, "orig", None) or error).replace(url, "(url)")
        raise SignalboxError(f"data.source.query: {reason}") from None
    if not rows:
        raise SignalboxError("data.source.query: returned no rows")
    # A database promises no order, and says so by giving another one next time: the rows' content
    # decides, so that equal tables give equal evidence.
    rows.sort(key=_row_order)
    # As pandas.read_sql_query does it; but keys are taken from what the database gave.
    frame = pd.DataFrame.from_records(rows, columns=names, coerce_float=True)
    keys = [name for name in key_columns(data) if name in names]
    columns = {name: [row[names.index(name)] for row in rows] for name in keys}
    return with_keys(frame, columns, "data.source.query")


def _row_order(row: tuple[Any, ...]) -> tuple[tuple[bool, str, str], ...]:
    """Sort key of a row: missing values last, then by type, then by text."""
    return tuple((value is None, type(value).__name__, str(value)) for value in row)


def _same_columns(frames: "list[pd.DataFrame]", files: list[SourceFile]) -> None:
    first = list(frames[0].columns)
    for frame, file in zip(frames[1:], files[1:], strict=True):
        if list(frame.columns) != first:
            differing = sorted(set(first) ^ set(frame.columns)) or "their order"
            raise SignalboxError(
                f"{file.address}: columns differ from those of {files[0].address}: {differing}"
            )
