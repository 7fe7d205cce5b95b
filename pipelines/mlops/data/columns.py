"""What the columns of the table mean: labels, model inputs, sensitive features."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.core.errors import SignalboxError
from pipelines.core.params import DataParams
from pipelines.core.tables import RESERVED

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


LABELS = 2


def as_label(value: object) -> str:
    """Text of a label: ``1``, ``1.0`` and ``"1"`` are the same label."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def labels(frame: "pd.DataFrame", data: DataParams) -> "NDArray[np.int8]":
    """Labels of the rows, 1 where the target is the positive label.

    Parameters
    ----------
    frame
        Table of `n` rows whose target column is text and has no missing values.

    Returns
    -------
    ndarray of int8, shape (n,)
    """
    positive = frame[data.target] == as_label(data.positive)
    return positive.to_numpy().astype("int8")


def check_binary(frame: "pd.DataFrame", data: DataParams, where: str) -> None:
    """Check that the target has exactly two labels and that one is the positive one.

    Raises
    ------
    SignalboxError
        Naming `where`, the column and the labels found.
    """
    found = sorted(frame[data.target].dropna().unique())
    positive = as_label(data.positive)
    if len(found) != LABELS:
        shown = ", ".join(repr(label) for label in found[:6]) + (", …" if len(found) > 6 else "")
        raise SignalboxError(
            f"{where}: target '{data.target}' must have exactly two labels, found {len(found)}: "
            f"{shown or 'none'}; choose another data.target or merge labels with data.replace"
        )
    if positive not in found:
        raise SignalboxError(
            f"{where}: data.positive is {positive!r}, but target '{data.target}' holds "
            f"{found[0]!r} and {found[1]!r}; set data.positive to one of them"
        )


def check_favourable(frame: "pd.DataFrame", data: DataParams) -> None:
    """Check that ``data.favourable`` is said where decisions are audited, and is a label.

    Parameters
    ----------
    frame : pandas.DataFrame
        Table whose target has its two labels.
    data : DataParams
        Section ``data``.

    Raises
    ------
    SignalboxError
        Naming the key and the two labels.
    """
    found = sorted(frame[data.target].dropna().unique())
    shown = " or ".join(repr(label) for label in found)
    if data.favourable is None:
        if data.sensitive:
            raise SignalboxError(
                f"data.favourable is null, but data.sensitive names {', '.join(data.sensitive)}: "
                f"say which label of '{data.target}' is the good outcome for the person, {shown}; "
                "without it nobody can say which group is harmed"
            )
    elif as_label(data.favourable) not in found:
        raise SignalboxError(
            f"data.favourable is {as_label(data.favourable)!r}, but target '{data.target}' holds "
            f"{' and '.join(repr(label) for label in found)}; set it to one of them"
        )


def favourable_is_positive(data: DataParams) -> bool | None:
    """Return whether the positive label is the good outcome for the person.

    Parameters
    ----------
    data : DataParams
        Section ``data``.

    Returns
    -------
    bool or None
        None where nobody said which label is favourable.
    """
    if data.favourable is None:
        return None
    return as_label(data.favourable) == as_label(data.positive)


@dataclass(frozen=True)
class DecisionWords:
    """What the positive decision is called.

    Attributes
    ----------
    selects, selected, not_selected : str
        The model selects a person; the person is selected, or isn't.
    rate : str
        Share of people it is made for.
    most_favoured : str
        The group that fares best.
    """

    selects: str
    selected: str
    not_selected: str
    rate: str
    most_favoured: str


SELECTS = DecisionWords("selects", "selected", "not selected", "selection rate", "most selected")
FLAGS = DecisionWords("flags", "flagged", "not flagged", "flag rate", "least flagged")


def decision_words(data: DataParams) -> DecisionWords:
    """Return the words for the positive decision: a good one selects, a bad one flags.

    Parameters
    ----------
    data : DataParams
        Section ``data``.

    Returns
    -------
    DecisionWords
        `SELECTS` also where nobody said which label is favourable.
    """
    return FLAGS if favourable_is_positive(data) is False else SELECTS


def model_inputs(frame: "pd.DataFrame", data: DataParams, *, use_sensitive: bool) -> list[str]:
    """Names of the columns a model may see, in the order of the table.

    The target, ignored columns, those made after the outcome, the subject's key and Signalbox's own
    columns never are inputs; sensitive features are only if `use_sensitive`. Columns without any
    value are left out.
    """
    never = {data.target, *data.ignore, *data.after_outcome, *RESERVED}
    if data.subject_key is not None:
        never.add(data.subject_key)
    if not use_sensitive:
        never |= set(data.sensitive)
    return [name for name in frame.columns if name not in never and frame[name].notna().any()]


def is_numeric(frame: "pd.DataFrame", column: str) -> bool:
    """Whether ``ingest`` stored `column` as numbers (else it is text)."""
    from pandas.api.types import is_numeric_dtype

    return bool(is_numeric_dtype(frame[column]))


def checked_labels(
    frame: "pd.DataFrame", data: DataParams, known: set[str], where: str
) -> "NDArray[np.int8]":
    """Labels of the rows, 1 where the target is the positive label.

    Parameters
    ----------
    frame
        Table of `n` rows.
    known
        The two labels of the training data.
    where
        What the table is called in errors.

    Returns
    -------
    ndarray of int8, shape (n,)

    Raises
    ------
    SignalboxError
        If the target is missing, in part or as a column, or holds a label the model doesn't know.
    """
    if data.target not in frame.columns:
        raise SignalboxError(f"{where}: no column '{data.target}' (data.target)")
    empty = int(frame[data.target].isna().sum())
    if empty:
        raise SignalboxError(
            f"{where}: target '{data.target}' is missing in {empty} of {len(frame)} rows; "
            "take them out with a row rule in expectations/"
        )
    strange = sorted(set(frame[data.target].unique()) - known)
    if strange:
        raise SignalboxError(
            f"{where}: target '{data.target}' holds {strange[0]!r}, which the training data "
            f"doesn't ({', '.join(repr(label) for label in sorted(known))}); use data.replace"
        )
    return labels(frame, data)
