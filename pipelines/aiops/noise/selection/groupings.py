"""Groupings are alternatives of each other: each is tried beside what is chosen already."""

from collections.abc import Sequence

from pipelines.aiops.noise.judging import Effect
from pipelines.aiops.noise.rules import DuplicateRule, Rule
from pipelines.aiops.noise.selection.harm import Measure, harmless
from pipelines.aiops.params.select_rules import SelectRulesParams

MOST = 2
"""Groupings chosen at most: each one only takes alerts from those before it."""
CLOSER = 3
"""So many of the best groupings are tried with all of their times."""


def add_groupings(
    active: Sequence[Rule],
    candidates: Sequence[DuplicateRule],
    measure: Measure,
    limits: SelectRulesParams,
    also: Sequence[Measure] = (),
) -> list[Rule]:
    """Choose groupings for alerts that page in spite of the rules `active`.

    Parameters
    ----------
    active
        Rules chosen already.
    candidates
        Duplicate rules, in an order that doesn't depend on how they were given.
    measure, also
        Measure sets of rules on the window to choose on, and on others.

    Returns
    -------
    The chosen ones, the last chosen first: of equal routes the first one listed has the alert.
    """
    chosen: list[Rule] = []
    best, pool = measure(active), _by_grouping(candidates)
    least = max(limits.tolerance * len(best.before), 1.0)
    while pool and len(chosen) < MOST:
        beside = [*chosen, *active]
        first = [(place, measure([times[0], *beside])) for place, times in enumerate(pool)]
        first.sort(key=lambda pair: (-pair[1].saved, pair[0]))
        tried = [(pool[place][0], effect) for place, effect in first]
        for place, _ in first[:CLOSER]:
            tried += [(one, measure([one, *beside])) for one in pool[place][1:]]
        better = [(one, effect) for one, effect in tried if effect.saved - best.saved >= least]
        better.sort(key=lambda pair: (-pair[1].saved, pair[0].id))
        found = _first_harmless(better, beside, limits, also)
        if found is None:
            break
        chosen.insert(0, found[0])
        best, left = found[1], {rule.id for rule, _ in better} - {found[0].id}
        pool = [times for times in pool if left.intersection(rule.id for rule in times)]
    return chosen


def _by_grouping(candidates: Sequence[DuplicateRule]) -> list[list[DuplicateRule]]:
    """Rules of equal groups together, the one that tells least often first."""
    found: dict[str, list[DuplicateRule]] = {}
    for rule in candidates:
        key = repr((rule.matchers, rule.group_by))
        found.setdefault(key, []).append(rule)
    order = sorted(found.values(), key=lambda times: min(rule.id for rule in times))
    return [
        sorted(times, key=lambda r: (-r.group_interval, -r.group_wait, -r.repeat_interval, r.id))
        for times in order
    ]


def _first_harmless(
    better: Sequence[tuple[Rule, Effect]],
    beside: Sequence[Rule],
    limits: SelectRulesParams,
    also: Sequence[Measure],
) -> tuple[Rule, Effect] | None:
    for one, effect in better:
        if harmless(effect, limits) and all(
            harmless(window([one, *beside]), limits) for window in also
        ):
            return one, effect
    return None


def in_order(ordered: Sequence[Rule], groupings: Sequence[Rule]) -> list[Rule]:
    """Give the groupings among `ordered` their own order back, in the places that they have."""
    known = {rule.id for rule in ordered}
    own = iter([rule for rule in groupings if rule.id in known])
    ids = {rule.id for rule in groupings}
    return [next(own) if rule.id in ids else rule for rule in ordered]
