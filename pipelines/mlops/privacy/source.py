"""A subject in the source: which rows of which local files, and the files without them."""

import bz2
import gzip
import hashlib
import lzma
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.core.artifacts import PARAMS
from pipelines.core.errors import SignalboxError
from pipelines.core.keyed_hash import token_of
from pipelines.core.params import CsvSource, DataParams, ParquetSource, SqlSource, load_params
from pipelines.core.tables import SUBJECT
from pipelines.mlops.data import records
from pipelines.mlops.data.columns import as_label
from pipelines.mlops.data.sources import PARQUET, is_local, locations, parse_csv, read_files
from pipelines.mlops.data.table import name_rows, typed

if TYPE_CHECKING:
    import pandas as pd


_UNPACK = {".gz": gzip.decompress, ".bz2": bz2.decompress, ".xz": lzma.decompress}
_MAGIC = {b"\x1f\x8b": ".gz", b"BZh": ".bz2", b"\xfd7zXZ\x00": ".xz"}


def unpack(content: bytes) -> bytes:
    """Unpack a file, known as packed by its first bytes; of any other file, return the file itself.

    Parameters
    ----------
    content : bytes
        The file's bytes.

    Returns
    -------
    bytes
        The unpacked bytes; `content` where they can't be unpacked.
    """
    for magic, suffix in _MAGIC.items():
        if content.startswith(magic):
            try:
                return _UNPACK[suffix](content)
            except (OSError, EOFError, lzma.LZMAError, ValueError):
                return content
    return content


def pack(content: bytes, path: Path) -> bytes:
    """Pack `content` as the suffix of `path` says; no time in it, so equal content, equal bytes.

    Parameters
    ----------
    content : bytes
        The unpacked bytes.
    path : Path
        File whose suffix names the compression; others aren't packed.

    Returns
    -------
    bytes

    Raises
    ------
    SignalboxError
        If the suffix is of a kind that isn't written here.
    """
    match path.suffix.lower():
        case ".gz":
            return gzip.compress(content, mtime=0)
        case ".bz2":
            return bz2.compress(content)
        case ".xz":
            return lzma.compress(content)
        case ".zip" | ".zst" | ".lz4" | ".snappy":
            raise SignalboxError(
                f"{path}: cannot be written again packed as {path.suffix}; unpack it, name the "
                "unpacked file in data.source.paths, and erase again"
            )
    return content


Matches = Callable[["pd.Series[str]"], "pd.Series[bool]"]


@dataclass(frozen=True)
class SourceFile:
    """A local source file that holds the subject, and what it will be without.

    Attributes
    ----------
    path : Path
        The file.
    rows : int
        The subject's rows in it.
    pin_before, pin_after : str
        SHA-256 of the unpacked bytes, as ``data.source.sha256`` pins them.
    after : bytes
        Its bytes without the subject, packed as before.
    lines : frozenset of str
        The subject's lines; personal data, so they stay in memory.
    alone : bool
        The file has rows of nobody else.
    """

    path: Path
    rows: int
    pin_before: str
    pin_after: str
    after: bytes = field(repr=False)
    lines: frozenset[str] = field(default_factory=frozenset, repr=False)
    alone: bool = False


def local_files(data: DataParams, root: Path) -> list[Path]:
    """List the source files on this machine, in the order in which ``ingest`` reads them.

    Parameters
    ----------
    data : DataParams
        Section ``data`` of ``params.yaml``.
    root : Path
        Root of the project or of a run's workspace.

    Returns
    -------
    list of Path
    """
    if isinstance(data.source, SqlSource):
        return []
    return [
        Path(location.opened.path)
        for pattern in _local_patterns(data, root)
        for location in locations(pattern, _suffixes(data), root=root)
    ]


def elsewhere(data: DataParams) -> list[str]:
    """List sources that cannot be changed from here: databases and remote files.

    Parameters
    ----------
    data : DataParams
        Section ``data`` of ``params.yaml``.

    Returns
    -------
    list of str
        Words for a database, addresses of files.
    """
    if isinstance(data.source, SqlSource):
        where = f"the variable {data.source.url_env}" if data.source.url_env else "a URL"
        return [f"the database that {where} names (data.source.query reads it)"]
    return [path for path in data.source.paths if not is_local(path)]


def _suffixes(data: DataParams) -> tuple[str, ...]:
    return PARQUET if isinstance(data.source, ParquetSource) else ()


def _local_patterns(data: DataParams, root: Path) -> list[str]:
    """Local paths, globs and folders of the source that name a file."""
    if isinstance(data.source, SqlSource):
        return []
    found = []
    for pattern in data.source.paths:
        if is_local(pattern):
            try:
                locations(pattern, _suffixes(data), root=root)
            except SignalboxError:
                continue
            found.append(pattern)
    return found


def without_pins(data: DataParams, paths: list[str]) -> DataParams:
    """Return section ``data`` so that it reads `paths` as they are, whatever hash is pinned.

    Parameters
    ----------
    data : DataParams
        Section ``data`` of ``params.yaml``.
    paths : list of str
        Paths, globs or folders to read.

    Returns
    -------
    DataParams
    """
    changes: dict[str, object] = {"paths": paths}
    if isinstance(data.source, CsvSource):
        changes["sha256"] = []
    return data.model_copy(update={"source": data.source.model_copy(update=changes)})


@dataclass(frozen=True)
class Reading:
    """The local source files of a project, read.

    Attributes
    ----------
    data : DataParams
        Section ``data`` that they were read by.
    files : list of Path
        The files that have rows.
    rows : list of int
        Number of rows of each file.
    frame : pandas.DataFrame
        All rows, in order, as the source delivers them.
    subjects : pandas.Series of str, shape (n,)
        Their keys; missing where there is none.
    """

    data: DataParams
    files: list[Path]
    rows: list[int]
    frame: "pd.DataFrame" = field(repr=False)
    subjects: "pd.Series[str]" = field(repr=False)

    def keys(self) -> list[str]:
        """List the keys that are written in the files, each once; none where subjects have no key.

        Returns
        -------
        list of str
        """
        if self.data.subject_key is None:
            return []
        return [str(key) for key in self.subjects.dropna().unique()]


def read(data: DataParams, root: Path) -> Reading | None:
    """Read the local source files; None if there are none.

    A file without rows, as the erasure of its only person leaves it, holds nobody.

    Parameters
    ----------
    data : DataParams
        Section ``data`` of ``params.yaml``.
    root : Path
        Root of the project or of a run's workspace.

    Returns
    -------
    Reading or None

    Raises
    ------
    SignalboxError
        If a file cannot be read.
    """
    import pandas as pd

    patterns = _local_patterns(data, root)
    if not patterns:
        return None
    own = without_pins(data, patterns)
    parts = list(read_files(own, root, leave_out=lambda content: _has_no_rows(content, data)))
    if not parts:
        return None
    files = [Path(part.location.opened.path) for part in parts]
    frame = pd.concat([part.frame for part in parts], ignore_index=True)
    subjects = name_rows(typed(frame, data), data)[SUBJECT]
    return Reading(data, files, [len(part.frame) for part in parts], frame, subjects)


def _has_no_rows(content: bytes, data: DataParams) -> bool:
    """Whether a file is sound and has no row; anything else is for `read_files` to judge."""
    from pyarrow import ArrowException, BufferReader, parquet

    if isinstance(data.source, CsvSource):
        try:
            text = content.decode(data.source.encoding)
        except (UnicodeDecodeError, LookupError):
            return False
        return records.count(records.split(text, data.source)) == 0
    try:
        return bool(parquet.ParquetFile(BufferReader(content)).metadata.num_rows == 0)
    except (ArrowException, OSError):
        return False


def find(data: DataParams, root: Path, matches: Matches) -> list[SourceFile]:
    """Find the local source files that hold a subject, with the content they will have.

    Parameters
    ----------
    data : DataParams
        Section ``data`` of ``params.yaml``.
    root : Path
        Root of the project or of a run's workspace.
    matches : Callable[[pandas.Series of str], pandas.Series of bool]
        Marks the subject's keys in a column of keys.

    Returns
    -------
    list of SourceFile

    Raises
    ------
    SignalboxError
        If a file cannot be read, or not be written again without touching other rows.
    """
    reading = read(data, root)
    return holding(reading, matches) if reading is not None else []


def holding(reading: Reading, matches: Matches) -> list[SourceFile]:
    """Find those of the files that hold a subject, with the content they will have.

    Parameters
    ----------
    reading : Reading
        The files, read.
    matches : Callable[[pandas.Series of str], pandas.Series of bool]
        Marks the subject's keys in a column of keys.

    Returns
    -------
    list of SourceFile

    Raises
    ------
    SignalboxError
        If a file cannot be read, or not be written again without touching other rows.
    """
    hit = matches(reading.subjects).to_numpy(dtype=bool)
    found, first = [], 0
    for path, total in zip(reading.files, reading.rows, strict=True):
        rows = {int(i) for i in hit[first : first + total].nonzero()[0]}
        if rows:
            table = reading.frame.iloc[first : first + total].reset_index(drop=True)
            found.append(_rewritten(path, rows, table, reading.data))
        first += total
    return found


def free_of(data: DataParams, root: Path, tokens: Collection[str], key: bytes) -> list[str]:
    """Return the hashes of the local source files in which nobody of a list is.

    Parameters
    ----------
    data : DataParams
        Section ``data`` of ``params.yaml``.
    root : Path
        Root of the project.
    tokens : collection of str
        Keyed hashes of the subjects.
    key : bytes
        The secret of the keyed hashes, 32 bytes.

    Returns
    -------
    list of str
        SHA-256 of the unpacked files, as ``ingest`` records them; sorted.

    Raises
    ------
    SignalboxError
        If a file cannot be read.
    """
    reading = read(data, root)
    holding_one: set[Path] = set()
    first = 0
    for path, total in zip(reading.files, reading.rows, strict=True) if reading else ():
        assert reading is not None
        keys = reading.subjects.iloc[first : first + total].dropna().unique()
        if any(token_of(str(subject), key) in tokens for subject in keys):
            holding_one.add(path)
        first += total
    free = [path for path in local_files(data, root) if path not in holding_one]
    return sorted(hashlib.sha256(unpack(path.read_bytes())).hexdigest() for path in free)


def subjects(data: DataParams, root: Path) -> "pd.DataFrame":
    """Read all rows of the local source files, typed, with the column ``subject_id``.

    Parameters
    ----------
    data : DataParams
        Section ``data`` of ``params.yaml``.
    root : Path
        Root of the project or of a run's workspace.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    SignalboxError
        If there is no file with rows on this machine.
    """
    reading = read(data, root)
    if reading is None:
        raise SignalboxError("data.source has no file with rows on this machine to look in")
    return name_rows(typed(reading.frame, data), data)


def _rewritten(path: Path, rows: set[int], table: "pd.DataFrame", data: DataParams) -> SourceFile:
    content = unpack(path.read_bytes())
    if isinstance(data.source, ParquetSource):
        after, lines = _parquet_without(content, rows), frozenset[str]()
    elif isinstance(data.source, CsvSource):
        after, lines = _text_without(path, content, rows, len(table), data.source)
        _check_the_rest(path, after, table.drop(index=sorted(rows)), data, data.source)
    else:
        raise SignalboxError(f"{path}: sources of kind {data.source.kind} have no local files")
    return SourceFile(
        path=path,
        rows=len(rows),
        pin_before=hashlib.sha256(content).hexdigest(),
        pin_after=hashlib.sha256(after).hexdigest(),
        after=pack(after, path),
        lines=lines,
        alone=len(rows) == len(table),
    )


def _text_without(
    path: Path, content: bytes, rows: set[int], total: int, source: CsvSource
) -> tuple[bytes, frozenset[str]]:
    """Text without the rows; refused if lines and rows of the table can't be told to be the same.

    ``ingest`` counts rows with a real CSV parser, this one by quotes and line ends: they must
    agree, or the wrong person's line could go.
    """
    text = content.decode(source.encoding)
    if text.encode(source.encoding) != content:
        raise SignalboxError(
            f"{path}: cannot be written again as {source.encoding} without changing other bytes; "
            "take the subject's lines out by hand, or write the file anew as utf-8"
        )
    parts = records.split(text, source)
    if records.count(parts) != total:
        raise SignalboxError(
            f"{path}: has {total:,} rows, but {records.count(parts):,} records of lines; the "
            "subject's lines can't be told for sure, take them out by hand"
        )
    after = records.without(parts, rows).encode(source.encoding)
    return after, frozenset(records.only(parts, rows))


def _check_the_rest(
    path: Path, after: bytes, rest: "pd.DataFrame", data: DataParams, source: CsvSource
) -> None:
    """Check that the text without the subject, parsed, has all other rows and no others."""
    if rest.empty:
        return
    if not parse_csv(source, data, str(path), after).equals(rest.reset_index(drop=True)):
        raise SignalboxError(
            f"{path}: without the subject's lines, the rows of others would change; take them out "
            "by hand"
        )


def _parquet_without(content: bytes, rows: set[int]) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    table = parquet.read_table(pa.BufferReader(content))
    keep = pa.array([row not in rows for row in range(table.num_rows)])
    sink = pa.BufferOutputStream()
    parquet.write_table(table.filter(keep), sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())


def find_key(project: Path, wanted: dict[str, str]) -> dict[str, int]:
    """Count each subject's rows in the local source that have all the wanted values.

    Parameters
    ----------
    project : Path
        Root of the project.
    wanted : dict of str to str
        Column → value, as in the ingested table; of the subject's key, as written.

    Returns
    -------
    dict
        Subject → number of its rows that match.

    Raises
    ------
    SignalboxError
        If there is no such column.
    """
    frame = subjects(load_params(project / PARAMS).data, project)
    for name, value in wanted.items():
        if name not in frame.columns:
            raise SignalboxError(
                f"--find: no column {name!r}; there are {', '.join(map(str, frame.columns))}"
            )
        column = frame[name].map(as_label, na_action="ignore").astype("str")
        frame = frame[column == as_label(value)]
    counts = frame[SUBJECT].value_counts()
    return {str(subject): int(counts[subject]) for subject in sorted(counts.index)}


def parse(text: str) -> dict[str, str]:
    """Read ``column=value,column=value``.

    Parameters
    ----------
    text : str
        Conditions, separated by commas.

    Returns
    -------
    dict of str to str
        Column → value.

    Raises
    ------
    SignalboxError
        If a part has no ``=``.
    SignalboxError
        If there is no condition.
    """
    wanted = {}
    for part in filter(None, text.split(",")):
        name, sign, value = part.partition("=")
        if not sign or not name.strip():
            raise SignalboxError(f"--find: {part!r} is not column=value")
        wanted[name.strip()] = value.strip()
    if not wanted:
        raise SignalboxError("--find: give at least one column=value")
    return wanted
