"""Fit the chosen candidate on all training rows, and calibrate it."""

import warnings
from typing import Any

from pipelines.base.params.stages import TrainParams
from pipelines.mlops.modeling.info import Choice
from pipelines.mlops.modeling.pipeline import build
from pipelines.mlops.modeling.sample import Sample


def fit_final(choice: Choice, sample: Sample, train: TrainParams) -> Any:
    """Fit `choice` on all rows of `sample`.

    With a calibration, the map from raw score to probability is fitted on out-of-fold scores of
    the same by-subject folds (no row is calibrated by a model that saw its subject), and the model
    itself on all rows: one model, not an ensemble, so that it can be explained and stays small.
    Isotonic: Zadrozny & Elkan 2002; sigmoid: Platt 1999.

    Returns
    -------
    estimator
        With ``predict_proba``; second column = probability of the positive label.
    """
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.exceptions import ConvergenceWarning

    model: Any = build(choice, sample.inputs, seed=train.seed, class_weight=train.class_weight)
    if train.calibration != "none":
        model = CalibratedClassifierCV(
            model, method=train.calibration, cv=sample.parts, ensemble=False
        )
    with warnings.catch_warnings():
        # The search recorded whether it converges; the report shows that, a log line would not.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(sample.x, sample.y)
    if train.calibration != "none":
        # The folds are needed to fit only; kept, they would put row numbers into the model file.
        model.set_params(cv=None)
    return model
