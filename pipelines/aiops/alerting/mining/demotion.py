"""Family quiet: nobody ever acts on it, so it goes where it wakes nobody, unless its guard trips.

A pattern is demoted if people were known to leave it alone every time, often and on separate days,
and if it is routine: never silent for long (`DemotionMining.max_silence_hours`). A guard watches
it: more than the history's rhythm explains pages. What came too seldom to be routine can page once
per window (`DemotionMining.rare_window_seconds`): its guard trips at the first one. What the
history doesn't know has no rule, so it pages.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.alerting.mining import support
from pipelines.aiops.alerting.mining.guards import guard_says, routine_guard
from pipelines.aiops.alerting.mining.history import History, Mined, members
from pipelines.aiops.alerting.mining.patterns import known_values
from pipelines.aiops.alerting.rules import DemotionRule, Guard, Matcher, one_of, with_id
from pipelines.aiops.lake.frame import NO, YES, AlertFrame
from pipelines.core.arrays import distinct, runs
from pipelines.core.stats import bonferroni_level, clopper_pearson_upper
from pipelines.core.time import DAY_US, HOUR_US, SECOND_US

FEW_VALUES = 50
"""Up to so many values of a label are always listed."""


@dataclass(frozen=True)
class _Candidate:
    """A pattern that people are known to have left alone.

    Attributes
    ----------
    rows
        Positions of the episodes of which it is known that nobody acted, ascending.
    units, days
        Separate stretches of `MineRulesParams.independence_seconds`, and days, that have it.
    routine
        Whether it came often enough to be routine.
    acted
        Whether anybody ever acted on it: then it was tried, and is no candidate any more.
    """

    index: int
    rows: NDArray[np.int64]
    matchers: tuple[Matcher, ...]
    units: int
    days: int
    routine: bool
    acted: bool


def mine_demotion(history: History) -> Mined:
    """Find alerts that nobody ever acts on; those first that hide most.

    Rows whose `AlertFrame.acted` is unknown teach nothing. No rule holds an alert that was acted on
    or ticketed.

    Parameters
    ----------
    history : History
        The training window as the families see it.

    Returns
    -------
    Mined
        Rules of family quiet.
    """
    seen = [
        candidate
        for candidate in map(_CandidateSearch(history), range(len(history.patterns)))
        if candidate is not None
    ]
    tried = sum(candidate.routine for candidate in seen)
    found = [candidate for candidate in seen if not candidate.acted]
    chosen = list(
        _most_general(
            history, [candidate for candidate in found if _proven(history, candidate, tried)]
        )
    )
    if history.params.demotion.rare_window_seconds:
        chosen += _seldom(history, found, chosen)
    chosen.sort(
        key=lambda candidate: (-int(history.episodes.rows[candidate.rows].sum()), candidate.index)
    )
    chosen = chosen[: history.params.max_rules]
    return Mined([_rule(history, candidate, len(chosen), tried) for candidate in chosen], tried)


class _Presence:
    """In which stretches of time each series was reported, and known to be left alone.

    An alert that goes on for days is there all the time: reports count here, not starts.
    """

    def __init__(self, frame: AlertFrame, block: NDArray[np.int64]) -> None:
        block = block - (block.min() if len(block) else 0)
        self.blocks = int(block.max(initial=0)) + 1
        left = frame.acted == NO
        keys = frame.series[left].astype(np.int64) * self.blocks + block[left]
        self.keys = distinct(keys)

    def of(self, series: NDArray[np.int32]) -> int:
        """Separate stretches in which any of these series was reported."""
        low = np.searchsorted(self.keys, series.astype(np.int64) * self.blocks)
        high = np.searchsorted(self.keys, (series.astype(np.int64) + 1) * self.blocks)
        there = np.zeros(self.blocks, np.bool_)
        there[self.keys[runs(low, high - low)] % self.blocks] = True
        return int(there.sum())


class _Silence:
    """How long series were silent at most: no report of any of them, whoever acted on it."""

    def __init__(self, history: History) -> None:
        frame, self.window = history.frame, history.window
        order = np.argsort(frame.series, kind="stable")
        self.series, self.starts = frame.series[order], frame.starts[order]

    def of(self, series: NDArray[np.int32]) -> int:
        """Longest time without a report, microseconds; the window's edges count as reports."""
        low = np.searchsorted(self.series, series, "left")
        high = np.searchsorted(self.series, series, "right")
        reports = self.starts[runs(low, high - low)]
        times = np.sort(np.concatenate([reports, [self.window.start, self.window.end]]))
        return int(np.diff(times).max())


class _CandidateSearch:
    """Makes a candidate of a pattern, if it is one."""

    def __init__(self, history: History) -> None:
        self.history = history
        params, frame = history.params, history.frame
        self.days = _Presence(frame, frame.starts // DAY_US)
        self.units = _Presence(frame, frame.starts // (params.independence_seconds * SECOND_US))
        self.silence = _Silence(history) if params.demotion.max_silence_hours else None

    def __call__(self, index: int) -> _Candidate | None:
        history, episodes = self.history, self.history.episodes
        rows = members(history, index)
        acted = bool((episodes.acted[rows] == YES).any())
        rows = rows[episodes.acted[rows] == NO]
        matchers = _matchers(history, rows)
        if matchers is None:
            return None
        series = np.unique(episodes.series[rows])
        units, days = self.units.of(series), self.days.of(series)
        routine = (
            units >= history.params.min_episodes
            and days >= history.params.min_days
            and self._never_silent(series)
        )
        return _Candidate(index, rows, matchers, units, days, routine, acted)

    def _never_silent(self, series: NDArray[np.int32]) -> bool:
        longest = self.history.params.demotion.max_silence_hours * HOUR_US
        return self.silence is None or self.silence.of(series) <= longest


def _matchers(history: History, rows: NDArray[np.int64]) -> tuple[Matcher, ...] | None:
    """Values of the series in which people are known to have left it alone; None: no rule."""
    if not len(rows):
        return None
    pairs, churning = history.patterns.pairs, history.patterns.open_labels
    series, count = np.unique(history.episodes.series[rows], return_counts=True)
    listed = known_values(pairs, series, count, history.patterns.max_values, churning)
    if listed is None:
        return None
    # Seen once each, values look like running numbers, which matchers leave out; of a few values
    # nobody can tell, and what is new must pass.
    named = {matcher.label for matcher in listed} | churning
    few = [
        one_of(label, pairs.values_of(label, series))
        for label in sorted(pairs.counts(series).keys() - named)
    ]
    return (*listed, *(matcher for matcher in few if matcher.value.count("|") < FEW_VALUES))


def _proven(history: History, candidate: _Candidate, tried: int) -> bool:
    confidence = bonferroni_level(history.params.alpha, tried)
    high = float(clopper_pearson_upper(0, candidate.units, confidence))
    return candidate.routine and high <= history.params.demotion.max_acted_share


def _most_general(history: History, found: list[_Candidate]) -> Iterator[_Candidate]:
    """Those that no wider one holds already."""
    done = {candidate.index for candidate in found}
    for candidate in found:
        if not done.intersection(history.patterns.ancestors(candidate.index)):
            yield candidate


def _seldom(
    history: History, found: list[_Candidate], chosen: list[_Candidate]
) -> list[_Candidate]:
    """Names that came too seldom, and of which no part is quiet already: guards mustn't overlap."""
    names = history.patterns.items
    taken = {names[candidate.index].name for candidate in chosen}
    return [
        candidate
        for candidate in found
        if names[candidate.index].parent < 0
        and not candidate.routine
        and names[candidate.index].name not in taken
    ]


def _guard(history: History, candidate: _Candidate, rules: int) -> Guard:
    if candidate.routine:
        return routine_guard(history, candidate.rows, rules)
    return Guard(window_seconds=history.params.demotion.rare_window_seconds, max_count=0)


def _rule(history: History, candidate: _Candidate, rules: int, tried: int) -> DemotionRule:
    guard = _guard(history, candidate, rules)
    params, pattern = history.params, history.patterns.items[candidate.index]
    high = float(clopper_pearson_upper(0, candidate.units, bonferroni_level(params.alpha, tried)))
    return with_id(DemotionRule(
        id="",
        matchers=candidate.matchers,
        guard=guard,
        sentence=f"{pattern} {_says(candidate, guard)}",
        support=support.support_of(history.episodes, candidate.rows, candidate.units),
        bound=support.bound_of(
            "share of separate stretches in which somebody acts on it",
            0, candidate.units, high=high, alpha=params.alpha, tried=tried,
        ),
        expires=support.expiry(history),
        team=history.patterns.pairs.team(pattern.series),
        examples=support.examples_of(history, candidate.rows, lambda _: "nobody acted on it"),
    ))  # fmt: skip


def _says(candidate: _Candidate, guard: Guard) -> str:
    window = support.seconds_in_words(guard.window_seconds)
    days = f"{candidate.days} day{'s' if candidate.days > 1 else ''}"
    alone = f"in none of {candidate.units:,} separate stretches on {days} did anybody act"
    if not candidate.routine:
        return f"comes too seldom to be routine and pages once within {window}: {alone}."
    return f"wakes nobody: {alone}. {guard_says(guard)}"
