"""Patterns: which alerts a candidate rule may speak of, found from the data.

A pattern is an alert name, or a name with the values of one or two of its labels, where these
labels tell how the alert behaves (how long it lasts, whether people act on it). Nothing is keyed on
particular names. A pattern lists the values it knows: what is new does not match.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.alerting.mining.labels import (
    LabelPairs,
    SeriesBehaviour,
    discriminating_labels,
)
from pipelines.aiops.alerting.rules import Matcher, one_of
from pipelines.aiops.lake.frame import Labels

NAME = "alertname"
MAX_KEYS = 32
"""Labels of a name that matchers list, the most common ones first."""
OPEN_SHARE = 0.5
"""A label whose value is seen in one episode only, in more than this share of the episodes, is a
running number (Good and Turing: so likely is the next one new): it is not listed …"""
OPEN_VALUES = 50
"""… if there are more values than this: of a few nobody can tell."""


@dataclass(frozen=True)
class Pattern:
    """Alerts of one name, perhaps with certain values of one or two labels.

    Attributes
    ----------
    chosen : tuple of (str, str)
        Labels and values that make the pattern, ``alertname`` first.
    series : array of int32, shape (n,)
        Series that it holds, ascending.
    parent : int
        Position of the pattern with one label less, -1 for a name.
    """

    chosen: tuple[tuple[str, str], ...]
    series: NDArray[np.int32]
    parent: int

    @property
    def name(self) -> str:
        """The alert name."""
        return self.chosen[0][1]

    def __str__(self) -> str:
        rest = ", ".join(f"{label}={value or '(none)'}" for label, value in self.chosen[1:])
        return f"{self.name} with {rest}" if rest else self.name


@dataclass
class Patterns:
    """All patterns of a history.

    Attributes
    ----------
    items : list of Pattern
        The patterns; parents stand before their children.
    levels : list of array of int32, shape (series,)
        Position in `items` of each series' pattern, -1 where the series has none in this level.
        Every pattern stands in exactly one level, so that a level is counted in one go.
    labels : list of Labels
        Label set of each series.
    pairs : LabelPairs
        Labels of all series.
    episodes : array of int64, shape (series,)
        Number of each series' episodes.
    max_values : int
        Most values that a matcher may list.
    open_labels : frozenset of str
        Labels with churn, which matchers leave out.
    """

    items: list[Pattern]
    levels: list[NDArray[np.int32]]
    labels: list[Labels]
    pairs: LabelPairs
    episodes: NDArray[np.int64]
    max_values: int
    open_labels: frozenset[str] = frozenset()
    _matchers: dict[int, tuple[Matcher, ...] | None] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.items)

    def matchers(self, index: int) -> tuple[Matcher, ...] | None:
        """Build matchers that hold for the pattern's series and for no other values than theirs.

        None if a label has more values than a matcher may list: then there can be no rule.

        Parameters
        ----------
        index : int
            Position in `items`.

        Returns
        -------
        tuple of Matcher or None
            None if a label has more than `max_values` values: then there can be no rule.
        """
        if index not in self._matchers:
            series = self.items[index].series
            self._matchers[index] = known_values(
                self.pairs, series, self.episodes[series], self.max_values, self.open_labels
            )
        return self._matchers[index]

    def team(self, index: int) -> str:
        """Return the label ``team``, if all of the pattern's series agree on it; otherwise "".

        Parameters
        ----------
        index : int
            Position in `items`.

        Returns
        -------
        str
            Name of the team.
        """
        return self.pairs.team(self.items[index].series)

    def ancestors(self, index: int) -> Iterable[int]:
        """Yield the patterns that hold all of this one's series, the nearest first.

        Parameters
        ----------
        index : int
            Position in `items`.

        Returns
        -------
        int
            Position in `items`.
        """
        while (index := self.items[index].parent) >= 0:
            yield index


def known_values(
    pairs: LabelPairs,
    series: NDArray[Any],
    episodes: NDArray[np.int64],
    max_values: int,
    open_labels: Collection[str] = (),
) -> tuple[Matcher, ...] | None:
    """List every label's known values as matchers, a missing label being the empty value.

    Parameters
    ----------
    pairs : LabelPairs
        Labels of all series.
    series : array of int, shape (n,)
        Series that the matchers hold for.
    episodes : array of int64, shape (n,)
        Number of each series' episodes.
    max_values : int
        Most values that a matcher may list.
    open_labels : collection of str
        Labels with churn: they aren't listed.

    Returns
    -------
    tuple of Matcher or None
        None if a label has more than `max_values` values and isn't a running number. Running
        numbers and labels in `open_labels` (`labels.open_labels`) aren't listed.
    """
    found, at = pairs.having(series)
    seen, inverse = np.unique(found, return_inverse=True)
    # Episodes with each value: values seen once each are running numbers.
    weight = np.bincount(inverse, episodes[at], len(seen)).astype(np.int64)
    key = pairs.key[seen]
    matchers = []
    common = pairs.counts(series)
    for name in _listed(common):
        if name in open_labels:
            continue
        mine = slice(*np.searchsorted(key, pairs.numbers(name))) if name in common else slice(0)
        values = [pairs.values[pair] for pair in seen[mine].tolist()]
        counts = weight[mine].tolist()
        if common.get(name, 0) < len(series):
            values, counts = ["", *values], [int(episodes.sum()) - sum(counts), *counts]
        running = counts.count(1) > OPEN_SHARE * sum(counts) and len(values) > OPEN_VALUES
        if running and name != NAME:
            continue
        if len(values) > max_values:
            return None
        matchers.append(one_of(name, values))
    return tuple(matchers)


def _listed(common: dict[str, int]) -> list[str]:
    """Labels that matchers list, of those that series have: the most common ones, in order."""
    by_frequency = sorted(common, key=lambda key: (key != NAME, -common[key], key))[:MAX_KEYS]
    return [NAME, *sorted(key for key in by_frequency if key != NAME)]


def find_patterns(
    labels: list[Labels], pairs: LabelPairs, behaviour: SeriesBehaviour, *, min_episodes: int,
    max_patterns: int, max_values: int,
    open_labels: frozenset[str] = frozenset(),
) -> Patterns:  # fmt: skip
    """Find the patterns of a history.

    Parameters
    ----------
    labels : list of Labels
        Label set of each series.
    pairs : LabelPairs
        Labels of all series.
    behaviour : SeriesBehaviour
        Sums over the episodes of each series, rows like `labels`.
    min_episodes : int
        A pattern with fewer episodes can't support a rule.
    max_patterns : int
        Most patterns; names and labels with most episodes come first.
    max_values : int
        Labels with more values make no patterns.
    open_labels : frozenset of str
        Labels with churn, left out.

    Returns
    -------
    Patterns
        Patterns with their levels.
    """
    levels = [np.full(len(labels), -1, np.int32) for _ in range(4)]
    patterns = Patterns([], levels, labels, pairs, behaviour.episodes, max_values, open_labels)
    for name, series in _names(labels, behaviour, min_episodes):
        if len(patterns) >= max_patterns:
            break
        root = _add(patterns, 0, ((NAME, name),), series, -1)
        keys = discriminating_labels(pairs, series, behaviour, max_values, open_labels)
        first = _children(patterns, 1, root, keys[:1], min_episodes)
        _children(patterns, 2, root, keys[1:], min_episodes)
        for child in first:
            _children(patterns, 3, child, keys[1:], min_episodes)
    return patterns


def _names(
    labels: list[Labels], behaviour: SeriesBehaviour, min_episodes: int
) -> list[tuple[str, NDArray[np.int32]]]:
    by_name: dict[str, list[int]] = {}
    episodes: dict[str, int] = {}
    for index in np.flatnonzero(behaviour.episodes).tolist():
        name = labels[index].get(NAME, "")
        by_name.setdefault(name, []).append(index)
        episodes[name] = episodes.get(name, 0) + int(behaviour.episodes[index])
    enough = [name for name in by_name if name and episodes[name] >= min_episodes]
    by_frequency = sorted(enough, key=lambda name: (-episodes[name], name))
    return [(name, np.array(by_name[name], np.int32)) for name in by_frequency]


def _add(
    patterns: Patterns, depth: int, chosen: tuple[tuple[str, str], ...],
    series: NDArray[np.int32], parent: int,
) -> int:  # fmt: skip
    index = len(patterns.items)
    patterns.items.append(Pattern(chosen, series, parent))
    patterns.levels[depth][series] = index
    return index


def _children(
    patterns: Patterns, depth: int, parent: int, keys: Sequence[str], min_episodes: int
) -> list[int]:
    made: list[int] = []
    above = patterns.items[parent]
    for key in keys:
        code = patterns.pairs.codes(key, above.series)
        values = np.unique(code).tolist()
        if len(values) < 2:
            continue
        for value in values:
            series = above.series[code == value]
            if patterns.episodes[series].sum() >= min_episodes:
                chosen = (*above.chosen, (key, patterns.pairs.value(key, value)))
                made.append(_add(patterns, depth, chosen, series, parent))
    return made
