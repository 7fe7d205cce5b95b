"""Sections of the stages from ``validate`` to ``drift``."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipelines.base.params.model import Name, OpenShare, PositiveInt, Section, Share, Slug


class ValidateParams(Section):
    """Section ``validate``."""

    suite: Slug
    """``expectations/<suite>.json``."""
    max_quarantined_share: Share
    """More rows than this in quarantine stop the run."""


class SplitParams(Section):
    """Section ``split``: shares of subjects, and how exactly they must be met."""

    train: OpenShare
    validation: OpenShare
    test: OpenShare
    salt: str
    """Part of every subject's hash; another salt deals all subjects anew."""
    tolerance: OpenShare
    """Largest allowed absolute difference between wanted and actual share of rows."""

    @model_validator(mode="after")
    def _sums_to_one(self) -> Self:
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(f"train + validation + test must be 1, not {total:g}")
        return self


class LogisticRegressionGrid(Section):
    """Values to try for ``sklearn.linear_model.LogisticRegression``."""

    C: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)] = [1.0]


class HistGradientBoostingGrid(Section):
    """Values to try for ``sklearn.ensemble.HistGradientBoostingClassifier``."""

    learning_rate: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=1)] = [0.1]
    max_iter: Annotated[list[PositiveInt], Field(min_length=1)] = [100]
    max_leaf_nodes: Annotated[list[Annotated[int, Field(ge=2)]], Field(min_length=1)] = [31]
    l2_regularization: Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=1)] = [0.0]


class RandomForestGrid(Section):
    """Values to try for ``sklearn.ensemble.RandomForestClassifier``."""

    n_estimators: Annotated[list[PositiveInt], Field(min_length=1)] = [100]
    min_samples_leaf: Annotated[list[PositiveInt], Field(min_length=1)] = [5]


class Models(Section):
    """The kinds of model that compete; leave a kind out (or null) and it isn't tried."""

    logistic_regression: LogisticRegressionGrid | None = None
    hist_gradient_boosting: HistGradientBoostingGrid | None = None
    random_forest: RandomForestGrid | None = None

    @model_validator(mode="after")
    def _at_least_one(self) -> Self:
        if not any(getattr(self, name) for name in type(self).model_fields):
            raise ValueError(f"name at least one of {list(type(self).model_fields)}")
        return self


class ThresholdParams(Section):
    """How the operating threshold is chosen, always on validation data."""

    rule: Literal["max_accuracy", "max_f1", "min_cost", "selection_rate", "fixed"]
    cost_false_positive: Annotated[float, Field(gt=0)] = 1.0
    cost_false_negative: Annotated[float, Field(gt=0)] = 1.0
    selection_rate: OpenShare = 0.5
    value: OpenShare = 0.5


class TrainParams(Section):
    """Section ``train``."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    models: Models
    folds: Annotated[int, Field(ge=2, le=20)]
    """Cross-validation folds of the search and of the calibration, by subject."""
    select_by: Literal["roc_auc", "average_precision", "neg_log_loss", "neg_brier_score"]
    calibration: Literal["isotonic", "sigmoid", "none"]
    class_weight: Literal["none", "balanced"]
    use_sensitive: bool
    """Whether sensitive features are model inputs."""
    max_categories: Annotated[int, Field(ge=1, le=250)] = 100
    """Most frequent values of a text column that the model knows; others count as unknown."""
    min_category_rows: PositiveInt = 10
    """Rows a value needs to be known to the model."""
    threshold: ThresholdParams


class EvaluateParams(Section):
    """Section ``evaluate``."""

    replicates: Annotated[int, Field(ge=100)]
    confidence: OpenShare
    calibration_bins: Annotated[int, Field(ge=2, le=100)]
    slices: list[Name]
    """Columns whose values (numeric ones: quartiles) are reported apart, beside sensitive ones."""
    min_slice: PositiveInt
    """Slices with fewer rows are counted but get no figures."""


class MitigationParams(Section):
    """What post-processing would buy and cost; computed for the report, not deployed."""

    method: Literal["none", "threshold_optimizer"]
    constraint: Literal["demographic_parity", "equalized_odds"]
    feature: str | None = None
    """Sensitive feature to mitigate for; null = the one with the worst impact ratio."""


class BiasAuditParams(Section):
    """Section ``bias_audit``."""

    replicates: Annotated[int, Field(ge=100)]
    confidence: OpenShare
    score_bins: Annotated[int, Field(ge=2, le=1000)]
    min_share: Share
    """Groups below this share of rows are reported but left out of the ratio comparison."""
    reference: dict[str, str] = {}
    """Sensitive feature → group that others are compared with; default: highest selection rate."""
    mitigation: MitigationParams


class DriftParams(Section):
    """Section ``drift``."""

    column_threshold: OpenShare
    """A column counts as drifted when its distance is at or above this."""
    max_rows: Annotated[int, Field(ge=100)]
    """Larger tables are sampled to this many rows, by row hash."""
