"""Tables of any size, some rows at a time, read as ``ingest`` reads them."""

import csv
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from pipelines.core.errors import SignalboxError
from pipelines.core.params import CsvSource, DataParams
from pipelines.mlops.data.keys import key_columns
from pipelines.mlops.data.records import is_no_data
from pipelines.mlops.data.sources import (
    PARQUET,
    SourceFile,
    locations,
    parse_csv,
    with_keys,
    with_partition,
)

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Input:
    """A table to score.

    Attributes
    ----------
    path : str
        Local path, glob or any address fsspec reads. Parquet by its ending, else delimited text
        as ``data.source`` describes it.
    data : DataParams
        Section ``data``: how text is written, and which columns are keys.
    rows : int
        Rows a chunk, about.
    files : list of SourceFile
        What was read, complete when the last chunk has been taken.
    """

    path: str
    data: DataParams
    rows: int
    files: list[SourceFile] = field(default_factory=list)

    def chunks(self) -> "Iterator[pd.DataFrame]":
        """Give the table in chunks of about `rows` rows, in order.

        Yields
        ------
        pandas.DataFrame
            At least one row.

        Raises
        ------
        SignalboxError
            If the file is missing, has no rows or cannot be read.
        """
        for location in locations(self.path, PARQUET, key="--input"):
            address, counter = location.address, _Counter()
            try:
                with location.opened as stream:
                    read = _parquet if address.lower().endswith(PARQUET) else _text
                    for frame in read(stream, address, self, counter):
                        counter.rows += len(frame)
                        yield with_partition(frame, location, self.data)
            except FileNotFoundError:
                raise SignalboxError(f"{address}: no such file; check --input") from None
            except (OSError, EOFError) as error:
                raise SignalboxError(f"{address}: cannot be read: {error}") from error
            if not counter.rows:
                raise SignalboxError(f"{address}: has no rows of data")
            self.files.append(SourceFile(address, counter.digest.hexdigest(), counter.rows))


@dataclass
class _Counter:
    rows: int = 0
    digest: Any = field(default_factory=hashlib.sha256)


def _parquet(
    stream: IO[bytes], address: str, table: Input, counter: _Counter
) -> "Iterator[pd.DataFrame]":
    import pyarrow.parquet as pq
    from pyarrow.lib import ArrowException

    while block := stream.read(1 << 20):
        counter.digest.update(block)
    stream.seek(0)
    try:
        for batch in pq.ParquetFile(stream).iter_batches(batch_size=table.rows):
            if batch.num_rows:
                names = [n for n in key_columns(table.data) if n in batch.schema.names]
                keys = {name: batch.column(name) for name in names}
                yield with_keys(batch.to_pandas(), keys, address)
    except ArrowException as error:
        raise SignalboxError(f"{address}: is not a Parquet file: {error}") from error


class _Hashed(io.RawIOBase):
    """Bytes on their way from a file to its reader, hashed as they pass."""

    def __init__(self, stream: IO[bytes], digest: Any) -> None:
        self._stream = stream
        self._digest = digest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._stream.read(len(buffer))
        self._digest.update(block)
        buffer[: len(block)] = block
        return len(block)


def _text(
    stream: IO[bytes], address: str, table: Input, counter: _Counter
) -> "Iterator[pd.DataFrame]":
    source = _csv_options(table.data)
    plain = source.model_copy(update={"encoding": "utf-8"})
    header = ""
    for lines in _records(stream, address, source, counter, table.rows):
        body = lines
        if not header:
            # The header stands before every piece, so that each is a file of its own.
            header = _header(lines[0], source, table.data) if source.columns else lines[0]
            body = lines if source.columns else lines[1:]
            plain = plain.model_copy(update={"columns": []})
        if body:
            where = address if not counter.rows else f"{address}, after row {counter.rows}"
            yield parse_csv(plain, table.data, where, (header + "".join(body)).encode())


def _csv_options(data: DataParams) -> CsvSource:
    """How text is written: as in ``data.source`` if that is text, else with a header and commas."""
    if isinstance(data.source, CsvSource):
        return data.source
    return CsvSource(kind="csv", paths=["-"], watch="-")


def _header(first: str, source: CsvSource, data: DataParams) -> str:
    """Header line for a file without one; the column of the label may be left out."""
    fields = next(csv.reader([first], delimiter=source.delimiter, quotechar=source.quote))
    names = list(source.columns)
    if len(fields) == len(names) - 1:
        names.remove(data.target)
    line = io.StringIO()
    csv.writer(
        line, delimiter=source.delimiter, quotechar=source.quote, lineterminator="\n"
    ).writerow(names)
    return line.getvalue()


def _records(
    stream: IO[bytes], address: str, source: CsvSource, counter: _Counter, rows: int
) -> Iterator[list[str]]:
    """Lines in lists of about `rows`, never cut inside a quoted value."""
    kept: list[str] = []
    inside = False
    try:
        reader = io.BufferedReader(_Hashed(stream, counter.digest), 1 << 20)
        # Line ends stay as they are: inside quotes they belong to a value, and to a key.
        text = io.TextIOWrapper(reader, encoding=source.encoding, newline="")
        for index, raw in enumerate(text):
            line = raw if index else raw.removeprefix("\ufeff")
            if not inside and (not line.strip() or is_no_data(line, source)):
                continue
            inside ^= line.count(source.quote) % 2 == 1
            kept.append(line)
            if len(kept) >= rows and not inside:
                yield kept
                kept = []
    except LookupError:
        raise SignalboxError(
            f"data.source.encoding: {source.encoding!r} is no known encoding"
        ) from None
    except UnicodeDecodeError as error:
        raise SignalboxError(
            f"{address}: after row {counter.rows}: not {source.encoding} ({error.reason})"
        ) from None
    if kept:
        yield kept
