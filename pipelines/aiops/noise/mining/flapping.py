"""Family flapping: it comes and goes, so the alert goes on until it stays away."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.noise.mining import describe
from pipelines.aiops.noise.mining.bounds import level, lower
from pipelines.aiops.noise.mining.episodes import Episodes
from pipelines.aiops.noise.mining.history import (
    History,
    Mined,
    days_per_pattern,
    levels,
    members,
    units,
)
from pipelines.aiops.noise.rules import FlappingRule, Rule
from pipelines.aiops.telemetry.frame import YES

NEVER_AGAIN = np.int64(2**60)


@dataclass(frozen=True)
class _Counts:
    """Per pattern: units, days, units that come back within each hold, the longest safe hold."""

    n: NDArray[np.int64]
    days: NDArray[np.int64]
    good: NDArray[np.int64]
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
    counts = _count(history, holds)
    enough = (counts.n >= params.min_episodes) & (counts.days >= params.min_days)
    tried = int(enough.sum()) * len(holds)
    low = lower(counts.good, counts.n[:, None], level(params.alpha, tried))
    safe = holds * 1000 < counts.first_danger[:, None]
    fits = enough[:, None] & (low >= params.flapping.min_share) & safe
    found: list[tuple[int, int]] = []
    done: set[int] = set()
    for index in np.flatnonzero(fits.any(axis=1)).tolist():
        told = done.intersection(history.patterns.ancestors(index))
        if not told and history.patterns.matchers(index) is not None:
            done.add(index)
            found += [(index, j) for j in _choice(counts.folded[index], fits[index])]
    ranked = sorted(found, key=lambda f: (-int(counts.folded[f]), f))[: params.max_rules]
    rules: list[Rule] = []
    gaps = gaps_of(history.episodes)
    for index, j in ranked:
        rule = _rule(
            history, (index, j), int(holds[j]), counts,
            low=float(low[index, j]), tried=tried, gaps=gaps,
        )  # fmt: skip
        rules += [] if rule is None else [rule]
    return Mined(rules, tried)


def _choice(folded: NDArray[np.int64], fits: NDArray[np.bool_]) -> list[int]:
    """Pick the hold that folds most, and the shortest that folds nine tenths of that."""
    allowed = np.flatnonzero(fits)
    most = allowed[np.argmax(folded[allowed])]
    nearly = allowed[np.argmax(folded[allowed] * 10 >= folded[most] * 9)]
    return sorted({int(most), int(nearly)})


def _count(history: History, holds: NDArray[np.int64]) -> _Counts:
    episodes, count = history.episodes, len(history.patterns)
    gap = gaps_of(episodes)
    danger = _dangerous(episodes, gap)
    n, days = np.zeros(count, np.int64), np.zeros(count, np.int64)
    good = np.zeros((count, len(holds)), np.int64)
    folded = np.zeros((count, len(holds)), np.int64)
    first_danger = np.full(count, NEVER_AGAIN)
    for of_level in levels(history):
        unit = units(episodes, of_level, history.params.independence_seconds)
        size = np.diff(np.append(unit.first, len(unit.order)))
        n += np.bincount(unit.pattern, minlength=count)
        days += days_per_pattern(unit, count)
        for j, hold in enumerate(holds.tolist()):
            back = (gap <= hold * 1000).astype(np.int64)
            backs = np.add.reduceat(back[unit.order], unit.first)
            good[:, j] += np.bincount(unit.pattern[backs * 2 >= size], minlength=count)
            folded[:, j] += np.bincount(unit.pattern, backs, minlength=count).astype(np.int64)
        pattern = of_level[episodes.series[danger]]
        held = pattern >= 0
        np.minimum.at(first_danger, pattern[held], gap[danger][held])
    return _Counts(n, days, good, folded, first_danger)


def _dangerous(episodes: Episodes, gap: NDArray[np.int64]) -> NDArray[np.int64]:
    """Episodes nobody acted on whose follower somebody did act on."""
    followed = np.flatnonzero(gap[:-1] < NEVER_AGAIN)
    acted = episodes.acted == YES
    danger: NDArray[np.int64] = followed[~acted[followed] & acted[followed + 1]]
    return danger


def _rule(
    history: History, where: tuple[int, int], hold: int, counts: _Counts, *,
    low: float, tried: int, gaps: NDArray[np.int64],
) -> FlappingRule | None:  # fmt: skip
    patterns, episodes = history.patterns, history.episodes
    index = where[0]
    matchers = patterns.matchers(index)
    if matchers is None:
        return None
    rows = members(history, index)
    again = rows[gaps[rows] <= hold * 1000]
    if not len(again):
        return None
    good, n, folded = int(counts.good[where]), int(counts.n[index]), int(counts.folded[where])
    words = describe.seconds_in_words(hold)
    return FlappingRule(
        id=describe.identity("flapping", matchers, keep_firing=hold),
        matchers=matchers,
        keep_firing=hold,
        sentence=(
            f"{patterns.items[index]} stays one alert until it has been away for {words}: it came "
            f"back sooner {folded:,} of {len(rows):,} times, and mostly so in {good:,} of "
            f"{n:,} separate stretches (at least {describe.percent(low)} with confidence)."
        ),
        support=describe.support_of(episodes, again, n),
        bound=describe.bound_of(
            f"share of separate stretches in which most episodes come back within {hold} s",
            good, n, low=low, alpha=history.params.alpha, tried=tried,
        ),
        expires=describe.expiry(history),
        team=patterns.team(index),
        examples=describe.examples_of(
            history, again, lambda i: f"came back after {gaps[i] / 1000:.0f} s"
        ),
    )  # fmt: skip
