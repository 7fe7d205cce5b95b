"""What of the stage ``train`` follows from model and data without training again.

Run in a scratch folder of its own: ``python -m pipelines.verification.train_again RESULT.json``.
The scores of the search don't follow from the saved model; only a new training can give them.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.core.artifacts import MODEL, MODEL_INFO, TRAIN, VALIDATION
from pipelines.core.evidence import round_floats
from pipelines.core.files import write_json
from pipelines.core.params import Params
from pipelines.core.stage import run_stage
from pipelines.core.tables import SUBJECT, read_table
from pipelines.mlops.data.columns import as_label, labels
from pipelines.mlops.modeling.folds import subject_folds
from pipelines.mlops.modeling.info import ModelInfo
from pipelines.mlops.modeling.inputs import choose_inputs
from pipelines.mlops.modeling.scoring import importance, score, score_floor
from pipelines.mlops.modeling.store import load_model
from pipelines.mlops.modeling.threshold import at_threshold, choose, curve, summary

if TYPE_CHECKING:
    import pandas as pd

FIGURES = {
    "train.threshold": "threshold",
    "train.validation_accuracy": "accuracy",
    "train.validation_selection_rate": "selection_rate",
}
"""Figures that follow from the model → their names at the threshold."""


def derive(table: "pd.DataFrame", validation: "pd.DataFrame", params: Params) -> dict[str, Any]:
    """Derive figures, details and model description, as ``train`` must have written them.

    Parameters
    ----------
    table : pandas.DataFrame
        The train split.
    validation : pandas.DataFrame
        The validation split.
    params : Params
        The stages' parameters.

    Returns
    -------
    dict
        ``figures`` (id → value, n, method), ``details`` and ``info`` (the parts of
        ``evidence/train.json`` and ``models/model.json`` that could be derived).
    """
    train = params.train
    model, saved = load_model(MODEL, MODEL_INFO)
    y, y_validation = labels(table, params.data), labels(validation, params.data)
    inputs, left_out = choose_inputs(table, params.data, train)
    names = {str(label) for label in table[params.data.target].dropna().unique()}
    positive = as_label(params.data.positive)
    info = {
        "target": params.data.target,
        "positive": positive,
        "negative": next(name for name in sorted(names) if name != positive),
        "rows": len(table),
        "prior": float(y.mean()),
        "score_floor": score_floor(len(table)),
        "inputs": [column.model_dump() for column in inputs],
        "calibration": train.calibration,
        "class_weight": train.class_weight,
        "seed": train.seed,
    }
    known = ModelInfo.model_validate({**saved.model_dump(), **info})
    scores = score(model, known, validation)
    points = curve(y_validation, scores)
    threshold = choose(points, train.threshold)
    at = round_floats(at_threshold(y_validation, scores, threshold.value, train.threshold))
    fold = subject_folds(table[SUBJECT], y, folds=train.folds, seed=train.seed)
    details = {
        "rows": {"train": len(table), "validation": len(validation)},
        "positives": {"train": int(y.sum()), "validation": int(y_validation.sum())},
        "subjects": {"train": int(table[SUBJECT].nunique())},
        "folds": [
            {
                "fold": number + 1,
                "rows": int((fold == number).sum()),
                "positives": int(y[fold == number].sum()),
                "subjects": int(table[SUBJECT][fold == number].nunique()),
            }
            for number in range(train.folds)
        ],
        "threshold": {
            **threshold.model_dump(),
            "at": at,
            "curve": summary(points, train.threshold),
        },
        "inputs": info["inputs"],
        "left_out": [column.model_dump() for column in left_out],
        "importance": {
            "columns": [
                item.model_dump() for item in importance(model, known, validation, y_validation)
            ]
        },
    }
    return {
        "figures": {
            figure: {
                "value": round_floats(at[name]),
                "n": len(validation),
                "method": threshold.words,
            }
            for figure, name in FIGURES.items()
        },
        "details": round_floats(details),
        "info": {**info, "threshold": threshold.model_dump()},
    }


def main(params: Params) -> None:
    """Derive, and write what came out to the file named on the command line.

    Parameters
    ----------
    params : Params
        The stages' parameters.
    """
    result = derive(read_table(TRAIN), read_table(VALIDATION), params)
    write_json(Path(sys.argv[1]), result)


if __name__ == "__main__":
    run_stage("train_again", main)
