"""``models/model.json``: everything about a model that isn't its fitted numbers."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipelines.core.errors import SignalboxError
from pipelines.core.files import read_json


class _Fact(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NumericInput(_Fact):
    """A number the model sees; `low` and `high` are the range in the training data."""

    kind: Literal["numeric"] = "numeric"
    name: str
    low: float
    high: float
    missing_share: float


class CategoricalInput(_Fact):
    """A text the model sees.

    Attributes
    ----------
    categories
        Values the model knows, sorted. Every other value is treated as unknown.
    other_values, other_share
        Distinct values of the training data that were too rare to be known, and their share of
        rows. They are not stored: a rare value may point to a person.
    """

    kind: Literal["categorical"] = "categorical"
    name: str
    categories: list[str]
    other_values: int
    other_share: float
    missing_share: float


Input = Annotated[NumericInput | CategoricalInput, Field(discriminator="kind")]


class Choice(_Fact):
    """One candidate of the search: a kind of model with its settings."""

    kind: str
    settings: dict[str, float | int]


class Threshold(_Fact):
    """The operating point: a row is selected when its score is at or above `value`."""

    value: float
    rule: str
    words: str


class ModelInfo(_Fact):
    """A model's description, written beside it and needed to load and use it.

    Attributes
    ----------
    sha256
        Of the model file; another file is refused.
    prior
        Share of positive rows in the training data.
    score_floor
        Scores are held within [score_floor, 1 - score_floor], with 1 / (rows + 2): by the rule of
        succession (Laplace 1814) `rows` rows cannot support a probability nearer to 0 or 1, and an
        isotonic calibration otherwise claims certainty that one wrong row makes infinitely costly.
    versions
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
        """Names of the columns the model needs, in its order."""
        return [column.name for column in self.inputs]


def read_info(path: Path) -> ModelInfo:
    """Read a model's description.

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
