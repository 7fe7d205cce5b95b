"""Choose rules on a validation window, which they were not mined from.

Grouping and waiting both delay notifications, and a set may only make so many incidents wait.
So where a grouping is harmless alone but not beside the rules chosen before it, those that save
least for the incidents they delay make room for it, if that saves more.

First everything that harms is thrown out: all candidates that decide over single alerts are
replayed together, and a rule that changes what happens to an incident which is missed or notified
too late is dropped, until nothing is missed. Then groupings are added, each time the one that saves
most beside what is chosen already (`add_groupings`): they are alternatives of each other, and other
rules make room for them. The rest is ordered by the pages each saves, and the shortest prefix is
taken that saves as much as all of them, but for a tolerance. Prefixes on the way are the trade-off
curve. In the end alerts with new names, which none of these rules has, get a grouping too.

Alerts change: services are renamed, new ones come, thresholds are edited. Rules that were learned
on the first part only are weeks old when they go to work. So after the choice everything is mined
again on both parts, as a model is fitted again on all data before it is tested. The last
window, which nothing was learned or chosen on, judges the outcome.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pipelines.aiops.alerting.evaluation.backtest import BacktestResult
from pipelines.aiops.alerting.evaluation.limits import Dropped, Measure, harmless, without_harm
from pipelines.aiops.alerting.rules import GroupingRule, Rule, content_key
from pipelines.aiops.params.alert_rules import SelectRulesParams

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
    groupings : list of Rule
        The last chosen first: of equal routes the first one listed has the alert.
    active : list of Rule
        Rules that were given and stay.
    dropped : list of Dropped
        Rules that made room.
    effect : BacktestResult
        What all of them do on the window to choose on.
    """

    groupings: list[Rule]
    active: list[Rule]
    dropped: list[Dropped]
    effect: BacktestResult


@dataclass(frozen=True)
class Search:
    """Measures of the window to choose on and of others, and what a set may cost.

    Attributes
    ----------
    measure : Measure
        Measures a set of rules on the window to choose on.
    limits : SelectRulesParams
        What a set of rules may cost.
    also : sequence of Measure
        Measures on other windows, in which nobody may come to harm either.
    """

    measure: Measure
    limits: SelectRulesParams
    also: Sequence[Measure] = ()

    def harmless(self, rules: Sequence[Rule], effect: BacktestResult | None = None) -> bool:
        """Test that the rules harm nobody in any window.

        Parameters
        ----------
        rules : sequence of Rule
            Rules in the order in which they apply.
        effect : BacktestResult or None
            What they do on the window to choose on, if known.

        Returns
        -------
        bool
            True if the limits are kept in every window.
        """
        here = self.measure(rules) if effect is None else effect
        return harmless(here, self.limits) and all(
            harmless(window(rules), self.limits) for window in self.also
        )

    def beside(
        self, fixed: Sequence[Rule], active: Sequence[Rule], least: float
    ) -> tuple[list[Rule], list[Dropped], BacktestResult] | None:
        """Drop rules until they harm nobody beside the `fixed` ones.

        Parameters
        ----------
        fixed : sequence of Rule
            Rules that stay.
        active : sequence of Rule
            Rules that may go.
        least : float
            Pages that the set has to save.

        Returns
        -------
        (list of Rule, list of Dropped, BacktestResult) or None
            Rules that stay, those that were dropped, and what the set does; None if it saves less
            than `least`.
        """

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
    active: Sequence[Rule], candidates: Sequence[GroupingRule], search: Search
) -> Grouped:
    """Choose groupings for alerts that page in spite of the rules `active`.

    Parameters
    ----------
    active : sequence of Rule
        Rules chosen already.
    candidates : sequence of GroupingRule
        Duplicate rules, in an order that doesn't depend on how they were given.
    search : Search
        Windows to measure on.

    Returns
    -------
    Grouped
        Groupings chosen, and the rules that stay beside them.
    """
    found = Grouped([], list(active), [], search.measure(active))
    pool = _by_grouping(candidates)
    least = max(search.limits.tolerance * len(found.effect.baseline), 1.0)
    while pool and len(found.groupings) < MOST:
        better = _better(found, pool, search.measure, least)
        best = max(
            _tried(found, better, search, least),
            key=lambda grouped: grouped.effect.saved,
            default=None,
        )
        if best is None:
            break
        found = best
        left = {rule.id for rule, _ in better} - {best.groupings[0].id}
        pool = [times for times in pool if left.intersection(rule.id for rule in times)]
    return found


def _better(
    found: Grouped, pool: list[list[GroupingRule]], measure: Measure, least: float
) -> list[tuple[GroupingRule, BacktestResult]]:
    """Give the groupings that save more, harmless or not, and what they do; the best first."""
    beside = [*found.groupings, *found.active]
    first = [(position, measure([times[0], *beside])) for position, times in enumerate(pool)]
    first.sort(key=lambda pair: (-pair[1].saved, pair[0]))
    tried = [(pool[position][0], effect) for position, effect in first]
    for position, _ in first[:CLOSER]:
        tried += [(rule, measure([rule, *beside])) for rule in pool[position][1:]]
    better = [
        (rule, effect) for rule, effect in tried if effect.saved - found.effect.saved >= least
    ]
    better.sort(key=lambda pair: (-pair[1].saved, content_key(pair[0])))
    return better


def _tried(
    found: Grouped,
    better: Sequence[tuple[GroupingRule, BacktestResult]],
    search: Search,
    least: float,
) -> Iterator[Grouped]:
    """Give sets with one more grouping, each saving more than the one before it."""
    enough, room = found.effect.saved + least, ROOM
    for rule, effect in better:
        if effect.saved < enough:
            return
        groupings = [rule, *found.groupings]
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
    chosen: Sequence[Rule], candidates: Sequence[GroupingRule], search: Search, least: int
) -> tuple[Rule, BacktestResult] | None:
    """Find a grouping for the alerts that no grouping has: those with names that are new.

    The windows that are known can't show what it saves: hardly any name is new there. So it need
    only harm nobody, and save no less than `least`.

    Parameters
    ----------
    chosen : sequence of Rule
        Rules chosen already.
    candidates : sequence of GroupingRule
        Duplicate rules.
    search : Search
        Windows to measure on.
    least : int
        Pages that the set has to save.

    Returns
    -------
    (Rule, BacktestResult) or None
        The rule and what the set does with it; None without a harmless one.
    """
    taken = {rule.matchers for rule in chosen if isinstance(rule, GroupingRule)}
    ways = [
        rule for rule in candidates if all(matcher.op.startswith("!") for matcher in rule.matchers)
    ]
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


def _by_grouping(candidates: Sequence[GroupingRule]) -> list[list[GroupingRule]]:
    """Rules of equal groups together, the one that tells least often first."""
    found: dict[str, list[GroupingRule]] = {}
    for rule in candidates:
        key = repr((rule.matchers, rule.group_by))
        found.setdefault(key, []).append(rule)
    order = sorted(found.values(), key=lambda times: min(map(content_key, times)))
    return [sorted(times, key=_rarest) for times in order]


def _rarest(rule: GroupingRule) -> tuple[Any, ...]:
    """Sort key: rules that tell least often first."""
    times = -rule.group_interval_seconds, -rule.group_wait_seconds, -rule.repeat_interval_seconds
    return *times, len(rule.group_by), content_key(rule)


def in_order(ordered: Sequence[Rule], groupings: Sequence[Rule]) -> list[Rule]:
    """Give the groupings among `ordered` their own order back, at the positions that they have.

    Parameters
    ----------
    ordered : sequence of Rule
        Rules, by credit.
    groupings : sequence of Rule
        Groupings in the order in which they apply.

    Returns
    -------
    list of Rule
        The rules of `ordered`.
    """
    known = {rule.id for rule in ordered}
    own = iter([rule for rule in groupings if rule.id in known])
    ids = {rule.id for rule in groupings}
    return [next(own) if rule.id in ids else rule for rule in ordered]


_IDLE = "saves no page in the window it was evaluated on"


@dataclass(frozen=True)
class Point:
    """One point of the trade-off curve.

    Attributes
    ----------
    rules : int
        Number of rules.
    pages : int
        Pages that are left.
    saved_share : float
        Share of the pages saved, nan without pages.
    missed : int
        Incidents that are missed.
    median_delay, longest_delay : float
        Added delay of incidents that are paged, seconds; nan without incidents.
    """

    rules: int
    pages: int
    saved_share: float
    missed: int
    median_delay: float
    longest_delay: float


@dataclass(frozen=True)
class Selection:
    """What was chosen.

    Attributes
    ----------
    rules : tuple of Rule
        The chosen ones, the one that saves most first.
    dropped : tuple of Dropped
        Candidates that weren't chosen, and why.
    curve : tuple of Point
        From no rule to all harmless ones.
    effect : BacktestResult
        What the chosen ones do on the window they were chosen on.
    """

    rules: tuple[Rule, ...]
    dropped: tuple[Dropped, ...]
    curve: tuple[Point, ...]
    effect: BacktestResult


def select(
    candidates: Sequence[Rule],
    measure: Measure,
    limits: SelectRulesParams,
    also: Sequence[Measure] = (),
) -> Selection:
    """Choose rules.

    Parameters
    ----------
    candidates : sequence of Rule
        What mining proposes; order doesn't matter.
    measure : Measure
        Measures a set of rules on the window to choose on.
    limits : SelectRulesParams
        What a set may cost.
    also : sequence of Measure
        Measures on other windows (the one learned from), in which nobody may come to harm either.

    Returns
    -------
    Selection
        The chosen rules, those dropped, and the trade-off curve.
    """
    known = {rule.id: rule for rule in candidates}
    silent = [rule for rule in known.values() if rule.family == "known_fix"]
    rest = sorted((r for r in known.values() if r.family != "known_fix"), key=content_key)
    active: list[Rule] = [rule for rule in rest if rule.family != "grouping"]
    apart = [rule for rule in rest if isinstance(rule, GroupingRule)]
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
    return [Dropped(rule.id, why) for rule in all_of if rule.id in left]


def _by_credit(active: list[Rule], effect: BacktestResult) -> list[Rule]:
    """Rules that save something, most first.

    Groupings stay without credit as well: what each saves was measured (`add_groupings`), and
    credit, which goes to alerts that no page names any more, can't see it where alerts last.
    """
    ordered = sorted(active, key=lambda rule: (-effect.credit.get(rule.id, 0.0), content_key(rule)))
    return [
        rule
        for rule in ordered
        if isinstance(rule, GroupingRule) or effect.credit.get(rule.id, 0.0) > 0
    ]


def _curve(
    ordered: list[Rule], measure: Measure
) -> tuple[dict[int, Point], dict[int, BacktestResult]]:
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
    effects: dict[int, BacktestResult],
    measure: Measure,
    limits: SelectRulesParams,
) -> tuple[list[Rule], BacktestResult]:
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


def point(size: int, effect: BacktestResult) -> Point:
    """Sum up a backtest as one point of the curve.

    Parameters
    ----------
    size : int
        Number of rules.
    effect : BacktestResult
        What the rules do in the window.

    Returns
    -------
    Point
        The point.
    """
    delays = effect.delays()
    return Point(
        rules=size,
        pages=len(effect.candidate),
        saved_share=effect.saved_share,
        missed=len(effect.missed),
        median_delay=effect.median_delay,
        longest_delay=float(np.max(delays)) if len(delays) else float("nan"),
    )


def renew(
    first: Selection,
    newer: Sequence[Rule],
    measure: Measure,
    limits: SelectRulesParams,
    also: Sequence[Measure] = (),
) -> Selection:
    """Choose again, among the rules chosen first and those mined on both windows.

    Parameters
    ----------
    first : Selection
        What was chosen on the middle window among rules that knew nothing of it.
    newer : sequence of Rule
        What mining proposes on both windows.
    measure, limits, also : Measure, SelectRulesParams, sequence of Measure
        As for `select`.

    Returns
    -------
    Selection
        The new choice, with what the first one dropped.
    """
    candidates = {rule.id: rule for rule in newer}
    candidates |= {rule.id: rule for rule in first.rules if rule.id not in candidates}
    final = select(tuple(candidates.values()), measure, limits, also)
    before = tuple(
        dropped_rule for dropped_rule in first.dropped if dropped_rule.rule not in candidates
    )
    return replace(final, dropped=final.dropped + before)
