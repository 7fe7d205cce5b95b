"""Silences: a template that came regularly and no longer does; gaps against its own regularity."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.logs.anomalies.chance import Tail, tail_of
from pipelines.aiops.logs.counts import LogAnomalySettings, Table
from pipelines.core.stats import benjamini_hochberg
from pipelines.core.time import DAY_US

_LEAST_GAPS = 12
_TOO_LONG_US = 3 * DAY_US
_LEAST_SPAN_US = DAY_US
_SPANS = 2
"""What came regularly for some time tells nothing of absences beyond half that time."""


@dataclass(frozen=True)
class Silence:
    """A gap that is too long.

    Attributes
    ----------
    code : int
        Position in `Table.series`.
    start_us, end_us : int
        Last line before and first line after it, or the window's end; microseconds UTC.
    usual_us, longest_us : float
        Median and greatest gap of the history, microseconds.
    open : bool
        Whether it lasts at the window's end.
    chance : float
        p-value, adjusted for all series that were looked at.
    """

    code: int
    start_us: int
    end_us: int
    usual_us: float
    longest_us: float
    open: bool
    chance: float


def silences(
    table: Table, start_us: int, end_us: int, settings: LogAnomalySettings
) -> list[Silence]:
    """Find gaps that end in the window or last at its end.

    A silence is reported once: by the first window at whose end it is long enough, or in which
    it ends.

    Parameters
    ----------
    table : Table
        Counts of the history and the window.
    start_us, end_us : int
        The window, microseconds UTC.
    settings : LogAnomalySettings

    Returns
    -------
    list of Silence
        Those that the false discovery rate lets pass, by series; at most one a series.
    """
    # Rows are sorted by series: those of code i are ``edges[i]:edges[i + 1]``.
    edges = np.searchsorted(table.code, np.arange(len(table.series) + 1)).tolist()
    judged: list[tuple[Silence, float]] = []
    for code in range(len(table.series)):
        rows = slice(edges[code], edges[code + 1])
        judged += _longest(table, code, rows, start_us, end_us)
    if not judged:
        return []
    raw = np.array([silence.chance for silence, _ in judged])
    chances = benjamini_hochberg(raw)
    bar = raw[chances <= settings.fdr_limit].max(initial=0.0)
    return [
        replace(silence, chance=float(p))
        for (silence, before), p in zip(judged, chances, strict=True)
        if p <= settings.fdr_limit and before > bar
        and silence.end_us - silence.start_us >= settings.min_ratio * silence.longest_us
    ]  # fmt: skip


def _longest(
    table: Table, code: int, rows: slice, start_us: int, end_us: int
) -> list[tuple[Silence, float]]:
    """Judge a series' longest gap in the window; with the chance of what of it lay before."""
    first, last, count = table.first_us[rows], table.last_us[rows], table.count[rows]
    past = first < start_us
    n = int(past.sum())
    if n < 2 or last[n - 1] - first[0] < _LEAST_SPAN_US:
        return []
    tail = _tail(first[:n], last[:n], count[:n])
    if tail is None:
        return []
    # Gaps that end in the window, and the one still open; the first may begin before it.
    begins = last[n - 1 :]
    ends = np.append(first[n:], end_us)
    gaps = ends - begins
    at = int(gaps.argmax())
    gap = float(gaps[at])
    begin, end = int(begins[at]), int(ends[at])
    if begin - first[0] < _SPANS * gap:
        return []
    before = tail.chance(float(start_us - begin)) if begin < start_us else 1.0
    chance = min(tail.chance(gap) * len(gaps), 1.0)
    is_open = at == len(gaps) - 1
    found = Silence(code, begin, end, tail.usual, tail.longest, is_open, chance)
    return [(found, before if is_open or begin < start_us else 1.0)]


def _tail(
    first: NDArray[np.int64], last: NDArray[np.int64], count: NDArray[np.int64]
) -> Tail | None:
    """Fit the tail of the gaps of the history; None with too few, or if it was away for days."""
    # Between bins gaps are known; inside a bin only their mean, taken three times at most.
    between = (first[1:] - last[:-1]).astype(np.float64)
    inside = (last - first) / np.maximum(count - 1, 1)
    n = int(count.sum()) - 1
    if n < _LEAST_GAPS:
        return None
    gaps = np.concatenate([between, np.repeat(inside, np.minimum(count - 1, 3))])
    if len(gaps) < _LEAST_GAPS or gaps.max() > _TOO_LONG_US:
        return None
    return tail_of(gaps)
