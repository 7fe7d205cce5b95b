"""Labels that became known after the decision, joined to the predictions they belong to."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.base.errors import SignalboxError
from pipelines.base.params.data import CsvSource, DataParams
from pipelines.base.tables import ROW, SUBJECT
from pipelines.mlops.columns import as_label
from pipelines.mlops.keys import key_texts
from pipelines.mlops.modeling.info import ModelInfo
from pipelines.mlops.monitoring.window import BATCH, MATURE
from pipelines.mlops.scoring.chunks import Input

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

LABEL = "label"
KEYS = (SUBJECT, BATCH, ROW)
WHOLE = 1 << 30
"""Labels are read at once: they are one narrow table."""


@dataclass(frozen=True)
class Joined:
    """Predictions by what is known of them; the three parts add up to all.

    Attributes
    ----------
    matched
        Positions of the mature rows with a label, shape (m,).
    y
        Their labels, 1 = positive, shape (m,).
    waiting
        Rows younger than the label delay, whether or not a label came early.
    unmatched
        Mature rows without a label.
    """

    matched: "NDArray[np.intp]"
    y: "NDArray[np.int8]"
    waiting: int
    unmatched: int


def read_labels(path: str, data: DataParams, info: ModelInfo) -> "pd.DataFrame":
    """Read a table of labels: `SUBJECT`, `BATCH` and `ROW` if it has them, and `LABEL` (0 or 1).

    Rows without a label are left out. The subject's column is ``data.subject_key`` or
    ``subject_id``; keys are compared as written.

    Raises
    ------
    SignalboxError
        If a column is missing, a label is neither of the model's two, or one row has both.
    """
    import pandas as pd

    frame = pd.concat(Input(path, _with_header(data), WHOLE).chunks(), ignore_index=True)
    own = data.subject_key
    key = own if own is not None and own in frame.columns else SUBJECT
    for name in (key, data.target):
        if name not in frame.columns:
            raise SignalboxError(f"{path}: labels need a column {name!r}")
    frame = frame[frame[data.target].notna()]
    texts = frame[data.target].map(as_label).replace(data.replace.get(data.target, {}))
    strange = sorted(set(texts) - {info.positive, info.negative})
    if strange:
        raise SignalboxError(
            f"{path}: label {strange[0]!r} is neither {info.positive!r} nor {info.negative!r}"
        )
    columns: dict[str, pd.Series[Any]] = {SUBJECT: key_texts(frame[key], key, path)}
    if BATCH in frame.columns:
        columns[BATCH] = frame[BATCH].map(as_label, na_action="ignore").astype("str")
    if ROW in frame.columns:
        columns[ROW] = pd.to_numeric(frame[ROW], errors="coerce").astype("float64")
    labels = pd.DataFrame({**columns, LABEL: (texts == info.positive).astype("int8")})
    return _once(labels.drop_duplicates(), list(columns), path)


def _with_header(data: DataParams) -> DataParams:
    """How text is written, but for the names of the columns: labels are another table."""
    if not isinstance(data.source, CsvSource):
        return data
    return data.model_copy(update={"source": data.source.model_copy(update={"columns": []})})


def _once(labels: "pd.DataFrame", keys: list[str], path: str) -> "pd.DataFrame":
    twice = labels.duplicated(subset=keys)
    if twice.any():
        raise SignalboxError(
            f"{path}: {int(twice.sum())} keys ({', '.join(keys)}) have two different labels; name "
            "the rows by batch and row_id, or correct the table"
        )
    return labels.reset_index(drop=True)


def join(predictions: "pd.DataFrame", labels: "pd.DataFrame") -> Joined:
    """Find each mature prediction's label, by the keys that the labels have.

    Parameters
    ----------
    predictions
        With columns `SUBJECT`, `ROW`, `BATCH` and `MATURE`; n rows.
    labels
        As `read_labels` gives them: no key twice.

    Notes
    -----
    Labels that name subjects only count for all of a subject's predictions.
    """
    import numpy as np

    keys = [key for key in KEYS if key in labels.columns]
    left = predictions[keys].astype({ROW: "float64"} if ROW in keys else {})
    found = left.merge(labels, on=keys, how="left", validate="many_to_one")[LABEL]
    mature = predictions[MATURE].to_numpy(dtype=bool)
    labelled = found.notna().to_numpy() & predictions[SUBJECT].notna().to_numpy()
    matched = np.flatnonzero(mature & labelled)
    return Joined(
        matched=matched,
        y=found.to_numpy(dtype="float64")[matched].astype("int8"),
        waiting=int((~mature).sum()),
        unmatched=int((mature & ~labelled).sum()),
    )
