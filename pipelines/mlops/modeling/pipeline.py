"""One scikit-learn pipeline a candidate: impute, encode, scale where needed, model."""

from typing import TYPE_CHECKING, Any

from pipelines.mlops.modeling.info import CategoricalInput, Choice, Input, NumericInput

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

MISSING = "<missing>"
"""What stands for a missing text. It is a category of its own: absence is information."""


def build(choice: Choice, inputs: list[Input], *, seed: int, class_weight: str) -> "Pipeline":
    """Return the unfitted pipeline of a candidate.

    Parameters
    ----------
    choice
        Kind of model and its settings.
    inputs
        Columns in order; the table must be in the form `inputs.prepare` gives.
    seed
        For kinds with random choices.
    class_weight
        ``none`` or ``balanced``. Balanced weights move a model's raw scores towards one half; a
        calibration, which is fitted without weights, moves them back to the true rates.

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
