"""What chapters of every kind of report read: evidence by stage, tables of plots, sources."""

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines.base.artifacts import evidence_of
from pipelines.base.errors import SignalboxError
from pipelines.base.evidence import Evidence, Figure, read_evidence
from pipelines.reports.provenance import Sources

Number = float | None
Records = list[dict[str, str]]


class Shape(BaseModel):
    """Part of evidence details that a chapter reads; more keys than it reads are fine."""

    model_config = ConfigDict(extra="ignore")


S = TypeVar("S", bound=Shape)


@dataclass(frozen=True)
class Measured:
    """What the stages measured, and where every number comes from."""

    evidence: dict[str, Evidence]
    sources: Sources
    curves: dict[str, Records] = field(default_factory=dict)

    def details(self, stage: str, shape: type[S]) -> S:
        """Details of a stage's evidence in the given shape.

        Raises
        ------
        SignalboxError
            If a key is missing or has another form.
        """
        try:
            return shape.model_validate(self.evidence[stage].details)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise SignalboxError(
                f"{evidence_of(stage)}: details.{where}: {first['msg']}; the report cannot read it"
            ) from error

    def figure(self, figure_id: str) -> Figure | None:
        """Figure called `figure_id`, if a stage measured it."""
        sourced = self.sources.figures.get(figure_id)
        return sourced.figure if sourced else None


def read_evidence_of(stages: Iterable[str], root: Path = Path()) -> dict[Path, Evidence]:
    """Path of each stage's evidence, relative to `root` → what it holds."""
    return {evidence_of(stage): read_evidence(root / evidence_of(stage)) for stage in stages}


def read_records(path: Path) -> Records:
    """Rows of a CSV with a header line.

    Raises
    ------
    SignalboxError
        If the file isn't there.
    """
    if not path.is_file():
        raise SignalboxError(f"{path}: no such file; run the stage that makes it")
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def points(records: Records, x: str, y: str) -> list[tuple[float, float]]:
    """Pairs of two columns, without those that aren't numbers."""
    pairs = ((as_number(row.get(x)), as_number(row.get(y))) for row in records)
    return [(a, b) for a, b in pairs if a is not None and b is not None]


def as_number(text: str | None) -> Number:
    """Finite number in `text`, or None."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
