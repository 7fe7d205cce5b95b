"""Families transient and flapping: how long an alert may wait, and how long it may go on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.alerting.mining import support
from pipelines.aiops.alerting.mining.episodes import Episodes
from pipelines.aiops.alerting.mining.history import History, Mined, members
from pipelines.aiops.alerting.mining.support import (
    Bounds,
    ThresholdSweep,
    bounds_of,
    by_level,
    most_general,
    rule_evidence,
)
from pipelines.aiops.alerting.rules import KeepFiringRule, Rule, WaitRule, with_id
from pipelines.aiops.lake.frame import NO, UNKNOWN, YES

LASTING = np.int64(2**60)
"""Length of an episode whose end isn't known: it outlasts every wait."""
NEARLY_ALL_WAITED = 1, 2
"""The shortest wait that hides so much of what the best one hides is a candidate, too."""


def mine_wait(history: History) -> Mined:
    """Find waits within which a pattern's alerts resolve by themselves.

    A unit of a pattern (all its episodes of one hour, say) speaks for a wait if each of them ended
    within it and nobody acted. Episodes of which nobody knows whether people acted say nothing. A
    wait that would have hidden a single episode that somebody acted on is no candidate.

    Parameters
    ----------
    history : History
        The training window as the families see it.

    Returns
    -------
    Mined
        Rules of family transient.
    """
    params = history.params
    waits = np.array(sorted(set(params.wait.for_seconds)), np.int64)
    counts, shortest_acted = _count_transient(history, waits)
    bounds = bounds_of(counts)
    longest = np.where(
        shortest_acted < LASTING,
        np.minimum(params.wait.max_delay_seconds, (shortest_acted - 1) // 1000),
        waits[-1],
    )
    proven = bounds.low >= params.wait.min_share
    fits = bounds.enough[:, None] & proven & (waits <= longest[:, None])
    found = most_general(history, fits, counts.good, NEARLY_ALL_WAITED)
    by_worth = sorted(found, key=lambda f: (-int(counts.good[f]), waits[f[1]], f))
    rules: list[Rule] = []
    for where in by_worth[: params.max_rules]:
        rule = _wait_rule(counts, bounds, where, int(waits[where[1]]))
        rules += [] if rule is None else [rule]
    return Mined(rules, bounds.tried)


def _count_transient(
    history: History, waits: NDArray[np.int64]
) -> tuple[ThresholdSweep, NDArray[np.int64]]:
    """Count units that end by each wait; and find each pattern's shortest episode acted on."""
    known = history.episodes.where(history.episodes.acted != UNKNOWN)
    counts = ThresholdSweep(history, len(waits))
    length = np.where(known.ended, known.end - known.start, LASTING)
    acted = known.acted == YES
    shortest = np.full(len(history.patterns), LASTING)
    for of_level, unit in by_level(history, known):
        counts.add(unit)
        # An episode that was acted on outlasts every wait: its unit speaks for none.
        worst = unit.worst(np.where(acted, LASTING, length))
        for step, wait in enumerate(waits.tolist()):
            counts.speaks(step, unit.pattern[worst <= wait * 1000])
        pattern = of_level[known.series[acted]]
        has_pattern = pattern >= 0
        np.minimum.at(shortest, pattern[has_pattern], length[acted][has_pattern])
    return counts, shortest


def _wait_rule(
    counts: ThresholdSweep, bounds: Bounds, where: tuple[int, int], wait: int
) -> WaitRule | None:
    history, index = counts.history, where[0]
    patterns, episodes = history.patterns, history.episodes
    matchers = patterns.matchers(index)
    if matchers is None:
        return None
    rows = members(history, index)
    short = episodes.ended[rows] & (episodes.end[rows] - episodes.start[rows] <= wait * 1000)
    hidden = rows[short & (episodes.acted[rows] == NO)]
    if not len(hidden):
        return None
    words = support.seconds_in_words(wait)
    block = support.seconds_in_words(history.params.independence_seconds)
    return with_id(WaitRule(
        id="",
        matchers=matchers,
        for_seconds=wait,
        sentence=(
            f"Wait {words} before {patterns.items[index]} pages: in {counts.good[where]:,} of "
            f"{counts.n[index]:,} separate "
            f"stretches of {block} with it, each was over by itself within {words} and nobody "
            f"acted (at least {support.percent(float(bounds.low[where]))} with confidence); "
            f"none that ended so soon was ever acted on."
        ),
        **rule_evidence(
            counts, bounds, where, hidden,
            measures=f"share of separate stretches in which every episode ends unacted within "
            f"{wait} s",
            sentence=lambda i: f"over after {_length(history, i):.0f} s, nobody acted",
        ),
    ))  # fmt: skip


def _length(history: History, index: int) -> float:
    return float(history.episodes.end[index] - history.episodes.start[index]) / 1000


NEVER_AGAIN = np.int64(2**60)
NEARLY_ALL_FOLDED = 9, 10
"""The shortest hold that folds so much of what the best one folds is a candidate, too."""


@dataclass(frozen=True)
class _Folds:
    """Per pattern: episodes that each hold folds, and the gap from which on it may hide one."""

    folded: NDArray[np.int64]
    first_danger: NDArray[np.int64]


def gaps_of(episodes: Episodes) -> NDArray[np.int64]:
    """Compute the time from each episode's end to the next start of its series.

    Parameters
    ----------
    episodes : Episodes
        Episodes of the training window.

    Returns
    -------
    array of int64, shape (episodes,), milliseconds
        `NEVER_AGAIN` without a next one or a known end.
    """
    gap = np.full(len(episodes), NEVER_AGAIN)
    same = episodes.series[1:] == episodes.series[:-1]
    # Rows are sorted by series and start, so the next row is the next episode.
    gap[:-1][same] = (episodes.start[1:] - episodes.end[:-1])[same]
    gap[~episodes.ended] = NEVER_AGAIN
    return gap


def mine_keep_firing(history: History) -> Mined:
    """Find hold times that make one alert of those that come back.

    A unit of a pattern speaks for a hold if at least half of its episodes were followed by another
    one of the same series within the hold. A hold is no candidate if it would have folded an
    episode that somebody acted on into one that nobody had acted on: it would not page.

    Parameters
    ----------
    history : History
        The training window as the families see it.

    Returns
    -------
    Mined
        Rules of family flapping.
    """
    params = history.params
    holds = np.array(sorted(set(params.keep_firing.keep_firing_for_seconds)), np.int64)
    gaps = gaps_of(history.episodes)
    counts, folds = _count_flapping(history, holds, gaps)
    bounds = bounds_of(counts)
    safe = holds * 1000 < folds.first_danger[:, None]
    fits = bounds.enough[:, None] & (bounds.low >= params.keep_firing.min_share) & safe
    found = most_general(history, fits, folds.folded, NEARLY_ALL_FOLDED)
    by_worth = sorted(found, key=lambda f: (-int(folds.folded[f]), f))
    rules: list[Rule] = []
    for where in by_worth[: params.max_rules]:
        hold, folded = int(holds[where[1]]), int(folds.folded[where])
        rule = _keep_firing_rule(counts, bounds, where, hold, folded=folded, gaps=gaps)
        rules += [] if rule is None else [rule]
    return Mined(rules, bounds.tried)


def _count_flapping(
    history: History, holds: NDArray[np.int64], gap: NDArray[np.int64]
) -> tuple[ThresholdSweep, _Folds]:
    """Count units that come back within each hold, and what it would fold."""
    episodes, count = history.episodes, len(history.patterns)
    counts = ThresholdSweep(history, len(holds))
    danger = _dangerous(episodes, gap)
    folds = _Folds(np.zeros((count, len(holds)), np.int64), np.full(count, NEVER_AGAIN))
    for of_level, unit in by_level(history, episodes):
        counts.add(unit)
        size = np.diff(np.append(unit.first, len(unit.order)))
        for step, hold in enumerate(holds.tolist()):
            back = (gap <= hold * 1000).astype(np.int64)
            backs = np.add.reduceat(back[unit.order], unit.first)
            counts.speaks(step, unit.pattern[backs * 2 >= size])
            folds.folded[:, step] += np.bincount(unit.pattern, backs, count).astype(np.int64)
        pattern = of_level[episodes.series[danger]]
        has_pattern = pattern >= 0
        np.minimum.at(folds.first_danger, pattern[has_pattern], gap[danger][has_pattern])
    return counts, folds


def _dangerous(episodes: Episodes, gap: NDArray[np.int64]) -> NDArray[np.int64]:
    """Episodes nobody acted on whose follower somebody did act on."""
    followed = np.flatnonzero(gap[:-1] < NEVER_AGAIN)
    acted = episodes.acted == YES
    danger: NDArray[np.int64] = followed[~acted[followed] & acted[followed + 1]]
    return danger


def _keep_firing_rule(
    counts: ThresholdSweep, bounds: Bounds, where: tuple[int, int], hold: int, *,
    folded: int, gaps: NDArray[np.int64],
) -> KeepFiringRule | None:  # fmt: skip
    history, index = counts.history, where[0]
    matchers = history.patterns.matchers(index)
    if matchers is None:
        return None
    rows = members(history, index)
    again = rows[gaps[rows] <= hold * 1000]
    if not len(again):
        return None
    words = support.seconds_in_words(hold)
    return with_id(KeepFiringRule(
        id="",
        matchers=matchers,
        keep_firing_for_seconds=hold,
        sentence=(
            f"{history.patterns.items[index]} stays one alert until it has been away for {words}: "
            f"it came back sooner {folded:,} of {len(rows):,} times, and mostly so in "
            f"{counts.good[where]:,} of {counts.n[index]:,} separate stretches (at least "
            f"{support.percent(float(bounds.low[where]))} with confidence)."
        ),
        **rule_evidence(
            counts, bounds, where, again,
            measures=f"share of separate stretches in which most episodes come back within "
            f"{hold} s",
            sentence=lambda i: f"came back after {gaps[i] / 1000:.0f} s",
        ),
    ))  # fmt: skip
