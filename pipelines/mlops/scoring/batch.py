"""Score a table: chunk by chunk, to Parquet, with a record of what was done."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipelines.core.errors import SignalboxError
from pipelines.core.files import replacing, sha256_file
from pipelines.core.params import DataParams
from pipelines.core.tables import RESERVED, ROW, SUBJECT, UNREADABLE
from pipelines.mlops.data.keys import key_texts
from pipelines.mlops.data.table import name_rows, typed
from pipelines.mlops.modeling.info import CategoricalInput, ModelInfo, NumericInput
from pipelines.mlops.modeling.inputs import prepare
from pipelines.mlops.modeling.scoring import score
from pipelines.mlops.scoring.chunks import Input
from pipelines.mlops.scoring.production import PRODUCT, ReleasedModel
from pipelines.mlops.scoring.reasons import Reference, effects, reason_columns, reference_values
from pipelines.mlops.scoring.record import (
    NAME,
    ColumnCounts,
    Record,
    ScoredFile,
    inputs_path,
    predictions_path,
    read_record,
    record_path,
    write_record,
)

if TYPE_CHECKING:
    import pandas as pd


Type = Literal["numeric", "categorical"]


def conform_to_schema(
    frame: "pd.DataFrame", data: DataParams, info: ModelInfo, *, first_row: int
) -> "pd.DataFrame":
    """Type a chunk and name its rows, as ``ingest`` does; labels aren't needed.

    A number that cannot be read becomes missing and is named in the column ``unreadable``.
    A sensitive feature that the table lacks becomes empty: its rows count as unknown group.
    A column ``subject_id``, if the table has one, names the subjects.

    Parameters
    ----------
    frame : pandas.DataFrame, n rows
        A chunk of the table as it was read.
    data : DataParams
        Section ``data`` of the release: types, keys, marks of missing values.
    info : ModelInfo
        Names the columns that the model needs, and their types.
    first_row : int
        Number of the chunk's first row within the batch, from 0.

    Returns
    -------
    pandas.DataFrame, n rows
        Typed columns, with ``subject_id``, ``row_id`` (`first_row`, `first_row` + 1, …) and
        ``unreadable``.

    Raises
    ------
    SignalboxError
        If the table lacks a column that the model was trained on, or the subject's key, or a key is
        neither text nor a whole number.
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
            "after_outcome": [name for name in data.after_outcome if name in columns],
            "replace": {k: v for k, v in data.replace.items() if k in columns},
        }
    )


def _empty(frame: "pd.DataFrame") -> "pd.Series[Any]":
    import pandas as pd

    return pd.Series(None, index=frame.index, dtype="str")


@dataclass(frozen=True)
class Batch:
    """What to score and where to put it.

    Attributes
    ----------
    path : str
        See `chunks.Input`.
    name : str
        Of the batch: letters, digits, ``_ . -``.
    folder : pathlib.Path
        Directory of the predictions.
    now : str
        Time of the batch, ISO 8601 UTC.
    product : str
        Product that the model belongs to.
    """

    path: str
    name: str
    folder: Path
    now: str
    product: str = PRODUCT


def score_table(
    batch: Batch, release: ReleasedModel, *, reasons: int = 3, chunk_rows: int = 50_000
) -> Record:
    """Score a table and write predictions, what was scored, and the record.

    The same table and model give the same bytes. Doing it again under the same name is harmless;
    other rows or another model under a name that is taken are refused. Where the release's training
    data was erased, there are no reasons, and the record says why.

    Parameters
    ----------
    batch : Batch
        What to score and where to put it.
    release : ReleasedModel
        The model; with its training data if reasons are asked for.
    reasons : int, default=3
        Reason codes a row; 0 = none.
    chunk_rows : int, default=50_000
        Rows held in memory at once, about.

    Returns
    -------
    Record
        As it was written; the earlier one if the same work was done before.

    Raises
    ------
    SignalboxError
        If the table cannot be read or lacks columns, the name is taken, or reasons are asked for
        and the training data wasn't loaded.
    """
    if not re.fullmatch(NAME, batch.name):
        raise SignalboxError(f"name {batch.name!r}: use letters, digits, '_', '.' and '-' only")
    no_reasons = release.no_train if reasons else ""
    reasons = 0 if no_reasons else reasons
    reference = _reference(release, reasons)
    table = Input(batch.path, release.params.data, chunk_rows)
    tally = _Tally()
    targets = (predictions_path(batch.folder, batch.name), inputs_path(batch.folder, batch.name))
    with replacing(targets[0]) as scores, replacing(targets[1]) as scored:
        with _writer(scores) as write_scores, _writer(scored) as write_scored:
            for chunk in table.chunks():
                rows = conform_to_schema(
                    chunk, release.params.data, release.info, first_row=tally.rows
                )
                predictions = score_rows(rows, release, reference, reasons)
                tally.add(rows, predictions, release.info)
                write_scores(predictions)
                write_scored(_kept(rows, release))
        record = _record(batch, release, table, tally, reference=reference, reasons=reasons)
        record = record.model_copy(update={"no_reasons": no_reasons})
        hashes = {t.name: sha256_file(p) for t, p in zip(targets, (scores, scored), strict=True)}
        record = _unless_taken(batch, record.model_copy(update={"outputs": hashes}))
    write_record(batch.folder, record)
    return record


def score_rows(
    rows: "pd.DataFrame", release: ReleasedModel, reference: Reference, reasons: int
) -> "pd.DataFrame":
    """Score rows and decide on them.

    Parameters
    ----------
    rows : pandas.DataFrame, n rows
        In the form `conform_to_schema` gives.
    release : ReleasedModel
        Gives the model and its threshold.
    reference : dict of str to float, str or None
        Reference value of each input, as `reasons.reference_values` gives them; not read without
        reasons.
    reasons : int
        Reason codes a row; 0 = none.

    Returns
    -------
    pandas.DataFrame, n rows in the same order
        ``subject_id``, ``row_id``, ``score`` in [0, 1], ``decision`` (the label's text),
        ``model_version``, ``model_sha256``, ``unreadable``, and the columns of
        `reasons.reason_columns`.

    Raises
    ------
    SignalboxError
        If a column is missing, cannot be read as its type, or holds an infinite number.
    """
    import numpy as np
    import pandas as pd

    info = release.info
    prepared = prepare(rows, info.inputs)
    scores = score(release.model, info, prepared)
    decision = np.where(scores >= info.threshold.value, info.positive, info.negative)
    columns: dict[str, Any] = {
        SUBJECT: rows[SUBJECT],
        ROW: rows[ROW].astype("int64"),
        "score": scores,
        "decision": pd.Series(decision.astype(object), dtype="str"),
        "model_version": pd.Series([release.released.name] * len(rows), dtype="str"),
        "model_sha256": pd.Series([info.sha256] * len(rows), dtype="str"),
        UNREADABLE: rows[UNREADABLE],
    }
    if reasons:
        found = effects(release.model, info, prepared, scores, reference)
        columns |= reason_columns(found, info.names(), reasons)
    return pd.DataFrame(columns)


def _reference(release: ReleasedModel, reasons: int) -> Reference:
    if not reasons:
        return {}
    if release.train is None:
        raise SignalboxError("reason codes need the release's training data; ask for 0 reasons")
    return reference_values(release.train, release.info)


@dataclass
class _Tally:
    """Counts over all chunks."""

    rows: int = 0
    selected: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    strange: Counter[str] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)

    def add(self, rows: "pd.DataFrame", predictions: "pd.DataFrame", info: ModelInfo) -> None:
        self.rows += len(rows)
        self.selected += int((predictions["decision"] == info.positive).sum())
        for column in info.inputs:
            values = rows[column.name]
            self.missing[column.name] += int(values.isna().sum())
            self.strange[column.name] += count_strange(values, column)
            start = f"{column.name} is not a number: "
            notes = rows[UNREADABLE].dropna()
            # A note joins its columns by ", "; another column's value may hold the same words,
            # so this may overcount where someone writes such values, never undercount.
            self.unreadable[column.name] += int(notes.str.contains(start, regex=False).sum())

    def columns(self, info: ModelInfo) -> dict[str, ColumnCounts]:
        return {
            name: ColumnCounts(
                missing=self.missing[name],
                strange=self.strange[name],
                unreadable=self.unreadable[name],
            )
            for name in info.names()
        }


def count_strange(values: "pd.Series[Any]", column: NumericInput | CategoricalInput) -> int:
    """Count values that the model doesn't know, or that lie outside its training's range.

    Parameters
    ----------
    values : pandas.Series, shape (n,)
        Values of the column; missing ones don't count.
    column : NumericInput or CategoricalInput
        What the model knows of it.

    Returns
    -------
    int
    """
    if isinstance(column, CategoricalInput):
        return int((values.notna() & ~values.isin(column.categories)).sum())
    return int(((values < column.low) | (values > column.high)).sum())


def _kept(rows: "pd.DataFrame", release: ReleasedModel) -> "pd.DataFrame":
    """Return what monitoring needs of the rows: nothing that is neither input nor audited."""
    names = list(dict.fromkeys([*release.info.names(), *release.params.data.sensitive]))
    kept = rows[[SUBJECT, ROW, *names]].copy()
    for name in names:
        if kept[name].dtype.kind in "iu":  # whole numbers in one chunk, fractions in the next
            kept[name] = kept[name].astype("float64")
    return kept


def _record(
    batch: Batch,
    release: ReleasedModel,
    table: Input,
    tally: _Tally,
    *,
    reference: Reference,
    reasons: int,
) -> Record:
    return Record(
        name=batch.name,
        scored_at=batch.now,
        product=batch.product,
        model_version=release.released.name,
        commit=release.released.commit,
        model_sha256=release.info.sha256,
        threshold=release.info.threshold.value,
        positive=release.info.positive,
        source=[ScoredFile(**vars(file)) for file in table.files],
        rows=tally.rows,
        selected=tally.selected,
        reasons=reasons,
        reference=reference,
        columns=tally.columns(release.info),
        outputs={},
    )


def _unless_taken(batch: Batch, record: Record) -> Record:
    """Return the record to keep: the earlier one if it is of the same work.

    Raises
    ------
    SignalboxError
        If the name stands for other work.
    """
    path = record_path(batch.folder, batch.name)
    if not path.exists():
        return record
    before = read_record(path)
    if not before.same_work(record):
        raise SignalboxError(
            f"{path}: predictions of this name were made from other rows, or by another model or "
            "setting; choose another name"
        )
    return before


@contextmanager
def _writer(path: Path) -> Iterator[Any]:
    """Write frames of one schema to a Parquet file, one row group a frame."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    opened: list[Any] = []

    def write(frame: "pd.DataFrame") -> None:
        if not opened:
            schema = pa.Table.from_pandas(frame, preserve_index=False).schema
            opened.append(pq.ParquetWriter(path, schema, compression="zstd"))
        table = pa.Table.from_pandas(frame, schema=opened[0].schema, preserve_index=False)
        opened[0].write_table(table)

    try:
        yield write
    finally:
        for writer in opened:
            writer.close()
