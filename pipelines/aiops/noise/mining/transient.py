"""Family transient: it ends by itself soon, so the alert may wait before it fires."""

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.noise.mining import describe
from pipelines.aiops.noise.mining.history import History, Mined, members
from pipelines.aiops.noise.mining.steps import Bounds, Counts, bounds_of, by_level, shown, widest
from pipelines.aiops.noise.rules import Rule, TransientRule
from pipelines.aiops.telemetry.frame import NO, UNKNOWN, YES

LASTING = np.int64(2**60)
"""Length of an episode whose end isn't known: it outlasts every wait."""
NEARLY = 1, 2
"""The shortest wait that hides so much of what the best one hides is a candidate, too."""


def mine_transient(history: History) -> Mined:
    """Find waits within which a pattern's alerts end by themselves.

    A unit of a pattern (all its episodes of one hour, say) speaks for a wait if each of them ended
    within it and nobody acted. Episodes of which nobody knows whether people acted say nothing. A
    wait that would have hidden a single episode that somebody acted on is no candidate.
    """
    params = history.params
    waits = np.array(sorted(set(params.transient.waits_seconds)), np.int64)
    counts, shortest_acted = _count(history, waits)
    bounds = bounds_of(counts)
    longest = np.where(
        shortest_acted < LASTING,
        np.minimum(params.transient.max_delay_seconds, (shortest_acted - 1) // 1000),
        waits[-1],
    )
    proven = bounds.low >= params.transient.min_share
    fits = bounds.enough[:, None] & proven & (waits <= longest[:, None])
    found = widest(history, fits, counts.good, NEARLY)
    ranked = sorted(found, key=lambda f: (-int(counts.good[f]), waits[f[1]], f))
    rules: list[Rule] = []
    for where in ranked[: params.max_rules]:
        rule = _rule(counts, bounds, where, int(waits[where[1]]))
        rules += [] if rule is None else [rule]
    return Mined(rules, bounds.tried)


def _count(history: History, waits: NDArray[np.int64]) -> tuple[Counts, NDArray[np.int64]]:
    """Count units that end by each wait; and find each pattern's shortest episode acted on."""
    known = history.episodes.where(history.episodes.acted != UNKNOWN)
    counts = Counts(history, len(waits))
    length = np.where(known.ended, known.end - known.start, LASTING)
    acted = known.acted == YES
    shortest = np.full(len(history.patterns), LASTING)
    for of_level, unit in by_level(history, known):
        counts.add(unit)
        worst = unit.worst(np.where(acted, LASTING, length))
        for step, wait in enumerate(waits.tolist()):
            counts.speaks(step, unit.pattern[worst <= wait * 1000])
        pattern = of_level[known.series[acted]]
        held = pattern >= 0
        np.minimum.at(shortest, pattern[held], length[acted][held])
    return counts, shortest


def _rule(
    counts: Counts, bounds: Bounds, where: tuple[int, int], wait: int
) -> TransientRule | None:
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
    words = describe.seconds_in_words(wait)
    block = describe.seconds_in_words(history.params.independence_seconds)
    return TransientRule(
        id=describe.identity("transient", matchers, wait=wait),
        matchers=matchers,
        wait=wait,
        sentence=(
            f"Wait {words} before {patterns.items[index]} pages: in {counts.good[where]:,} of "
            f"{counts.n[index]:,} separate "
            f"stretches of {block} with it, each was over by itself within {words} and nobody "
            f"acted (at least {describe.percent(float(bounds.low[where]))} with confidence); "
            f"none that ended so soon was ever acted on."
        ),
        **shown(
            counts, bounds, where, hidden,
            measures=f"share of separate stretches in which every episode ends unacted within "
            f"{wait} s",
            says=lambda i: f"over after {_length(history, i):.0f} s, nobody acted",
        ),
    )  # fmt: skip


def _length(history: History, index: int) -> float:
    return float(history.episodes.end[index] - history.episodes.start[index]) / 1000
