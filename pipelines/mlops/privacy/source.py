"""A subject in the source: which rows of which local files, and the files without them."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.base.errors import SignalboxError
from pipelines.base.params.data import CsvSource, DataParams, ParquetSource, SqlSource
from pipelines.base.tables import SUBJECT
from pipelines.mlops.ingest import name_rows, typed
from pipelines.mlops.privacy import records
from pipelines.mlops.privacy.packing import pack, unpack
from pipelines.mlops.sources import read_source

if TYPE_CHECKING:
    import pandas as pd

Matches = Callable[["pd.Series[str]"], "pd.Series[bool]"]


@dataclass(frozen=True)
class SourceFile:
    """A local source file that holds the subject, and what it will be without.

    Attributes
    ----------
    pin_before, pin_after
        SHA-256 of the unpacked bytes, as ``data.source.sha256`` pins them.
    lines
        The subject's lines; personal data, so they stay in memory.
    """

    path: Path
    rows: int
    pin_before: str
    pin_after: str
    after: bytes = field(repr=False)
    lines: frozenset[str] = field(default_factory=frozenset, repr=False)


def local_files(data: DataParams, root: Path) -> list[Path]:
    """Source files on this machine, in the order in which ``ingest`` reads them."""
    if isinstance(data.source, SqlSource):
        return []
    found: list[Path] = []
    for pattern in data.source.paths:
        if is_local(pattern):
            found += _expand(pattern, root)
    return found


def elsewhere(data: DataParams) -> list[str]:
    """List sources that cannot be changed from here: databases and remote files."""
    if isinstance(data.source, SqlSource):
        where = f"the variable {data.source.url_env}" if data.source.url_env else "a URL"
        return [f"the database that {where} names (data.source.query reads it)"]
    return [path for path in data.source.paths if not is_local(path)]


def is_local(path: str) -> bool:
    """Whether `path` is on this machine's file system."""
    from fsspec.utils import get_protocol

    return "::" not in path and get_protocol(path) in {"file", "local"}


def _expand(pattern: str, root: Path) -> list[Path]:
    plain = pattern.split("://", 1)[-1]
    if not any(mark in plain for mark in "*?["):
        path = root / plain
        return [path] if path.is_file() else []
    base = Path(plain)
    start = Path(base.anchor) if base.is_absolute() else root
    relative = base.relative_to(base.anchor) if base.is_absolute() else base
    return sorted(path for path in start.glob(relative.as_posix()) if path.is_file())


def without_pins(data: DataParams, paths: list[str]) -> DataParams:
    """Section ``data`` that reads `paths` as they are, whatever hash is pinned."""
    changes: dict[str, object] = {"paths": paths}
    if isinstance(data.source, CsvSource):
        changes["sha256"] = []
    return data.model_copy(update={"source": data.source.model_copy(update=changes)})


def find(data: DataParams, root: Path, matches: Matches) -> list[SourceFile]:
    """Local source files that hold a subject, with the content they will have.

    Raises
    ------
    SignalboxError
        If a file cannot be read, or not be written again without touching other rows.
    """
    files = local_files(data, root)
    if not files:
        return []
    frame, parts = read_source(without_pins(data, [str(path) for path in files]))
    hit = matches(name_rows(typed(frame, data), data)[SUBJECT]).to_numpy()
    found, first = [], 0
    for path, part in zip(files, parts, strict=True):
        rows = {int(i) for i in hit[first : first + part.rows].nonzero()[0]}
        if rows:
            found.append(_rewritten(path, rows, part.rows, data))
        first += part.rows
    return found


def subjects(data: DataParams, root: Path) -> "pd.DataFrame":
    """All rows of the local source files, with the column ``subject_id``."""
    files = local_files(data, root)
    if not files:
        raise SignalboxError("data.source has no file on this machine to look in")
    frame, _ = read_source(without_pins(data, [str(path) for path in files]))
    return name_rows(typed(frame, data), data)


def _rewritten(path: Path, rows: set[int], total: int, data: DataParams) -> SourceFile:
    content = unpack(path.read_bytes())
    if isinstance(data.source, ParquetSource):
        after, lines = _parquet_without(content, rows), frozenset[str]()
    elif isinstance(data.source, CsvSource):
        after, lines = _text_without(path, content, rows, total, data.source)
    else:
        raise SignalboxError(f"{path}: sources of kind {data.source.kind} have no local files")
    return SourceFile(
        path=path,
        rows=len(rows),
        pin_before=hashlib.sha256(content).hexdigest(),
        pin_after=hashlib.sha256(after).hexdigest(),
        after=pack(after, path),
        lines=lines,
    )


def _text_without(
    path: Path, content: bytes, rows: set[int], total: int, source: CsvSource
) -> tuple[bytes, frozenset[str]]:
    """Text without the rows; refused if lines and rows of the table can't be told to be the same.

    ``ingest`` counts rows with a real CSV parser, this one by quotes and line ends: they must
    agree, or the wrong person's line could go.
    """
    parts = records.split(content.decode(source.encoding), source)
    if records.count(parts) != total:
        raise SignalboxError(
            f"{path}: has {total:,} rows, but {records.count(parts):,} records of lines; the "
            "subject's lines can't be told for sure, take them out by hand"
        )
    after = records.without(parts, rows).encode(source.encoding)
    return after, frozenset(records.only(parts, rows))


def _parquet_without(content: bytes, rows: set[int]) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    table = parquet.read_table(pa.BufferReader(content))
    keep = pa.array([row not in rows for row in range(table.num_rows)])
    sink = pa.BufferOutputStream()
    parquet.write_table(table.filter(keep), sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())
