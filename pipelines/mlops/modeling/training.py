"""Training from tables to a model: the steps in order, and what the stage ``train`` reports.

``evidence/train.json``, ``details``::

    target      {name, positive, negative}
    rows        {train, validation}; positives {train, validation}; subjects {train}
    chosen      {kind, settings, position}
    selection   {metric, rule, folds, how}
    search      [{kind, settings, chosen, converged, mean, std, folds}]
                mean, std: metric -> number; folds: metric -> [number a fold];
                metrics: roc_auc, average_precision, neg_log_loss, neg_brier_score
    folds       [{fold, rows, positives, subjects}]
    calibration {method, how, class_weight, score_floor}
    threshold   {value, rule, words, at, curve}
                at and each point of curve: {threshold, selection_rate, accuracy, precision,
                recall, f1, cost} on validation data
    inputs      [{kind: numeric, name, low, high, missing_share}
                 | {kind: categorical, name, categories, other_values, other_share, missing_share}]
    left_out    [{name, reason}]
    importance  {how, rows, columns: [{name, roc_auc_drop, log_loss_rise}]}, most important first
    notes       [sentence a reader should know]
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import Figure, round_floats
from pipelines.core.params import DataParams, TrainParams
from pipelines.core.tables import SUBJECT
from pipelines.mlops.data.columns import as_label, check_binary, checked_labels, labels
from pipelines.mlops.modeling.folds import Sample, splits, subject_folds
from pipelines.mlops.modeling.info import ModelInfo
from pipelines.mlops.modeling.inputs import LeftOut, choose_inputs, prepare
from pipelines.mlops.modeling.scoring import (
    MAX_ROWS,
    REPEATS,
    Importance,
    one_thread,
    score,
    score_floor,
)
from pipelines.mlops.modeling.search import RULE, Trial, best, fit_final, search
from pipelines.mlops.modeling.store import versions
from pipelines.mlops.modeling.threshold import Curve, at_threshold, choose, curve, summary

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Fitted:
    """A fitted model before it is saved.

    Attributes
    ----------
    model : estimator
        With ``predict_proba``.
    info : ModelInfo
        Complete but for the file's hash.
    left_out : list of LeftOut
        Columns that the model doesn't see.
    trials : list of Trial
        Every candidate of the search.
    chosen : int
        Position of the winner in `trials`.
    fold : ndarray of intp, shape (n,)
        Fold of each training row.
    scores : ndarray of float64, shape (m,)
        Scores of the validation rows.
    points : Curve
        Confusion counts of the validation rows.
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

    Parameters
    ----------
    table, validation : pandas.DataFrame
        The train and validation splits, with the target and the column ``subject_id``.
    data : DataParams
        Section ``data``.
    train : TrainParams
        Section ``train``.

    Returns
    -------
    Fitted
        The same tables and parameters give the same model.

    Raises
    ------
    SignalboxError
        If the target doesn't have two labels in every row, no input is left, a fold has one label
        only, a number is infinite, or validation data has no rows or too few labels for the rule.
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


LABELS = {
    "roc_auc": "ROC AUC, cross-validated",
    "average_precision": "Average precision, cross-validated",
    "neg_log_loss": "Log loss, cross-validated",
    "neg_brier_score": "Brier score, cross-validated",
}


def figures(
    fitted: Fitted, validation_rows: int, at: dict[str, float], rate: str = "Selection rate"
) -> list[Figure]:
    """Make figures of the chosen candidate, and of its threshold on validation data.

    Parameters
    ----------
    fitted : Fitted
        The result of `fit`.
    validation_rows : int
        Number of validation rows.
    at : dict of str to float
        Figures at the threshold, as `threshold.at_threshold` gives them.
    rate : str, default="Selection rate"
        What the share of positive decisions is called.

    Returns
    -------
    list of Figure
        ``train.cv_<metric>``, ``train.threshold`` and ``train.validation_<metric>``.
    """
    trial = fitted.trials[fitted.chosen]
    folds = len(trial.folds["roc_auc"])
    how = f"mean over {folds} folds by subject, before calibration, on train data"
    found = [
        Figure(
            id=f"train.cv_{name.removeprefix('neg_')}",
            label=label,
            value=round_floats(-trial.mean[name] if name.startswith("neg_") else trial.mean[name]),
            method=how,
            n=fitted.info.rows,
        )
        for name, label in LABELS.items()
    ]
    shown = {"threshold": "Threshold", "accuracy": "Accuracy", "selection_rate": rate}
    for name, label in shown.items():
        found.append(
            Figure(
                id=f"train.{name}" if name == "threshold" else f"train.validation_{name}",
                label=label if name == "threshold" else f"{label} on validation data",
                value=round_floats(at[name]),
                method=fitted.info.threshold.words,
                n=validation_rows,
            )
        )
    return found


def details(
    fitted: Fitted,
    tables: tuple["pd.DataFrame", "pd.DataFrame"],
    found: list[Importance],
    data: DataParams,
    train: TrainParams,
) -> dict[str, Any]:
    """Collect everything beside the figures.

    Parameters
    ----------
    fitted : Fitted
        The result of `fit`.
    tables : tuple of two pandas.DataFrame
        The train and validation splits.
    found : list of Importance
        Most important first.
    data : DataParams
        Section ``data``.
    train : TrainParams
        Section ``train``.

    Returns
    -------
    dict
        Numbers are rounded; the module's docstring has the shape.
    """
    table, validation = tables
    info, y = fitted.info, labels(table, data)
    y_validation = labels(validation, data)
    at = at_threshold(y_validation, fitted.scores, info.threshold.value, train.threshold)
    raw = {
        "target": {"name": info.target, "positive": info.positive, "negative": info.negative},
        "rows": {"train": len(table), "validation": len(validation)},
        "positives": {"train": int(y.sum()), "validation": int(y_validation.sum())},
        "subjects": {"train": int(table[SUBJECT].nunique())},
        "chosen": {**info.chosen.model_dump(), "position": fitted.chosen},
        "selection": {
            "metric": train.select_by,
            "rule": RULE,
            "folds": train.folds,
            "how": "subjects dealt to folds by hash, stratified by having a positive row",
        },
        "search": [_trial(fitted, number) for number in range(len(fitted.trials))],
        "folds": _folds(fitted, table, data, train),
        "calibration": _calibration(fitted, train),
        "threshold": {
            **info.threshold.model_dump(),
            "at": at,
            "curve": summary(fitted.points, train.threshold),
        },
        "inputs": [column.model_dump() for column in info.inputs],
        "left_out": [column.model_dump() for column in fitted.left_out],
        "importance": {
            "how": f"rise of log loss and drop of ROC AUC on validation data when the column is "
            f"shuffled, mean of {REPEATS} shuffles; correlated columns share their importance",
            "rows": min(len(validation), MAX_ROWS),
            "columns": [item.model_dump() for item in found],
        },
        "notes": _notes(fitted, data, train),
    }
    return round_floats(raw)


def _trial(fitted: Fitted, number: int) -> dict[str, Any]:
    row = fitted.trials[number].model_dump()
    choice = row.pop("choice")
    return {**choice, **row, "chosen": number == fitted.chosen}


def _folds(
    fitted: Fitted, table: "pd.DataFrame", data: DataParams, train: TrainParams
) -> list[dict[str, int]]:
    y = labels(table, data)
    rows = []
    for number in range(train.folds):
        inside = fitted.fold == number
        rows.append(
            {
                "fold": number + 1,
                "rows": int(inside.sum()),
                "positives": int(y[inside].sum()),
                "subjects": int(table[SUBJECT][inside].nunique()),
            }
        )
    return rows


def _calibration(fitted: Fitted, train: TrainParams) -> dict[str, Any]:
    how = {
        "none": "scores are the model's own",
        "isotonic": "isotonic regression on out-of-fold scores of the by-subject folds",
        "sigmoid": "Platt's sigmoid on out-of-fold scores of the by-subject folds",
    }[train.calibration]
    return {
        "method": train.calibration,
        "how": how,
        "class_weight": train.class_weight,
        "score_floor": fitted.info.score_floor,
    }


def _notes(fitted: Fitted, data: DataParams, train: TrainParams) -> list[str]:
    notes = []
    if data.sensitive and not train.use_sensitive:
        notes.append(
            "Sensitive features are not model inputs; other columns may still stand in for them, "
            "which is what the bias audit measures."
        )
    if train.class_weight == "balanced" and train.calibration == "none":
        notes.append(
            "Balanced class weights without calibration: scores lie too near to one half and are "
            "not probabilities; log loss, Brier score and calibration error suffer by design."
        )
    if train.class_weight == "balanced" and train.calibration != "none":
        notes.append(
            "Balanced class weights shape the fit only; the calibration is fitted without weights "
            "and brings scores back to the true rates. Search scores are from before calibration."
        )
    if not fitted.trials[fitted.chosen].converged:
        notes.append("The chosen model's solver stopped at its limit of iterations.")
    notes.extend(
        f"Column '{c.name}': {c.other_values} rare values count as unknown."
        for c in fitted.info.inputs
        if c.kind == "categorical" and c.other_values
    )
    return notes
