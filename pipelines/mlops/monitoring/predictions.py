"""Predictions that were made within a span of time, and the labels that became known for them.

And predictions that were never made: what another model would decide on the same test rows.
"""

import sys
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from pipelines.core.artifacts import MODEL, MODEL_INFO, PARAMS, TEST, TRAIN
from pipelines.core.errors import SignalboxError
from pipelines.core.params import CsvSource, DataParams, load_params
from pipelines.core.tables import ROW, SUBJECT, read_table
from pipelines.mlops.data.cells import rows_needed, subjects_of
from pipelines.mlops.data.columns import as_label
from pipelines.mlops.data.keys import key_texts
from pipelines.mlops.evaluation.champion import count_seen
from pipelines.mlops.fairness.evidence import feature_specs
from pipelines.mlops.fairness.groups import encode_groups
from pipelines.mlops.modeling.info import ModelInfo
from pipelines.mlops.modeling.scoring import score
from pipelines.mlops.modeling.store import load_model
from pipelines.mlops.scoring.chunks import Input
from pipelines.mlops.scoring.record import Record, inputs_path, predictions_path, read_record
from pipelines.release.lifecycle.files import CommitFiles

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


SAMPLE = 12
"""Rows of a comparison whose scores are shown; without a name or a number of their own."""


class GroupDecisions(BaseModel):
    """What another model would change for a group.

    Attributes
    ----------
    feature, group : str
        Sensitive feature and group.
    rows : int
        Test rows of the group.
    selected_a, selected_b : float
        Share of them that each model selects.
    gained, lost : int or None
        Rows that only the second, and only the first model selects; None where they are so few
        that a number would point to people (``data.min_cell``).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    feature: str
    group: str
    rows: int
    selected_a: float
    selected_b: float
    gained: int | None
    lost: int | None


class DecisionChanges(BaseModel):
    """What decisions would be, on the same test rows, under either of two models.

    Attributes
    ----------
    rows : int
        Test rows of the second commit.
    positive : str
        Label for which a row is selected.
    threshold_a, threshold_b : float
        A row is selected where its score is at least this.
    selected_a, selected_b : int
        Rows that each model selects.
    gained, lost : int
        Rows that only the second, and only the first model selects.
    groups : tuple of GroupDecisions
        By sensitive feature; groups of fewer rows than ``data.min_cell`` asks for are left out.
    left_out : int
        Groups left out.
    least : int
        Counts by group between 0 and this have no number.
    sample : tuple of tuple of (float, float)
        Scores of rows under both models, from the largest fall to the largest rise; two thirds are
        rows whose decision changes, as far as there are so many.
    notes : tuple of str
        What makes the comparison less than fair, for example rows that a model learned from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: int
    positive: str
    threshold_a: float
    threshold_b: float
    selected_a: int
    selected_b: int
    gained: int
    lost: int
    groups: tuple[GroupDecisions, ...]
    left_out: int
    least: int
    sample: tuple[tuple[float, float], ...]
    notes: tuple[str, ...]


def compare_decisions(project: Path, a: str, b: str) -> DecisionChanges:
    """Score the second commit's test rows with the models of two commits.

    Parameters
    ----------
    project : Path
        Root of the project.
    a, b : str
        Full hashes of commits whose pipeline trained a model, released or not.

    Returns
    -------
    DecisionChanges

    Raises
    ------
    SignalboxError
        If a file is gone or was changed after its stage made it, a model needs other versions of
        its packages, or cannot score these rows.
    """
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        test = read_table(_copied(project, b, TEST, Path(folder)))
        params = load_params(_copied(project, b, PARAMS, Path(folder)))
        models, notes = [], []
        for name, commit in (("first", a), ("second", b)):
            paths = [_copied(project, commit, path, Path(folder)) for path in (MODEL, MODEL_INFO)]
            model, info = load_model(*paths)
            models.append((score(model, info, test), info))
            seen, _ = count_seen(read_table(_copied(project, commit, TRAIN, Path(folder))), test)
            if seen:
                notes.append(f"the {name} model learned from {seen:,} of the people in these rows")
    (scores_a, info_a), (scores_b, info_b) = models
    if info_a.positive != info_b.positive:
        raise SignalboxError(
            f"the models select for different labels ({info_a.positive!r}, {info_b.positive!r}), "
            "so their decisions can't be compared"
        )
    selected_a = scores_a >= info_a.threshold.value
    selected_b = scores_b >= info_b.threshold.value
    least = rows_needed(subjects_of(test), params.data)
    groups, left_out = _by_group(test, params.data, (selected_a, selected_b), least)
    order = np.argsort(scores_b - scores_a, kind="stable")
    changed = (selected_a != selected_b)[order]
    chosen = np.sort(np.concatenate([_spread(np.flatnonzero(changed), SAMPLE * 2 // 3),
                                     _spread(np.flatnonzero(~changed), SAMPLE // 3)]))  # fmt: skip
    return DecisionChanges(
        rows=len(test),
        positive=info_b.positive,
        threshold_a=info_a.threshold.value,
        threshold_b=info_b.threshold.value,
        selected_a=int(selected_a.sum()),
        selected_b=int(selected_b.sum()),
        gained=int((selected_b & ~selected_a).sum()),
        lost=int((selected_a & ~selected_b).sum()),
        groups=groups,
        left_out=left_out,
        least=least,
        sample=tuple((float(scores_a[row]), float(scores_b[row])) for row in order[chosen]),
        notes=tuple(notes),
    )


def _spread(places: "NDArray[np.intp]", count: int) -> "NDArray[np.intp]":
    """Choose some of the places, evenly spaced, first and last among them."""
    import numpy as np

    steps = np.linspace(0, len(places) - 1, min(count, len(places))).round().astype(np.intp)
    return places[np.unique(steps)]


def _copied(project: Path, commit: str, path: Path, folder: Path) -> Path:
    """Write a commit's file, held against ``dvc.lock`` if a stage made it, into a folder."""
    files, copy = CommitFiles(project, commit), folder / path.name
    content = files.text(path.as_posix()) if path == PARAMS else files.read(path.as_posix())
    if content is None:
        raise SignalboxError(f"commit {commit[:12]} has no {path}, so it isn't a run of a pipeline")
    copy.write_bytes(content)
    return copy


def _by_group(
    test: "pd.DataFrame",
    data: DataParams,
    selected: "tuple[NDArray[np.bool_], NDArray[np.bool_]]",
    least: int,
) -> tuple[tuple[GroupDecisions, ...], int]:
    """Count changes by group, and groups that are too small to be counted."""
    found, left_out = [], 0
    specs = feature_specs(data)
    if not specs:
        return (), 0
    coded = encode_groups(test, specs)
    first, second = selected
    for feature, codes in zip(coded.features, coded.codes, strict=True):
        for code, level in enumerate(feature.levels):
            mine = codes == code
            rows = int(mine.sum())
            if rows < max(least, 1):
                left_out += 1
                continue
            found.append(
                GroupDecisions(
                    feature=feature.name,
                    group=level,
                    rows=rows,
                    selected_a=float(first[mine].mean()),
                    selected_b=float(second[mine].mean()),
                    gained=_unless_few(int((second & ~first & mine).sum()), least),
                    lost=_unless_few(int((first & ~second & mine).sum()), least),
                )
            )
    return tuple(found), left_out


def _unless_few(count: int, least: int) -> int | None:
    return None if 0 < count < least else count


def _print_changes(project: str, a: str, b: str) -> None:
    """Print `compare_decisions` as JSON: whoever needs no scikit-learn itself asks a process."""
    try:
        print(compare_decisions(Path(project), a, b).model_dump_json())
    except SignalboxError as error:
        sys.exit(" ".join(str(error).split()))


if __name__ == "__main__":
    _print_changes(*sys.argv[1:])
