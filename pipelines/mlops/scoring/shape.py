"""Rows to score in the form the release's training data have."""

from typing import TYPE_CHECKING, Any, Literal

from pipelines.base.errors import SignalboxError
from pipelines.base.params.data import DataParams
from pipelines.base.tables import RESERVED, ROW, SUBJECT
from pipelines.mlops.ingest import name_rows, typed
from pipelines.mlops.keys import key_texts
from pipelines.mlops.modeling.info import ModelInfo, NumericInput

if TYPE_CHECKING:
    import pandas as pd

Type = Literal["numeric", "categorical"]


def shape(
    frame: "pd.DataFrame", data: DataParams, info: ModelInfo, *, first_row: int
) -> "pd.DataFrame":
    """Type a chunk and name its rows, as ``ingest`` does; labels aren't needed.

    A number that cannot be read becomes missing and is named in the column ``unreadable``.
    A sensitive feature that the table lacks becomes empty: its rows count as unknown group.
    A column ``subject_id``, if the table has one, names the subjects.

    Raises
    ------
    SignalboxError
        If the table lacks a column that the model was trained on, or the subject's key.
    """
    missing = [name for name in info.names() if name not in frame.columns]
    if missing:
        raise SignalboxError(
            f"the table lacks columns that the model was trained on: {', '.join(missing)}; add "
            "them (empty values are allowed)"
        )
    subjects = frame[SUBJECT] if SUBJECT in frame.columns else None
    plain = frame.drop(columns=[name for name in RESERVED if name in frame.columns])
    for name in (data.target, *data.sensitive):
        if name not in plain.columns:
            plain[name] = _empty(frame)
    present = _present(data, list(plain.columns), info)
    plain = plain.reset_index(drop=True)
    if subjects is None:
        named = name_rows(typed(plain, present), present)
    else:
        # A key of the source that stands beside it is no number either.
        own = data.subject_key if data.subject_key in plain.columns else None
        named = typed(plain, present.model_copy(update={"subject_key": own}))
        named[SUBJECT] = key_texts(subjects, SUBJECT, "--input").reset_index(drop=True)
    named[ROW] = range(first_row, first_row + len(named))
    return named


def _present(data: DataParams, columns: list[str], info: ModelInfo) -> DataParams:
    """Section ``data`` for a table that has only what scoring needs."""
    types: dict[str, Type] = {name: kind for name, kind in data.types.items() if name in columns}
    for name, sensitive in data.sensitive.items():
        types[name] = "numeric" if sensitive.bins else types.get(name, "categorical")
    for column in info.inputs:
        types[column.name] = "numeric" if isinstance(column, NumericInput) else "categorical"
    return data.model_copy(
        update={
            "types": types,
            "ignore": [name for name in data.ignore if name in columns],
            "replace": {k: v for k, v in data.replace.items() if k in columns},
        }
    )


def _empty(frame: "pd.DataFrame") -> "pd.Series[Any]":
    import pandas as pd

    return pd.Series(None, index=frame.index, dtype="str")
