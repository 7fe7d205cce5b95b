"""Family transient: it ends by itself soon, so the alert may wait before it fires."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.noise.mining import describe
from pipelines.aiops.noise.mining.bounds import level, lower
from pipelines.aiops.noise.mining.history import (
    History,
    Mined,
    days_per_pattern,
    levels,
    members,
    units,
)
from pipelines.aiops.noise.rules import Rule, TransientRule
from pipelines.aiops.telemetry.frame import NO, UNKNOWN, YES

LASTING = np.int64(2**60)
"""Length of an episode whose end isn't known: it outlasts every wait."""


@dataclass(frozen=True)
class _Counts:
    """Per pattern: units, separate days, units that end by each wait; the shortest acted-on."""

    n: NDArray[np.int64]
    days: NDArray[np.int64]
    good: NDArray[np.int64]
    shortest_acted: NDArray[np.int64]


def mine_transient(history: History) -> Mined:
    """Find waits within which a pattern's alerts end by themselves.

    A unit of a pattern (all its episodes of one hour, say) speaks for a wait if each of them ended
    within it and nobody acted. Episodes of which nobody knows whether people acted say nothing. A
    wait that would have hidden a single episode that somebody acted on is no candidate.
    """
    params = history.params
    waits = np.array(sorted(set(params.transient.waits_seconds)), np.int64)
    counts = _count(history, waits)
    enough = (counts.n >= params.min_episodes) & (counts.days >= params.min_days)
    tried = int(enough.sum()) * len(waits)
    low = lower(counts.good, counts.n[:, None], level(params.alpha, tried))
    longest = np.where(
        counts.shortest_acted < LASTING,
        np.minimum(params.transient.max_delay_seconds, (counts.shortest_acted - 1) // 1000),
        waits[-1],
    )
    fits = enough[:, None] & (low >= params.transient.min_share) & (waits <= longest[:, None])
    return Mined(_rules(history, waits, counts, low, fits, tried=tried), tried)


def _count(history: History, waits: NDArray[np.int64]) -> _Counts:
    known = history.episodes.where(history.episodes.acted != UNKNOWN)
    count = len(history.patterns)
    length = np.where(known.ended, known.end - known.start, LASTING)
    acted = known.acted == YES
    n, days = np.zeros(count, np.int64), np.zeros(count, np.int64)
    good = np.zeros((count, len(waits)), np.int64)
    shortest = np.full(count, LASTING)
    for of_level in levels(history):
        unit = units(known, of_level, history.params.independence_seconds)
        if not len(unit.pattern):
            continue
        n += np.bincount(unit.pattern, minlength=count)
        days += days_per_pattern(unit, count)
        worst = unit.worst(np.where(acted, LASTING, length))
        for j, wait in enumerate(waits.tolist()):
            good[:, j] += np.bincount(unit.pattern[worst <= wait * 1000], minlength=count)
        pattern = of_level[known.series[acted]]
        held = pattern >= 0
        np.minimum.at(shortest, pattern[held], length[acted][held])
    return _Counts(n, days, good, shortest)


def _rules(
    history: History, waits: NDArray[np.int64], counts: _Counts, low: NDArray[np.float64],
    fits: NDArray[np.bool_], *, tried: int,
) -> list[Rule]:  # fmt: skip
    found: list[tuple[int, int]] = []
    done: set[int] = set()
    for index in np.flatnonzero(fits.any(axis=1)).tolist():
        told = done.intersection(history.patterns.ancestors(index))
        if told or history.patterns.matchers(index) is None:
            continue
        done.add(index)
        found += [(index, j) for j in _choice(counts.good[index], fits[index])]
    ranked = sorted(found, key=lambda f: (-int(counts.good[f]), waits[f[1]], f))
    rules: list[Rule] = []
    for index, j in ranked[: history.params.max_rules]:
        rule = _rule(
            history, (index, j), int(waits[j]), counts, low=float(low[index, j]), tried=tried
        )
        if rule is not None:
            rules.append(rule)
    return rules


def _choice(good: NDArray[np.int64], fits: NDArray[np.bool_]) -> list[int]:
    """Pick the wait that hides most, and the shortest that hides half of that."""
    allowed = np.flatnonzero(fits)
    most = allowed[np.argmax(good[allowed])]
    half = allowed[np.argmax(good[allowed] * 2 >= good[most])]
    return sorted({int(most), int(half)})


def _rule(
    history: History, where: tuple[int, int], wait: int, counts: _Counts, *, low: float, tried: int
) -> TransientRule | None:
    patterns, episodes, index = history.patterns, history.episodes, where[0]
    matchers = patterns.matchers(index)
    if matchers is None:
        return None
    rows = members(history, index)
    short = episodes.ended[rows] & (episodes.end[rows] - episodes.start[rows] <= wait * 1000)
    hidden = rows[short & (episodes.acted[rows] == NO)]
    if not len(hidden):
        return None
    good, n = int(counts.good[where]), int(counts.n[index])
    words = describe.seconds_in_words(wait)
    block = describe.seconds_in_words(history.params.independence_seconds)
    return TransientRule(
        id=describe.identity("transient", matchers, wait=wait),
        matchers=matchers,
        wait=wait,
        sentence=(
            f"Wait {words} before {patterns.items[index]} pages: in {good:,} of {n:,} separate "
            f"stretches of {block} with it, each was over by itself within {words} and nobody "
            f"acted (at least {describe.percent(low)} with confidence); "
            f"none that ended so soon was ever acted on."
        ),
        support=describe.support_of(episodes, hidden, n),
        bound=describe.bound_of(
            f"share of separate stretches in which every episode ends unacted within {wait} s",
            good, n, low=low, alpha=history.params.alpha, tried=tried,
        ),
        expires=describe.expiry(history),
        team=patterns.team(index),
        examples=describe.examples_of(
            history, hidden, lambda i: f"over after {_length(history, i):.0f} s, nobody acted"
        ),
    )  # fmt: skip


def _length(history: History, index: int) -> float:
    return float(history.episodes.end[index] - history.episodes.start[index]) / 1000
