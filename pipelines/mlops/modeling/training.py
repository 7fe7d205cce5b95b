"""Training from tables to a model: the steps in order."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.base.errors import SignalboxError
from pipelines.base.params.data import DataParams
from pipelines.base.params.stages import TrainParams
from pipelines.base.tables import SUBJECT
from pipelines.mlops.columns import as_label, check_binary
from pipelines.mlops.modeling.final import fit_final
from pipelines.mlops.modeling.folds import splits, subject_folds
from pipelines.mlops.modeling.info import ModelInfo
from pipelines.mlops.modeling.inputs import LeftOut, choose_inputs, prepare
from pipelines.mlops.modeling.labels import checked_labels
from pipelines.mlops.modeling.sample import Sample
from pipelines.mlops.modeling.scoring import score, score_floor
from pipelines.mlops.modeling.search import Trial, best, search
from pipelines.mlops.modeling.store import versions
from pipelines.mlops.modeling.threads import one_thread
from pipelines.mlops.modeling.threshold import Curve, choose, curve

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Fitted:
    """A fitted model before it is saved.

    Attributes
    ----------
    info
        Complete but for the file's hash.
    fold
        Fold of each training row, shape (n,).
    scores
        Of the validation rows, shape (m,).
    """

    model: Any
    info: ModelInfo
    left_out: list[LeftOut]
    trials: list[Trial]
    chosen: int
    fold: "NDArray[np.intp]"
    scores: "NDArray[np.float64]"
    points: Curve


def fit(
    table: "pd.DataFrame", validation: "pd.DataFrame", data: DataParams, train: TrainParams
) -> Fitted:
    """Search, fit and calibrate on `table`; choose the threshold on `validation`.

    Raises
    ------
    SignalboxError
        If the target doesn't have two labels in every row, no input is left, a fold has one label
        only, or a number is infinite.
    """
    check_binary(table, data, "train data")
    known = {str(label) for label in table[data.target].dropna().unique()}
    y = checked_labels(table, data, known, "train data")
    y_validation = checked_labels(validation, data, known, "validation data")
    if not len(validation):
        raise SignalboxError("validation data has no rows; give split.validation a larger share")
    inputs, left_out = choose_inputs(table, data, train)
    fold = subject_folds(table[SUBJECT], y, folds=train.folds, seed=train.seed)
    parts = splits(fold, y, folds=train.folds)
    sample = Sample(prepare(table, inputs), y, parts, inputs)
    with one_thread():
        trials = search(sample, train)
        chosen = best(trials, train.select_by)
        model = fit_final(trials[chosen].choice, sample, train)
    positive = as_label(data.positive)
    draft = {
        "sha256": "",
        "target": data.target,
        "positive": positive,
        "negative": next(label for label in sorted(known) if label != positive),
        "rows": len(table),
        "prior": float(y.mean()),
        "score_floor": score_floor(len(table)),
        "inputs": inputs,
        "chosen": trials[chosen].choice,
        "calibration": train.calibration,
        "class_weight": train.class_weight,
        "seed": train.seed,
        "threshold": {"value": 0.5, "rule": "", "words": ""},
        "versions": versions(),
    }
    info = ModelInfo.model_validate(draft)
    scores = score(model, info, validation)
    points = curve(y_validation, scores)
    info = info.model_copy(update={"threshold": choose(points, train.threshold)})
    return Fitted(model, info, left_out, trials, chosen, fold, scores, points)
