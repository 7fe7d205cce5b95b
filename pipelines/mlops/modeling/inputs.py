"""What a model sees: choose the columns, describe them, and bring a table into their form."""

from typing import TYPE_CHECKING, cast

from pydantic import BaseModel, ConfigDict

from pipelines.core.errors import SignalboxError
from pipelines.core.params import DataParams, TrainParams
from pipelines.core.tables import RESERVED
from pipelines.mlops.data.cells import rows_needed, subjects_of
from pipelines.mlops.data.columns import as_label, is_numeric, model_inputs
from pipelines.mlops.modeling.info import CategoricalInput, Input, NumericInput

if TYPE_CHECKING:
    import pandas as pd


class LeftOut(BaseModel):
    """A column the model doesn't see, and why.

    Attributes
    ----------
    name, reason : str
        Column, and the reason.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    reason: str


def choose_inputs(
    frame: "pd.DataFrame", data: DataParams, train: TrainParams
) -> tuple[list[Input], list[LeftOut]]:
    """Describe the columns of the training data that the model sees, and those it doesn't.

    Parameters
    ----------
    frame : pandas.DataFrame
        Training data; at least one row.
    data : DataParams
        Names the target, the keys, the ignored and the sensitive columns.
    train : TrainParams
        Says whether sensitive features are inputs, and which text values are frequent enough.

    Returns
    -------
    inputs : list of Input
    left_out : list of LeftOut
        Both in the order of the table.

    Raises
    ------
    SignalboxError
        If no column is left, or a number is infinite.
    """
    allowed = model_inputs(frame, data, use_sensitive=train.use_sensitive)
    inputs: list[Input] = []
    left_out: list[LeftOut] = []
    least = rows_needed(subjects_of(frame), data)
    for name in (str(column) for column in frame.columns):
        reason = _reason(frame, name, data, train) if name not in allowed else _no_use(frame, name)
        if reason:
            left_out.append(LeftOut(name=name, reason=reason))
        elif is_numeric(frame, name):
            inputs.append(_numeric(frame, name, least))
        else:
            inputs.append(_categorical(frame, name, train, least))
    if not inputs:
        raise SignalboxError(
            "train: no column is left for the model to see; look at data.ignore, data.sensitive "
            "and train.use_sensitive"
        )
    return inputs, left_out


def _reason(frame: "pd.DataFrame", name: str, data: DataParams, train: TrainParams) -> str:
    """Why `name` is not allowed as an input."""
    if name == data.target:
        return "the target"
    if name in RESERVED or name == data.subject_key:
        return "identifies the row or the subject"
    if name in data.ignore:
        return "listed in data.ignore"
    if name in data.after_outcome:
        return "made after the outcome (data.after_outcome)"
    if name in data.sensitive and not train.use_sensitive:
        return "sensitive feature, and train.use_sensitive is false"
    return "no value in the training data"


def _no_use(frame: "pd.DataFrame", name: str) -> str:
    """Why an allowed column still teaches nothing; empty if it may."""
    if frame[name].nunique(dropna=False) == 1:
        return "the same value in every row of the training data"
    return ""


def _numeric(frame: "pd.DataFrame", name: str, least: int) -> NumericInput:
    """Describe a number; its ends leave out the extremes of fewer than `least` rows."""
    import numpy as np

    values = _as_numbers(frame, name)
    ranked = np.sort(values.dropna().to_numpy(dtype="float64"))
    beyond = min(max(least, 1), len(ranked))
    return NumericInput(
        name=name,
        low=float(ranked[beyond - 1]),
        high=float(ranked[-beyond]),
        missing_share=float(values.isna().mean()),
    )


def _categorical(
    frame: "pd.DataFrame", name: str, train: TrainParams, least: int
) -> CategoricalInput:
    """Describe a text column; only its frequent values, of `least` rows or more, are known.

    Ties in frequency at the limit are broken by the value's text.
    """
    texts = _as_texts(frame, name).dropna()
    counts = texts.value_counts()
    by_frequency = sorted(counts.items(), key=lambda pair: (-pair[1], str(pair[0])))
    known = [
        str(value)
        for value, rows in by_frequency[: train.max_categories]
        if rows >= max(train.min_category_rows, least)
    ]
    return CategoricalInput(
        name=name,
        categories=sorted(known),
        other_values=len(counts) - len(known),
        other_share=float(1 - texts.isin(known).mean()),
        missing_share=float(1 - len(texts) / len(frame)),
    )


def prepare(frame: "pd.DataFrame", inputs: list[Input]) -> "pd.DataFrame":
    """Bring `frame` into the form the model's pipeline takes.

    Parameters
    ----------
    frame : pandas.DataFrame, n rows
        Columns beyond `inputs` are ignored. Numbers stored as text and texts stored as numbers are
        converted.
    inputs : list of Input
        Columns that the model sees, in its order.

    Returns
    -------
    pandas.DataFrame, n rows
        Numeric columns as float64, the others as object; missing values are NaN in both. The
        index is that of `frame`.

    Raises
    ------
    SignalboxError
        If a column is missing, cannot be read as its type, or holds an infinite number.
    """
    import pandas as pd

    missing = [column.name for column in inputs if column.name not in frame.columns]
    if missing:
        raise SignalboxError(
            f"the table lacks {_columns(missing)} that the model was trained on; "
            "add them (empty values are allowed) or train anew"
        )
    return pd.DataFrame(
        {
            column.name: _as_numbers(frame, column.name)
            if isinstance(column, NumericInput)
            else _as_texts(frame, column.name)
            for column in inputs
        },
        index=frame.index,
    )


def _as_numbers(frame: "pd.DataFrame", name: str) -> "pd.Series[float]":
    import numpy as np
    import pandas as pd

    numbers = pd.to_numeric(frame[name], errors="coerce").astype("float64")
    lost = numbers.isna() & frame[name].notna()
    if lost.any():
        example = frame[name][lost].iloc[0]
        raise SignalboxError(
            f"column '{name}': {example!r} is not a number, and the model was trained on numbers; "
            f"{int(lost.sum())} such rows; correct them or list the text in data.missing_marks"
        )
    infinite = int(np.isinf(numbers.to_numpy()).sum())
    if infinite:
        raise SignalboxError(
            f"column '{name}': {infinite} infinite values; replace them by numbers or leave empty"
        )
    return numbers


def _as_texts(frame: "pd.DataFrame", name: str) -> "pd.Series[str]":
    """Texts as objects with NaN where missing (scikit-learn's imputer knows NaN, not None)."""
    column = frame[name]
    if is_numeric(frame, name):
        column = column.astype(object).map(as_label, na_action="ignore")
    column = column.astype(object)
    return cast("pd.Series[str]", column.where(column.notna(), float("nan")))


def _columns(names: list[str]) -> str:
    quoted = ", ".join(f"'{name}'" for name in names)
    return f"column {quoted}" if len(names) == 1 else f"columns {quoted}"
