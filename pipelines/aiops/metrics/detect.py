"""Find what is unusual in a table of metrics, for all its series at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.aiops.lake.contract import service_of
from pipelines.aiops.lake.findings import YOUNG, Finding, finding_id, in_order
from pipelines.aiops.metrics.events import Event, find_events, surprise_of
from pipelines.aiops.metrics.features import DEFAULTS, DetectorSettings
from pipelines.aiops.metrics.grid import Grid, Subject, grids
from pipelines.core.time import DAY_US, HOUR_US, MINUTE_US, SECOND_US

INSTANCE_LABELS = ("instance", "pod", "host", "service.instance.id", "node")
MAX_SERIES = 20_000
FALSE_ALARM_RATE = 0.04
"""False findings that a series may have in `ROWS` rows."""
ROWS = 1440
"""Rows that rates are told for: a day of minutes."""
OLD_ROWS = 1000
"""Rows of history from which a finding does not say how much there was."""
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


Watch = Callable[[Grid, npt.NDArray[np.float32]], None]


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
        Events that are too common and were left out.
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
    false_alarm_rate: float = FALSE_ALARM_RATE,
    max_series: int = MAX_SERIES,
    settings: DetectorSettings = DEFAULTS,
    watch: Watch | None = None,
) -> Detection:
    """Find unusual behaviour in every series of a metrics table.

    Parameters
    ----------
    table : pyarrow.Table
        Columns of the contract's ``metrics``; rows in any order. Earlier rows teach.
    since_us : int or None
        Only events that start at or after this time (microseconds since 1970) are reported.
    until_us : int or None
        Later rows are left out, and a series without values up to then has a gap. Then parts of a
        table give the findings of the whole. None: see `grids`.
    false_alarm_rate : float
        False findings that a series may have in `ROWS` rows; infinite: everything suspected. What
        is kept does not depend on how many series there are; for how the rate is estimated, see
        `events.event_rareness`.
    max_series : int
        See `grids`.
    settings : DetectorSettings
        Settings of the detector, the same for all series.
    watch : callable or None
        Called with each grid and its surprises, as in `scoring.Scores`.

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
    points = judged_series = 0
    for grid in found:
        from_column = 0 if since_us is None else -(-(since_us - grid.start_us) // grid.step_us)
        here = find_events(grid.values, settings, max(0, from_column))
        findings += [
            _finding(_GridRow(grid.subjects[event.row], grid.start_us, grid.step_us), event)
            for event in here.events
        ]
        points += int(here.judged.sum())
        judged_series += int((here.judged > 0).sum())
        if watch is not None:
            watch(grid, here.surprise)
    kept, uncertain = rare_enough(findings, false_alarm_rate)
    skipped = dict(found.skipped)
    if found.series > judged_series:
        skipped[YOUNG] = found.series - judged_series
    return Detection(kept, judged_series, points, uncertain, skipped)


def rare_enough(findings: Sequence[Finding], false_alarm_rate: float) -> tuple[list[Finding], int]:
    """Keep findings that are rare enough, whatever else was found.

    Parameters
    ----------
    findings : sequence of Finding
        Of `detect`, of one or more tables.
    false_alarm_rate : float
        As in `detect`.

    Returns
    -------
    (list of Finding, int)
        Findings by start, and how many were left out.
    """
    limit = -np.log10(false_alarm_rate)
    kept = [finding for finding in findings if finding.evidence["rareness"] >= limit]
    return in_order(kept), len(findings) - len(kept)


def told_from(false_alarm_rate: float = FALSE_ALARM_RATE) -> float:
    """Return the surprise from which an event is told.

    Parameters
    ----------
    false_alarm_rate : float
        As in `detect`.

    Returns
    -------
    float
        Surprise.
    """
    return surprise_of(float(np.log10(ROWS) - np.log10(false_alarm_rate)))


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
    rareness = event.rareness - float(np.log10(ROWS))
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
        score=float(np.clip(rareness, 0.0, HIGHEST)),
        sentence=_sentence(grid, event, service, start),
        expected_low=_number(event.low),
        expected_high=_number(event.high),
        observed=_number(event.observed),
        evidence={
            **identity,
            "surprise": event.surprise,
            "rareness_per_point": event.rareness,
            "rareness": rareness,
            "history_points": event.age,
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


def _sentence(grid: _GridRow, event: Event, service: str, start: int) -> str:
    subject = grid.subject
    of = f" of {service}" if service else ""
    per = " per second" if subject.rate else ""
    when = datetime.fromtimestamp(start // SECOND_US, tz=UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    what = f"{subject.name}{of}: {WORDS[event.kind]} from {when}"
    young = ""
    if event.age < OLD_ROWS:
        young = f" {_duration(event.age * grid.step_us)} of history; only large changes are told."
    if event.kind == "missing_data":
        return f"{what}, for {event.right - event.left + 1} points in a row.{young}"
    seen = f", {event.observed:.4g}{per}" if np.isfinite(event.observed) else ""
    if not np.isfinite(event.low):
        return f"{what}{seen}.{young}"
    return f"{what}{seen} (expected {event.low:.4g} to {event.high:.4g}).{young}"


def _duration(us: int) -> str:
    """Say a length of time in its largest whole unit."""
    for unit, name in ((DAY_US, "d"), (HOUR_US, "h"), (MINUTE_US, "min")):
        if us >= 2 * unit:
            return f"{us // unit} {name}"
    return f"{us // SECOND_US} s"
