"""From a source's rows to one typed table in which every subject has a name."""

import difflib
import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pipelines.core.errors import SignalboxError
from pipelines.core.params import DataParams
from pipelines.core.tables import RESERVED, ROW, SUBJECT, UNREADABLE
from pipelines.mlops.data.columns import as_label, is_numeric
from pipelines.mlops.data.keys import key_texts
from pipelines.mlops.data.types import Findings, as_text, cleaned, typed_column

if TYPE_CHECKING:
    import pandas as pd


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
        If params name a column that the table doesn't have, the table uses a reserved name, or the
        type of columns has to be said; all such columns are named.
    """
    _check_columns(frame, data)
    found = Findings()
    columns = {}
    for name in frame.columns:
        if name == data.subject_key:
            columns[name] = key_texts(frame[name], name, "data.subject_key")
            continue
        values = _replaced(frame[name], name, data)
        columns[name] = typed_column(values, name, data, found)
    if found.problems:
        raise SignalboxError("; ".join(found.problems))
    import pandas as pd

    unreadable = pd.Series(None, dtype="str", index=frame.index)
    for row, note in found.notes.items():
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
        check_names(key, names, have)


def check_names(key: str, names: Iterable[str], have: list[str]) -> None:
    """Check that the columns a parameter names are there.

    Parameters
    ----------
    key : str
        The parameter, for the error.
    names : iterable of str
        What it names.
    have : list of str
        Columns of the table.

    Raises
    ------
    SignalboxError
        Naming the parameter, the column, and the one with the nearest name.
    """
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


def _replaced(column: "pd.Series[Any]", name: str, data: DataParams) -> "pd.Series[Any]":
    replace = data.replace.get(name, {})
    if not replace:
        return column
    return cleaned(column, data).map(
        lambda value: replace.get(as_label(value), value), na_action="ignore"
    )


def _content_keys(frame: "pd.DataFrame") -> "pd.Series[Any]":
    """64-bit BLAKE2b of each row's values, as 16 hex digits."""
    import pandas as pd

    columns = [as_text(frame[name]).fillna("\0") for name in frame.columns]
    keys = [
        hashlib.blake2b("\x1f".join(row).encode(), digest_size=8).hexdigest()
        for row in zip(*columns, strict=True)
    ]
    return pd.Series(keys, dtype="str", index=frame.index)
