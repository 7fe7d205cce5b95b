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
