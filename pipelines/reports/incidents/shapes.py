"""What the pages read of the files in a place; more keys than these are fine."""

from datetime import datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Number = float | None


class Shape(BaseModel):
    """Base: unknown keys are left out, values don't change, numbers are finite."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


S = TypeVar("S", bound=Shape)


class Span(Shape):
    """A window, ``[start, end)``, UTC."""

    start: datetime
    end: datetime


class Finding(Shape):
    """Something unusual, as every detector tells it."""

    id: str
    signal: str
    kind: str
    service: str = ""
    instance: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    start_us: int
    end_us: int
    score: float
    sentence: str
    expected_low: Number = None
    expected_high: Number = None
    observed: Number = None
    evidence: dict[str, Any] = Field(default_factory=dict)


class Plot(Shape):
    """Values around a finding, one a step; None: there was none.

    Attributes
    ----------
    low, high
        What was expected at the most unusual value.
    """

    unit: str = ""
    per_second: bool = False
    step_us: int = Field(gt=0)
    start_us: int
    values: list[Number]
    low: Number = None
    high: Number = None


class Line(Shape):
    """A log line, masked."""

    at_us: int
    severity: str | None = ""
    body: str = ""


class Findings(Shape):
    """File of a detector: what it found, what it looked at, and how."""

    format: str
    window: Span
    counts: dict[str, Any] = Field(default_factory=dict)
    settings: dict[str, Any] = Field(default_factory=dict)
    findings: list[Finding]
    plots: dict[str, Plot] = Field(default_factory=dict)
    lines: dict[str, list[Line]] = Field(default_factory=dict)


class Entry(Shape):
    """One line of a timeline."""

    at_us: int
    what: str
    service: str = ""
    sentence: str


class Cause(Shape):
    """A suspect; `score` in nats of evidence."""

    service: str
    metric: str = ""
    score: float
    evidence: list[str] = Field(default_factory=list)


class Similar(Shape):
    """A past incident; `score` is a likeness from 0 to 1."""

    id: str
    score: float
    shared: list[str] = Field(default_factory=list)
    fix: str = ""
    resolution: str = ""


class Incident(Shape):
    """What belongs together, with what is known about it."""

    id: str
    title: str
    start_us: int
    end_us: int
    affected: list[str] = Field(default_factory=list)
    exposed: list[str] = Field(default_factory=list)
    findings: list[str] = Field(default_factory=list)
    timeline: list[Entry] = Field(default_factory=list)
    causes: list[Cause] = Field(default_factory=list)
    similar: list[Similar] = Field(default_factory=list)


class Calls(Shape):
    """Who calls whom."""

    calls: list[tuple[str, str]] = Field(default_factory=list)


class Incidents(Shape):
    """All incidents of a window, and what they are made of."""

    format: str
    window: Span
    inputs: dict[str, str] = Field(default_factory=dict)
    counts: dict[str, Any] = Field(default_factory=dict)
    graph: Calls = Calls()
    findings: dict[str, Finding] = Field(default_factory=dict)
    incidents: list[Incident]
    synthetic: bool = False


class Move(Shape):
    """One thing that moved on the map; `p` is the chance of it, corrected."""

    sentence: str
    where: str = ""
    p: float
    certain: bool = True


class Diff(Shape):
    """What moved on the map since the time before."""

    moved: list[Move] = Field(default_factory=list)
    nodes_appeared: list[str] = Field(default_factory=list)
    nodes_vanished: list[str] = Field(default_factory=list)
    tests: int = 0


class ChangeImpact(Shape):
    """A change, and what moved after it beyond chance."""

    id: str = ""
    title: str = ""
    service: str = ""
    at_us: int
    moved: list[Move] = Field(default_factory=list)
    windows_before: int = 0
    windows_after: int = 0
    tests: int = 0
    note: str = ""


class Moves(Shape):
    """File with what moved on the map, and after changes."""

    format: str
    compared_with: Span | None = None
    diff: Diff | None = None
    changes: list[ChangeImpact] = Field(default_factory=list)
    changes_left_out: int = 0
    findings: list[Finding] = Field(default_factory=list)
