"""Family flapping: it comes and goes, so the alert goes on until it stays away."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.noise.mining import describe
from pipelines.aiops.noise.mining.episodes import Episodes
from pipelines.aiops.noise.mining.history import History, Mined, members
from pipelines.aiops.noise.mining.steps import Bounds, Counts, bounds_of, by_level, shown, widest
from pipelines.aiops.noise.rules import FlappingRule, Rule
from pipelines.aiops.telemetry.frame import YES

NEVER_AGAIN = np.int64(2**60)
NEARLY = 9, 10
"""The shortest hold that folds so much of what the best one folds is a candidate, too."""


@dataclass(frozen=True)
class _Folds:
    """Per pattern: episodes that each hold folds, and the gap from which on it may hide one."""

    folded: NDArray[np.int64]
    first_danger: NDArray[np.int64]


def gaps_of(episodes: Episodes) -> NDArray[np.int64]:
    """Milliseconds from each episode's end to the next start of its series."""
    gap = np.full(len(episodes), NEVER_AGAIN)
    same = episodes.series[1:] == episodes.series[:-1]
    gap[:-1][same] = (episodes.start[1:] - episodes.end[:-1])[same]
    gap[~episodes.ended] = NEVER_AGAIN
    return gap


def mine_flapping(history: History) -> Mined:
    """Find holds that make one alert of those that come back.

    A unit of a pattern speaks for a hold if at least half of its episodes were followed by another
    one of the same series within the hold. A hold is no candidate if it would have folded an
    episode that somebody acted on into one that nobody had acted on: it would not page.
    """
    params = history.params
    holds = np.array(sorted(set(params.flapping.holds_seconds)), np.int64)
    gaps = gaps_of(history.episodes)
    counts, folds = _count(history, holds, gaps)
    bounds = bounds_of(counts)
    safe = holds * 1000 < folds.first_danger[:, None]
    fits = bounds.enough[:, None] & (bounds.low >= params.flapping.min_share) & safe
    found = widest(history, fits, folds.folded, NEARLY)
    ranked = sorted(found, key=lambda f: (-int(folds.folded[f]), f))
    rules: list[Rule] = []
    for where in ranked[: params.max_rules]:
        hold, folded = int(holds[where[1]]), int(folds.folded[where])
        rule = _rule(counts, bounds, where, hold, folded=folded, gaps=gaps)
        rules += [] if rule is None else [rule]
    return Mined(rules, bounds.tried)


def _count(
    history: History, holds: NDArray[np.int64], gap: NDArray[np.int64]
) -> tuple[Counts, _Folds]:
    """Count units that come back within each hold, and what it would fold."""
    episodes, count = history.episodes, len(history.patterns)
    counts = Counts(history, len(holds))
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
        held = pattern >= 0
        np.minimum.at(folds.first_danger, pattern[held], gap[danger][held])
    return counts, folds


def _dangerous(episodes: Episodes, gap: NDArray[np.int64]) -> NDArray[np.int64]:
    """Episodes nobody acted on whose follower somebody did act on."""
    followed = np.flatnonzero(gap[:-1] < NEVER_AGAIN)
    acted = episodes.acted == YES
    danger: NDArray[np.int64] = followed[~acted[followed] & acted[followed + 1]]
    return danger


def _rule(
    counts: Counts, bounds: Bounds, where: tuple[int, int], hold: int, *,
    folded: int, gaps: NDArray[np.int64],
) -> FlappingRule | None:  # fmt: skip
    history, index = counts.history, where[0]
    matchers = history.patterns.matchers(index)
    if matchers is None:
        return None
    rows = members(history, index)
    again = rows[gaps[rows] <= hold * 1000]
    if not len(again):
        return None
    words = describe.seconds_in_words(hold)
    return FlappingRule(
        id=describe.identity("flapping", matchers, keep_firing=hold),
        matchers=matchers,
        keep_firing=hold,
        sentence=(
            f"{history.patterns.items[index]} stays one alert until it has been away for {words}: "
            f"it came back sooner {folded:,} of {len(rows):,} times, and mostly so in "
            f"{counts.good[where]:,} of {counts.n[index]:,} separate stretches (at least "
            f"{describe.percent(float(bounds.low[where]))} with confidence)."
        ),
        **shown(
            counts, bounds, where, again,
            measures=f"share of separate stretches in which most episodes come back within "
            f"{hold} s",
            says=lambda i: f"came back after {gaps[i] / 1000:.0f} s",
        ),
    )  # fmt: skip
