"""Find what is unusual in a table of metrics, for all its series at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from pipelines.aiops.lake.contract import service_of
from pipelines.aiops.lake.findings import Finding, finding_id, in_order
from pipelines.aiops.metrics.events import Event, find_events
from pipelines.aiops.metrics.features import DEFAULTS, DetectorSettings
from pipelines.aiops.metrics.grid import Subject, grids
from pipelines.core.stats import false_discovery_scores
from pipelines.core.time import SECOND_US

INSTANCE_LABELS = ("instance", "pod", "host", "service.instance.id", "node")
MAX_SERIES = 20_000
FDR_LIMIT = 0.2
HIGHEST = 300.0
"""Scores are cut here: no smaller chance has a meaning."""
WORDS = {
    "spike": "a spike",
    "level_shift": "a new level",
    "trend_change": "a new trend",
    "flat_line": "it no longer changes",
    "missing_data": "no values",
    "season_broken": "its usual rhythm is broken",
}


@dataclass(frozen=True)
class Detection:
    """What a run found, and what it looked at.

    Attributes
    ----------
    findings : list of Finding
        Findings, ordered by start.
    series, points : int
        Judged: series, and points at which an event could have started.
    uncertain : int
        Events that are too common for a run of this size and were left out.
    skipped : mapping of str to int
        Series not judged, by reason.
    """

    findings: list[Finding]
    series: int
    points: int
    uncertain: int
    skipped: Mapping[str, int]


def detect(
    table: Any,
    *,
    since_us: int | None = None,
    until_us: int | None = None,
    fdr_limit: float = FDR_LIMIT,
    max_series: int = MAX_SERIES,
    settings: DetectorSettings = DEFAULTS,
) -> Detection:
    """Find unusual behaviour in every series of a metrics table.

    Parameters
    ----------
    table : pyarrow.Table
        Columns of the contract's ``metrics``; rows in any order. Earlier rows teach: give at least
        two of the longest seasons before `since_us`.
    since_us : int or None
        Only events that start at or after this time (microseconds since 1970) are reported.
    until_us : int or None
        Later rows are left out, and a series without values up to then has a gap. Then parts of a
        table give the events of the whole; `correct` joins them. None: see `grids`.
    fdr_limit : float
        Share of the findings that may be false, over all series of the run (Benjamini–Hochberg);
        how far it is kept for which series: see `events.SURPRISE_PER_DECADE`.
        1: everything that raised an alarm.
    max_series : int
        See `grids`.
    settings : DetectorSettings
        Settings of the detector, the same for all series.

    Returns
    -------
    Detection
        Depends on the rows, not on their order.

    Raises
    ------
    SignalboxError
        If a column is missing.
    """
    found = grids(table, max_series, until_us)
    findings: list[Finding] = []
    points = 0
    for grid in found:
        from_column = 0 if since_us is None else -(-(since_us - grid.start_us) // grid.step_us)
        here, judged = find_events(grid.values, grid.step_us, settings, max(0, from_column))
        findings += [
            _finding(_GridRow(grid.subjects[event.row], grid.start_us, grid.step_us), event)
            for event in here
        ]
        points += judged
    kept, uncertain = correct(findings, points, fdr_limit)
    return Detection(kept, found.series, points, uncertain, found.skipped)


def correct(
    findings: Sequence[Finding], points: int, fdr_limit: float
) -> tuple[list[Finding], int]:
    """Score findings of one or more tables together, and keep those that are rare enough.

    Parameters
    ----------
    findings : sequence of Finding
        Of `detect`; their scores are made anew.
    points : int
        Points judged in all the tables.
    fdr_limit : float
        As in `detect`.

    Returns
    -------
    (list of Finding, int)
        Findings by start, and how many were left out.
    """
    rareness = [float(finding.evidence["rareness_per_point"]) for finding in findings]
    scores = false_discovery_scores(rareness, points).tolist()
    kept = [
        replace(finding, score=min(score, HIGHEST))
        for finding, score in zip(findings, scores, strict=True)
        if fdr_limit >= 1 or score >= -np.log10(fdr_limit)
    ]
    return in_order(kept), len(findings) - len(kept)


@dataclass(frozen=True)
class _GridRow:
    """What is needed of a grid to describe an event, without its values."""

    subject: Subject
    start_us: int
    step_us: int


def _finding(grid: _GridRow, event: Event) -> Finding:
    subject = grid.subject
    start = grid.start_us + event.left * grid.step_us
    service = service_of(subject.labels)
    instance = next((subject.labels[n] for n in INSTANCE_LABELS if subject.labels.get(n)), "")
    identity = {"source": subject.source, "fingerprint": subject.fingerprint}
    return Finding(
        id=finding_id("metric", event.kind, identity, start),
        signal="metric",
        kind=event.kind,
        service=service,
        instance=instance,
        labels={**subject.labels, "__name__": subject.name},
        start_us=start,
        end_us=grid.start_us + event.right * grid.step_us,
        score=0.0,
        sentence=_sentence(subject, event, service, start),
        expected_low=_number(event.low),
        expected_high=_number(event.high),
        observed=_number(event.observed),
        evidence={
            **identity,
            "surprise": event.surprise,
            "rareness_per_point": event.rareness,
            "expected": _number(event.expected),
            "peak_us": grid.start_us + event.peak * grid.step_us,
            "step_us": grid.step_us,
            "points": event.right - event.left + 1,
            "unit": subject.unit,
            "rate_per_second": subject.rate,
        },
    )


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _sentence(subject: Subject, event: Event, service: str, start: int) -> str:
    of = f" of {service}" if service else ""
    per = " per second" if subject.rate else ""
    when = datetime.fromtimestamp(start // SECOND_US, tz=UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    what = f"{subject.name}{of}: {WORDS[event.kind]} from {when}"
    if event.kind == "missing_data":
        return f"{what}, for {event.right - event.left + 1} points in a row."
    seen = f", {event.observed:.4g}{per}" if np.isfinite(event.observed) else ""
    if not np.isfinite(event.low):
        return f"{what}{seen}."
    return f"{what}{seen} (expected {event.low:.4g} to {event.high:.4g})."
