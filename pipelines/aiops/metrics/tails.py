"""How rare a distance is, by the largest distances of the past: a tail for every series at once.

Peaks over threshold (Balkema, de Haan 1974; Pickands 1975; used for streams by Siffer et al.,
"Anomaly Detection in Streams with Extreme Value Theory", KDD 2017): above a high past quantile the
excess follows a generalised Pareto law; its two parameters are those whose mean and variance are
the excesses' own. Only the largest values of the recent past are kept, so a refresh costs the same
however long the history is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.aiops.metrics.settings import DetectorSettings

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SHAPE_LEAST, SHAPE_MOST = 0.02, 0.9
NOTHING = -1.0
"""Stands for "no distance here": below every distance."""


@dataclass(frozen=True)
class Fit:
    """Threshold, its surprise (-log10 of the chance), scale and shape per series.

    The threshold is infinite where too little is known.
    """

    threshold: Floats
    base: Floats
    scale: Floats
    shape: Floats

    def surprise(self, distances: Floats, floor: Floats | None = None) -> Floats:
        """Return -log10 of the chance of at least this, 0 at and below the threshold.

        Parameters
        ----------
        distances
            ``[series, time]``.
        floor
            Not used if None; else distances at or below it are no surprise, shape ``[series]``.
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
        """Return the distance whose surprise is this (at least the threshold), per series."""
        more = np.maximum(surprise - self.base, 0) * np.log(10)
        reach: Floats = self.threshold + self.scale * np.expm1(self.shape * more) / self.shape
        return reach


class Tail:
    """The largest past distances of each series, over a sliding window of pieces."""

    def __init__(self, series: int, settings: DetectorSettings) -> None:
        self.settings = settings
        self.piece = settings.history // settings.segments
        self.closed: list[tuple[Floats, Ints]] = []
        self.old = np.full((series, settings.tail_most), NOTHING)
        self.old_seen = np.zeros(series, dtype=np.int64)
        self.new, self.new_seen, self.columns = self.old.copy(), self.old_seen.copy(), 0

    def learn(self, distances: Floats) -> None:
        """Add distances ``[series, time]``; `NOTHING` counts as none."""
        self.new = self._largest([self.new, distances])
        self.new_seen = self.new_seen + (distances != NOTHING).sum(axis=1)
        self.columns += distances.shape[1]
        if self.columns >= self.piece:
            self._close()

    def _largest(self, parts: list[Floats]) -> Floats:
        together: Floats = np.concatenate(parts, axis=1)
        most = self.settings.tail_most
        if together.shape[1] <= most:
            return together
        together.partition(together.shape[1] - most, axis=1)
        return together[:, -most:]

    def _close(self) -> None:
        self.closed = [*self.closed, (self.new, self.new_seen)][-(self.settings.segments - 1) :]
        self.old = self._largest([largest for largest, _ in self.closed])
        self.old_seen = np.sum([seen for _, seen in self.closed], axis=0)
        self.new = np.full_like(self.old, NOTHING)
        self.new_seen, self.columns = np.zeros_like(self.old_seen), 0

    def fit(self, floor: Floats) -> Fit:
        """Return the tail as of now; `floor` is the least scale, per series."""
        s = self.settings
        seen = self.old_seen + self.new_seen
        known = seen >= s.warm_up
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
