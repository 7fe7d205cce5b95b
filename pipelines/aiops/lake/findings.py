"""Findings: one data class for all that detectors find, its files and its plots.

A finding says where, from when to when, how rare, what was expected and what was seen, in numbers
and in one sentence. Incidents group findings, reports show them; neither needs to know the
detector.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from pipelines.aiops.lake.window import Window
from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import round_floats
from pipelines.core.files import read_json, write_text
from pipelines.core.settings import validate_as

Signal = Literal["metric", "log", "service_map", "alert", "change"]
SIGNALS: tuple[str, ...] = get_args(Signal)


@dataclass(frozen=True)
class Finding:
    """Something unusual that a detector found.

    Attributes
    ----------
    id : str
        `finding_id` of signal, kind, subject and start: the same finding of another run has the
        same id.
    signal : {"metric", "log", "service_map", "alert", "change"}
        What it was found in.
    kind : str
        What it is, in the detector's vocabulary: ``spike``, ``level_shift``, ``new_template``, …
    service, instance : str
        Where; empty if not known. Shown to people, so treated as data everywhere.
    labels : mapping of str to str
        Other labels of the subject (metric name as ``__name__``, edge as ``from`` and ``to``, …).
    start_us, end_us : int
        UTC, microseconds since 1970; the end is that of the last unusual observation and never
        before the start.
    score : float
        How rare: -log10 of the chance of at least this in data without anomalies. Of metrics: in
        1,440 rows (a day of minutes) of one series; else after correction for everything else that
        was looked at in the run. 2: one in a hundred. Zero or more.
    sentence : str
        One sentence for people, without markup.
    expected_low, expected_high, observed : float, optional
        Expected band and the most unusual value seen, in the subject's unit; None if there is no
        such number.
    evidence : mapping
        Numbers and names behind it, JSON values only.

    Raises
    ------
    SignalboxError
        If the signal is unknown, the end lies before the start, or the score is negative or not
        finite.
    """

    id: str
    signal: Signal
    kind: str
    service: str
    instance: str
    labels: Mapping[str, str]
    start_us: int
    end_us: int
    score: float
    sentence: str
    expected_low: float | None = None
    expected_high: float | None = None
    observed: float | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.signal not in SIGNALS:
            raise SignalboxError(
                f"finding {self.id}: signal {self.signal!r} is none of {', '.join(SIGNALS)}"
            )
        if self.end_us < self.start_us:
            raise SignalboxError(
                f"finding {self.id}: end_us {self.end_us} lies before start_us {self.start_us}"
            )
        if not 0 <= self.score < float("inf"):
            raise SignalboxError(
                f"finding {self.id}: score {self.score} must be zero or more and finite"
            )

    def as_json(self) -> dict[str, Any]:
        """Return the finding as JSON values.

        Returns
        -------
        dict
            A key a field, in a fixed order; floats rounded, labels sorted.
        """
        return round_floats(
            {
                "id": self.id,
                "signal": self.signal,
                "kind": self.kind,
                "service": self.service,
                "instance": self.instance,
                "labels": dict(sorted(self.labels.items())),
                "start_us": self.start_us,
                "end_us": self.end_us,
                "score": float(self.score),
                "sentence": self.sentence,
                "expected_low": self.expected_low,
                "expected_high": self.expected_high,
                "observed": self.observed,
                "evidence": dict(self.evidence),
            }
        )

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Finding:
        """Return the finding that `as_json` wrote.

        Parameters
        ----------
        values : mapping
            A key a field.

        Returns
        -------
        Finding

        Raises
        ------
        SignalboxError
            If keys are missing or unknown.
        """
        try:
            return cls(**values)
        except TypeError as error:
            raise SignalboxError(f"not a finding: {error}") from None


def finding_id(signal: str, kind: str, subject: Mapping[str, str], start_us: int) -> str:
    """Return an id that depends on what was found where and since when, and on nothing else.

    Parameters
    ----------
    signal, kind : str
        As in `Finding`.
    subject : mapping of str to str
        Whatever identifies the subject: service, instance, labels, fingerprint, template id.
    start_us : int
        Start, microseconds since 1970.

    Returns
    -------
    str
        First 16 hex digits of a SHA-256.
    """
    # Length before text: no two subjects run together into the same bytes.
    parts = [signal, kind, str(start_us)]
    for key, value in sorted(subject.items()):
        parts += [key, value]
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Sort findings by start, the rarest first among equals, then by id: the same each run.

    Parameters
    ----------
    findings : iterable of Finding

    Returns
    -------
    list of Finding
    """
    return sorted(findings, key=lambda f: (f.start_us, -f.score, f.id))


FORMAT = "signalbox.findings/1"
TOO_FEW, YOUNG = "too few points", "too little history"
"""Reasons for which a series of metrics was left out, in ``counts.skipped``: it has not enough
points for a grid, or none that could be judged."""


@dataclass(frozen=True)
class Plot:
    """Values around a finding.

    Attributes
    ----------
    unit : str
        Of the values; ``per_second`` if they are rates.
    step_us, start_us : int
        Microseconds from one value to the next, and of the first one since 1970.
    values : list of float or None
        None where there is none.
    low, high : float or None
        What was expected at the most unusual value.
    """

    unit: str
    per_second: bool
    step_us: int
    start_us: int
    values: list[float | None]
    low: float | None
    high: float | None

    def __post_init__(self) -> None:
        if self.step_us <= 0:
            raise SignalboxError(f"plot: step_us {self.step_us} must be positive")


@dataclass(frozen=True)
class LogLine:
    """A log line, masked; `at_us` in microseconds since 1970."""

    at_us: int
    severity: str
    body: str


@dataclass(frozen=True)
class FindingsFile:
    """What a detector found in a window.

    Attributes
    ----------
    signal : str
        ``metric`` or ``log``.
    window : Window
        The time that was analysed.
    findings : sequence of Finding
    counts : mapping
        What was looked at, and what was left out and why.
    settings : mapping
        The detector's section of params.
    plots : mapping of str to Plot
        Finding's id → values around it.
    lines : mapping of str to list of LogLine, optional
        Finding's id → first lines. Logs only.
    """

    signal: str
    window: Window
    findings: Sequence[Finding]
    counts: Mapping[str, Any]
    settings: Mapping[str, Any]
    plots: Mapping[str, Plot] = field(default_factory=dict)
    lines: Mapping[str, list[LogLine]] | None = None


def write_findings(path: Path, file: FindingsFile) -> None:
    """Write findings as JSON, whole or not at all.

    Parameters
    ----------
    path : Path
        The file to write.
    file : FindingsFile
        Its content.
    """
    content: dict[str, Any] = {
        "format": FORMAT,
        "signal": file.signal,
        "window": file.window.as_json(),
        "counts": dict(file.counts),
        "settings": dict(file.settings),
        "findings": [finding.as_json() for finding in file.findings],
        "plots": {key: vars(plot) for key, plot in sorted(file.plots.items())},
    }
    if file.lines is not None:
        content["lines"] = {
            key: [vars(line) for line in lines] for key, lines in sorted(file.lines.items())
        }
    write_ordered(path, content)


def write_ordered(path: Path, content: dict[str, Any]) -> None:
    """Write JSON whose keys keep their order, floats rounded, whole or not at all.

    Parameters
    ----------
    path : Path
        The file to write.
    content : dict
        JSON values; NaN and infinity are written as null.
    """
    text = json.dumps(round_floats(content), indent=1, allow_nan=False, ensure_ascii=True)
    write_text(path, f"{text}\n")


def read_findings(path: Path) -> FindingsFile:
    """Read a file that `write_findings` wrote.

    Parameters
    ----------
    path : Path

    Returns
    -------
    FindingsFile

    Raises
    ------
    SignalboxError
        If it isn't there, or isn't such a file.
    """
    return read_as(FindingsFile, path, FORMAT)


T = TypeVar("T")


def read_as(kind: type[T], path: Path, form: str, stage: str = "its stage") -> T:
    """Read JSON of a format as the typed model that its writer has.

    Parameters
    ----------
    kind : type
        A dataclass.
    path : Path
    form : str
        As for `read_form`.
    stage : str, default "its stage"
        What writes it.

    Returns
    -------
    object
        An object of `kind`.

    Raises
    ------
    SignalboxError
        If it isn't there, is of another format, or a key is missing or has another form.
    """
    return validate_as(kind, read_form(path, form), f"{path}: ", f"run {stage} again")


def read_form(path: Path, form: str) -> dict[str, Any]:
    """Read JSON of a format.

    Parameters
    ----------
    path : Path
    form : str
        What its key ``format`` must say, such as `FORMAT`.

    Returns
    -------
    dict

    Raises
    ------
    SignalboxError
        If it isn't there, or is of another format.
    """
    content = read_json(path)
    if not isinstance(content, dict) or content.get("format") != form:
        raise SignalboxError(f"{path}: not of format {form}; run its stage again")
    return content


BEFORE, AFTER = 200, 50
"""Steps shown before and after a finding, at least."""
POINTS = 300
"""Values of a plot, about; more are thinned."""


def downsampled(
    values: Sequence[float | None], most: int = POINTS
) -> tuple[list[float | None], int]:
    """Thin values for a plot so that its extremes stay.

    Of each ``2 * every`` values the least and the greatest are kept, in their order.

    Parameters
    ----------
    values : sequence of float or None, shape (n,)
        None, NaN and infinity are no values.
    most : int
        Values to return, about.

    Returns
    -------
    kept : list of float or None
    every : int
        How many of `values` each stands for; 1 if nothing was thinned.
    """
    every = -(-len(values) // most) if values else 1
    known = [value if value is not None and isfinite(value) else None for value in values]
    if every == 1:
        return known, 1
    found: list[float | None] = []
    for at in range(0, len(known), 2 * every):
        part = [
            (value, i) for i, value in enumerate(known[at : at + 2 * every]) if value is not None
        ]
        if not part:
            found += [None, None]
            continue
        ends = sorted((min(part), max(part)), key=lambda bound: bound[1])
        found += [value for value, _ in ends]
    return found, every
