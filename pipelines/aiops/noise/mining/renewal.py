"""Labels whose values come and go for good, like names of pods: a new value there is no news."""

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.noise.mining.episodes import Episodes
from pipelines.aiops.noise.mining.label_pairs import LabelPairs

KEYS = 64
"""Labels looked at, those on most series first."""
SETTLED_DAYS = 5
"""Separate days on which a value must have been seen before its absence says anything."""
SURPRISE = 0.01
"""A value has come, or gone, if chance would leave it unseen so long no oftener than this."""
RENEWED_SHARE = 0.3
"""Share of the settled values that must have come or gone for a label to be open, …"""
RENEWALS = 4
"""… and on so many separate days: one migration is not a habit."""


def open_labels(episodes: Episodes, pairs: LabelPairs) -> frozenset[str]:
    """Find labels whose values are renewed all the time.

    Notes
    -----
    A value seen on k days within a lifespan of d days would stay unseen for g more days, were it
    still there, with probability (d / (d + g)) ** (k - 1) (its days being uniform over its life).
    """
    day = episodes.days()
    if not len(day):
        return frozenset()
    new = np.concatenate([[True], (np.diff(day) != 0) | (np.diff(episodes.series) != 0)])
    series, day = episodes.series[new], day[new] - int(day.min())
    every = np.arange(len(pairs))
    found = ((key, pairs.codes(key, every)[series] - 1) for key in _keys(pairs, series))
    return frozenset(key for key, value in found if _renewed(value, day))


def _keys(pairs: LabelPairs, series: NDArray[np.int32]) -> list[str]:
    counts = pairs.counts(np.unique(series))
    counts.pop("alertname", None)
    return sorted(counts, key=lambda key: (-counts[key], key))[:KEYS]


def _renewed(value: NDArray[np.int64], day: NDArray[np.int64]) -> bool:
    known = value >= 0
    width = int(day.max()) + 1
    pairs = np.unique(value[known] * width + day[known])
    if not len(pairs):
        return False
    _, first, count = np.unique(pairs // width, return_index=True, return_counts=True)
    begin, end = pairs[first] % width, pairs[first + count - 1] % width
    settled = count >= SETTLED_DAYS
    if not settled.any():
        return False
    begin, end, count = begin[settled], end[settled], count[settled]
    life = end - begin + 1.0
    came = (life / (life + begin)) ** (count - 1) < SURPRISE
    gone = (life / (life + width - 1 - end)) ** (count - 1) < SURPRISE
    days = set(begin[came].tolist()) | {int(at) + 1 for at in end[gone]}
    return bool((came | gone).mean() >= RENEWED_SHARE) and len(days) >= RENEWALS
