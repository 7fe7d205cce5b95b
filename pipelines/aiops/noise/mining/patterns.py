"""Patterns: which alerts a candidate rule may speak of, found from the data.

A pattern is an alert name, or a name with the values of one or two of its labels, where these
labels tell how the alert behaves (how long it lasts, whether people act on it). Nothing is keyed on
particular names. A pattern lists the values it knows: what is new does not match.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.noise.mining.behaviour import Behaviour, telling_labels
from pipelines.aiops.noise.mining.values import one_of
from pipelines.aiops.noise.rules import Matcher
from pipelines.aiops.telemetry.frame import Labels

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
    chosen
        Labels and values that make the pattern, ``alertname`` first.
    series
        Series that it holds, ascending.
    parent
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
    items
        The patterns; parents stand before their children.
    levels
        Arrays series → position in `items`, -1 where the series has no pattern in this level. Every
        pattern stands in exactly one level, so that a level is counted in one go.
    """

    items: list[Pattern]
    levels: list[NDArray[np.int32]]
    labels: list[Labels]
    episodes: NDArray[np.int64]
    max_values: int
    open_labels: frozenset[str] = frozenset()
    _matchers: dict[int, tuple[Matcher, ...] | None] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.items)

    def matchers(self, index: int) -> tuple[Matcher, ...] | None:
        """Matchers that hold for the pattern's series and for no other values than theirs.

        None if a label has more values than a matcher may list: then there can be no rule.
        """
        if index not in self._matchers:
            series = self.items[index].series
            self._matchers[index] = known_values(
                [self.labels[int(s)] for s in series],
                self.episodes[series].tolist(),
                self.max_values,
                self.open_labels,
            )
        return self._matchers[index]

    def team(self, index: int) -> str:
        """Label ``team``, if all of the pattern's series agree on it."""
        return team_of(self.labels[int(s)] for s in self.items[index].series)

    def ancestors(self, index: int) -> Iterable[int]:
        """Patterns that hold all of this one's series."""
        while (index := self.items[index].parent) >= 0:
            yield index


def team_of(labels: Iterable[Labels]) -> str:
    """Label ``team``, if all agree on it; otherwise empty."""
    teams = {one.get("team", "") for one in labels}
    return teams.pop() if len(teams) == 1 else ""


def known_values(
    labels: Sequence[Labels],
    episodes: Sequence[int],
    max_values: int,
    open_labels: Collection[str] = (),
) -> tuple[Matcher, ...] | None:
    """Matchers listing every label's known values, a missing label being the empty value.

    None if a label has more than `max_values` and isn't a running number. Labels in `open_labels`
    are not listed either: their values are renewed all the time (`renewal`).
    """
    matchers = []
    for key in _common_keys(labels):
        if key in open_labels:
            continue
        values: dict[str, int] = {}
        for one, count in zip(labels, episodes, strict=True):
            values[one.get(key, "")] = values.get(one.get(key, ""), 0) + count
        once = sum(count == 1 for count in values.values())
        running = once > OPEN_SHARE * sum(values.values()) and len(values) > OPEN_VALUES
        if running and key != NAME:
            continue
        if len(values) > max_values:
            return None
        matchers.append(one_of(key, sorted(values)))
    return tuple(matchers)


def _common_keys(labels: Sequence[Labels]) -> list[str]:
    counts: dict[str, int] = {}
    for one in labels:
        for key in one:
            counts[key] = counts.get(key, 0) + 1
    ranked = sorted(counts, key=lambda key: (key != NAME, -counts[key], key))[:MAX_KEYS]
    return [NAME, *sorted(key for key in ranked if key != NAME)]


def find_patterns(
    labels: list[Labels], behaviour: Behaviour, *, min_episodes: int, max_patterns: int,
    max_values: int,
    open_labels: frozenset[str] = frozenset(),
) -> Patterns:  # fmt: skip
    """Find the patterns of a history.

    Parameters
    ----------
    behaviour
        What each series did, rows like `labels`.
    min_episodes
        A pattern with fewer episodes can't support a rule.
    max_patterns
        Names and labels with most episodes come first.
    """
    levels = [np.full(len(labels), -1, np.int32) for _ in range(4)]
    patterns = Patterns([], levels, labels, behaviour.episodes, max_values, open_labels)
    for name, series in _names(labels, behaviour, min_episodes):
        if len(patterns) >= max_patterns:
            break
        root = _add(patterns, 0, ((NAME, name),), series, -1)
        own = [{k: v for k, v in labels[int(s)].items() if k not in open_labels} for s in series]
        keys = telling_labels(own, series, behaviour, max_values)
        first = _children(patterns, 1, root, keys[:1], min_episodes)
        _children(patterns, 2, root, keys[1:], min_episodes)
        for child in first:
            _children(patterns, 3, child, keys[1:], min_episodes)
    return patterns


def _names(
    labels: list[Labels], behaviour: Behaviour, min_episodes: int
) -> list[tuple[str, NDArray[np.int32]]]:
    by_name: dict[str, list[int]] = {}
    episodes: dict[str, int] = {}
    for index in np.flatnonzero(behaviour.episodes).tolist():
        name = labels[index].get(NAME, "")
        by_name.setdefault(name, []).append(index)
        episodes[name] = episodes.get(name, 0) + int(behaviour.episodes[index])
    enough = [name for name in by_name if name and episodes[name] >= min_episodes]
    ranked = sorted(enough, key=lambda name: (-episodes[name], name))
    return [(name, np.array(by_name[name], np.int32)) for name in ranked]


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
        by_value: dict[str, list[int]] = {}
        for index in above.series.tolist():
            by_value.setdefault(patterns.labels[index].get(key, ""), []).append(index)
        if len(by_value) < 2:
            continue
        for value in sorted(by_value):
            series = np.array(by_value[value], np.int32)
            if patterns.episodes[series].sum() >= min_episodes:
                chosen = (*above.chosen, (key, value))
                made.append(_add(patterns, depth, chosen, series, parent))
    return made
