"""How each series behaves, and which labels tell it."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.noise.mining.episodes import Episodes
from pipelines.aiops.noise.mining.label_pairs import LabelPairs
from pipelines.aiops.telemetry.frame import YES

MIN_EXPLAINED = 0.02
"""Share of the variance of a name's episodes that a label must explain, beyond chance."""
TELLING = 2
"""Labels a name at most."""


@dataclass(frozen=True)
class Behaviour:
    """Sums over each series' episodes: all that is needed to compare groups of series.

    Attributes
    ----------
    episodes
        Number, int64, shape (series,).
    sums, squares
        Of each trait (logarithm of the length, acted on), float64, shape (traits, series).
    """

    episodes: NDArray[np.int64]
    sums: NDArray[np.float64]
    squares: NDArray[np.float64]


def behaviour_of(episodes: Episodes, series: int) -> Behaviour:
    """Sum up the episodes of each of `series` series."""
    traits = (
        np.log1p((episodes.end - episodes.start) / 1000).astype(np.float64),
        (episodes.acted == YES).astype(np.float64),
    )
    code = episodes.series
    return Behaviour(
        np.bincount(code, minlength=series),
        np.array([np.bincount(code, t, minlength=series) for t in traits]),
        np.array([np.bincount(code, t * t, minlength=series) for t in traits]),
    )


def telling_labels(
    pairs: LabelPairs, series: NDArray[np.int32], behaviour: Behaviour, max_values: int,
    without: Collection[str] = (),
) -> list[str]:  # fmt: skip
    """Labels of one name's series whose values go with different behaviour, best first.

    Notes
    -----
    Adjusted R² of an analysis of variance over episodes: a label with many values explains much
    by chance alone, and pays for each of them. Of labels that split the series alike, the first
    by name stays.
    """
    if len(series) < 2:
        return []
    scored: list[tuple[float, str]] = []
    seen: set[bytes] = set()
    for key in sorted(pairs.counts(series).keys() - set(without))[:64]:
        codes, count = _numbered(pairs.codes(key, series))
        if not 2 <= count <= max_values or codes.tobytes() in seen:
            continue
        seen.add(codes.tobytes())
        score = _explained(codes, count, series, behaviour)
        if score >= MIN_EXPLAINED:
            scored.append((-round(score, 9), key))
    return [key for _, key in sorted(scored)[:TELLING]]


def _numbered(codes: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Renumber values as they come: labels that split series alike have equal numbers then."""
    _, first, place = np.unique(codes, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[place], len(first)


def _explained(
    codes: NDArray[np.int64], count: int, series: NDArray[np.int32], behaviour: Behaviour
) -> float:
    n = behaviour.episodes[series]
    total = int(n.sum())
    if total <= count:
        return 0.0
    per_group = np.maximum(np.bincount(codes, n, minlength=count), 1)
    best = 0.0
    for sums, squares in zip(behaviour.sums, behaviour.squares, strict=True):
        mean_part = sums[series].sum() ** 2 / total
        whole = squares[series].sum() - mean_part
        if whole <= 1e-9:
            continue
        groups = np.bincount(codes, sums[series], minlength=count)
        between = (groups**2 / per_group).sum() - mean_part
        unexplained = (1 - between / whole) * (total - 1) / (total - count)
        best = max(best, 1 - unexplained)
    return float(best)
