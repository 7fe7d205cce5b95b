"""Does a file hold the subject? One answer for tables, source text and everything else."""

import re
from dataclasses import dataclass, field
from typing import Any

from pipelines.core.params import DataParams
from pipelines.mlops.data import records
from pipelines.mlops.data.keys import key_columns
from pipelines.mlops.privacy.rows import Rows, TextTable, Written, in_parquet, in_text
from pipelines.mlops.privacy.source import unpack
from pipelines.mlops.privacy.subject import Subject

TABLE, LINES, KEY = "table", "lines", "key"
"""How the subject was found: in a table's column, in rows of text, by its key as a word."""

DISTINCT = 6
"""A key of fewer characters stands in too many texts by chance to be searched as a word."""

_WORD = rb"(?<![A-Za-z0-9_])%s(?![A-Za-z0-9_])"


@dataclass(frozen=True)
class Hit:
    """The subject is in a file: how it was seen, in how many rows (0 = not rows).

    Attributes
    ----------
    kind : str
        `TABLE`, `LINES` or `KEY`; of a folder in DVC's stores ``folder``.
    rows : int
        Rows of the subject; 0 = not rows.
    written : frozenset of str
        Keys that the rows may have been written under, if the file can tell.
    alone : bool
        The file holds nobody else: then its hash is the hash of a person.
    """

    kind: str
    rows: int
    written: frozenset[str] = field(default_factory=frozenset, repr=False)
    alone: bool = False


@dataclass
class Probe:
    """Looks for one subject.

    Attributes
    ----------
    subject : Subject
        Whom to look for.
    data : DataParams
        Section ``data`` that says how source text is read and which column names a subject.
    lines : set of str
        Lines of the subject, as they stood in the source.
    former : bool
        Whether the file looked at last has rows that an earlier version may have kept the subject
        under.
    written : Written
        Keys that stand in the source: they tell whose row a number is.
    """

    subject: Subject
    data: DataParams
    lines: set[str] = field(default_factory=set, repr=False)
    former: bool = False

    def __post_init__(self) -> None:
        """Start with no other key known."""
        decimal = getattr(self.data.source, "decimal", ".")
        self.written = Written(self.subject.id, decimal)

    def look(self, content: bytes) -> Hit | None:
        """Find the subject in a file's content; None if it isn't there.

        Parameters
        ----------
        content : bytes
            The file's bytes; packed ones are unpacked.

        Returns
        -------
        Hit or None
        """
        self.former = False
        content = unpack(content)
        if content.startswith(b"PAR1"):
            rows = self._in_parquet(content)
            self.former = rows is not None and rows.former
            return (
                Hit(TABLE, rows.count, rows.written, rows.is_alone) if rows and rows.count else None
            )
        table = self.text_table(content)
        if table is not None:
            self.former = table.rows.former
            if table.rows.count:
                return Hit(LINES, table.rows.count, table.rows.written, table.rows.is_alone)
            if table.sure:
                return None
        lines = self._in_lines(content)
        if lines:
            return Hit(LINES, lines)
        return Hit(KEY, 0) if self._as_word(content) else None

    def mask(self, column: Any) -> Any:
        """Mark the keys of a column that are the subject's.

        Parameters
        ----------
        column : pandas.Series of str, shape (n,)
            Keys as written.

        Returns
        -------
        pandas.Series of bool, shape (n,)
        """
        return column == self.subject.id

    def rows(self, table: Any) -> Rows | None:
        """Find the rows of the subject in an Arrow table.

        Parameters
        ----------
        table : pyarrow.Table
            The table.

        Returns
        -------
        Rows or None
            None if it doesn't say whose rows they are.
        """
        return in_parquet(table, self.data, self.written)

    def text_table(self, content: bytes) -> TextTable | None:
        """Find the rows of the subject in a text that is a table.

        Parameters
        ----------
        content : bytes
            The text's bytes, unpacked.

        Returns
        -------
        TextTable or None
            None in any other text.
        """
        return in_text(content, self.data, self.written)

    def _in_parquet(self, content: bytes) -> Rows | None:
        from pyarrow import ArrowException, BufferReader, parquet

        try:
            file = parquet.ParquetFile(BufferReader(content))
            names = [n for n in key_columns(self.data) if n in file.schema_arrow.names]
            table = file.read(columns=names) if names else file.read()
        except (ArrowException, OSError):
            return None
        return self.rows(table)

    def _in_lines(self, content: bytes) -> int:
        if not self.lines:
            return 0
        text = content.decode(getattr(self.data.source, "encoding", "utf-8"), errors="replace")
        return sum(line.strip("\r\n") in self.lines for line in records.lines(text))

    def _as_word(self, content: bytes) -> bool:
        """Whether the key stands in a text, other than as a part of another's key."""
        key = self.subject.id.encode()
        if len(self.subject.id) < DISTINCT or key not in content:
            return False
        others: dict[tuple[int, int], set[bytes]] = {}
        for other in (text.encode() for text in self.written.around):
            for found in re.finditer(b"(?=" + re.escape(key) + b")", other):
                others.setdefault((found.start(), len(other)), set()).add(other)
        return any(
            not any(
                _is_word(content, match.start() - before, length, texts)
                for (before, length), texts in others.items()
            )
            for match in re.finditer(_WORD % re.escape(key), content)
        )


def _is_word(content: bytes, start: int, length: int, texts: set[bytes]) -> bool:
    """Whether one of `texts`, all of one length, stands at a place as a word of its own."""
    text = content[start : start + length] if start >= 0 else b""
    return text in texts and bool(re.compile(_WORD % re.escape(text)).match(content, start))
