"""Predictions that were made within a span of time, and the labels that became known for them."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.core.errors import SignalboxError
from pipelines.core.params import CsvSource, DataParams
from pipelines.core.tables import ROW, SUBJECT, read_table
from pipelines.mlops.data.columns import as_label
from pipelines.mlops.data.keys import key_texts
from pipelines.mlops.modeling.info import ModelInfo
from pipelines.mlops.scoring.chunks import Input
from pipelines.mlops.scoring.record import Record, inputs_path, predictions_path, read_record

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


BATCH = "batch"
"""Column with a batch's name."""

MATURE = "mature"
"""Column that says whether a row is older than the label delay."""


@dataclass(frozen=True)
class LabelledPeriod:
    """Times `t` with after < t <= until.

    Attributes
    ----------
    after, until : datetime.datetime
        With time zone.
    """

    after: datetime
    until: datetime

    def holds(self, time: datetime) -> bool:
        """Tell whether a time is within.

        Parameters
        ----------
        time : datetime.datetime
            With time zone.

        Returns
        -------
        bool
        """
        return self.after < time <= self.until


def records(folder: Path) -> list[Record]:
    """Read the records of all complete batches of a folder.

    Parameters
    ----------
    folder : pathlib.Path
        Directory of the predictions; hidden files are passed over.

    Returns
    -------
    list of Record
        Oldest first.

    Raises
    ------
    SignalboxError
        If a record isn't in form.
    """
    found = [read_record(path) for path in sorted(folder.glob("[!.]*.json"))]
    return sorted(found, key=lambda record: (scored_at(record), record.name))


def scored_at(record: Record) -> datetime:
    """Return the time of a batch.

    Parameters
    ----------
    record : Record
        The batch.

    Returns
    -------
    datetime.datetime
        With time zone.

    Raises
    ------
    SignalboxError
        If the record's time cannot be read or has no time zone.
    """
    try:
        time = datetime.fromisoformat(record.scored_at)
    except ValueError as error:
        raise SignalboxError(f"predictions/{record.name}.json: scored_at: {error}") from None
    if time.tzinfo is None:
        raise SignalboxError(f"predictions/{record.name}.json: scored_at has no time zone")
    return time


def read_predictions(
    folder: Path, chosen: list[Record], mature: datetime | None = None
) -> "pd.DataFrame":
    """Read the predictions of batches as one frame.

    Parameters
    ----------
    folder : pathlib.Path
        Directory of the predictions.
    chosen : list of Record
        The batches.
    mature : datetime.datetime, optional
        Rows scored up to this time are mature; None = all.

    Returns
    -------
    pandas.DataFrame
        Batch after batch, with the columns `BATCH` (str) and `MATURE` (bool) added; empty without
        batches.

    Raises
    ------
    SignalboxError
        If a table is missing or damaged, or a batch's time cannot be read.
    """
    frames = []
    for record in chosen:
        frame = read_table(predictions_path(folder, record.name))
        frame[BATCH] = record.name
        frame[MATURE] = mature is None or scored_at(record) <= mature
        frames.append(frame)
    return _joined(frames)


def read_inputs(folder: Path, chosen: list[Record]) -> "pd.DataFrame":
    """Read what was scored.

    Parameters
    ----------
    folder : pathlib.Path
        Directory of the predictions.
    chosen : list of Record
        The batches.

    Returns
    -------
    pandas.DataFrame
        Rows in the order of `read_predictions`; empty without batches.

    Raises
    ------
    SignalboxError
        If a table is missing or damaged.
    """
    return _joined([read_table(inputs_path(folder, record.name)) for record in chosen])


def _joined(frames: "list[pd.DataFrame]") -> "pd.DataFrame":
    import pandas as pd

    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


LABEL = "label"
KEYS = (SUBJECT, BATCH, ROW)
WHOLE = 1 << 30
"""Labels are read at once: they are one narrow table."""


@dataclass(frozen=True)
class Joined:
    """Predictions by what is known of them; the three parts add up to all.

    Attributes
    ----------
    matched : ndarray of intp, shape (m,)
        Positions of the mature rows with a label.
    y : ndarray of int8, shape (m,)
        Their labels, 1 = positive.
    waiting : int
        Rows younger than the label delay, whether or not a label came early.
    unmatched : int
        Mature rows without a label.
    """

    matched: "NDArray[np.intp]"
    y: "NDArray[np.int8]"
    waiting: int
    unmatched: int


def read_labels(path: str, data: DataParams, info: ModelInfo) -> "pd.DataFrame":
    """Read a table of labels.

    Rows without a label are left out. The subject's column is ``data.subject_key`` or
    ``subject_id``; keys are compared as written.

    Parameters
    ----------
    path : str
        See `scoring.chunks.Input`.
    data : DataParams
        Section ``data`` of the release: names the target and the subject's key.
    info : ModelInfo
        Names the two labels.

    Returns
    -------
    pandas.DataFrame
        Columns `SUBJECT`, `BATCH` and `ROW` if the table has them, and `LABEL` (int8, 1 =
        positive); no key twice.

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
    predictions : pandas.DataFrame, n rows
        With columns `SUBJECT`, `ROW`, `BATCH` and `MATURE`.
    labels : pandas.DataFrame
        As `read_labels` gives them: no key twice.

    Returns
    -------
    Joined
        Positions are those of `predictions`.

    Notes
    -----
    Labels that name subjects only count for all of a subject's predictions.
    """
    import numpy as np

    keys = [key for key in KEYS if key in labels.columns]
    left = predictions[keys].astype({ROW: "float64"} if ROW in keys else {})
    found = left.merge(labels, on=keys, how="left", validate="many_to_one")[LABEL]
    # A left merge keeps the order of the predictions, so positions agree; shapes (n,).
    mature = predictions[MATURE].to_numpy(dtype=bool)
    labelled = found.notna().to_numpy() & predictions[SUBJECT].notna().to_numpy()
    matched = np.flatnonzero(mature & labelled)
    return Joined(
        matched=matched,
        y=found.to_numpy(dtype="float64")[matched].astype("int8"),
        waiting=int((~mature).sum()),
        unmatched=int((mature & ~labelled).sum()),
    )
