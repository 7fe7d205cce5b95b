"""What every family looks at: the training window's episodes, patterns and settings, once."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.alerting.config.apply import heartbeats_of
from pipelines.aiops.alerting.config.model import Config
from pipelines.aiops.alerting.mining.episodes import Episodes, find_episodes, positions
from pipelines.aiops.alerting.mining.labels import LabelPairs, behaviour_of, open_labels
from pipelines.aiops.alerting.mining.patterns import Patterns, find_patterns
from pipelines.aiops.alerting.rules import Rule
from pipelines.aiops.alerting.windows import HistoryWindow, started_in
from pipelines.aiops.lake.frame import YES, AlertFrame
from pipelines.aiops.params.alert_rules import MineRulesParams


@dataclass(frozen=True)
class History:
    """The training window as the families see it.

    Attributes
    ----------
    frame : AlertFrame
        Alerts that started inside the window.
    window : HistoryWindow
        The training window.
    episodes : Episodes
        Episodes of `frame`.
    patterns : Patterns
        Patterns that rules may speak of.
    params : MineRulesParams
        Settings of mining.
    heartbeats : tuple of str
        Names of alerts that no rule may touch (`heartbeats_of`); they aren't in `frame`.
    """

    frame: AlertFrame
    window: HistoryWindow
    episodes: Episodes
    patterns: Patterns
    params: MineRulesParams
    heartbeats: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mined:
    """What a family found, and how many candidates it tried.

    Attributes
    ----------
    rules : sequence of Rule
        Candidate rules, those that save most first.
    tried : int
        Candidates compared: what the Bonferroni correction pays for.
    """

    rules: Sequence[Rule]
    tried: int


Family = Callable[[History], Mined]


def history_of(
    frame: AlertFrame,
    params: MineRulesParams,
    window: HistoryWindow,
    config: Config | None = None,
) -> History:
    """Prepare a training window; nothing that came after it is read.

    Parameters
    ----------
    frame : AlertFrame
        The whole alert history; what started outside of `window` is left out.
    params : MineRulesParams
        Settings of mining (section `mine_rules`).
    window : HistoryWindow
        The training window.
    config : Config or None
        Today's configuration, which says what is a heartbeat; None: nothing is.

    Returns
    -------
    History
        Episodes and patterns of the window, without heartbeats.
    """
    fires = frame.where((frame.starts < window.end) & (frame.ends > window.start))
    series = heartbeats_of(fires, config, window.start, window.end) if config else ()
    heartbeats = tuple(sorted({frame.labels[number].get(NAME, "") for number in series} - {""}))
    named = np.array([labels.get(NAME, "") in heartbeats for labels in frame.labels], dtype=bool)
    if heartbeats:
        frame = frame.where(~named[frame.series])
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
    return History(seen, window, episodes, patterns, params, heartbeats)


@dataclass(frozen=True)
class IndependentUnits:
    """Independent units of the patterns of one level: a pattern's episodes of one stretch of time.

    Attributes
    ----------
    pattern : array of int64, shape (units,)
        Position in `Patterns.items`, ascending.
    day : array of int64, shape (units,)
        UTC day since 1970.
    order : array of int64, shape (episodes,)
        Episodes in order of their units, positions in the array they were made from.
    first : array of int64, shape (units,)
        Where each unit begins in `order`.
    """

    pattern: NDArray[np.int64]
    day: NDArray[np.int64]
    order: NDArray[np.int64]
    first: NDArray[np.int64]

    def worst(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the largest value of each unit, given one for each episode.

        Parameters
        ----------
        values : array, shape (episodes,)
            Value of each episode of the array that the units were made from.

        Returns
        -------
        array, shape (units,)
            The units' maxima, same type as `values`.
        """
        return np.maximum.reduceat(values[self.order], self.first)


def units(episodes: Episodes, level: NDArray[np.int32], seconds: int) -> IndependentUnits:
    """Subsample episodes to units of `seconds`: alerts of one burst aren't independent.

    Parameters
    ----------
    episodes : Episodes
        Episodes of the training window.
    level : array of int32, shape (series,)
        Pattern of each series, -1 without one.
    seconds : int
        Length of a stretch of time, seconds.

    Returns
    -------
    IndependentUnits
        One unit for each pattern and stretch that has an episode.
    """
    pattern = level[episodes.series]
    rows = np.flatnonzero(pattern >= 0)
    # Pattern and block of time as one number: one sort groups the episodes into units.
    block = episodes.start[rows] // (seconds * 1000)
    blocks = episodes.span // (seconds * 1000) + 1
    key = pattern[rows].astype(np.int64) * blocks + block
    order = np.argsort(key)
    key = key[order]
    first = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]])[: len(key)])
    chosen = rows[order]
    day = (episodes.start[chosen[first]] + episodes.origin // 1000) // 86_400_000
    return IndependentUnits(key[first] // blocks, day, chosen, first)


def days_per_pattern(unit: IndependentUnits, patterns: int) -> NDArray[np.int64]:
    """Count the separate UTC days on which each pattern has a unit.

    Parameters
    ----------
    unit : IndependentUnits
        Units of one level.
    patterns : int
        Number of patterns.

    Returns
    -------
    array of int64, shape (patterns,)
        Days of each pattern.
    """
    if not len(unit.pattern):
        return np.zeros(patterns, np.int64)
    base = int(unit.day.min())
    width = int(unit.day.max()) - base + 1
    # Pattern and day as one number: each pair counts once, however many units it has.
    pairs = np.unique(unit.pattern * width + unit.day - base)
    days: NDArray[np.int64] = np.bincount(pairs // width, minlength=patterns)
    return days


def levels(history: History) -> Iterator[NDArray[np.int32]]:
    """Yield the levels of the patterns that hold any series.

    Parameters
    ----------
    history : History
        The training window as the families see it.

    Yields
    ------
    array of int32, shape (series,)
        Pattern of each series, -1 without one.
    """
    for level in history.patterns.levels:
        if (level >= 0).any():
            yield level


def members(history: History, index: int) -> NDArray[np.int64]:
    """Return the positions of a pattern's episodes, ascending; they lie together series by series.

    Parameters
    ----------
    history : History
        The training window as the families see it.
    index : int
        Position in `Patterns.items`.

    Returns
    -------
    array of int64, shape (n,)
        Positions in `History.episodes`.
    """
    return positions(history.episodes, history.patterns.items[index].series)


NAME = "alertname"


def common_labels(
    pairs: LabelPairs,
    episodes: NDArray[np.int64],
    most: int,
    without: Collection[str] = (),
) -> list[str]:
    """List labels to group alerts by: on many episodes, with several values, not one each.

    Parameters
    ----------
    pairs : LabelPairs
        Labels of all series.
    episodes : array of int64, shape (series,)
        Number of each series' episodes.
    most : int
        Largest number of labels; those on most episodes come first.
    without : collection of str
        Names of labels to leave out.

    Returns
    -------
    list of str
        Names of labels, those on most episodes first.
    """
    series = np.flatnonzero(episodes)
    found, at = pairs.having(series)
    # A label weighs as much as the episodes of the series that have it.
    weight = np.bincount(pairs.key[found], episodes[series[at]], len(pairs.keys)).astype(np.int64)
    values = np.bincount(pairs.key[np.unique(found)], minlength=len(pairs.keys))
    useful = np.flatnonzero((values >= 2) & (values <= np.maximum(2, weight // 2)))
    names = [(-int(weight[number]), pairs.keys[number]) for number in useful.tolist()]
    return [name for _, name in sorted(names) if name != NAME and name not in without][:most]


def label_sets(keys: Sequence[str], largest: int = 2) -> list[tuple[str, ...]]:
    """List all sets of at most `largest` labels, the empty one among them, names in order.

    Parameters
    ----------
    keys : sequence of str
        Names of labels.
    largest : int, default 2
        Most labels in a set.

    Returns
    -------
    list of tuple of str
        The sets, by size.
    """
    return [
        tuple(sorted(chosen))
        for size in range(largest + 1)
        for chosen in combinations(sorted(keys), size)
    ]


class Coder:
    """Numbers for the values that some series have of sets of labels.

    Parameters
    ----------
    pairs : LabelPairs
        Labels of all series.
    series : array of int64, shape (n,)
        Series to number, ascending.
    """

    def __init__(self, pairs: LabelPairs, series: NDArray[np.int64]) -> None:
        self.pairs = pairs
        self.series = series
        self._single: dict[str, NDArray[np.int64]] = {}

    def codes(self, keys: tuple[str, ...]) -> NDArray[np.int64]:
        """Give a number to each series' values of `keys`, in their order; -1 to other series.

        A missing label is the empty value, as it is in Alertmanager.

        Parameters
        ----------
        keys : tuple of str
            Names of labels.

        Returns
        -------
        array of int64, shape (series,)
            Code of each series, -1 for those that aren't numbered.
        """
        code = np.zeros(len(self.series), np.int64)
        for key in keys:
            single = self._codes(key)
            count = int(single.max(initial=0)) + 1
            # Renumbered after every label, so that the product of the counts can't overflow.
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
    """Kinds of alerts with episodes enough.

    Attributes
    ----------
    keys : list of (str, str)
        Name and severity ("" without) of each kind, in order.
    of_series : array of int64, shape (series,)
        Position in `keys` of each series, -1 for others.
    acted : list of array of int64, one a kind
        Positions of each kind's episodes that somebody acted on.
    """

    keys: list[tuple[str, str]]
    of_series: NDArray[np.int64]
    acted: list[NDArray[np.int64]]

    def words(self, kind: int) -> str:
        """Name the kind, with its severity where the name has several.

        Parameters
        ----------
        kind : int
            Position in `keys`.

        Returns
        -------
        str
            Name, and severity in brackets where it is needed.
        """
        name, severity = self.keys[kind]
        several = sum(other == name for other, _ in self.keys) > 1
        return f"{name} ({severity or 'no severity'})" if several else name


def kinds_of(history: History) -> Kinds:
    """Find the kinds among the series that have patterns.

    Parameters
    ----------
    history : History
        The training window as the families see it.

    Returns
    -------
    Kinds
        Kinds with at least `MineRulesParams.min_episodes` episodes.
    """
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
