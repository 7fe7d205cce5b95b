"""The type of a column: numbers, texts, or something that has to be said.

Delimited text says nothing of types, so they are inferred from all values. Parquet and SQL do say
them, and what they call text stays text. Three things are never guessed, because a wrong guess is a
wrong number without a word: how ``2.243`` is meant where the decimal mark is ``,``; whether ``NA``
in a fifth of a column of numbers is a missing value; and what a model should make of dates, lists
and bytes.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipelines.core.params import CsvSource, DataParams
from pipelines.mlops.data.columns import as_label

if TYPE_CHECKING:
    import pandas as pd


NUMERIC_SHARE = 0.95
"""A text column is numeric if at least this share of its values are numbers; the rest is broken."""

MANY_NUMBERS = 0.5
"""A text column of which at least this share are numbers is worth a word."""

MAX_MARKS = 3
"""So few different texts, each on several rows, among numbers are marks of missing values."""

KNOWN_MARKS = frozenset(
    "na n/a n.a. #n/a null none nil nan - -- ? . missing unknown unk undefined".split()
)
"""Texts, in lower case, that mean "no value" in many programs."""

_DAY = 86_400
_SIGN = "[+-]?"
_EXPONENT = "(?:[eE][+-]?[0-9]+)?"
_GROUPING = ".,'’ \u00a0\u202f"
_DATE = (
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?\s?(?:Z|[+-]\d{2}(?::?\d{2})?)?)?"
)
"""Days and times of ISO 8601, and as databases print them."""


@dataclass
class Findings:
    """What was met while columns got their types.

    Attributes
    ----------
    notes : dict of int to list of str
        Position of a row → its values that aren't numbers, in words.
    problems : list of str
        Columns whose type the user has to say, in words.
    """

    notes: dict[int, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def typed_column(
    column: "pd.Series[Any]", name: str, data: DataParams, found: Findings
) -> "pd.Series[Any]":
    """Give a column its type.

    Parameters
    ----------
    column : pandas.Series, shape (n,)
        Values as the source delivered them.
    name : str
        Name of the column.
    data : DataParams
        Section ``data``.
    found : Findings
        Takes what is met.

    Returns
    -------
    pandas.Series, shape (n,)
        int64, float64 or text.
    """
    import pandas as pd

    wanted = data.types.get(name)
    kind = _kind(column)
    values = cleaned(_categories_out(column), data)
    if name == data.target or wanted == "categorical" or kind in ("boolean", "other"):
        if kind == "other" and name not in data.ignore:
            found.problems.append(
                f"column '{name}' holds {_examples_of(column)}, which no model reads: make plain "
                "columns of it in the source, or add it to data.ignore"
            )
        return as_text(values)
    if kind == "number":
        return as_number(pd.to_numeric(values.map(_plain_number, na_action="ignore")))
    if kind in ("date", "duration"):
        if wanted == "numeric":
            return as_number(_days(column) if kind == "date" else _seconds(column))
        _say_date(name, data, found, f"{kind}s")
        return as_text(values)
    text = as_text(values)
    if wanted != "numeric" and (kind == "text" and data.source.kind != "csv"):
        return text
    return _inferred(text, name, data, found)


def cleaned(column: "pd.Series[Any]", data: DataParams) -> "pd.Series[Any]":
    """Trim texts, and make missing what ``data.missing_marks`` names, whatever its type.

    Parameters
    ----------
    column : pandas.Series, shape (n,)
        Values as the source delivered them.
    data : DataParams
        Section ``data``.

    Returns
    -------
    pandas.Series, shape (n,)
    """
    marks = {"", *data.missing_marks}
    if column.dtype == "str":
        trimmed = column.str.strip()
        return trimmed.mask(trimmed.isin(marks))
    if column.dtype == "object":
        column = column.map(
            lambda value: value.strip() if isinstance(value, str) else value, na_action="ignore"
        )
        is_mark = column.map(lambda value: _is_scalar(value) and as_label(value) in marks)
        return column.mask(is_mark.astype(bool))
    if data.missing_marks:
        marked = column.map(as_label, na_action="ignore").isin(data.missing_marks)
        return column.mask(marked) if marked.any() else column
    return column


def notices(frame: "pd.DataFrame", names: Iterable[str], least: int = 0) -> list[str]:
    """Say which columns are text although many of their values are numbers.

    Parameters
    ----------
    frame : pandas.DataFrame
        The typed table.
    names : iterable of str
        Columns to look at.
    least : int, default 0
        Rows that a value needs to be named.

    Returns
    -------
    list of str
        Whole sentences.
    """
    import pandas as pd

    said = []
    for name in names:
        if frame[name].dtype != "str":
            continue
        present = frame[name].dropna()
        broken = pd.to_numeric(present, errors="coerce").isna()
        share = 1 - float(broken.mean()) if len(present) else 0.0
        if MANY_NUMBERS <= share < 1:
            counts = present[broken].value_counts()
            named = present[broken & present.isin(counts.index[counts >= least])]
            others = f"; others are {_some(named)}" if len(named) else ""
            said.append(
                f"column '{name}' is read as text, although {share:.0%} of its values are "
                f"numbers{others}. Say data.types.{name} if that is wrong."
            )
    return said


def as_text(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Texts of a column's values; missing stays missing."""
    if column.dtype == "str":
        return column
    return column.map(_label, na_action="ignore").astype("str")


def as_number(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """int64 where every value is a whole number below 2**53, float64 elsewhere."""
    numbers = column.astype("float64")
    whole = numbers.notna().all() and (numbers == numbers.round()).all()
    return numbers.astype("int64") if whole and (numbers.abs() < 2**53).all() else numbers


def _kind(column: "pd.Series[Any]") -> str:
    """What the source calls it: number, boolean, text, date, duration, mixed or other."""
    import pandas as pd
    from pandas.api.types import (
        infer_dtype,
        is_bool_dtype,
        is_datetime64_any_dtype,
        is_numeric_dtype,
        is_timedelta64_dtype,
    )

    if isinstance(column.dtype, pd.CategoricalDtype):
        return "boolean" if is_bool_dtype(column.cat.categories.dtype) else "text"
    if is_bool_dtype(column):
        return "boolean"
    if is_numeric_dtype(column):
        return "number"
    if is_datetime64_any_dtype(column):
        return "date"
    if is_timedelta64_dtype(column):
        return "duration"
    if column.dtype == "str":
        return "text"
    inferred = infer_dtype(column, skipna=True)
    by_name = {
        "string": "text", "empty": "text", "boolean": "boolean", "decimal": "number",
        "integer": "number", "floating": "number", "mixed-integer-float": "number",
        "date": "date", "datetime": "date", "datetime64": "date",
        "timedelta": "duration", "timedelta64": "duration",
    }  # fmt: skip
    if inferred in by_name:
        return by_name[inferred]
    return "mixed" if all(_is_scalar(value) for value in column.dropna()) else "other"


def _is_scalar(value: Any) -> bool:
    import uuid
    from decimal import Decimal
    from numbers import Number

    return isinstance(value, str | bool | Number | Decimal | uuid.UUID)


def _categories_out(column: "pd.Series[Any]") -> "pd.Series[Any]":
    import pandas as pd

    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.astype(column.cat.categories.dtype)
    return column


def _label(value: Any) -> str:
    import datetime

    if isinstance(value, datetime.date):  # a datetime, a Timestamp as well
        return str(value.isoformat())
    return as_label(value)


def _plain_number(value: Any) -> Any:
    """A Decimal as float; pandas leaves it an object otherwise."""
    from decimal import Decimal

    return float(value) if isinstance(value, Decimal) else value


def _days(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Days since 1970-01-01 UTC; a time without a zone is taken for UTC."""
    import pandas as pd

    times = pd.to_datetime(column, utc=True, errors="coerce", format="ISO8601")
    return (times - pd.Timestamp(0, tz="UTC")).dt.total_seconds() / _DAY


def _seconds(column: "pd.Series[Any]") -> "pd.Series[Any]":
    import pandas as pd

    return pd.to_timedelta(column).dt.total_seconds()


def _inferred(
    text: "pd.Series[Any]", name: str, data: DataParams, found: Findings
) -> "pd.Series[Any]":
    """Numbers if (nearly) all values are, or if params say so; else text."""
    wanted = data.types.get(name)
    numbers = _numbers(text, data)
    if wanted == "numeric":
        dates = numbers.isna() & text.str.fullmatch(_DATE).eq(True)
        if dates.any():
            numbers = numbers.where(~dates, _days(text.where(dates)))
    broken = text.notna() & numbers.isna()
    present = int(text.notna().sum())
    if wanted is None and present:
        if _is_unclear(text, broken, name, data, found):
            return text
        if broken.sum() > (1 - NUMERIC_SHARE) * present:
            return text
    if wanted is None and not present:
        return text
    for row in broken.to_numpy().nonzero()[0]:
        found.notes.setdefault(int(row), []).append(f"{name} is not a number: {text.iloc[row]!r}")
    return as_number(numbers)


def _numbers(text: "pd.Series[Any]", data: DataParams) -> "pd.Series[Any]":
    """Numbers as ``data.source`` writes them; missing where a text is none."""
    import pandas as pd

    decimal, thousands = _marks(data)
    plain = text
    if thousands is not None:
        pattern = f"{_SIGN}{_grouped(thousands)}(?:{re.escape(decimal)}[0-9]*)?{_EXPONENT}"
        grouped = plain.str.fullmatch(pattern).eq(True)
        # "1.5" with "." between thousands is no number: the mark stands in the wrong place.
        elsewhere = plain.str.contains(thousands, regex=False).eq(True) & ~grouped
        plain = plain.mask(elsewhere).where(
            ~grouped, plain.str.replace(thousands, "", regex=False)
        )
    if decimal != ".":
        plain = plain.mask(plain.str.contains(".", regex=False).eq(True))
        plain = plain.str.replace(decimal, ".", regex=False)
    numbers = pd.to_numeric(plain, errors="coerce")
    # "inf" and "nan" parse as numbers, but no measurement says so: they are broken values.
    return numbers.where(numbers.abs() != float("inf"))


def _marks(data: DataParams) -> tuple[str, str | None]:
    source = data.source
    return (source.decimal, source.thousands) if isinstance(source, CsvSource) else (".", None)


def _grouped(mark: str) -> str:
    return rf"[0-9]{{1,3}}(?:{re.escape(mark)}[0-9]{{3}})+"


def _foreign(decimal: str, thousands: str | None) -> str:
    """Regular expression of numbers as another country would write them."""
    spellings = []
    for other in ".,":
        for group in _GROUPING:
            if group != other and (other, group) != (decimal, thousands):
                whole = f"(?:[0-9]+|{_grouped(group)})"
                spellings.append(f"{whole}(?:{re.escape(other)}[0-9]+)?")
    return f"{_SIGN}(?:{'|'.join(spellings)}){_EXPONENT}"


def _is_unclear(
    text: "pd.Series[Any]",
    broken: "pd.Series[Any]",
    name: str,
    data: DataParams,
    found: Findings,
) -> bool:
    """Whether the column's type has to be said by the user; then `found` says so."""
    if name in data.ignore:
        return False
    present = text.notna()
    enough = NUMERIC_SHARE * int(present.sum())
    if text.str.fullmatch(_DATE).eq(True).sum() >= enough:
        return _say_date(name, data, found, "dates")
    others = text[broken]
    if others.empty:
        return False
    decimal, thousands = _marks(data)
    foreign = others.str.fullmatch(_foreign(decimal, thousands))
    if foreign.any() and int((present & ~broken).sum()) + int(foreign.sum()) >= enough:
        found.problems.append(
            f"column '{name}' holds {_some(others[foreign])}, which is no number where the decimal "
            f"mark is {decimal!r}{'' if thousands is None else f' and thousands have {thousands!r}'}"
            "; set data.source.decimal or data.source.thousands to the marks in use, or "
            f"data.types.{name} to categorical"
        )
        return True
    counts = others.value_counts()
    known = others.str.lower().isin(KNOWN_MARKS).all()
    marks = known or (len(counts) <= MAX_MARKS and int(counts.min()) > 1)
    share = len(others) / int(present.sum())
    if marks and 1 - NUMERIC_SHARE < share <= 1 - MANY_NUMBERS:
        found.problems.append(
            f"column '{name}' holds numbers, and {_some(others)} in {share:.0%} of its values; if "
            "that means no value, add it to data.missing_marks, else set "
            f"data.types.{name} to categorical"
        )
        return True
    return False


def _say_date(name: str, data: DataParams, found: Findings, what: str) -> bool:
    if name in data.ignore:
        return False
    unit = "days since 1970" if what == "dates" else "seconds"
    found.problems.append(
        f"column '{name}' holds {what}: add it to data.ignore, or set data.types.{name} to numeric "
        f"({unit}) or categorical"
    )
    return True


def _some(values: "pd.Series[Any]") -> str:
    counts = values.value_counts()
    ranked = sorted(counts.index, key=lambda value: (-int(counts[value]), value))
    more = ", …" if len(ranked) > MAX_MARKS else ""
    return ", ".join(repr(str(value)[:40]) for value in ranked[:MAX_MARKS]) + more


def _examples_of(column: "pd.Series[Any]") -> str:
    names = {"ndarray": "lists", "list": "lists", "tuple": "lists", "dict": "structs",
             "bytes": "bytes", "time": "times of day"}  # fmt: skip
    kinds = sorted({type(value).__name__ for value in column.dropna()})
    return " and ".join(dict.fromkeys(names.get(kind, f"values of type {kind}") for kind in kinds))
