"""Choose rules on a window that they were not learned from.

First everything that harms is thrown out: all candidates that decide over single alerts are
replayed together, and a rule that changes what happens to an incident which is lost or heard too
late is dropped, until nothing is lost. Then groupings are added, each time the one that saves most
beside what is chosen already (`groupings`): they are alternatives of each other, and other rules
make room for them. The rest is ordered by the pages each saves, and the shortest prefix is taken
that saves as much as all of them, but for a tolerance. Prefixes on the way are the trade-off curve.
In the end alerts with new names, which none of these rules has, get a grouping too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.aiops.noise.judging import Effect
from pipelines.aiops.noise.rules import DuplicateRule, Rule
from pipelines.aiops.noise.selection.groupings import (
    Search,
    add_groupings,
    for_what_is_new,
    in_order,
)
from pipelines.aiops.noise.selection.harm import Dropped, Measure, harmless, without_harm
from pipelines.aiops.params.select_rules import SelectRulesParams

_IDLE = "saves no page in the window it was judged on"


@dataclass(frozen=True)
class Point:
    """One point of the trade-off curve."""

    rules: int
    pages: int
    saved_share: float
    lost: int
    median_delay: float
    longest_delay: float


@dataclass(frozen=True)
class Selection:
    """What was chosen.

    Attributes
    ----------
    rules
        The chosen ones, the one that saves most first.
    curve
        From no rule to all harmless ones.
    effect
        What the chosen ones do on the window they were chosen on.
    """

    rules: tuple[Rule, ...]
    dropped: tuple[Dropped, ...]
    curve: tuple[Point, ...]
    effect: Effect


def select(
    candidates: Sequence[Rule],
    measure: Measure,
    limits: SelectRulesParams,
    also: Sequence[Measure] = (),
) -> Selection:
    """Choose rules.

    Parameters
    ----------
    candidates
        What mining proposes; order doesn't matter.
    measure
        Measures a set of rules on the window to choose on.
    limits
        What a set may cost.
    also
        Measures on other windows (the one learned from), in which nobody may come to harm either.
    """
    known = {rule.id: rule for rule in candidates}
    silent = [rule for rule in known.values() if rule.family == "known_fix"]
    rest = sorted((r for r in known.values() if r.family != "known_fix"), key=lambda r: r.id)
    active: list[Rule] = [rule for rule in rest if rule.family != "duplicate"]
    apart = [rule for rule in rest if isinstance(rule, DuplicateRule)]
    saving, dropped = _saving(active, measure, limits, also)
    search = Search(measure, limits, also)
    grouped = add_groupings(saving, apart, search)
    dropped += grouped.dropped
    together = [*grouped.groupings, *grouped.active]
    ordered = in_order(_by_credit(together, grouped.effect), grouped.groupings)
    dropped += _unused(grouped.active, ordered, _IDLE)
    curve, sets = _curve(ordered, measure)
    chosen, effect = _shortest(ordered, curve, sets, measure, limits)
    dropped += _unused(ordered, chosen, "the rules before it save as much without it")
    more = for_what_is_new(chosen, apart, search, effect.saved)
    if more is not None:
        chosen, effect = [*chosen, more[0]], more[1]
        curve.setdefault(len(chosen), point(len(chosen), effect))
    grouping = [*ordered, *chosen]
    dropped += _unused(apart, grouping, "no harmless set of groupings saves more with it")
    points = sorted(curve.values(), key=lambda point: point.rules)
    return Selection(tuple(chosen) + tuple(silent), tuple(dropped), tuple(points), effect)


def _saving(
    active: list[Rule], measure: Measure, limits: SelectRulesParams, also: Sequence[Measure]
) -> tuple[list[Rule], list[Dropped]]:
    """Rules that save something and harm nobody in any window, those that save most first."""
    dropped: list[Dropped] = []
    for window in (measure, *also, measure):
        active, more, effect = without_harm(active, window, limits)
        dropped += more
        if window is measure:
            saving = _by_credit(active, effect)
            dropped += _unused(active, saving, _IDLE)
            active = saving
    return active, dropped


def _unused(all_of: Sequence[Rule], used: Sequence[Rule], why: str) -> list[Dropped]:
    left = {rule.id for rule in all_of} - {rule.id for rule in used}
    return [Dropped(one, why) for one in sorted(left)]


def _by_credit(active: list[Rule], effect: Effect) -> list[Rule]:
    """Rules that save something, most first."""
    ordered = sorted(active, key=lambda rule: (-effect.credit.get(rule.id, 0.0), rule.id))
    return [rule for rule in ordered if effect.credit.get(rule.id, 0.0) > 0]


def _curve(ordered: list[Rule], measure: Measure) -> tuple[dict[int, Point], dict[int, Effect]]:
    """Points at 0, 1, 2, 3, 5, 8, … and all rules."""
    sizes = {0, len(ordered)}
    small, large = 1, 2
    while small < len(ordered):
        sizes.add(small)
        small, large = large, small + large
    effects = {size: measure(ordered[:size]) for size in sorted(sizes)}
    return {size: point(size, effect) for size, effect in effects.items()}, effects


def _shortest(
    ordered: list[Rule],
    curve: dict[int, Point],
    effects: dict[int, Effect],
    measure: Measure,
    limits: SelectRulesParams,
) -> tuple[list[Rule], Effect]:
    """Find by bisection the shortest prefix that saves enough and still harms nobody."""
    goal = effects[len(ordered)].saved * (1 - limits.tolerance)
    low, high = 0, len(ordered)
    while low < high:
        middle = (low + high) // 2
        if middle not in effects:
            effects[middle] = measure(ordered[:middle])
            curve[middle] = point(middle, effects[middle])
        if effects[middle].saved >= goal and harmless(effects[middle], limits):
            high = middle
        else:
            low = middle + 1
    return ordered[:high], effects[high]


def point(size: int, effect: Effect) -> Point:
    """One point of the curve."""
    delays = effect.delays()
    return Point(
        rules=size,
        pages=len(effect.after),
        saved_share=effect.saved_share,
        lost=len(effect.lost),
        median_delay=effect.median_delay,
        longest_delay=float(np.max(delays)) if len(delays) else float("nan"),
    )
