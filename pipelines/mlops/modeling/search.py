"""Search: every candidate is cross-validated on the same folds; the best one is chosen."""

import itertools
import warnings
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from pipelines.base.params.stages import Models, TrainParams
from pipelines.mlops.modeling.info import Choice
from pipelines.mlops.modeling.pipeline import build
from pipelines.mlops.modeling.sample import Sample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

METRICS = ("roc_auc", "average_precision", "neg_log_loss", "neg_brier_score")
"""Names as in scikit-learn's scorers: more is better for each."""

DECIMALS = 6
RULE = (
    f"highest mean over the folds; means that agree to {DECIMALS} decimals count as equal, and "
    "then the earlier candidate wins: kinds from simple to complex (logistic_regression, "
    "hist_gradient_boosting, random_forest), settings in the order of params.yaml"
)


class Trial(BaseModel):
    """A candidate's cross-validated scores.

    Attributes
    ----------
    folds
        Metric → one score a held-out fold.
    mean, std
        Metric → mean and standard deviation (``ddof=1``) of the folds' scores.
    converged
        False if the solver stopped at its limit of iterations in a fold.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    choice: Choice
    folds: dict[str, list[float]]
    mean: dict[str, float]
    std: dict[str, float]
    converged: bool


def candidates(models: Models) -> list[Choice]:
    """Every combination of settings of every kind, simple kinds first."""
    found: list[Choice] = []
    for kind in type(models).model_fields:
        grid = getattr(models, kind)
        if grid is None:
            continue
        names = list(type(grid).model_fields)
        for values in itertools.product(*(getattr(grid, name) for name in names)):
            found.append(Choice(kind=kind, settings=dict(zip(names, values, strict=True))))
    return found


def search(sample: Sample, train: TrainParams) -> list[Trial]:
    """Cross-validate every candidate on the folds of `sample`.

    Returns
    -------
    list of Trial
        In the order of `candidates`.
    """
    return [_trial(choice, sample, train) for choice in candidates(train.models)]


def _trial(choice: Choice, sample: Sample, train: TrainParams) -> Trial:
    import numpy as np
    from sklearn.exceptions import ConvergenceWarning

    x, y = sample.x, sample.y
    rows: list[dict[str, float]] = []
    converged = True
    for fit, held_out in sample.parts:
        model = build(choice, sample.inputs, seed=train.seed, class_weight=train.class_weight)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ConvergenceWarning)
            model.fit(x.iloc[fit], y[fit])
        converged &= not any(issubclass(w.category, ConvergenceWarning) for w in caught)
        rows.append(_metrics(y[held_out], model.predict_proba(x.iloc[held_out])[:, 1]))
    folds = {name: [row[name] for row in rows] for name in METRICS}
    return Trial(
        choice=choice,
        folds=folds,
        mean={name: float(np.mean(scores)) for name, scores in folds.items()},
        std={name: float(np.std(scores, ddof=1)) for name, scores in folds.items()},
        converged=converged,
    )


def _metrics(y: "NDArray[np.int8]", scores: "NDArray[np.float64]") -> dict[str, float]:
    from sklearn import metrics

    return {
        "roc_auc": float(metrics.roc_auc_score(y, scores)),
        "average_precision": float(metrics.average_precision_score(y, scores)),
        "neg_log_loss": -float(metrics.log_loss(y, scores)),
        "neg_brier_score": -float(metrics.brier_score_loss(y, scores)),
    }


def best(trials: list[Trial], select_by: str) -> int:
    """Position of the chosen trial; `RULE` says how ties are broken."""
    means = [round(trial.mean[select_by], DECIMALS) for trial in trials]
    return means.index(max(means))
