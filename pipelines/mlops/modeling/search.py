"""Search: one scikit-learn pipeline a candidate, all on the same folds; the best one is fitted."""

import itertools
import warnings
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from pipelines.core.params import Models, TrainParams
from pipelines.mlops.modeling.folds import Sample
from pipelines.mlops.modeling.info import CategoricalInput, Choice, Input, NumericInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline


MISSING = "<missing>"
"""What stands for a missing text. It is a category of its own: absence is information."""


def build(choice: Choice, inputs: list[Input], *, seed: int, class_weight: str) -> "Pipeline":
    """Return the unfitted pipeline of a candidate.

    Parameters
    ----------
    choice : Choice
        Kind of model and its settings.
    inputs : list of Input
        Columns in order; the table must be in the form `inputs.prepare` gives.
    seed : int
        For kinds with random choices.
    class_weight : {"none", "balanced"}
        Balanced weights move a model's raw scores towards one half; a calibration, which is fitted
        without weights, moves them back to the true rates.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Steps ``encode`` and ``model``.

    Notes
    -----
    Values of a text column that the training data doesn't know, or knows too rarely, are no error
    at prediction: linear models see no category at all, forests a code of its own (-1), gradient
    boosting the same as missing.
    """
    from sklearn.pipeline import Pipeline

    weight = None if class_weight == "none" else class_weight
    make = {
        "logistic_regression": _logistic_regression,
        "hist_gradient_boosting": _hist_gradient_boosting,
        "random_forest": _random_forest,
    }[choice.kind]
    encode, model = make(choice.settings, inputs, seed, weight)
    return Pipeline([("encode", encode), ("model", model)])


def _logistic_regression(
    settings: dict[str, Any], inputs: list[Input], seed: int, weight: str | None
) -> tuple[Any, Any]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = Pipeline([("impute", _impute_numbers()), ("scale", StandardScaler())])
    texts = OneHotEncoder(categories=_categories(inputs), handle_unknown="ignore")
    model = LogisticRegression(**settings, max_iter=2000, class_weight=weight, random_state=seed)
    return _by_type(inputs, numbers, texts), model


def _hist_gradient_boosting(
    settings: dict[str, Any], inputs: list[Input], seed: int, weight: str | None
) -> tuple[Any, Any]:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.preprocessing import OrdinalEncoder

    texts = OrdinalEncoder(
        categories=_categories(inputs),
        handle_unknown="use_encoded_value",
        unknown_value=float("nan"),
    )
    first_text = len(_numeric(inputs))
    model = HistGradientBoostingClassifier(
        **settings,
        categorical_features=list(range(first_text, len(inputs))) or None,
        early_stopping=False,  # else it holds rows out at random, not by subject
        class_weight=weight,
        random_state=seed,
    )
    # Trees of this kind have a branch for missing numbers: nothing to impute.
    return _by_type(inputs, "passthrough", texts), model


def _random_forest(
    settings: dict[str, Any], inputs: list[Input], seed: int, weight: str | None
) -> tuple[Any, Any]:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.preprocessing import OrdinalEncoder

    texts = OrdinalEncoder(
        categories=_categories(inputs), handle_unknown="use_encoded_value", unknown_value=-1
    )
    model = RandomForestClassifier(**settings, class_weight=weight, random_state=seed, n_jobs=1)
    return _by_type(inputs, _impute_numbers(), texts), model


def _by_type(inputs: list[Input], numbers: Any, texts: Any) -> Any:
    """Numeric columns first, then text columns; a type without columns is left out."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline

    parts: list[tuple[str, Any, list[str]]] = []
    if numeric := _numeric(inputs):
        parts.append(("numbers", numbers, numeric))
    if categorical := [c.name for c in inputs if isinstance(c, CategoricalInput)]:
        fill = SimpleImputer(strategy="constant", fill_value=MISSING, keep_empty_features=True)
        parts.append(("texts", Pipeline([("impute", fill), ("encode", texts)]), categorical))
    return ColumnTransformer(parts)


def _impute_numbers() -> Any:
    """Median, and a column beside it that says where a value was missing.

    A column without any value in one fold keeps its place, so that shapes agree between folds.
    """
    from sklearn.impute import SimpleImputer

    return SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)


def _numeric(inputs: list[Input]) -> list[str]:
    return [column.name for column in inputs if isinstance(column, NumericInput)]


def _categories(inputs: list[Input]) -> list[list[str]]:
    """Known values of each text column, with the mark for missing last where it occurred."""
    return [
        [*column.categories, *([MISSING] if _needs_mark(column) else [])]
        for column in inputs
        if isinstance(column, CategoricalInput)
    ]


def _needs_mark(column: CategoricalInput) -> bool:
    seen = column.missing_share > 0 and MISSING not in column.categories
    return seen or not column.categories  # an encoder needs at least one category


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
    choice : Choice
        The candidate.
    folds : dict of str to list of float
        Metric → one score a held-out fold.
    mean, std : dict of str to float
        Metric → mean and standard deviation (``ddof=1``) of the folds' scores.
    converged : bool
        False if the solver stopped at its limit of iterations in a fold.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    choice: Choice
    folds: dict[str, list[float]]
    mean: dict[str, float]
    std: dict[str, float]
    converged: bool


def candidates(models: Models) -> list[Choice]:
    """List every combination of settings of every kind, simple kinds first.

    Parameters
    ----------
    models : Models
        Grids by kind; None leaves a kind out.

    Returns
    -------
    list of Choice
        Settings in the order of ``params.yaml``.
    """
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

    Parameters
    ----------
    sample : Sample
        Training rows and their folds.
    train : TrainParams
        Grids, seed and class weight.

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
    """Return the position of the chosen trial; `RULE` says how ties are broken.

    Parameters
    ----------
    trials : list of Trial
        In the order of `candidates`; at least one.
    select_by : str
        One of `METRICS`; more is better.

    Returns
    -------
    int
        Index into `trials`.
    """
    means = [round(trial.mean[select_by], DECIMALS) for trial in trials]
    return means.index(max(means))


def fit_final(choice: Choice, sample: Sample, train: TrainParams) -> Any:
    """Fit `choice` on all rows of `sample`.

    With a calibration, the map from raw score to probability is fitted on out-of-fold scores of
    the same by-subject folds (no row is calibrated by a model that saw its subject), and the model
    itself on all rows: one model, not an ensemble, so that it can be explained and stays small.

    Parameters
    ----------
    choice : Choice
        The candidate that won.
    sample : Sample
        Training rows and their folds.
    train : TrainParams
        Calibration, seed and class weight.

    Returns
    -------
    estimator
        With ``predict_proba``; second column = probability of the positive label.

    References
    ----------
    Isotonic: Zadrozny & Elkan 2002; sigmoid: Platt 1999.
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
