"""A rule set applied to a configuration, as a model: `export` writes the same as YAML.

- ``quiet``: a route first among the top route's children, to `QUIET_RECEIVER`, grouped as the top
  route groups.
- ``duplicate``, ``recurring``: a child route at each place of the tree where the alerts end today
  (`placements`), so that their receiver stays; it has the place's own mute and active intervals
  too, because Alertmanager doesn't inherit those.
- ``implied``: an inhibit rule.
- ``quiet``, ``recurring``, ``implied`` never take the alerts of guards (`sparing_guards`).
- ``transient``, ``flapping``: Prometheus's side (`replay`); ``known_fix`` changes nothing.
"""

from collections.abc import Sequence
from dataclasses import replace

from pipelines.aiops.noise.alertmanager.matching import value_matches
from pipelines.aiops.noise.alertmanager.model import (
    GUARD_NAME,
    QUIET_RECEIVER,
    SECOND,
    STILL_NAME,
    Config,
    InhibitRule,
    Range,
    Receiver,
    Route,
    TimeInterval,
    TimeRange,
)
from pipelines.aiops.noise.rules import (
    DuplicateRule,
    ImpliedRule,
    Matcher,
    QuietRule,
    RecurringRule,
    Rule,
)

_LITERAL = frozenset("\\.+*?()[]{}^$")


def values_of(matcher: Matcher) -> tuple[str, ...] | None:
    r"""Return the values a matcher lists, or None if it isn't a plain list of values.

    Escaped characters in ``=~ "a|b\.c"`` count as themselves.
    """
    if matcher.op == "=":
        return (matcher.value,)
    if matcher.op != "=~":
        return None
    found, current, rest = [], "", iter(matcher.value)
    for char in rest:
        if char == "\\":
            following = next(rest, "")
            if not following or following.isalnum():
                return None
            current += following
        elif char == "|":
            found.append(current)
            current = ""
        elif char in _LITERAL:
            return None
        else:
            current += char
    return (*found, current)


def sparing_guards(matchers: Sequence[Matcher]) -> tuple[Matcher, ...]:
    """Return matchers that no guard's alert matches: what tells of hidden alerts isn't hidden.

    An alert of a guard has labels of the alerts it tells of, so that matchers which don't name
    alerts would take it as well.
    """
    names = [each for each in matchers if each.label == "alertname"]
    ours = [
        name
        for name in (GUARD_NAME, STILL_NAME)
        if all(value_matches(each, name) for each in names)
    ]
    if not ours:
        return tuple(matchers)
    return (*matchers, Matcher(label="alertname", op="!~", value="|".join(ours)))


def _compatible(rule: Sequence[Matcher], path: Sequence[Matcher]) -> bool:
    """Whether an alert can match both; False only if that is certain."""
    for mine in rule:
        values = values_of(mine)
        if values is None:
            continue
        for theirs in path:
            if theirs.label == mine.label and not any(value_matches(theirs, v) for v in values):
                return False
    return True


def placements(
    config: Config, matchers: Sequence[Matcher], outside: frozenset[str] = frozenset()
) -> tuple[tuple[int, ...], ...]:
    """Paths of the routes at which alerts that match can end, quiet ones left out.

    Routes of the rules `outside` are left out too: a rule never goes below another one of its
    kind. Of two that match, the one that comes first has the alert; nested, n rules that overlap
    would make 2ⁿ routes.

    A route with children that ``continue`` and match is never an end for the alerts that those
    take; as a new child there would be a second end for them, such a route is left out.
    """
    found = []

    def look(route: Route, path: tuple[int, ...], above: tuple[Matcher, ...]) -> None:
        here = (*above, *route.matchers)
        if route.receiver == QUIET_RECEIVER or route.origin in outside:
            return
        if not _compatible(matchers, here):
            return
        for position, child in enumerate(route.routes):
            look(child, (*path, position), here)
        if not any(child.continues for child in route.routes):
            found.append(path)

    look(config.route, (), ())
    return tuple(found)


def _with_child(route: Route, path: tuple[int, ...], child: Route, *, regroup: bool) -> Route:
    if not path:
        below = replace(
            child,
            receiver=route.receiver,
            mute=(*route.mute, *child.mute),
            active=route.active,
        )
        if not regroup:
            below = replace(
                below,
                group_by=route.group_by,
                group_wait=route.group_wait,
                group_interval=route.group_interval,
                repeat_interval=route.repeat_interval,
            )
        return replace(route, routes=(*route.routes, below))
    routes = list(route.routes)
    routes[path[0]] = _with_child(routes[path[0]], path[1:], child, regroup=regroup)
    return replace(route, routes=tuple(routes))


def _place(config: Config, child: Route, outside: frozenset[str], *, regroup: bool) -> Config:
    top = config.route
    for path in placements(config, child.matchers, outside):
        top = _with_child(top, path, child, regroup=regroup)
    return replace(config, route=top)


def _duplicate(config: Config, rule: DuplicateRule, peers: frozenset[str]) -> Config:
    child = Route(
        receiver="",
        matchers=rule.matchers,
        group_by=rule.group_by,
        group_wait=rule.group_wait * SECOND,
        group_interval=rule.group_interval * SECOND,
        repeat_interval=rule.repeat_interval * SECOND,
        origin=rule.id,
    )
    return _place(config, child, peers, regroup=True)


def interval_of(rule: RecurringRule) -> TimeInterval:
    """Return the time interval that a recurring rule mutes; its name is the rule's id."""
    # Rules count 0 = Monday, Alertmanager 0 = Sunday.
    days = tuple(Range(day, day) for day in sorted((day + 1) % 7 for day in rule.weekdays))
    times = TimeRange(
        times=(Range(rule.start_minute, rule.end_minute),),
        weekdays=() if len(days) == 7 else days,
        location=rule.timezone,
    )
    return TimeInterval(rule.id, (times,), origin=rule.id)


def _recurring(config: Config, rule: RecurringRule, peers: frozenset[str]) -> Config:
    config = replace(config, time_intervals=(*config.time_intervals, interval_of(rule)))
    matchers = sparing_guards(rule.matchers)
    child = Route(receiver="", matchers=matchers, mute=(rule.id,), origin=rule.id)
    return _place(config, child, peers, regroup=False)


def _implied(config: Config, rule: ImpliedRule) -> Config:
    target = sparing_guards(rule.matchers)
    inhibit = InhibitRule(rule.source, target, rule.equal, origin=rule.id)
    return replace(config, inhibit_rules=(*config.inhibit_rules, inhibit))


def _quiet(config: Config, rules: Sequence[QuietRule]) -> Config:
    top = config.route
    quiet = tuple(
        replace(
            top,
            receiver=QUIET_RECEIVER,
            matchers=sparing_guards(rule.matchers),
            mute=(),
            active=(),
            routes=(),
            origin=rule.id,
        )
        for rule in rules
    )
    receivers = config.receivers
    if QUIET_RECEIVER not in {receiver.name for receiver in receivers}:
        receivers = (*receivers, Receiver(QUIET_RECEIVER, (), pages=False))
    return replace(config, route=replace(top, routes=(*quiet, *top.routes)), receivers=receivers)


def apply_rules(config: Config, rules: Sequence[Rule]) -> Config:
    """Return the configuration with the rules in it; of equal rules the first one listed wins.

    Duplicates are placed first, then recurring ones (so that a muted alert keeps the grouping a
    duplicate rule gave it), then quiet ones, which come before all.
    """
    duplicate = frozenset(rule.id for rule in rules if isinstance(rule, DuplicateRule))
    recurring = frozenset(rule.id for rule in rules if isinstance(rule, RecurringRule))
    for rule in rules:
        if isinstance(rule, DuplicateRule):
            config = _duplicate(config, rule, duplicate)
    for rule in rules:
        if isinstance(rule, RecurringRule):
            config = _recurring(config, rule, recurring)
        if isinstance(rule, ImpliedRule):
            config = _implied(config, rule)
    quiet = [rule for rule in rules if isinstance(rule, QuietRule)]
    return _quiet(config, quiet) if quiet else config
