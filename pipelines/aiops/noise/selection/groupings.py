"""Groupings are alternatives of each other: each is tried beside what is chosen already.

Grouping and waiting both make people hear later, and a set may only make so many incidents wait.
So where a grouping is harmless alone but not beside the rules chosen before it, those that save
least for the incidents they delay make room for it, if that saves more.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipelines.aiops.noise.judging import Effect
from pipelines.aiops.noise.rules import DuplicateRule, Rule
from pipelines.aiops.noise.selection.harm import Dropped, Measure, harmless, without_harm
from pipelines.aiops.params.select_rules import SelectRulesParams

MOST = 2
"""Groupings chosen at most: each one only takes alerts from those before it."""
CLOSER = 8
"""So many of the best groupings are tried with all of their times."""
ROOM = 4
"""For so many groupings, those that would save most first, room is made."""


@dataclass(frozen=True)
class Grouped:
    """Groupings, and the rules that stay beside them.

    Attributes
    ----------
    groupings
        The last chosen first: of equal routes the first one listed has the alert.
    active
        Rules that were given and stay.
    dropped
        Rules that made room.
    """

    groupings: list[Rule]
    active: list[Rule]
    dropped: list[Dropped]
    effect: Effect


@dataclass(frozen=True)
class Search:
    """Measures of the window to choose on and of others, and what a set may cost."""

    measure: Measure
    limits: SelectRulesParams
    also: Sequence[Measure] = ()

    def harmless(self, rules: Sequence[Rule], effect: Effect | None = None) -> bool:
        """Whether the rules harm nobody in any window; `effect`: theirs on the first, if known."""
        here = self.measure(rules) if effect is None else effect
        return harmless(here, self.limits) and all(
            harmless(window(rules), self.limits) for window in self.also
        )

    def beside(
        self, fixed: Sequence[Rule], active: Sequence[Rule], least: float
    ) -> tuple[list[Rule], list[Dropped], Effect] | None:
        """Drop rules until they harm nobody beside the `fixed` ones; None if less is saved."""

        def together(window: Measure) -> Measure:
            return lambda rules: window([*fixed, *rules])

        kept, dropped = list(active), list[Dropped]()
        for window in (self.measure, *self.also):
            kept, more, _ = without_harm(kept, together(window), self.limits)
            dropped += more
            effect = together(self.measure)(kept)
            if effect.saved < least:
                return None
        return (kept, dropped, effect) if self.harmless([*fixed, *kept], effect) else None


def add_groupings(
    active: Sequence[Rule], candidates: Sequence[DuplicateRule], search: Search
) -> Grouped:
    """Choose groupings for alerts that page in spite of the rules `active`.

    Parameters
    ----------
    active
        Rules chosen already.
    candidates
        Duplicate rules, in an order that doesn't depend on how they were given.
    """
    found = Grouped([], list(active), [], search.measure(active))
    pool = _by_grouping(candidates)
    least = max(search.limits.tolerance * len(found.effect.before), 1.0)
    while pool and len(found.groupings) < MOST:
        better = _better(found, pool, search.measure, least)
        best = max(
            _tried(found, better, search, least), key=lambda one: one.effect.saved, default=None
        )
        if best is None:
            break
        found = best
        left = {rule.id for rule, _ in better} - {best.groupings[0].id}
        pool = [times for times in pool if left.intersection(rule.id for rule in times)]
    return found


def _better(
    found: Grouped, pool: list[list[DuplicateRule]], measure: Measure, least: float
) -> list[tuple[DuplicateRule, Effect]]:
    """Give the groupings that save more, harmless or not, and what they do; the best first."""
    beside = [*found.groupings, *found.active]
    first = [(place, measure([times[0], *beside])) for place, times in enumerate(pool)]
    first.sort(key=lambda pair: (-pair[1].saved, pair[0]))
    tried = [(pool[place][0], effect) for place, effect in first]
    for place, _ in first[:CLOSER]:
        tried += [(one, measure([one, *beside])) for one in pool[place][1:]]
    better = [(one, effect) for one, effect in tried if effect.saved - found.effect.saved >= least]
    better.sort(key=lambda pair: (-pair[1].saved, pair[0].id))
    return better


def _tried(
    found: Grouped, better: Sequence[tuple[DuplicateRule, Effect]], search: Search, least: float
) -> Iterator[Grouped]:
    """Give sets with one more grouping, each saving more than the one before it."""
    enough, room = found.effect.saved + least, ROOM
    for one, effect in better:
        if effect.saved < enough:
            return
        groupings = [one, *found.groupings]
        if search.harmless([*groupings, *found.active], effect):
            yield Grouped(groupings, found.active, found.dropped, effect)
            return
        if room and found.active and search.harmless(groupings):
            room -= 1
            made = search.beside(groupings, found.active, enough)
            if made is not None:
                kept, dropped, best = made
                enough = best.saved + 1
                yield Grouped(groupings, kept, [*found.dropped, *dropped], best)


def for_what_is_new(
    chosen: Sequence[Rule], candidates: Sequence[DuplicateRule], search: Search, least: int
) -> tuple[Rule, Effect] | None:
    """Find a grouping for the alerts that no grouping has: those with names that are new.

    The windows that are known can't show what it saves: hardly any name is new there. So it need
    only harm nobody, and save no less than `least`.
    """
    taken = {rule.matchers for rule in chosen if isinstance(rule, DuplicateRule)}
    ways = [rule for rule in candidates if all(one.op.startswith("!") for one in rule.matchers)]
    if taken.intersection(rule.matchers for rule in ways):
        return None
    tried = [(rule, search.measure([*chosen, rule])) for rule in ways]
    tried.sort(key=lambda pair: (-pair[1].saved, *_rarest(pair[0])))
    for rule, effect in tried:
        if effect.saved < least:
            break
        if search.harmless([*chosen, rule], effect):
            return rule, effect
    return None


def _by_grouping(candidates: Sequence[DuplicateRule]) -> list[list[DuplicateRule]]:
    """Rules of equal groups together, the one that tells least often first."""
    found: dict[str, list[DuplicateRule]] = {}
    for rule in candidates:
        key = repr((rule.matchers, rule.group_by))
        found.setdefault(key, []).append(rule)
    order = sorted(found.values(), key=lambda times: min(rule.id for rule in times))
    return [sorted(times, key=_rarest) for times in order]


def _rarest(rule: DuplicateRule) -> tuple[int, int, int, int, str]:
    """Sort key: rules that tell least often first."""
    times = -rule.group_interval, -rule.group_wait, -rule.repeat_interval
    return *times, len(rule.group_by), rule.id


def in_order(ordered: Sequence[Rule], groupings: Sequence[Rule]) -> list[Rule]:
    """Give the groupings among `ordered` their own order back, in the places that they have."""
    known = {rule.id for rule in ordered}
    own = iter([rule for rule in groupings if rule.id in known])
    ids = {rule.id for rule in groupings}
    return [next(own) if rule.id in ids else rule for rule in ordered]
