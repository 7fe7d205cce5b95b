"""What every family looks at: the learning window's episodes, patterns and settings, once."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.alerting.mining.episodes import Episodes, find_episodes, positions
from pipelines.aiops.alerting.mining.labels import LabelPairs, behaviour_of, open_labels
from pipelines.aiops.alerting.mining.patterns import Patterns, find_patterns
from pipelines.aiops.alerting.rules import Rule
from pipelines.aiops.alerting.windows import Window, started_in
from pipelines.aiops.lake.frame import YES, AlertFrame
from pipelines.aiops.params.alert_rules import MineRulesParams


@dataclass(frozen=True)
class History:
    """The learning window as the families see it."""

    frame: AlertFrame
    window: Window
    episodes: Episodes
    patterns: Patterns
    params: MineRulesParams


@dataclass(frozen=True)
class Mined:
    """What a family found, and how many candidates it tried."""

    rules: Sequence[Rule]
    tried: int


Family = Callable[[History], Mined]


def history_of(frame: AlertFrame, params: MineRulesParams, window: Window) -> History:
    """Prepare a learning window; nothing that came after it is seen."""
    seen = started_in(frame, window)
    episodes = find_episodes(seen, window)
    pairs = LabelPairs(frame.labels)
    patterns = find_patterns(
        frame.labels,
        pairs,
        behaviour_of(episodes, len(frame.labels)),
        min_episodes=params.min_episodes,
        max_patterns=params.max_patterns,
        max_values=params.max_values,
        open_labels=open_labels(episodes, pairs),
    )
    return History(seen, window, episodes, patterns, params)


@dataclass(frozen=True)
class Unit:
    """Independent units of the patterns of one level: a pattern's episodes of one stretch of time.

    Attributes
    ----------
    pattern
        Position in `Patterns.items`, int64, ascending.
    day
        UTC day since 1970.
    order
        Episodes in order of their units, positions in the array they were made from.
    first
        Where each unit begins in `order`.
    """

    pattern: NDArray[np.int64]
    day: NDArray[np.int64]
    order: NDArray[np.int64]
    first: NDArray[np.int64]

    def worst(self, values: NDArray[Any]) -> NDArray[Any]:
        """Largest value of each unit, given one for each episode."""
        return np.maximum.reduceat(values[self.order], self.first)


def units(episodes: Episodes, level: NDArray[np.int32], seconds: int) -> Unit:
    """Thin episodes to units of `seconds`: alerts of one burst aren't independent of each other."""
    pattern = level[episodes.series]
    place = np.flatnonzero(pattern >= 0)
    block = episodes.start[place] // (seconds * 1000)
    blocks = episodes.span // (seconds * 1000) + 1
    key = pattern[place].astype(np.int64) * blocks + block
    order = np.argsort(key)
    key = key[order]
    first = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]])[: len(key)])
    chosen = place[order]
    day = (episodes.start[chosen[first]] + episodes.origin // 1000) // 86_400_000
    return Unit(key[first] // blocks, day, chosen, first)


def days_per_pattern(unit: Unit, patterns: int) -> NDArray[np.int64]:
    """Separate UTC days on which each pattern has a unit."""
    if not len(unit.pattern):
        return np.zeros(patterns, np.int64)
    base = int(unit.day.min())
    width = int(unit.day.max()) - base + 1
    pairs = np.unique(unit.pattern * width + unit.day - base)
    days: NDArray[np.int64] = np.bincount(pairs // width, minlength=patterns)
    return days


def levels(history: History) -> Iterator[NDArray[np.int32]]:
    """Levels of the patterns that hold any series."""
    for level in history.patterns.levels:
        if (level >= 0).any():
            yield level


def members(history: History, index: int) -> NDArray[np.int64]:
    """Positions of a pattern's episodes, ascending; they lie together series by series."""
    return positions(history.episodes, history.patterns.items[index].series)


NAME = "alertname"


def common_labels(
    pairs: LabelPairs,
    episodes: NDArray[np.int64],
    most: int,
    without: Collection[str] = (),
) -> list[str]:
    """Labels that alerts can be grouped by: on many episodes, with several values, not one each.

    Parameters
    ----------
    episodes
        Number of each series' episodes.
    most
        So many labels at most, those on most episodes first.
    """
    series = np.flatnonzero(episodes)
    found, at = pairs.having(series)
    weight = np.bincount(pairs.key[found], episodes[series[at]], len(pairs.keys)).astype(np.int64)
    values = np.bincount(pairs.key[np.unique(found)], minlength=len(pairs.keys))
    useful = np.flatnonzero((values >= 2) & (values <= np.maximum(2, weight // 2)))
    names = [(-int(weight[number]), pairs.keys[number]) for number in useful.tolist()]
    return [name for _, name in sorted(names) if name != NAME and name not in without][:most]


def label_sets(keys: Sequence[str], largest: int = 2) -> list[tuple[str, ...]]:
    """All sets of at most `largest` labels, the empty one among them, names in order."""
    return [
        tuple(sorted(chosen))
        for size in range(largest + 1)
        for chosen in combinations(sorted(keys), size)
    ]


class Coder:
    """Numbers the values that some series have of sets of labels."""

    def __init__(self, pairs: LabelPairs, series: NDArray[np.int64]) -> None:
        self.pairs = pairs
        self.series = series
        self._single: dict[str, NDArray[np.int64]] = {}

    def codes(self, keys: tuple[str, ...]) -> NDArray[np.int64]:
        """Give a number to each series' values of `keys`, in their order; -1 to other series.

        A missing label is the empty value, as it is in Alertmanager.
        """
        code = np.zeros(len(self.series), np.int64)
        for key in keys:
            single = self._codes(key)
            count = int(single.max(initial=0)) + 1
            _, code = np.unique(code * count + single, return_inverse=True)
        codes = np.full(len(self.pairs), -1, np.int64)
        codes[self.series] = code
        return codes

    def _codes(self, key: str) -> NDArray[np.int64]:
        if key not in self._single:
            self._single[key] = self.pairs.codes(key, self.series)
        return self._single[key]


@dataclass(frozen=True)
class Kinds:
    """Kinds with episodes enough.

    Attributes
    ----------
    keys
        Name and severity ("" without) of each kind, in order.
    of_series
        Position in `keys` of each series, -1 for others.
    acted
        Positions of each kind's episodes that somebody acted on.
    """

    keys: list[tuple[str, str]]
    of_series: NDArray[np.int64]
    acted: list[NDArray[np.int64]]

    def words(self, kind: int) -> str:
        """Name the kind, with its severity where the name has several."""
        name, severity = self.keys[kind]
        several = sum(other == name for other, _ in self.keys) > 1
        return f"{name} ({severity or 'no severity'})" if several else name


def kinds_of(history: History) -> Kinds:
    """Find kinds among the series that have patterns."""
    labels = history.patterns.labels
    by_kind: dict[tuple[str, str], list[int]] = {}
    for item in history.patterns.items:
        if item.parent < 0:
            for series in item.series.tolist():
                key = (item.name, labels[series].get("severity", ""))
                by_kind.setdefault(key, []).append(series)
    least, episodes = history.params.min_episodes, history.patterns.episodes
    keys = sorted(key for key, series in by_kind.items() if episodes[series].sum() >= least)
    of_series = np.full(len(labels), -1, np.int64)
    for kind, key in enumerate(keys):
        of_series[by_kind[key]] = kind
    acted = np.flatnonzero(history.episodes.acted == YES)
    kind_of = of_series[history.episodes.series[acted]]
    return Kinds(keys, of_series, [acted[kind_of == kind] for kind in range(len(keys))])
