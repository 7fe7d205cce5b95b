"""Choose rules on a window that they were not learned from.

First everything that harms is thrown out: all candidates are replayed together, and a rule that
changes what happens to an incident which is lost or heard too late is dropped, until nothing is
lost. Then the rest is ordered by the pages each saves, and the shortest prefix is taken that saves
as much as all of them, but for a tolerance. Prefixes on the way are the trade-off curve.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.aiops.noise.judging import Effect, Incident
from pipelines.aiops.noise.rules import Rule
from pipelines.aiops.params.select_rules import SelectRulesParams

Measure = Callable[[Sequence[Rule]], Effect]
"""Replays the window with some rules and measures what they do."""


@dataclass(frozen=True)
class Dropped:
    """A candidate that isn't chosen, and why."""

    rule: str
    why: str


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
    silent: list[Rule] = [rule for rule in known.values() if rule.family == "known_fix"]
    paged: list[Rule] = [rule for rule in known.values() if rule.family != "known_fix"]
    active = sorted(paged, key=lambda rule: rule.id)
    dropped: list[Dropped] = []
    for window in also:
        active, more, _ = _drop_harmful(active, window, limits)
        dropped += more
    active, more, effect = _drop_harmful(active, measure, limits)
    dropped += more
    ordered, idle = _by_credit(active, effect)
    dropped += [Dropped(rule.id, "saves no page in the window it was judged on") for rule in idle]
    curve, sets = _curve(ordered, measure)
    chosen, effect = _shortest(ordered, curve, sets, measure, limits)
    points = sorted(curve.values(), key=lambda point: point.rules)
    left = {rule.id for rule in ordered} - {rule.id for rule in chosen}
    dropped += [Dropped(one, "the rules before it save as much without it") for one in sorted(left)]
    return Selection(tuple(chosen) + tuple(silent), tuple(dropped), tuple(points), effect)


def _drop_harmful(
    active: list[Rule], measure: Measure, limits: SelectRulesParams
) -> tuple[list[Rule], list[Dropped], Effect]:
    dropped: list[Dropped] = []
    while True:
        effect = measure(active)
        harmful = _blamed(active, effect, limits)
        if not harmful:
            return active, dropped, effect
        dropped += [Dropped(rule, why) for rule, why in sorted(harmful.items())]
        active = [rule for rule in active if rule.id not in harmful]


def _blamed(active: list[Rule], effect: Effect, limits: SelectRulesParams) -> dict[str, str]:
    """Rule id → why it has to go."""
    present = {rule.id for rule in active}
    blamed: dict[str, str] = {}
    for incident in effect.incidents:
        why = _harm(incident, limits)
        if why:
            guilty = present.intersection(incident.hidden_by) if incident.lost else set()
            guilty = guilty or present.intersection(incident.touched_by) or present
            blamed |= dict.fromkeys(guilty, why)
    return blamed or _slowest(present, effect, limits)


def _harm(incident: Incident, limits: SelectRulesParams) -> str:
    if incident.lost:
        return f"incident {incident.ticket} would be lost"
    if incident.delay > limits.max_incident_delay_seconds:
        return f"incident {incident.ticket} would be heard {incident.delay:.0f} s later"
    return ""


def _slowest(present: set[str], effect: Effect, limits: SelectRulesParams) -> dict[str, str]:
    """While too many incidents wait: the tenth of the rules that save least for each of them."""
    late = [one for one in effect.heard if one.delay > limits.max_median_delay_seconds]
    if len(late) <= limits.max_late_share * len(effect.heard):
        return {}
    touched = [rule for one in late for rule in present.intersection(one.touched_by)]
    worth = {
        rule: effect.credit.get(rule, 0.0) / touched.count(rule) for rule in sorted(set(touched))
    }
    order = sorted(
        worth or dict.fromkeys(present, 0.0), key=lambda rule: (worth.get(rule, 0), rule)
    )
    why = f"{len(late)} of {len(effect.heard)} incidents would be heard late"
    return dict.fromkeys(order[: max(1, len(order) // 10)], why)


def _by_credit(active: list[Rule], effect: Effect) -> tuple[list[Rule], list[Rule]]:
    """Rules that save something, most first, and those that save nothing."""
    ordered = sorted(active, key=lambda rule: (-effect.credit.get(rule.id, 0.0), rule.id))
    saving = [rule for rule in ordered if effect.credit.get(rule.id, 0.0) > 0]
    return saving, [rule for rule in ordered if rule not in saving]


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
        if effects[middle].saved >= goal and _harmless(effects[middle], limits):
            high = middle
        else:
            low = middle + 1
    return ordered[:high], effects[high]


def _harmless(effect: Effect, limits: SelectRulesParams) -> bool:
    """Whether nobody is hurt; fewer rules can hurt where another rule had told the story."""
    return not any(_harm(one, limits) for one in effect.incidents)


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
