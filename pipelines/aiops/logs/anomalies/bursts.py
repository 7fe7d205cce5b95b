"""Bursts: more lines of a template than its own past explains, overdispersion included."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.logs.anomalies.chance import LEAST_SIZE, Tail, tail_of
from pipelines.aiops.logs.counts import LogAnomalySettings, Table
from pipelines.core.stats import benjamini_hochberg
from pipelines.core.time import DAY_US, HOUR_US

_CHUNK = 1_000
_ENOUGH_DAYS = 5
"""Days of history from which on the most unusual one is set aside: it may have been an incident."""
_SET_ASIDE = 1.5
"""What setting the most unusual day aside takes from the overdispersion, roughly."""
_SELDOM = 0.1
"""Templates with lines in fewer of the bins say too little about how their lines clump."""
_OFTEN = 0.5
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Burst:
    """A burst: neighbouring bins with too many lines; the numbers are of the rarest bin.

    Attributes
    ----------
    code : int
        Position in `Table.series`.
    start_us, end_us : int
        From the first bin's begin to the last one's end, microseconds UTC.
    lines : int
        Lines in the bin.
    expected : float
        Mean of the model.
    high : float
        Its 99.9% quantile.
    chance : float
        p-value, adjusted for all bins and series that were looked at.
    """

    code: int
    start_us: int
    end_us: int
    lines: int
    expected: float
    high: float
    chance: float


def bursts(table: Table, start_us: int, end_us: int, settings: LogAnomalySettings) -> list[Burst]:
    """Find bursts in the window.

    Counts in bins and in hours are judged by the upper tail of a negative binomial whose mean
    follows the hour of the day (where that predicts days left out better than the plain mean) and
    whose overdispersion is the history's. What the history had on two days is no burst however
    small its chance: tails of logs are heavier than any model's.

    Parameters
    ----------
    table : Table
        Counts of the history and the window.
    start_us, end_us : int
        The window, microseconds UTC, whole bins.
    settings : LogAnomalySettings

    Returns
    -------
    list of Burst
        Those that the false discovery rate lets pass, by series and time; empty with less than a
        day of history.
    """
    first = start_us - (start_us - _begin(table, start_us)) // DAY_US * DAY_US
    days = (start_us - first) // DAY_US
    if days < 1 or not len(table.code):
        return []
    found: list[tuple[int, int, int, int, float, float, float]] = []
    tests = 0
    width = settings.bin_us
    window = -(-(end_us - start_us) // width)
    known = np.unique(table.code)
    least = np.ones(len(table.series))
    clumps = {size: _clumps(table, first, start_us, size * width)
              for size in (1, HOUR_US // width)}  # fmt: skip
    for i in range(0, len(known), _CHUNK):
        codes = known[i : i + _CHUNK]
        cells = _dense(table, codes, first, start_us + window * width, width)
        valid = _valid(table, codes, first, int(days))
        for size in (1, HOUR_US // width):
            judged = _judged(cells, valid, size, clumps[size], settings)
            tests = max(tests, 2 * judged.cells)
            for row, cell, lines, mean, high, chance in judged.rows:
                at = start_us + cell * size * width
                found.append((int(codes[row]), at, at + size * width, lines, mean, high, chance))
                least[codes[row]] = min(least[codes[row]], chance)
    if not found:
        return []
    per_series = np.minimum(least * tests, 1.0)
    order = np.sort(per_series[known])
    passed = np.flatnonzero(benjamini_hochberg(order) <= settings.fdr_limit)
    if not len(passed):
        return []
    bar = order[passed[-1]] / tests
    factor = tests * len(known) / len(passed)
    return _merged([burst for burst in found if burst[-1] <= bar], factor)


@dataclass(frozen=True)
class _Judged:
    rows: list[tuple[int, int, int, float, float, float]]
    cells: int


def _begin(table: Table, start_us: int) -> int:
    past = table.at[table.at < start_us]
    return int(past.min()) if len(past) else start_us


def _dense(
    table: Table, codes: NDArray[np.int64], first: int, last: int, width: int
) -> NDArray[np.float32]:
    """Lay the counts of some series into all bins, shape (series, bins)."""
    # Dense, because bins without lines count too; float32 halves the memory of many series.
    cells = np.zeros((len(codes), (last - first) // width), np.float32)
    at = np.flatnonzero(np.isin(table.code, codes) & (table.at >= first) & (table.at < last))
    rows = np.searchsorted(codes, table.code[at])
    cells[rows, (table.at[at] - first) // width] = table.count[at]
    return cells


def _clumps(table: Table, first: int, last: int, width: int) -> Tail | None:
    """Tail of the lines that seldom templates have in a bin if they have any, over all of them."""
    past = (table.at >= first) & (table.at < last)
    n = len(table.series)
    # One number for series and bin; only bins with lines, shape (occupied bins,).
    key = table.code[past] * ((last - first) // width + 1) + (table.at[past] - first) // width
    cells, cell_of = np.unique(key, return_inverse=True)
    lines = np.bincount(cell_of, table.count[past], len(cells))
    code = cells // ((last - first) // width + 1)
    bins = np.bincount(code, minlength=n)
    seldom = lines[bins[code] < _SELDOM * (last - first) / width]
    return tail_of(seldom) if len(seldom) >= LEAST_SIZE else None


def _valid(table: Table, codes: NDArray[np.int64], first: int, days: int) -> NDArray[np.bool_]:
    """Days of the history on which a series' service was there, shape (series, days)."""
    begins = table.service_begin[codes]
    starts = first + np.arange(days) * DAY_US
    found: NDArray[np.bool_] = np.asarray(begins.reshape(-1, 1) <= starts.reshape(1, -1) + HOUR_US)
    return found


def _judged(
    cells: NDArray[np.float32],
    valid: NDArray[np.bool_],
    size: int,
    clumps: Tail | None,
    settings: LogAnomalySettings,
) -> _Judged:
    """Judge counts in bins of `size` bins."""
    from scipy.stats import nbinom

    series, days = valid.shape
    per_day = DAY_US // settings.bin_us
    # Shapes (series, days, slots of a day) for the history, (series, bins) for the window.
    past = cells[:, : days * per_day].reshape(series, days, per_day // size, size).sum(3)
    rest = cells[:, days * per_day :]
    whole = rest.shape[1] // size
    now = rest[:, : whole * size].reshape(series, whole, size).sum(2)
    past = past * valid[:, :, None]
    occupied = ((past > 0).sum((1, 2)) + 0.5) / np.maximum(valid.sum(1) * past.shape[2], 1)
    mean, spread, usual = _past(past.astype(np.float64), valid, per_day // size)
    slots = np.arange(whole) % (per_day // size)
    high = now > np.maximum(usual[:, None], settings.min_burst - 1)
    rows, columns = np.nonzero(high & (valid.sum(1) > 0).reshape(-1, 1))
    if not len(rows):
        return _Judged([], whole)
    # Shape (suspects,) from here on: the few cells above all that was usual.
    mu = mean[rows, slots[columns]]
    lines = now[rows, columns].astype(np.float64)
    size_of = 1 / spread[rows]
    chance = nbinom.sf(lines - 1, size_of, size_of / (size_of + mu))
    if clumps is not None:
        alone = np.array([clumps.chance(n) for n in lines.tolist()]) * np.minimum(occupied[rows], 1)
        chance = np.where(occupied[rows] < _OFTEN, np.maximum(chance, alone), chance)
    upper = nbinom.ppf(0.999, size_of, size_of / (size_of + mu))
    keep = np.flatnonzero((lines >= settings.min_ratio * mu) & (chance < 0.01))
    return _Judged(
        [(int(rows[k]), int(columns[k]), int(lines[k]), float(mu[k]), float(upper[k]),
          float(chance[k])) for k in keep.tolist()],
        whole,
    )  # fmt: skip


def _past(past: Floats, valid: NDArray[np.bool_], slots: int) -> tuple[Floats, Floats, Floats]:
    """Mean of each slot of the day, overdispersion, and the most lines usual, a series."""
    days = past.shape[1]
    weight = valid.astype(np.float64)
    totals = past.sum(2)
    if days >= _ENOUGH_DAYS:
        # The day with most lines in one slot is set aside.
        peaks = np.where(valid, past.max(2), -1)
        weight[np.arange(len(past)), peaks.argmax(1)] = 0
    n = np.maximum(weight.sum(1), 1)
    usual = (past.max(2) * weight).max(1)
    plain = ((totals * weight).sum(1) + 0.5) / (n * slots)
    # By hour, shape (series, days, 24): single bins are too sparse for a profile.
    hourly = past.reshape(len(past), days, 24, slots // 24).sum(3)
    profile = _profile(hourly, weight, plain * slots / 24)
    mean = np.repeat(profile / (slots // 24), slots // 24, axis=1)
    # Method of moments: what squares exceed a Poisson's variance, over the squared mean.
    off = (past - mean[:, None, :]) ** 2 - mean[:, None, :]
    over = (off * weight[:, :, None]).sum((1, 2)) / (n * (mean**2).sum(1))
    if days >= _ENOUGH_DAYS:
        over = over * _SET_ASIDE
    lines = (totals * weight).sum(1)
    # How well the mean is known adds to the spread; so do few days.
    spread = np.maximum(over, 0) + 1 / (lines + 0.5) + 0.1 / n
    return mean, np.maximum(spread, 1e-3), usual


def _profile(hourly: Floats, weight: Floats, plain: Floats) -> Floats:
    """Mean of each hour of the day; the plain mean where that predicts days left out better."""
    n = np.maximum(weight.sum(1), 1)[:, None]
    total = (hourly * weight[:, :, None]).sum(1)
    smooth = _smooth(total)
    shrunk = (smooth + plain[:, None]) / (n + 1)
    # Leave one day out: by how much the profile's squared error is below the plain mean's.
    better = np.zeros(len(hourly))
    for day in range(hourly.shape[1]):
        own = hourly[:, day]
        w = weight[:, day]
        left = _smooth(total - own * w[:, None])
        rest = np.maximum(n[:, 0] - w, 1)
        flat = left.mean(1) / rest
        guess = (left + flat[:, None]) / (rest[:, None] + 1)
        better += w * (((own - flat[:, None]) ** 2).sum(1) - ((own - guess) ** 2).sum(1))
    daily = (better > 0) & (weight.sum(1) >= 3)
    return np.where(daily[:, None], np.maximum(shrunk, plain[:, None] * 0.05), plain[:, None])


def _smooth(hours: Floats) -> Floats:
    found: Floats = (np.roll(hours, 1, -1) + 2 * hours + np.roll(hours, -1, -1)) / 4
    return found


def _merged(
    rows: list[tuple[int, int, int, int, float, float, float]], factor: float
) -> list[Burst]:
    """Neighbouring and overlapping bins of a series are one burst."""
    merged: list[Burst] = []
    for code, start, end, lines, mean, high, chance in sorted(rows):
        burst = Burst(code, start, end, lines, mean, high, min(chance * factor, 1.0))
        before = merged[-1] if merged else None
        if before is not None and before.code == code and start <= before.end_us:
            best = min(before, burst, key=lambda b: (b.chance, b.start_us, b.end_us))
            merged[-1] = Burst(code, before.start_us, max(before.end_us, end), best.lines,
                               best.expected, best.high, best.chance)  # fmt: skip
        else:
            merged.append(burst)
    return merged
