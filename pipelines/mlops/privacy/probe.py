"""Does a file hold the subject? One answer for tables, source text and everything else."""

import io
import re
from dataclasses import dataclass, field
from typing import Any

from pipelines.base.errors import SignalboxError
from pipelines.base.params.data import CsvSource, DataParams
from pipelines.base.tables import SUBJECT
from pipelines.mlops.columns import as_label
from pipelines.mlops.ingest import name_rows, typed
from pipelines.mlops.privacy.packing import unpack
from pipelines.mlops.privacy.source import without_pins
from pipelines.mlops.privacy.subject import Subject
from pipelines.mlops.sources import read_source

TABLE, LINES, KEY = "table", "lines", "key"
"""How the subject was found: by a column, by its source lines, by its key as a word."""

DISTINCT = 6
"""A key of fewer characters stands in too many texts by chance to be searched as a word."""


@dataclass(frozen=True)
class Hit:
    """The subject is in a file: how it was seen, in how many rows (0 = not rows)."""

    kind: str
    rows: int


@dataclass
class Probe:
    """Looks for one subject.

    Attributes
    ----------
    data
        Section ``data`` that says how source text is read and which column names a subject.
    lines
        Lines of the subject, as they stood in the source.
    """

    subject: Subject
    data: DataParams
    lines: set[str] = field(default_factory=set, repr=False)

    def look(self, content: bytes) -> Hit | None:
        """Find the subject in a file's content; None if it isn't there."""
        content = unpack(content)
        if content.startswith(b"PAR1"):
            rows = self._in_parquet(content)
            return Hit(TABLE, rows) if rows else None
        rows = self._in_lines(content) or self._in_source(content)
        if rows:
            return Hit(LINES, rows)
        return Hit(KEY, 0) if self._as_word(content) else None

    def mask(self, column: Any) -> Any:
        """Which values of a column are the subject's key."""
        return column.map(as_label, na_action="ignore").astype("str") == self.subject.id

    def key_column(self, names: list[str]) -> str | None:
        """Column of a table that names subjects, if it has one."""
        if SUBJECT in names:
            return SUBJECT
        return self.data.subject_key if self.data.subject_key in names else None

    def _in_parquet(self, content: bytes) -> int:
        from pyarrow import ArrowException, BufferReader, parquet

        try:
            file = parquet.ParquetFile(BufferReader(content))
        except (ArrowException, OSError):
            return 0
        names = list(file.schema_arrow.names)
        column = self.key_column(names)
        if column is not None:
            values = file.read(columns=[column]).column(0).to_pandas()
            return int(self.mask(values).sum())
        return self._named(file.read().to_pandas())

    def _named(self, frame: Any) -> int:
        """Rows of a table without a subject column: named as ``ingest`` would name them."""
        try:
            return int((name_rows(typed(frame, self.data), self.data)[SUBJECT]
                        == self.subject.id).sum())  # fmt: skip
        except SignalboxError:
            return 0

    def _in_lines(self, content: bytes) -> int:
        if not self.lines:
            return 0
        text = content.decode(getattr(self.data.source, "encoding", "utf-8"), errors="replace")
        return sum(line.strip() in self.lines for line in text.splitlines())

    def _in_source(self, content: bytes) -> int:
        """Rows of a text that parses as the source does (another version of a source file)."""
        source = self.data.source
        if not isinstance(source, CsvSource) or not _looks_like(content, source, self.data):
            return 0
        import fsspec

        memory, path = fsspec.filesystem("memory"), "/signalbox-erasure/object"
        memory.pipe_file(path, content)
        try:
            frame, _ = read_source(without_pins(self.data, [f"memory:/{path}"]))
            return self._named(frame)
        except SignalboxError:
            return 0
        finally:
            memory.rm_file(path)

    def _as_word(self, content: bytes) -> bool:
        key = self.subject.id.encode()
        if len(self.subject.id) < DISTINCT or key not in content:
            return False
        pattern = rb"(?<![A-Za-z0-9_])" + re.escape(key) + rb"(?![A-Za-z0-9_])"
        return re.search(pattern, content) is not None


def _looks_like(content: bytes, source: CsvSource, data: DataParams) -> bool:
    """Whether the first lines have the source's columns: parsing everything would be slow."""
    head = io.BytesIO(content[:65536]).read().decode(source.encoding, errors="replace")
    lines = [
        line
        for line in head.splitlines()
        if line.strip() and not (source.comment and line.startswith(source.comment))
    ]
    if not lines:
        return False
    if source.columns:
        return any(line.count(source.delimiter) == len(source.columns) - 1 for line in lines[:3])
    return data.target in [name.strip(" " + source.quote)
                           for name in lines[0].split(source.delimiter)]  # fmt: skip
