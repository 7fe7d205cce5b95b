"""From a source's rows to one typed table in which every subject has a name."""

import difflib
import hashlib
from typing import TYPE_CHECKING, Any

from pipelines.core.errors import SignalboxError
from pipelines.core.params import DataParams
from pipelines.core.tables import RESERVED, ROW, SUBJECT, UNREADABLE
from pipelines.mlops.data.columns import as_label, is_numeric
from pipelines.mlops.data.keys import key_texts

if TYPE_CHECKING:
    import pandas as pd


NUMERIC_SHARE = 0.95
"""A text column is numeric if at least this share of its values are numbers; the rest is broken."""


MAX_NUMERIC_GROUPS = 20
"""A sensitive numeric column with more values than this needs bins."""


def typed(frame: "pd.DataFrame", data: DataParams) -> "pd.DataFrame":
    """Give every column its type: numbers where they are numbers, text elsewhere.

    The subject's key has none: it stays text as written.

    Parameters
    ----------
    frame
        Table as the source delivered it, shape (n, k).
    data
        Section ``data``.

    Returns
    -------
    DataFrame
        Shape (n, k + 1): int64, float64 or text columns, and the column `UNREADABLE`.

    Raises
    ------
    SignalboxError
        If params name a column that the table doesn't have, or the table uses a reserved name.
    """
    _check_columns(frame, data)
    notes: dict[int, list[str]] = {}
    columns = {}
    for name in frame.columns:
        if name == data.subject_key:
            columns[name] = key_texts(frame[name], name, "data.subject_key")
            continue
        values = _replaced(frame[name], data.replace.get(name, {}))
        columns[name] = _typed_column(values, name, data, notes)
    import pandas as pd

    unreadable = pd.Series(None, dtype="str", index=frame.index)
    for row, note in notes.items():
        unreadable.iloc[row] = ", ".join(note)
    columns[UNREADABLE] = unreadable
    result = pd.DataFrame(columns)
    _check_bins(result, data)
    return result


def name_rows(frame: "pd.DataFrame", data: DataParams) -> "pd.DataFrame":
    """Add `SUBJECT` and `ROW`.

    Without ``data.subject_key`` a subject is named by a hash of its row's content, so that equal
    rows are one subject and can't stand on both sides of a split. With one, a row whose key is
    empty has no subject; ``validate`` puts it into quarantine.
    """
    if data.subject_key is not None:
        subject = key_texts(frame[data.subject_key], data.subject_key, "data.subject_key")
    else:
        subject = _content_keys(frame.drop(columns=[UNREADABLE]))
    named = frame.copy(deep=False)
    named[SUBJECT] = subject
    named[ROW] = range(len(frame))
    return named


def _check_columns(frame: "pd.DataFrame", data: DataParams) -> None:
    """Every column that params name must be there, under a name that isn't ours."""
    have = [str(name) for name in frame.columns]
    taken = sorted(set(have) & set(RESERVED))
    if taken:
        raise SignalboxError(f"columns {taken} are names Signalbox uses itself; rename them")
    wanted = {
        "data.target": [data.target],
        "data.subject_key": [data.subject_key] if data.subject_key is not None else [],
        "data.sensitive": list(data.sensitive),
        "data.ignore": data.ignore,
        "data.after_outcome": data.after_outcome,
        "data.types": list(data.types),
        "data.replace": list(data.replace),
    }
    for key, names in wanted.items():
        for name in names:
            if name not in have:
                near = difflib.get_close_matches(name, have, n=1)
                hint = f"did you mean {near[0]!r}? " if near else ""
                raise SignalboxError(
                    f"{key}: the table has no column {name!r}; {hint}It has: {', '.join(have)}"
                )


def _check_bins(frame: "pd.DataFrame", data: DataParams) -> None:
    """Check that sensitive features make groups: a number with many values needs bins."""
    for name, sensitive in data.sensitive.items():
        distinct = frame[name].nunique()
        if is_numeric(frame, name) and not sensitive.bins and distinct > MAX_NUMERIC_GROUPS:
            raise SignalboxError(
                f"data.sensitive.{name}: is numeric with {distinct} values; give bins, the inner "
                "edges of its groups, for example bins: [25, 45, 65]"
            )
        if sensitive.bins and not is_numeric(frame, name):
            raise SignalboxError(
                f"data.sensitive.{name}: has bins, but the column is text; remove bins, or set "
                f"data.types.{name} to numeric"
            )


def _replaced(column: "pd.Series[Any]", replace: dict[str, str]) -> "pd.Series[Any]":
    if not replace:
        return column
    return column.map(lambda value: replace.get(as_label(value), value), na_action="ignore")


def _typed_column(
    column: "pd.Series[Any]", name: str, data: DataParams, notes: dict[int, list[str]]
) -> "pd.Series[Any]":
    import pandas as pd
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if name == data.target or data.types.get(name) == "categorical" or is_bool_dtype(column):
        return _as_text(column)
    if is_numeric_dtype(column):
        return _as_number(column)
    text = _as_text(column)
    decimal = getattr(data.source, "decimal", ".")
    plain = text if decimal == "." else text.str.replace(decimal, ".", regex=False)
    numbers = pd.to_numeric(plain, errors="coerce")
    # "inf" and "nan" parse as numbers, but no measurement says so: they are broken values.
    numbers = numbers.where(numbers.abs() != float("inf"))
    broken = text.notna() & numbers.isna()
    if data.types.get(name) != "numeric" and (
        text.isna().all() or broken.sum() > (1 - NUMERIC_SHARE) * text.notna().sum()
    ):
        return text
    for row in broken.to_numpy().nonzero()[0]:
        notes.setdefault(int(row), []).append(f"{name} is not a number: {text.iloc[row]!r}")
    return _as_number(numbers)


def _as_text(column: "pd.Series[Any]") -> "pd.Series[Any]":
    if column.dtype == "str":
        return column
    return column.map(as_label, na_action="ignore").astype("str")


def _as_number(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """int64 where every value is a whole number, float64 elsewhere."""
    numbers = column.astype("float64")
    whole = numbers.notna().all() and (numbers == numbers.round()).all()
    return numbers.astype("int64") if whole and (numbers.abs() < 2**53).all() else numbers


def _content_keys(frame: "pd.DataFrame") -> "pd.Series[Any]":
    """64-bit BLAKE2b of each row's values, as 16 hex digits."""
    import pandas as pd

    columns = [_as_text(frame[name]).fillna("\0") for name in frame.columns]
    keys = [
        hashlib.blake2b("\x1f".join(row).encode(), digest_size=8).hexdigest()
        for row in zip(*columns, strict=True)
    ]
    return pd.Series(keys, dtype="str", index=frame.index)
