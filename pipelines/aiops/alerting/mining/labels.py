"""Labels of many series: numbered pairs, those that discriminate behaviour, those with churn."""

from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.alerting.mining.episodes import Episodes
from pipelines.aiops.lake.frame import YES, Labels
from pipelines.core.arrays import spread


class LabelPairs:
    """Every label with each of its values, numbered in their order, and the series that have them.

    One alert may have ten thousand labels: what is kept grows with the labels that there are, not
    with series times names of labels. An empty value is a missing label, as in Alertmanager.

    Parameters
    ----------
    labels : sequence of Labels
        Label set of each series.

    Attributes
    ----------
    keys : list of str
        Names of labels, in order.
    values : list of str, one a pair
        Value of each pair.
    key : array of int64, shape (pairs,)
        Position in `keys` of each pair, ascending.
    """

    def __init__(self, labels: Sequence[Labels]) -> None:
        numbers: dict[tuple[str, str], int] = {}
        found: list[int] = []
        sizes = np.zeros(len(labels) + 1, np.int64)
        for index, label_set in enumerate(labels):
            before = len(found)
            for item in label_set.items():
                if item[1]:
                    found.append(numbers.setdefault(item, len(numbers)))
            sizes[index + 1] = len(found) - before
        self._first = np.cumsum(sizes)
        ordered = sorted(numbers)
        # Pairs were numbered as they came; sorted numbers make the values of a label one range.
        position = np.empty(len(ordered), np.int32)
        position[[numbers[pair] for pair in ordered]] = np.arange(len(ordered))
        self._pairs = position[np.array(found, np.int64)]
        self.keys = sorted({key for key, _ in ordered})
        at = {key: number for number, key in enumerate(self.keys)}
        self.key = np.array([at[key] for key, _ in ordered], np.int64)
        self.values = [value for _, value in ordered]

    def __len__(self) -> int:
        return len(self._first) - 1

    def having(self, series: NDArray[Any]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return all pairs of some series, and for each the position of its series among these.

        Parameters
        ----------
        series : array of int, shape (n,)
            Series.

        Returns
        -------
        (array of int32, array of int64), shape (pairs,)
            Pairs, and positions in `series`.
        """
        first = self._first[series]
        at, rows = spread(first, self._first[series + 1] - first)
        return self._pairs[rows], at

    def codes(self, key: str, series: NDArray[Any]) -> NDArray[np.int64]:
        """Code each series' value of a label in the values' order; 0 where it is missing.

        Parameters
        ----------
        key : str
            Name of a label.
        series : array of int, shape (n,)
            Series.

        Returns
        -------
        array of int64, shape (n,)
            Codes, from 1.
        """
        code = np.zeros(len(series), np.int64)
        low, high = np.searchsorted(self.key, self.numbers(key)).tolist()
        if low < high:
            pairs, at = self.having(series)
            mine = (pairs >= low) & (pairs < high)
            code[at[mine]] = pairs[mine] - low + 1
        return code

    def value(self, key: str, code: int) -> str:
        """Return the value that a code of `codes` stands for.

        Parameters
        ----------
        key : str
            Name of a label.
        code : int
            A code; 0 is the missing label.

        Returns
        -------
        str
            The value, "" for 0.
        """
        low = int(np.searchsorted(self.key, self.numbers(key)[0]))
        return self.values[low + code - 1] if code else ""

    def values_of(self, key: str, series: NDArray[Any]) -> list[str]:
        """List the values that some series have of a label, in order; "" if any series lacks it.

        Parameters
        ----------
        key : str
            Name of a label.
        series : array of int, shape (n,)
            Series.

        Returns
        -------
        list of str
            Each value once.
        """
        return [self.value(key, int(code)) for code in np.unique(self.codes(key, series))]

    def counts(self, series: NDArray[Any]) -> dict[str, int]:
        """Count, for each label that some series have, how many of the series have it.

        Parameters
        ----------
        series : array of int, shape (n,)
            Series.

        Returns
        -------
        dict of str to int
            Name of a label to number of series.
        """
        pairs, _ = self.having(series)
        number = np.bincount(self.key[pairs], minlength=len(self.keys))
        return {self.keys[i]: int(number[i]) for i in np.flatnonzero(number).tolist()}

    def team(self, series: NDArray[Any]) -> str:
        """Return the label ``team``, if all of some series agree on it; otherwise "".

        Parameters
        ----------
        series : array of int, shape (n,)
            Series.

        Returns
        -------
        str
            Name of the team.
        """
        teams = self.values_of("team", series)
        return teams[0] if len(teams) == 1 else ""

    def numbers(self, key: str) -> tuple[int, int]:
        """Return the position of a label in `keys`, and the next one; twice the same without it.

        Parameters
        ----------
        key : str
            Name of a label.

        Returns
        -------
        (int, int)
            Bounds for `numpy.searchsorted` in `key`.
        """
        number = bisect_left(self.keys, key)
        return number, number + (self.keys[number : number + 1] == [key])


MIN_EXPLAINED = 0.02
"""Share of the variance of a name's episodes that a label must explain, beyond chance."""
MAX_DISCRIMINATING = 2
"""Labels a name at most."""


@dataclass(frozen=True)
class SeriesBehaviour:
    """Sums over each series' episodes: all that is needed to compare groups of series.

    Attributes
    ----------
    episodes : array of int64, shape (series,)
        Number of episodes.
    sums, squares : array of float64, shape (traits, series)
        Of each trait (logarithm of the length, acted on).
    """

    episodes: NDArray[np.int64]
    sums: NDArray[np.float64]
    squares: NDArray[np.float64]


def behaviour_of(episodes: Episodes, series: int) -> SeriesBehaviour:
    """Sum up the episodes of each of `series` series.

    Parameters
    ----------
    episodes : Episodes
        Episodes of the training window.
    series : int
        Number of series.

    Returns
    -------
    SeriesBehaviour
        Sums for every series, those without episodes included.
    """
    traits = (
        np.log1p((episodes.end - episodes.start) / 1000).astype(np.float64),
        (episodes.acted == YES).astype(np.float64),
    )
    code = episodes.series
    return SeriesBehaviour(
        np.bincount(code, minlength=series),
        np.array([np.bincount(code, t, minlength=series) for t in traits]),
        np.array([np.bincount(code, t * t, minlength=series) for t in traits]),
    )


def discriminating_labels(
    pairs: LabelPairs, series: NDArray[np.int32], behaviour: SeriesBehaviour, max_values: int,
    without: Collection[str] = (),
) -> list[str]:  # fmt: skip
    """List the labels of one name's series whose values go with different behaviour, best first.

    Parameters
    ----------
    pairs : LabelPairs
        Labels of all series.
    series : array of int32, shape (n,)
        Series of one alert name.
    behaviour : SeriesBehaviour
        Sums over the episodes of all series.
    max_values : int
        Labels with more values are left out.
    without : collection of str
        Names of labels to leave out.

    Returns
    -------
    list of str
        At most `MAX_DISCRIMINATING` names of labels.

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
    return [key for _, key in sorted(scored)[:MAX_DISCRIMINATING]]


def _numbered(codes: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Renumber values as they come: labels that split series alike have equal numbers then."""
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse], len(first)


def _explained(
    codes: NDArray[np.int64], count: int, series: NDArray[np.int32], behaviour: SeriesBehaviour
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
        # Adjusted R²: each value of the label costs a degree of freedom.
        unexplained = (1 - between / whole) * (total - 1) / (total - count)
        best = max(best, 1 - unexplained)
    return float(best)


CHURN_LABELS = 64
"""Labels looked at, those on most series first."""
SETTLED_DAYS = 5
"""Separate days on which a value must have been seen before its absence says anything."""
CHURN_CHANCE = 0.01
"""A value has come, or gone, if chance would leave it unseen so long no oftener than this."""
CHURN_SHARE = 0.3
"""Share of the settled values that must have come or gone for a label to have churn, …"""
CHURN_DAYS = 4
"""… and on so many separate days: one migration is not a habit."""


def open_labels(episodes: Episodes, pairs: LabelPairs) -> frozenset[str]:
    """Find the labels with churn: their values are replaced all the time.

    Parameters
    ----------
    episodes : Episodes
        Episodes of the training window.
    pairs : LabelPairs
        Labels of all series.

    Returns
    -------
    frozenset of str
        Names of labels.

    Notes
    -----
    A value seen on k days within a lifespan of d days would stay unseen for g more days, were it
    still there, with probability (d / (d + g)) ** (k - 1) (its days being uniform over its life).
    """
    day = episodes.days()
    if not len(day):
        return frozenset()
    # Many episodes of a series on one day say no more than one: they are dropped first.
    new = np.concatenate([[True], (np.diff(day) != 0) | (np.diff(episodes.series) != 0)])
    series, day = episodes.series[new], day[new] - int(day.min())
    every = np.arange(len(pairs))
    found = ((key, pairs.codes(key, every)[series] - 1) for key in _keys(pairs, series))
    return frozenset(key for key, value in found if _has_churn(value, day))


def _keys(pairs: LabelPairs, series: NDArray[np.int32]) -> list[str]:
    counts = pairs.counts(np.unique(series))
    counts.pop("alertname", None)
    return sorted(counts, key=lambda key: (-counts[key], key))[:CHURN_LABELS]


def _has_churn(value: NDArray[np.int64], day: NDArray[np.int64]) -> bool:
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
    # Chance that a value still in use would stay unseen before its first day, or after its last.
    life = end - begin + 1.0
    came = (life / (life + begin)) ** (count - 1) < CHURN_CHANCE
    gone = (life / (life + width - 1 - end)) ** (count - 1) < CHURN_CHANCE
    days = set(begin[came].tolist()) | {int(at) + 1 for at in end[gone]}
    return bool((came | gone).mean() >= CHURN_SHARE) and len(days) >= CHURN_DAYS
