"""What root causes are ranked from: a service graph, series, spans and log lines around a fault."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Role = Literal["latency", "availability", "errors", "requests", "saturation", "other"]

# Words of the trade, not of any data set; the first line that matches decides.
ROLE_WORDS: tuple[tuple[Role, str], ...] = (
    ("saturation", r"cpu|memory|mem_|throttl|utili[sz]ation|saturation|disk|retransmit"
                   r"|queue.?(depth|length)|\blag\b|network.?(p\d|rtt|delay|latency)"),
    ("errors", r"error|fail|exception|5xx|fault"),
    ("availability", r"availab|success"),
    ("latency", r"latency|duration|response.?time|delay|elapsed"),
    ("requests", r"request|throughput|workload|ops|calls|rps|qps"),
)  # fmt: skip


def role_of(metric: str) -> Role:
    """Tell what a metric is about from the words in its name."""
    low = metric.lower()
    return next((role for role, words in ROLE_WORDS if re.search(words, low)), "other")


@dataclass(frozen=True)
class Series:
    """One metric of one service; `values` may hold NaN (a gap), any order of time.

    Attributes
    ----------
    times
        Microseconds since 1970, shape (n,).
    role
        What it is about; see `role_of`. Availability may be in percent or a share.
    """

    service: str
    metric: str
    times: Ints
    values: Floats
    role: Role


@dataclass(frozen=True)
class Spans:
    """Columns of spans; row i is span i. Times in microseconds."""

    trace: list[str]
    span: list[str]
    parent: list[str]
    service: list[str]
    name: list[str]
    start: Ints
    end: Ints


@dataclass(frozen=True)
class Logs:
    """Columns of log lines with their templates (``texts[code[i]]``).

    Attributes
    ----------
    span
        Id of the span a line was written in, empty if not known.
    """

    trace: list[str]
    span: list[str]
    service: list[str]
    at: Ints
    code: Ints
    texts: list[str]


@dataclass(frozen=True)
class Signals:
    """Everything that was measured; parts that are missing are left out."""

    series: tuple[Series, ...] = ()
    spans: Spans | None = None
    logs: Logs | None = None


@dataclass(frozen=True)
class Window:
    """The fault's time, and the times it is compared with (microseconds, ends excluded).

    Attributes
    ----------
    reference
        Intervals that count as ordinary for spans and logs.
    metric_reference
        The same for series; empty: as `reference`.
    """

    start: int
    end: int
    reference: tuple[tuple[int, int], ...]
    metric_reference: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Graph:
    """Who calls whom, as (caller, callee)."""

    calls: frozenset[tuple[str, str]] = field(default_factory=frozenset)

    @cached_property
    def callees(self) -> dict[str, set[str]]:
        """Caller → those it calls, itself excepted."""
        return _by_first(self.calls)

    @cached_property
    def callers(self) -> dict[str, set[str]]:
        """Callee → those that call it, itself excepted."""
        return _by_first((callee, caller) for caller, callee in self.calls)


def _by_first(pairs: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for one, other in pairs:
        if one != other:
            found.setdefault(one, set()).add(other)
    return found


@dataclass(frozen=True)
class Target:
    """The symptom to explain: where it was seen and, if known, in what."""

    service: str
    role: Role | None = None


@dataclass(frozen=True)
class Cause:
    """A suspect; `score` in nats of evidence, capped per source, comparable within one ranking."""

    service: str
    metric: str
    score: float
    evidence: tuple[str, ...]


def inside(times: Ints, intervals: tuple[tuple[int, int], ...]) -> NDArray[np.bool_]:
    """Tell which times lie in one of the intervals."""
    hit = np.zeros(len(times), bool)
    for start, end in intervals:
        hit |= (times >= start) & (times < end)
    return hit
