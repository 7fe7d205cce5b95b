"""VUS-PR: volume under the precision-recall surface (Paparrizos et al., PVLDB 15(11), 2022).

Labels fade out over a buffer on both sides of each labelled range; the area under the
precision-recall curve of each buffer length is averaged over buffer lengths. No threshold, and a
near miss is half a hit. Ranges here are NAB's windows, the probation is left out.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchmarks.nab_scoring import Series

Floats = npt.NDArray[np.float64]
BUFFERS = (0, 12, 24, 48, 96)
THRESHOLDS = 250


def soft_labels(rows: int, ranges: list[tuple[int, int]], buffer: int) -> Floats:
    """Return 1 in ranges, falling to 0 as a square root over half the buffer on either side."""
    labels = np.zeros(rows)
    half = buffer // 2
    for left, right in ranges:
        labels[left : right + 1] = 1
        for away in range(1, half + 1):
            fade = float(np.sqrt(1 - away / buffer))
            for place in (left - away, right + away):
                if 0 <= place < rows:
                    labels[place] = max(labels[place], fade)
    return labels


def range_auc_pr(scores: Floats, ranges: list[tuple[int, int]], buffer: int) -> float:
    """Return the area under the curve of range precision and recall with one buffer length."""
    labels = soft_labels(len(scores), ranges, buffer)
    # Between labels with and without their buffer, as the paper's range recall.
    positive = (labels.sum() + sum(right - left + 1 for left, right in ranges)) / 2
    ordered = np.sort(scores)[::-1]
    cuts = ordered[np.linspace(0, len(scores) - 1, THRESHOLDS).astype(int)]
    before, area = 0.0, 0.0
    for cut in cuts:
        flagged = scores >= cut
        hit = float(labels[flagged].sum())
        touched = sum(bool(flagged[left : right + 1].any()) for left, right in ranges)
        recall = min(1.0, hit / positive) * touched / len(ranges)
        area += max(0.0, recall - before) * hit / float(flagged.sum())
        before = max(before, recall)
    return area


def vus_pr(series: Series, scores: Floats) -> float:
    """Return the mean area over `BUFFERS`; 1 is perfect, chance is the share of labelled rows."""
    start = series.probation
    ranges = [(max(0, a - start), b - start) for a, b in series.windows if b >= start]
    if not ranges:
        return float("nan")
    return float(np.mean([range_auc_pr(scores[start:], ranges, buffer) for buffer in BUFFERS]))


def period_of(values: Floats) -> int:
    """Estimate a series' period as TSB-AD does: the highest maximum of its autocorrelation."""
    known = values[:20_000]
    known = np.where(np.isfinite(known), known, np.nanmean(known))
    known = known - known.mean()
    spectrum = np.fft.rfft(known, 2 * len(known))
    course = np.fft.irfft(spectrum * np.conj(spectrum))[3:401]
    inner = np.flatnonzero((course[1:-1] > course[:-2]) & (course[1:-1] > course[2:])) + 1
    if not len(inner):
        return 125
    best = int(inner[np.argmax(course[inner])])
    return best + 3 if 3 <= best <= 300 else 125


def tsb_vus_pr(values: Floats, ranges: tuple[tuple[int, int], ...], scores: Floats) -> float:
    """Return VUS-PR as TSB-AD computes it, over eight buffer lengths up to the period."""
    rows, longest = len(scores), period_of(values)
    ordered = np.sort(scores)[::-1]
    cuts = ordered[np.linspace(0, rows - 1, THRESHOLDS).astype(int)]
    # The first cut at which each row is flagged.
    place = np.searchsorted(-cuts, -scores, side="left")
    flagged = np.cumsum(np.bincount(place, minlength=THRESHOLDS)[:THRESHOLDS])
    hard = np.zeros(rows, dtype=bool)
    for left, right in ranges:
        hard[left : right + 1] = True
    areas = []
    for buffer in range(0, longest + 1, max(1, longest // 8)):
        labels = soft_labels(rows, list(ranges), buffer) if buffer else hard.astype(float)
        turns = np.diff(np.concatenate(([0], (labels > 0).astype(np.int8), [0])))
        begun, ended = np.flatnonzero(turns > 0), np.flatnonzero(turns < 0)
        first = [place[a:b].min() for a, b in zip(begun, ended, strict=True)]
        touched = np.cumsum(np.bincount(first, minlength=THRESHOLDS)[:THRESHOLDS]) / len(begun)
        weights = (labels, np.where(hard, 0.0, labels))
        hit, beside = (
            np.cumsum(np.bincount(place, weights=w, minlength=THRESHOLDS)[:THRESHOLDS])
            for w in weights
        )
        # Of the buffers only what is flagged counts as missing.
        recall = np.minimum(1, hit / (hard.sum() + beside / 2)) * touched
        areas.append(float((np.diff(recall, prepend=0.0) * hit / flagged).sum()))
    return float(np.mean(areas))
