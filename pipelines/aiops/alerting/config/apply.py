"""A rule set applied to a configuration, as a model: `export` writes the same as YAML.

- ``quiet``: a route first among the top route's children, to `QUIET_RECEIVER`, grouped as the top
  route groups.
- ``duplicate``, ``recurring``: a child route at each position of the tree where the alerts end
  today (`placements`), so that their receiver stays; it has the position's own mute and active
  intervals too, because Alertmanager doesn't inherit those.
- ``implied``: an inhibit rule.
- ``quiet``, ``recurring``, ``implied`` never take the alerts of guards (`sparing_guards`).
- ``transient``, ``flapping``: Prometheus's side (`replay`); ``known_fix`` changes nothing.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.alerting.config.matching import listed, matches, routes_of, value_matches
from pipelines.aiops.alerting.config.model import (
    GUARD_NAME,
    HOUR,
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
from pipelines.aiops.alerting.rules import (
    DemotionRule,
    GroupingRule,
    InhibitionRule,
    KeepFiringRule,
    Matcher,
    MuteTimeRule,
    Rule,
    WaitRule,
    quoted,
)
from pipelines.aiops.lake.frame import AlertFrame, Labels
from pipelines.core.arrays import merged


def values_of(matcher: Matcher) -> tuple[str, ...] | None:
    r"""Return the values a matcher lists, or None if it isn't a plain list of values.

    Escaped characters in ``=~ "a|b\.c"`` count as themselves.

    Parameters
    ----------
    matcher : Matcher
        Of any operator; negative ones list nothing.

    Returns
    -------
    tuple of str or None
        The values, in the matcher's order.
    """
    if matcher.op == "=":
        return (matcher.value,)
    if matcher.op != "=~":
        return None
    return listed(matcher.value)


def sparing_guards(
    matchers: Sequence[Matcher], heartbeats: Sequence[str] = ()
) -> tuple[Matcher, ...]:
    """Return matchers that no guard's alert matches: what reports hidden alerts isn't hidden.

    A guard's alert has labels of the alerts that it reports, so that matchers which don't name
    alerts would take it as well.

    Parameters
    ----------
    matchers : sequence of Matcher
        Matchers of a rule that hides alerts.
    heartbeats : sequence of str
        Names of heartbeats (`heartbeats_of`), which are spared too; none by default.

    Returns
    -------
    tuple of Matcher
        The same, with a matcher that excludes the guards' names if they could match.
    """
    names = [each for each in matchers if each.label == "alertname"]
    ours = [
        name
        for name in (GUARD_NAME, STILL_NAME, *heartbeats)
        if all(value_matches(each, name) for each in names)
    ]
    if not ours:
        return tuple(matchers)
    return (*matchers, Matcher(label="alertname", op="!~", value="|".join(map(quoted, ours))))


_Wanted = tuple[tuple[str, frozenset[str]], ...]
"""Labels and the values that a rule lists for them."""


@lru_cache(maxsize=65536)
def _meets(values: frozenset[str], matcher: Matcher) -> bool:
    return any(value_matches(matcher, value) for value in values)


def _compatible(wanted: _Wanted, route: Route) -> bool:
    """Return whether an alert can match both; False only if that is certain."""
    return all(
        _meets(values, theirs)
        for theirs in route.matchers
        for label, values in wanted
        if theirs.label == label
    )


def _excluded(matchers: Sequence[Matcher], route: Route) -> bool:
    """Return whether every value that a matcher of the route lists is one that ours refuse."""
    for theirs in route.matchers:
        ours = [each for each in matchers if each.label == theirs.label]
        values = values_of(theirs)
        if values is not None and not any(
            all(value_matches(each, value) for each in ours) for value in values
        ):
            return True
    return False


def placements(
    config: Config, matchers: Sequence[Matcher], outside: frozenset[str] = frozenset()
) -> tuple[tuple[int, ...], ...]:
    """Find the routes at which alerts that match can end, quiet and spared ones left out.

    Routes of the rules `outside` are left out too: a rule never goes below another one of its
    kind. Of two that match, the one that comes first has the alert; nested, n rules that overlap
    would make 2ⁿ routes.

    A route with children that ``continue`` and match is never an end for the alerts that those
    take; as a new child there would be a second end for them, such a route is left out.

    Parameters
    ----------
    config : Config
        Today's configuration, perhaps with rules in it already.
    matchers : sequence of Matcher
        Matchers of the new route.
    outside : frozenset of str
        Ids of rules; none by default.

    Returns
    -------
    tuple of tuple of int
        Paths from the top route, each the positions among siblings; children before parents.
    """
    found = []
    lists = ((each.label, values_of(each)) for each in matchers)
    wanted = tuple((label, frozenset(values)) for label, values in lists if values is not None)

    def look(route: Route, path: tuple[int, ...]) -> None:
        if route.receiver == QUIET_RECEIVER or route.origin in outside:
            return
        if not _compatible(wanted, route) or _excluded(matchers, route):
            return
        for position, child in enumerate(route.routes):
            look(child, (*path, position))
        if route.receiver in config.spared:
            return
        if not any(child.continues for child in route.routes):
            found.append(path)

    look(config.route, ())
    return tuple(found)


def _below(route: Route, child: Route, *, regroup: bool) -> Route:
    """Return the child as it stands below a route; that decides all but grouping and mute times."""
    own = child if regroup else route
    return replace(
        child,
        receiver=route.receiver,
        mute=(*route.mute, *child.mute),
        active=route.active,
        group_by=own.group_by,
        group_wait=own.group_wait,
        group_interval=own.group_interval,
        repeat_interval=own.repeat_interval,
    )


def _grown(
    route: Route, path: tuple[int, ...], more: dict[tuple[int, ...], list[Route]], *, regroup: bool
) -> Route:
    routes = tuple(
        _grown(child, (*path, position), more, regroup=regroup)
        for position, child in enumerate(route.routes)
    )
    below = tuple(_below(route, child, regroup=regroup) for child in more.get(path, ()))
    if not below and all(new is old for new, old in zip(routes, route.routes, strict=True)):
        return route
    return replace(route, routes=(*routes, *below))


def _insert_children(config: Config, children: Sequence[Route], *, regroup: bool) -> Config:
    """Put children in; none goes below another one, so that all positions are today's."""
    outside = frozenset(child.origin for child in children)
    more: dict[tuple[int, ...], list[Route]] = {}
    for child in children:
        for path in placements(config, child.matchers, outside):
            more.setdefault(path, []).append(child)
    return replace(config, route=_grown(config.route, (), more, regroup=regroup))


def _duplicate(rule: GroupingRule) -> Route:
    return Route(
        receiver="",
        matchers=rule.matchers,
        group_by=rule.group_by,
        group_wait=rule.group_wait_seconds * SECOND,
        group_interval=rule.group_interval_seconds * SECOND,
        repeat_interval=rule.repeat_interval_seconds * SECOND,
        origin=rule.id,
    )


def interval_of(rule: MuteTimeRule) -> TimeInterval:
    """Return the time interval that a mute-time rule mutes.

    Parameters
    ----------
    rule : MuteTimeRule
        Its weekdays count from 0 = Monday.

    Returns
    -------
    TimeInterval
        Its name is the rule's id; its weekdays count from 0 = Sunday, as Alertmanager's do.
    """
    # Rules count 0 = Monday, Alertmanager 0 = Sunday.
    days = tuple(Range(day, day) for day in sorted((day + 1) % 7 for day in rule.weekdays))
    times = TimeRange(
        times=(Range(rule.start_minute, rule.end_minute),),
        weekdays=None if len(days) == 7 else days,
        location=rule.timezone,
    )
    return TimeInterval(rule.id, (times,), origin=rule.id)


def _recurring(rule: MuteTimeRule) -> Route:
    matchers = sparing_guards(rule.matchers)
    return Route(receiver="", matchers=matchers, mute=(rule.id,), origin=rule.id)


def _implied(config: Config, rule: InhibitionRule) -> Config:
    target = sparing_guards(rule.matchers)
    inhibit = InhibitRule(rule.source, target, rule.equal, origin=rule.id)
    return replace(config, inhibit_rules=(*config.inhibit_rules, inhibit))


def _quiet(config: Config, rules: Sequence[DemotionRule]) -> Config:
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
    grouping rule gave it), then quiet ones, which come before all.

    Parameters
    ----------
    config : Config
        Today's configuration; it isn't changed.
    rules : sequence of Rule
        Rules; those that don't concern Alertmanager (transient, flapping, known fixes) change
        nothing.

    Returns
    -------
    Config
        New routes, inhibit rules and intervals have the rule's id as their `origin`.
    """
    duplicate = [_duplicate(rule) for rule in rules if isinstance(rule, GroupingRule)]
    config = _insert_children(config, duplicate, regroup=True)
    recurring = [rule for rule in rules if isinstance(rule, MuteTimeRule)]
    intervals = (*config.time_intervals, *(interval_of(rule) for rule in recurring))
    config = replace(config, time_intervals=intervals)
    config = _insert_children(config, [_recurring(rule) for rule in recurring], regroup=False)
    for rule in rules:
        if isinstance(rule, InhibitionRule):
            config = _implied(config, rule)
    quiet = [rule for rule in rules if isinstance(rule, DemotionRule)]
    return _quiet(config, quiet) if quiet else config


HEARTBEAT_REPEAT = HOUR
"""An alert is a heartbeat only where it is repeated more often than this: every few minutes."""
ALWAYS = 0.9
"""… and fires for at least this share of the time (telemetry has gaps)."""


def heartbeats_of(frame: AlertFrame, config: Config, start: int, end: int) -> NDArray[np.int64]:
    """Find the heartbeats: alerts that always fire and are repeated every few minutes.

    Something outside (a dead man's switch) takes alarm when they stay away. So no rule may change
    what is sent of them, and what is sent of them is neither a page nor worth saving.

    Parameters
    ----------
    frame : AlertFrame
        Alerts of the time that is looked at.
    config : Config
        Today's configuration.
    start, end : int, microseconds since 1970
        That time.

    Returns
    -------
    array of int64, shape (heartbeats,)
        Series of `frame`, ascending.
    """
    series = frame.series.astype(np.int64)
    begins, ends = np.maximum(frame.starts, start), np.minimum(frame.ends, end)
    inside = begins < ends
    who, begins, ends, _ = merged(series[inside], begins[inside], ends[inside])
    fires = np.bincount(who, weights=ends - begins, minlength=len(frame.labels))
    found = [
        number
        for number in np.flatnonzero(fires >= ALWAYS * (end - start)).tolist()
        if _repeated_often(config, frame.labels[number])
    ]
    return np.array(found if end > start else [], dtype=np.int64)


def _repeated_often(config: Config, labels: Labels) -> bool:
    nodes = dict(config.route.walk())
    paths = routes_of(config.route, labels)
    return any(
        nodes[path].repeat_interval < HEARTBEAT_REPEAT
        and config.receiver(nodes[path].receiver).integrations
        for path in paths
    )


def changes_heartbeat(config: Config, rule: Rule, heartbeats: Sequence[Labels]) -> str:
    """Return the name of the first heartbeat that a rule would change.

    Parameters
    ----------
    config : Config
        Today's configuration.
    rule : Rule
        A rule of any family.
    heartbeats : sequence of dict of str to str
        Label sets of heartbeats.

    Returns
    -------
    str
        Its ``alertname``; empty if the rule changes none: they are sent to the same receivers, in
        the same groups and as often as today.
    """
    if not heartbeats:
        return ""
    ruled = apply_rules(config, (rule,))
    for labels in heartbeats:
        delayed = isinstance(rule, WaitRule | KeepFiringRule) and matches(rule.matchers, labels)
        if delayed or _fate(config, labels) != _fate(ruled, labels):
            return labels.get("alertname", "") or "(without a name)"
    return ""


def _fate(config: Config, labels: Labels) -> tuple[object, ...]:
    """All that decides who is told of an alert, how often and beside what."""
    nodes = dict(config.route.walk())
    ends = [
        replace(nodes[path], matchers=(), continues=False, routes=(), origin="")
        for path in routes_of(config.route, labels)
    ]
    inhibited = [rule for rule in config.inhibit_rules if matches(rule.target, labels)]
    return (*ends, *inhibited)
