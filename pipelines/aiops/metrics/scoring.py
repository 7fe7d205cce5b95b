"""Score every point of many series, each point by what came before it.

Five distances of a point from the past (`features`) are each turned into a surprise, -log10 of
the chance by the tail of its own past distances (`Tail`); the surprises are added, as in
Fisher's method. Levels and tails are brought up to date every few points: more often while a
series is young. No parameter depends on the series, none is fitted to labels but the alarm
level.

Tails are peaks over threshold (Balkema, de Haan 1974; Pickands 1975; used for streams by Siffer
et al., "Anomaly Detection in Streams with Extreme Value Theory", KDD 2017): above a high past
quantile the excess follows a generalised Pareto law; its two parameters are those whose mean
and variance are the excesses' own. Only the largest values of the recent past are kept, so a
refresh costs the same however long the history is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.aiops.metrics import features
from pipelines.aiops.metrics.features import (
    CHANGE,
    DEFAULTS,
    LEVEL,
    MEAN,
    PARTS,
    RHYTHM,
    SEASON,
    DetectorSettings,
)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SHAPE_LEAST, SHAPE_MOST = 0.02, 0.9
NOTHING = -1.0
"""Stands for "no distance here": below every distance."""


@dataclass(frozen=True)
class Fit:
    """A generalised Pareto tail per series; every array has shape (series,).

    The threshold is infinite where too little is known.

    Attributes
    ----------
    threshold : array of float64
        Distance from which the tail holds; infinite where too little is known.
    base : array of float64
        Surprise of the threshold: -log10 of the chance to exceed it.
    scale, shape : array of float64
        Parameters of the generalised Pareto law.
    """

    threshold: Floats
    base: Floats
    scale: Floats
    shape: Floats

    def surprise(self, distances: Floats, floor: Floats | None = None) -> Floats:
        """Compute -log10 of the chance of at least these distances, 0 at and below the threshold.

        Parameters
        ----------
        distances : array of float64, shape (series, time)
            Distances.
        floor : array of float64, shape (series,), or None
            Not used if None; else distances at or below it are no surprise.

        Returns
        -------
        array of float64, shape (series, time)
            Surprises.

        Notes
        -----
        ``base + log10(1 + shape * excess / scale) / shape`` is -log10 of the law's survival
        function.
        """
        result = np.zeros_like(distances)
        limit = self.threshold if floor is None else np.maximum(self.threshold, floor)
        row, column = np.nonzero(distances > limit[:, None])
        if len(row):
            # A series that never moved has a scale near nothing: any move is as rare as can be.
            excess = distances[row, column] - self.threshold[row]
            excess = np.minimum(excess, 1e12 * self.scale[row]) / self.scale[row]
            shape = self.shape[row]
            result[row, column] = self.base[row] + np.log1p(shape * excess) / (shape * np.log(10))
        return result

    def reach(self, surprise: float) -> Floats:
        """Return the distance whose surprise is this: the inverse of `surprise`.

        Parameters
        ----------
        surprise : float
            -log10 of a chance.

        Returns
        -------
        array of float64, shape (series,)
            Distances, at least the threshold.
        """
        more = np.maximum(surprise - self.base, 0) * np.log(10)
        reach: Floats = self.threshold + self.scale * np.expm1(self.shape * more) / self.shape
        return reach


class Tail:
    """The largest past distances of each series, over a sliding window of segments.

    Parameters
    ----------
    series : int
        Number of series.
    settings : DetectorSettings
        Settings of the detector.
    """

    def __init__(self, series: int, settings: DetectorSettings) -> None:
        self.settings = settings
        self.segment = settings.history // settings.segments
        self.closed: list[tuple[Floats, Ints]] = []
        self.old = np.full((series, settings.tail_most), NOTHING)
        self.old_seen = np.zeros(series, dtype=np.int64)
        self.new, self.new_seen, self.columns = self.old.copy(), self.old_seen.copy(), 0

    def learn(self, distances: Floats) -> None:
        """Add distances.

        Parameters
        ----------
        distances : array of float64, shape (series, time)
            Newer than all before; `NOTHING` counts as none.
        """
        self.new = self._largest([self.new, distances])
        self.new_seen = self.new_seen + (distances != NOTHING).sum(axis=1)
        self.columns += distances.shape[1]
        if self.columns >= self.segment:
            self._close()

    def _largest(self, parts: list[Floats]) -> Floats:
        together: Floats = np.concatenate(parts, axis=1)
        most = self.settings.tail_most
        if together.shape[1] <= most:
            return together
        # The largest in any order: a full sort isn't needed until the fit.
        together.partition(together.shape[1] - most, axis=1)
        return together[:, -most:]

    def _close(self) -> None:
        self.closed = [*self.closed, (self.new, self.new_seen)][-(self.settings.segments - 1) :]
        self.old = self._largest([largest for largest, _ in self.closed])
        self.old_seen = np.sum([seen for _, seen in self.closed], axis=0)
        self.new = np.full_like(self.old, NOTHING)
        self.new_seen, self.columns = np.zeros_like(self.old_seen), 0

    def fit(self, floor: Floats) -> Fit:
        """Fit the tail as of now by the method of moments.

        Parameters
        ----------
        floor : array of float64, shape (series,)
            Least scale.

        Returns
        -------
        Fit
            Fit of every series; without warm-up its threshold is infinite.

        Notes
        -----
        A generalised Pareto law with mean m and variance v of the excess has shape ``(1 - m² / v) /
        2`` and scale ``m (1 - shape)`` (Hosking & Wallis 1987).
        """
        s = self.settings
        seen = self.old_seen + self.new_seen
        known = seen >= s.warm_up
        # The tail grows with what was seen, but never beyond a quarter of it.
        used = np.clip((s.tail_share * seen).astype(np.int64), s.tail_least, s.tail_most)
        used = np.maximum(np.minimum(used, seen // 4), 1)
        ordered = np.sort(self._largest([self.old, self.new]), axis=1)[:, ::-1]
        inside = np.arange(ordered.shape[1]) < used[:, None]
        # The threshold is the next one below the `used` largest.
        edge = np.minimum(used, ordered.shape[1] - 1)
        threshold = np.take_along_axis(ordered, edge[:, None], axis=1)[:, 0].clip(min=0.0)
        excess = np.where(inside, ordered - threshold[:, None], 0.0).clip(min=0.0)
        mean = excess.sum(axis=1) / used
        variance = (excess * excess).sum(axis=1) / used - mean * mean
        scale = np.maximum(np.maximum(mean, 0.05 * threshold), floor)
        ratio = np.divide(scale, variance, out=np.full_like(scale, np.inf), where=variance > 0)
        shape = np.clip(0.5 * (1 - scale * ratio), SHAPE_LEAST, SHAPE_MOST)
        return Fit(
            threshold=np.where(known, threshold, np.inf),
            base=np.log10(np.maximum(seen, 1) / used),
            scale=scale * (1 - shape),
            shape=shape,
        )


Singles = npt.NDArray[np.float32]

CHUNK = 64
"""Series worked on together: few enough to stay in the processor's cache."""
LARGEST = 1e150
"""Values beyond are as good as this: their squares could not be summed."""


@dataclass(frozen=True)
class Scores:
    """Surprise per point.

    Attributes
    ----------
    surprise : array of float32, shape (series, time)
        Sum over the five distances of -log10 of the chance of at least this distance; 0 for what is
        common, missing or not judged.
    parts : array of float32, shape (5, series, time), or None
        The summands in the order of `features.PARTS`; None if not asked for.
    low, high, expected : array of float64, shape (series, time), or None
        The band that a value has to leave to be surprising on its own, and the value expected; None
        if not asked for.
    """

    surprise: Singles
    parts: Singles | None = None
    low: Floats | None = None
    high: Floats | None = None
    expected: Floats | None = None


def blocks(columns: int, settings: DetectorSettings) -> Iterator[tuple[int, int]]:
    """Yield first and last column (exclusive) between two refreshes: short ones first.

    Parameters
    ----------
    columns : int
        Number of columns.
    settings : DetectorSettings
        Settings of the detector.

    Yields
    ------
    (int, int)
        First column, and the one after the last.
    """
    left = 0
    while left < columns:
        right = min(columns, left + int(np.clip(left // 32, 16, settings.refresh)))
        yield left, right
        left = right


def score(
    values: Floats,
    step_us: int,
    settings: DetectorSettings = DEFAULTS,
    *,
    details: bool = False,
) -> Scores:
    """Score each point of each series by its past.

    Parameters
    ----------
    values : array of float64, shape (series, time)
        Evenly spaced; NaN and infinite: missing. Series may start late.
    step_us : int
        Microseconds from one column to the next.
    settings : DetectorSettings
        Settings of the detector.
    details : bool, default False
        Also return parts, expected values and bands (needs ten times the memory).

    Returns
    -------
    Scores
        The score of a column depends on columns up to it only.
    """
    found = [
        _score_chunk(
            np.asarray(values[left : left + CHUNK], dtype=np.float64), step_us, settings, details
        )
        for left in range(0, len(values), CHUNK)
    ]
    if not found:
        return Scores(np.zeros(values.shape, dtype=np.float32))
    return Scores(
        np.concatenate([s.surprise for s in found]),
        _joined([s.parts for s in found], axis=1),
        _joined([s.low for s in found]),
        _joined([s.high for s in found]),
        _joined([s.expected for s in found]),
    )


def _joined(parts: list[Any], axis: int = 0) -> Any:
    kept = [part for part in parts if part is not None]
    return np.concatenate(kept, axis=axis) if kept else None


class _Details:
    """Collects what explains the scores of a chunk."""

    def __init__(self, shape: tuple[int, int], alarm: float) -> None:
        self.parts = np.zeros((len(PARTS), *shape), dtype=np.float32)
        self.low, self.high, self.expected = (np.full(shape, np.nan) for _ in range(3))
        self.share = alarm / len(PARTS)
        self.by_season = np.zeros(shape[0], dtype=bool)

    def add(self, at: slice, level: Floats, season: Floats, fits: list[Fit]) -> None:
        """Keep the narrower of the two bands: around the level or around the season."""
        reach = np.stack([fits[part].reach(self.share) for part in (LEVEL, SEASON)])
        # One band per refresh, by which of the two has been the better guide so far.
        self.by_season = reach[1] < reach[0]
        centre = np.where(self.by_season[:, None] & np.isfinite(season), season, level[:, None])
        half = np.where(self.by_season, reach[1], reach[0])[:, None]
        known = np.isfinite(half)
        self.expected[:, at] = np.where(known, centre, np.nan)
        self.low[:, at] = np.where(known, centre - half, np.nan)
        self.high[:, at] = np.where(known, centre + half, np.nan)


def _score_chunk(values: Floats, step_us: int, settings: DetectorSettings, details: bool) -> Scores:
    filled, first = features.carried(values)
    if np.abs(filled).max(initial=0.0) > LARGEST:
        filled = np.clip(filled, -LARGEST, LARGEST)
    missing = ~np.isfinite(values)
    rows, columns = values.shape
    lengths = features.periods(step_us)
    mean = features.moving_mean(filled, settings.smooth)
    change = features.change(filled, settings.smooth)
    season, expected = features.season_error(filled, lengths)
    rhythm = features.moving_mean(np.nan_to_num(season), settings.smooth)
    plain_start, season_start = features.starts(first, lengths, settings)
    tails = [Tail(rows, settings) for _ in PARTS]
    surprise = np.zeros((rows, columns), dtype=np.float32)
    kept = _Details((rows, columns), settings.alarm) if details else None
    for left, right in blocks(columns, settings):
        past = filled[:, max(0, left - settings.reference) : max(left, 1)]
        # Only columns before `left` are read: a score depends on nothing that comes later.
        level, spread = features.level_and_spread(past)
        floor = features.floors(level, spread)
        at = slice(left, right)
        now = [np.empty(0)] * len(PARTS)
        now[LEVEL] = np.abs(filled[:, at] - level[:, None])
        now[MEAN] = np.abs(mean[:, at] - level[:, None])
        now[CHANGE] = change[:, at]
        now[SEASON] = season[:, at]
        now[RHYTHM] = rhythm[:, at]
        fits = []
        for part, tail in enumerate(tails):
            start = season_start if part in (SEASON, RHYTHM) else plain_start
            _blank(now[part], start, left, right, missing[:, at])
            fits.append(tail.fit(floor))
            found = fits[part].surprise(now[part], floor)
            judged = start + settings.warm_up // 2
            if (judged > left).any():
                found[np.arange(left, right) < judged[:, None]] = 0.0
            surprise[:, at] += found
            if kept:
                kept.parts[part, :, at] = found
            tail.learn(now[part])
        if kept:
            kept.add(at, level, expected[:, at], fits)
    if kept is None:
        return Scores(surprise)
    return Scores(surprise, kept.parts, kept.low, kept.high, kept.expected)


def _blank(
    distances: Floats,
    start: npt.NDArray[np.int64],
    left: int,
    right: int,
    missing: npt.NDArray[np.bool_],
) -> None:
    """Set distances that do not exist, in place: missing ones to `NOTHING`, early ones to zero.

    An early zero counts as an observation without surprise: a tail that has seen little is not
    fitted to the few largest of few.
    """
    if (start > left).any():
        early = np.arange(left, right) < start[:, None]
        distances[early] = 0.0
    # What overflows, and the season's first period.
    np.nan_to_num(distances, copy=False, nan=0.0, posinf=NOTHING)
    if missing.any():
        distances[missing] = NOTHING
