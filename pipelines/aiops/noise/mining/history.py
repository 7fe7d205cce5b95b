"""What every family looks at: the learning window's episodes, patterns and settings, once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.noise.mining.behaviour import behaviour_of
from pipelines.aiops.noise.mining.episodes import Episodes, find_episodes, positions
from pipelines.aiops.noise.mining.label_pairs import LabelPairs
from pipelines.aiops.noise.mining.patterns import Patterns, find_patterns
from pipelines.aiops.noise.mining.renewal import open_labels
from pipelines.aiops.noise.rules import Rule
from pipelines.aiops.noise.windows import Window, started_in
from pipelines.aiops.params.mine_rules import MineRulesParams
from pipelines.aiops.telemetry.frame import AlertFrame


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
