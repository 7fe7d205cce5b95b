"""The parts of the evidence of ``ingest``, ``validate`` and ``split`` that the report reads."""

from pydantic import Field

from pipelines.reports.model_release.inputs import Shape


class SourceFile(Shape):
    """One part of the source."""

    address: str
    sha256: str | None = None
    rows: int


class ColumnFact(Shape):
    """One column as it was read."""

    name: str
    type: str
    missing: int
    distinct: int


class Ingested(Shape):
    """`details` of ``ingest``."""

    source: str
    kind: str
    files: list[SourceFile]
    columns: list[ColumnFact]
    labels: dict[str, int]
    subject_key: str | None = None


class Rule(Shape):
    """One rule of ``validate``."""

    rule: str
    action: str
    reason: str
    kept: bool
    broken_rows: int
    observed: str


class Counts(Shape):
    """Rows in and out of ``validate``."""

    read: int = Field(alias="in")
    kept: int
    quarantined: int


class Validated(Shape):
    """`details` of ``validate``."""

    counts: Counts
    rules: list[Rule]


class Part(Shape):
    """One part of the split."""

    rows: int
    subjects: int
    positives: int
    share: float
    wanted_share: float


class Split(Shape):
    """`details` of ``split``."""

    parts: dict[str, Part]
