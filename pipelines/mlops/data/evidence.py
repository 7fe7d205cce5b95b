"""Details of the evidence of ``ingest``, ``validate`` and ``split``, as reports read them too.

A stage builds its model; ``model_dump(mode="json", by_alias=True)`` is `Evidence.details`.
"""

from pydantic import BaseModel, ConfigDict, Field

from pipelines.mlops.data.sources import SourceFile


class Details(BaseModel):
    """Base of everything here."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)


class ColumnFacts(Details):
    """One column as it was read: its type, rows without a value, and different values."""

    name: str
    type: str
    missing: int
    distinct: int


class IngestDetails(Details):
    """Details of ``ingest``; `labels`: label → rows."""

    source: str
    kind: str
    files: list[SourceFile]
    columns: list[ColumnFacts]
    labels: dict[str, int]
    subject_key: str | None
    notices: list[str] = Field(default_factory=list)
    """Only written where a column's type is worth a word."""


class CheckedRule(Details):
    """One rule that the table was held against."""

    rule: str
    action: str
    reason: str
    kept: bool
    broken_rows: int
    observed: str


class RowCounts(Details):
    """Rows read, kept and in quarantine."""

    read: int = Field(validation_alias="in", serialization_alias="in")
    kept: int
    quarantined: int


class ColumnCheck(Details):
    """What a column says about the target alone."""

    name: str
    roc_auc: float | None
    """Of a number itself or of the scores on held-out folds, the better one, whichever way it
    ranks, in [0.5, 1]; None where it can't be measured."""
    balanced_accuracy: float | None
    """Mean of the shares of positive and of negative rows that the best cut gets right, in
    [0.5, 1]; of the better one as well."""
    distinct_share: float
    """Different values by rows with a value; 0 for an empty column."""
    decides_target: bool
    """One of the first two is at least ``validate.leak_auc``."""
    names_rows: bool
    """It differs in (nearly) every row as a key does."""


class ValidateDetails(Details):
    """Details of ``validate``."""

    counts: RowCounts
    rules: list[CheckedRule]
    columns: list[ColumnCheck]
    """What each column says about the target alone."""


class SplitPart(Details):
    """One part of the split; shares are of all rows."""

    rows: int
    subjects: int
    positives: int
    share: float
    wanted_share: float


class SplitDetails(Details):
    """Details of ``split``."""

    parts: dict[str, SplitPart]
    salt: str
