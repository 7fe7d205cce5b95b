"""``models/model.json``: everything about a model that isn't its fitted numbers."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipelines.core.errors import SignalboxError
from pipelines.core.files import read_json


class _Fact(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NumericInput(_Fact):
    """A number the model sees.

    Attributes
    ----------
    name : str
        Column name.
    low, high : float
        Range in the training data, without the extremes of fewer rows than ``data.min_cell``.
    missing_share : float
        Share of training rows without a value.
    """

    kind: Literal["numeric"] = "numeric"
    name: str
    low: float
    high: float
    missing_share: float


class CategoricalInput(_Fact):
    """A text the model sees.

    Attributes
    ----------
    name : str
        Column name.
    categories : list of str
        Values the model knows, sorted. Every other value is treated as unknown.
    other_values : int
        Distinct values of the training data that were too rare to be known. They are not stored: a
        rare value may point to a person.
    other_share : float
        Their share of the training rows that have a value.
    missing_share : float
        Share of training rows without a value.
    """

    kind: Literal["categorical"] = "categorical"
    name: str
    categories: list[str]
    other_values: int
    other_share: float
    missing_share: float


Input = Annotated[NumericInput | CategoricalInput, Field(discriminator="kind")]


class Choice(_Fact):
    """One candidate of the search: a kind of model with its settings.

    Attributes
    ----------
    kind : str
        ``logistic_regression``, ``hist_gradient_boosting`` or ``random_forest``.
    settings : dict of str to float or int
        Keyword arguments of the scikit-learn estimator.
    """

    kind: str
    settings: dict[str, float | int]


class Threshold(_Fact):
    """The operating point: a row is selected when its score is at or above `value`.

    Attributes
    ----------
    value : float
        The threshold.
    rule : str
        How it was chosen, as ``train.threshold.rule`` names it.
    words : str
        The same as a sentence.
    """

    value: float
    rule: str
    words: str


class ModelInfo(_Fact):
    """A model's description, written beside it and needed to load and use it.

    Attributes
    ----------
    sha256 : str
        Of the model file; another file is refused.
    target, positive, negative : str
        Column of the label, and its two values.
    rows : int
        Rows of the training data.
    prior : float
        Share of positive rows in the training data.
    score_floor : float
        Scores are held within [score_floor, 1 - score_floor], with 1 / (rows + 2): by the rule of
        succession (Laplace 1814) `rows` rows cannot support a probability nearer to 0 or 1, and an
        isotonic calibration otherwise claims certainty that one wrong row makes infinitely costly.
    inputs : list of NumericInput or CategoricalInput
        What the model sees, in its order.
    chosen : Choice
        The candidate that won the search.
    calibration, class_weight : str
        As in section ``train``.
    seed : int
        Of the training.
    threshold : Threshold
        The operating point.
    versions : dict of str to str
        Packages the file was written with; the same minor version is needed to load it.
    """

    sha256: str
    target: str
    positive: str
    negative: str
    rows: int
    prior: float
    score_floor: float
    inputs: list[Input]
    chosen: Choice
    calibration: str
    class_weight: str
    seed: int
    threshold: Threshold
    versions: dict[str, str]

    def names(self) -> list[str]:
        """Return the names of the columns the model needs, in its order."""
        return [column.name for column in self.inputs]


def read_info(path: Path) -> ModelInfo:
    """Read a model's description.

    Parameters
    ----------
    path : pathlib.Path
        ``models/model.json``.

    Returns
    -------
    ModelInfo

    Raises
    ------
    SignalboxError
        If it is missing or not in form.
    """
    raw: Any = read_json(path)
    try:
        return ModelInfo.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SignalboxError(
            f"{path}: not a model description ({where}: {first['msg']}); run the stage 'train'"
        ) from error
