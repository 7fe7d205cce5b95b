"""Changed mix: a service writes what it always wrote, in other proportions."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.logs.anomalies.chance import LEAST
from pipelines.aiops.logs.counts import LogAnomalySettings, Table
from pipelines.core.stats import benjamini_hochberg
from pipelines.core.time import DAY_US, HOUR_US

_BLOCK = 6 * HOUR_US
_LEAST_DAYS = 4
_LEAST_LINES = 200
_LEAST_SPREAD = 0.15
_LEAST_DISTANCE = 0.05
"""Hellinger distances below are no change that anybody would call one."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class MixShift:
    """A stretch in which a service wrote its messages in other proportions.

    Attributes
    ----------
    service : str
    start_us, end_us : int
        The stretch, microseconds UTC.
    distance : float
        Hellinger distance to the mean of the days before, between 0 and 1.
    usual : float
        Distance that those days have from one another (geometric mean).
    high : float
        Distance that one day in a thousand would exceed.
    lines : int
        Lines in the stretch.
    moved : list of (int, float, float)
        Code of a series, its share before and now; the most changed first, at most five.
    chance : float
        p-value, adjusted for all stretches that were compared.
    """

    service: str
    start_us: int
    end_us: int
    distance: float
    usual: float
    high: float
    lines: int
    moved: list[tuple[int, float, float]]
    chance: float


def changed_mixes(
    table: Table,
    start_us: int,
    end_us: int,
    settings: LogAnomalySettings,
    without: Collection[int] = (),
) -> list[MixShift]:
    """Compare each six hours of the window with the same hours of the days before.

    The measure is Hellinger's distance to the mean of the days; its chance comes from how far each
    of those days is from the others (Student's t on logarithms), so that a service whose mix
    varies is judged by that.

    Parameters
    ----------
    table : Table
        Counts of the history and the window.
    start_us, end_us : int
        The window, microseconds UTC.
    settings : LogAnomalySettings
    without : collection of int
        Codes of series to leave out: what is a finding already.

    Returns
    -------
    list of MixShift
        Those that the false discovery rate lets pass, by service and time.
    """
    width = min(_BLOCK, end_us - start_us)
    judged: list[MixShift] = []
    services = np.array([service for service, _ in table.series], object)
    left_out = np.isin(table.code, np.array(sorted(without), np.int64))
    for service in sorted(set(services.tolist())):
        rows = np.flatnonzero((services[table.code] == service) & ~left_out)
        for begin in range(start_us, end_us - width + 1, width):
            found = _judged(table, service, rows, (begin, width), start_us)
            if found is not None:
                judged.append(found)
    if not judged:
        return []
    chances = benjamini_hochberg([max(shift.chance, LEAST) for shift in judged])
    return [
        MixShift(
            shift.service,
            shift.start_us,
            shift.end_us,
            shift.distance,
            shift.usual,
            shift.high,
            shift.lines,
            shift.moved,
            float(p),
        )
        for shift, p in zip(judged, chances, strict=True)
        if p <= settings.fdr_limit and shift.distance >= _LEAST_DISTANCE
    ]


def _judged(
    table: Table, service: str, rows: NDArray[np.int64], extent: tuple[int, int], start_us: int
) -> MixShift | None:
    from scipy.stats import t

    if not len(rows):
        return None
    begin, width = extent
    # Shape (rows,): whole days before the stretch, 0 in it; then the same hours of each day.
    back = (begin - table.at[rows]) // DAY_US + ((begin - table.at[rows]) % DAY_US > 0)
    inside = (table.at[rows] - begin + back * DAY_US) < width
    same = inside & ((table.at[rows] < start_us) | (back == 0))
    at, days_back = rows[same], back[same]
    codes, positions = np.unique(table.code[at], return_inverse=True)
    days = np.unique(days_back[days_back > 0])
    # Shape (days + 1, series of the service); the last line is the stretch itself.
    counts = np.zeros((len(days) + 1, len(codes)))
    line = np.where(days_back > 0, np.searchsorted(days, days_back), len(days))
    np.add.at(counts, (line, positions), table.count[at])
    now, past = counts[-1], counts[:-1]
    past = past[past.sum(1) >= _LEAST_LINES]
    n = len(past)
    if n < _LEAST_DAYS or now.sum() < _LEAST_LINES:
        return None
    # Hellinger's distance is Euclid's on square roots; each day against the mean of the others.
    roots = np.sqrt(past / past.sum(1, keepdims=True))
    others = (roots.sum(0) - roots) / (n - 1)
    usual = np.log(np.maximum(_distance(roots, others), 1e-3))
    mean = roots.mean(0)
    share = now / now.sum()
    distance = float(_distance(np.sqrt(share)[None, :], mean[None, :])[0])
    spread = max(float(usual.std(ddof=1)), _LEAST_SPREAD)
    scale = spread * np.sqrt(1 + 1 / n)
    chance = float(t.sf((np.log(max(distance, 1e-3)) - usual.mean()) / scale, n - 1))
    before = past.sum(0) / past.sum()
    order = np.argsort(-np.abs(np.sqrt(share) - np.sqrt(before)), kind="stable")[:5]
    moved = [(int(codes[i]), float(before[i]), float(share[i])) for i in order.tolist()]
    high = float(np.exp(usual.mean() + scale * t.isf(0.001, n - 1)))
    return MixShift(service, begin, begin + width, distance, float(np.exp(usual.mean())), high,
                   int(now.sum()), moved, chance)  # fmt: skip


def _distance(one: Floats, two: Floats) -> Floats:
    found: Floats = np.sqrt(((one - two) ** 2).sum(1) / 2)
    return found
