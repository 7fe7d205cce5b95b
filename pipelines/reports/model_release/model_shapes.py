"""The parts of ``evidence/train.json`` that the report reads."""

from typing import Any

from pydantic import Field

from pipelines.reports.model_release.inputs import Number, Shape


class Chosen(Shape):
    """The winner of the search."""

    kind: str
    settings: dict[str, Any]


class Selection(Shape):
    """How the winner was chosen."""

    metric: str
    rule: str
    folds: int
    how: str = ""


class Trial(Chosen):
    """One candidate."""

    chosen: bool
    converged: bool = True
    mean: dict[str, Number]
    std: dict[str, Number]


class Calibration(Shape):
    """How scores became probabilities."""

    method: str
    how: str
    class_weight: str


class At(Shape):
    """What a threshold does on validation data."""

    threshold: float
    selection_rate: Number = None
    accuracy: Number = None
    precision: Number = None
    recall: Number = None


class Threshold(Shape):
    """The operating point."""

    value: float
    rule: str
    words: str
    at: At
    curve: list[At] = Field(default_factory=list)


class Input(Shape):
    """A column the model sees."""

    kind: str
    name: str
    missing_share: Number = None
    low: Number = None
    high: Number = None
    categories: list[str] = Field(default_factory=list)
    other_values: int = 0


class LeftOut(Shape):
    """A column the model doesn't see."""

    name: str
    reason: str


class Leaned(Shape):
    """How much the model leans on a column."""

    name: str
    roc_auc_drop: Number = None
    log_loss_rise: Number = None


class Importance(Shape):
    """Permutation importance."""

    how: str
    rows: int
    columns: list[Leaned]


class Trained(Shape):
    """`details` of ``train``."""

    rows: dict[str, int]
    chosen: Chosen
    selection: Selection
    search: list[Trial]
    calibration: Calibration
    threshold: Threshold
    inputs: list[Input]
    left_out: list[LeftOut] = Field(default_factory=list)
    importance: Importance | None = None
    notes: list[str] = Field(default_factory=list)
