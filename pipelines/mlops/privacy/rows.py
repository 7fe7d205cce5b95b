"""A subject's rows in a table, Parquet or text: found by its key as written, nothing else.

Tables of versions that typed keys, and tables of others, hold numbers: 1 may have been "1" or
"00001", 1234567890123456768.0 any of some hundred people. Whose row it is, only the keys in the
source can tell, and only if no two of them are the same number.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pipelines.core.errors import SignalboxError
from pipelines.core.params import CsvSource, DataParams
from pipelines.core.tables import SUBJECT
from pipelines.mlops.data.columns import as_label
from pipelines.mlops.data.keys import key_columns, key_texts
from pipelines.mlops.data.sources import parse_csv
from pipelines.mlops.data.table import name_rows, typed

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_DIGITS = 40
"""No integer column holds numbers of more digits."""


@dataclass(frozen=True)
class Number:
    """Numbers that a key may have become.

    Attributes
    ----------
    near : float
        As float64; several keys may share it.
    exact : str
        Digits of the whole number it is; empty if it is none that an integer column holds.
    """

    near: float
    exact: str


def number_of(key: str, decimal: str) -> Number | None:
    """Read the number that `key` looks like; None if it looks like none.

    Parameters
    ----------
    key : str
        The key as written.
    decimal : str
        Decimal mark of numbers in the source.

    Returns
    -------
    Number or None
    """
    text = key.strip().replace(decimal, ".")
    if not _NUMBER.fullmatch(text):
        return None
    near = float(text)
    if abs(near) == float("inf"):
        return None
    try:
        value = Decimal(text)
        whole = value.adjusted() < _DIGITS and value == value.to_integral_value()
    except ArithmeticError:
        whole = False
    return Number(near, str(int(value)) if whole else "")


@dataclass
class Written:
    """Keys that stand in the source, and which of them are like the subject's.

    Attributes
    ----------
    subject : str
        The subject's key.
    decimal : str
        Decimal mark of numbers in the source.
    keys : set of str
        All keys that are known to be written somewhere.
    alike : set of str
        Other keys that are told apart only by what a person overlooks.
    around : set of str
        Other keys that the subject's key is a part of.
    """

    subject: str = field(repr=False)
    decimal: str = "."
    keys: set[str] = field(default_factory=set, repr=False)
    alike: set[str] = field(default_factory=set, repr=False)
    """Other keys that are told apart only by what a person overlooks."""
    around: set[str] = field(default_factory=set, repr=False)
    """Other keys that the subject's key is a part of."""

    def __post_init__(self) -> None:
        """Say what the subject's key looks like once."""
        self.number = number_of(self.subject, self.decimal)
        self._folded = _fold(self.subject)

    def add(self, keys: Iterable[str]) -> None:
        """Add keys that are written somewhere.

        Parameters
        ----------
        keys : iterable of str
            Keys as written.
        """
        for key in set(keys) - self.keys:
            self.keys.add(key)
            if key == self.subject:
                continue
            if self.subject in key:
                self.around.add(key)
            if _fold(key) == self._folded or self._near(key):
                self.alike.add(key)

    def _near(self, key: str) -> bool:
        if self.number is None:
            return False
        number = number_of(key, self.decimal)
        return number is not None and number.near == self.number.near

    def claimants(self, *, exact: bool) -> set[str]:
        """Return the keys that a row with the subject's number may belong to.

        Parameters
        ----------
        exact : bool
            The number stands in a column of integers, not of floats.

        Returns
        -------
        set of str
            Empty where the subject's key is no such number.
        """
        if self.number is None:
            return set()
        text = self.number.exact if exact else as_label(self.number.near)
        if not text:
            return set()
        found = {key for key in self.alike if self._is(key, exact=exact)}
        if not self.keys:
            return {self.subject, text}
        if self.subject in self.keys or self.subject == text:
            found.add(self.subject)
        return found

    def _is(self, key: str, *, exact: bool) -> bool:
        number = number_of(key, self.decimal)
        if number is None or self.number is None:
            return False
        return number.exact == self.number.exact if exact else number.near == self.number.near

    def former(self) -> set[str]:
        """Return other texts under which versions that typed keys may have kept the subject.

        Returns
        -------
        set of str
        """
        texts = {self.subject.strip()}
        if self.number is not None:
            texts |= {self.number.exact, as_label(self.number.near)}
        return {text for text in texts - self.keys - {self.subject} if text}


def _fold(key: str) -> str:
    """`key` without what a reader overlooks: blanks around, case, forms of the same letter."""
    return unicodedata.normalize("NFKC", key).strip().casefold()


HEAD = 65536
"""Bytes that say whether a text is a table: parsing everything would be slow."""


@dataclass(frozen=True)
class Rows:
    """Rows of the subject in a table.

    Attributes
    ----------
    mask : ndarray of bool, shape (n,)
        True for the rows that are the subject's.
    written : frozenset of str
        Keys under which these rows may have been written: more than the subject's own where the
        table can't tell people apart.
    former : bool
        Other rows have a text that an earlier version may have made of the subject's key.
    """

    mask: "NDArray[np.bool_]"
    written: frozenset[str] = field(repr=False)
    former: bool = False

    @property
    def count(self) -> int:
        """Number of rows."""
        return int(self.mask.sum())

    @property
    def is_alone(self) -> bool:
        """Whether the table has rows of nobody else."""
        return bool(self.mask.all())


@dataclass(frozen=True)
class TextTable:
    """A text that is a table: how it is written, and the subject's rows.

    Attributes
    ----------
    source : CsvSource
        How the text is written.
    rows : Rows
        The subject's rows.
    sure : bool
        The table names its subjects: where no row is the subject's, the subject isn't in it.
    """

    source: CsvSource
    rows: Rows
    sure: bool


def in_parquet(table: Any, data: DataParams, written: Written) -> Rows | None:
    """Find the rows of the subject in an Arrow table.

    Parameters
    ----------
    table : pyarrow.Table
        The table.
    data : DataParams
        Section ``data`` that says which column names a subject.
    written : Written
        Keys that stand in the source.

    Returns
    -------
    Rows or None
        None if the table doesn't say whose rows they are.
    """
    names = list(table.column_names)
    found = {name: table.column(name) for name in key_columns(data) if name in names}
    if found:
        return _in_columns(found, written)
    if data.subject_key is not None:
        return None
    return by_content(table.to_pandas(), data, written)


def by_content(frame: "pd.DataFrame", data: DataParams, written: Written) -> Rows | None:
    """Find the rows in a table without a column of keys: named as ``ingest`` would name them.

    Parameters
    ----------
    frame : pandas.DataFrame
        The table.
    data : DataParams
        Section ``data`` that says which columns name a subject.
    written : Written
        Keys that stand in the source.

    Returns
    -------
    Rows or None
        None if the table isn't like the source.
    """
    try:
        named = name_rows(typed(frame, data), data)[SUBJECT]
    except SignalboxError:
        return None
    return Rows((named == written.subject).to_numpy(dtype=bool), frozenset({written.subject}))


def _in_columns(found: dict[str, Any], written: Written) -> Rows:
    """Rows by the columns that name subjects: ours, the source's own, or both."""
    import pyarrow as pa

    texts, numbers = {}, {}
    for name, column in found.items():
        kind = column.type
        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            numbers[name] = column
        else:
            texts[name] = _texts(column)
    if numbers and set(texts) <= {SUBJECT} and _only_numbers(texts.get(SUBJECT), numbers):
        return _by_number(numbers, written)
    return _by_text(texts, written)


def _texts(column: Any) -> "pd.Series[str]":
    try:
        return key_texts(column, "", "")
    except SignalboxError:  # dates, truth values: nobody's key, but the text may be asked for
        return _labels(column)


def _labels(column: Any) -> "pd.Series[str]":
    """Texts that versions made which typed keys."""
    import pandas as pd

    return (
        pd.Series(column.to_pylist(), dtype=object).map(as_label, na_action="ignore").astype("str")
    )


def _only_numbers(subject: "pd.Series[str] | None", numbers: dict[str, Any]) -> bool:
    """Whether the column of subjects, if there is one, was made from the numbers beside it."""
    if subject is None:
        return True
    (column,) = numbers.values()
    made = _labels(column)
    return bool((made.fillna("") == subject.fillna("")).all())


def _by_text(texts: "dict[str, pd.Series[str]]", written: Written) -> Rows:
    import numpy as np

    # Shape (n,): one column that names the subject is enough.
    columns = list(texts.values())
    mask = np.zeros(len(columns[0]), dtype=bool)
    for column in columns:
        mask |= (column == written.subject).to_numpy(dtype=bool)
    named = {str(key) for column in columns for key in column[mask].dropna()}
    former = written.former()
    older = any(column[~mask].isin(former).any() for column in columns) if former else False
    return Rows(mask, frozenset(named), bool(older))


def _by_number(numbers: dict[str, Any], written: Written) -> Rows:
    """Rows whose key is the subject's number, if they may be the subject's."""
    import numpy as np
    import pyarrow as pa

    mask = np.zeros(len(next(iter(numbers.values()))), dtype=bool)
    people: set[str] = set()
    for column in numbers.values():
        exact = pa.types.is_integer(column.type)
        claimants = written.claimants(exact=exact)
        if written.number is None or written.subject not in claimants:
            continue
        if exact:
            # Digits and not floats: two keys above 2^53 would be the same float64.
            same = (key_texts(column, "", "") == written.number.exact).to_numpy(dtype=bool)
        else:
            same = (column.to_pandas() == written.number.near).to_numpy(dtype=bool)
        if same.any():
            mask |= same
            people |= claimants
    return Rows(mask, frozenset(people))


def in_text(content: bytes, data: DataParams, written: Written) -> TextTable | None:
    """Find the rows of the subject in a text.

    Parameters
    ----------
    content : bytes
        The text's bytes, unpacked.
    data : DataParams
        Section ``data`` that says how source text is read.
    written : Written
        Keys that stand in the source.

    Returns
    -------
    TextTable or None
        None if it is no table that says whose rows they are.
    """
    source, named = _dialect(content, data)
    if source is None:
        return None
    try:
        frame = parse_csv(source, data, "text", content)
    except SignalboxError:
        return None
    columns = {name: frame[name] for name in key_columns(data) if name in frame.columns}
    if columns:
        rows = _by_text(columns, written)
        sure = named or any(column.isin(written.keys).any() for column in columns.values())
        return TextTable(source, rows, sure=sure)
    found = by_content(frame, data, written) if data.subject_key is None else None
    return TextTable(source, found, sure=False) if found is not None else None


def _dialect(content: bytes, data: DataParams) -> tuple[CsvSource | None, bool]:
    """How a text may be written as a table, and whether its first line names the subject's column.

    Either it has a column of keys in its first line, or it looks like the source.
    """
    own = data.source if isinstance(data.source, CsvSource) else None
    plain = CsvSource(kind="csv", paths=["-"], watch="-")
    base = own.model_copy(update={"columns": [], "comment": None}) if own else plain
    lines = [line for line in _head(content, base.encoding) if line.strip()]
    data_lines = [line for line in lines if not (own and own.comment)
                  or not line.startswith(own.comment)]  # fmt: skip
    if not data_lines:
        return None, False
    if own and not own.columns and data.target in _names(data_lines[0], own):
        return own, data.subject_key in _names(data_lines[0], own)
    for delimiter in dict.fromkeys((base.delimiter, ",")):
        dialect = base.model_copy(update={"delimiter": delimiter})
        if {SUBJECT, data.subject_key} & set(_names(lines[0], dialect)):
            return dialect, True
    if own and own.columns:
        fields = len(own.columns) - 1
        if any(line.count(own.delimiter) == fields for line in data_lines[:3]):
            return own, False
    return None, False


def _head(content: bytes, encoding: str) -> list[str]:
    try:
        text = content[:HEAD].decode(encoding, errors="replace")
    except LookupError:
        return []
    return text.removeprefix("\ufeff").splitlines()


def _names(line: str, source: CsvSource) -> list[str]:
    try:
        cells = next(csv.reader(io.StringIO(line), delimiter=source.delimiter,
                                quotechar=source.quote))  # fmt: skip
    except (csv.Error, StopIteration):
        return []
    return [cell.strip(" " + source.quote) for cell in cells]
