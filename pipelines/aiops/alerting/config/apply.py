"""A rule set applied to a configuration, as a model: `export` writes the same as YAML.

- ``hold``: below every route at which alerts that a rule holds end at its pager today (`leaves_of`)
  a child route to the rule's chat; and one for each pager first among the top route's children, to
  which Prometheus sends the pages that stand for held alerts.
- ``known_fix`` changes nothing.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.alerting.config.matching import listed, matches, routes_of, value_matches
from pipelines.aiops.alerting.config.model import (
    HOUR,
    MINUTE,
    PAGE_NAME,
    QUIET_RECEIVER,
    SECOND,
    Config,
    Receiver,
    Route,
    page_label,
)
from pipelines.aiops.alerting.rules import HoldRule, Matcher, Rule
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


def _takes_all(wanted: _Wanted, route: Route) -> bool:
    """Return whether all alerts that match ours match a route; True only if that is certain."""
    lists = dict(wanted)
    return all(
        theirs.label in lists and all(value_matches(theirs, value) for value in lists[theirs.label])
        for theirs in route.matchers
    )


def placements(config: Config, matchers: Sequence[Matcher]) -> tuple[tuple[int, ...], ...]:
    """Find the routes at which alerts that match can end.

    A route with a child that continues and may match is never an end for the alerts that the child
    takes; as a new child there would be a second end for them, such a route is left out.

    Parameters
    ----------
    config : Config
        Today's configuration.
    matchers : sequence of Matcher
        Matchers of the new route.

    Returns
    -------
    tuple of tuple of int
        Paths from the top route, each the positions among siblings; children before parents.
    """
    found = []
    lists = ((each.label, values_of(each)) for each in matchers)
    wanted = tuple((label, frozenset(values)) for label, values in lists if values is not None)

    def may_match(route: Route) -> bool:
        return _compatible(wanted, route) and not _excluded(matchers, route)

    def look(route: Route, path: tuple[int, ...]) -> None:
        if not may_match(route):
            return
        for position, child in enumerate(route.routes):
            look(child, (*path, position))
            if not child.continues and _takes_all(wanted, child):
                return
        if not any(child.continues and may_match(child) for child in route.routes):
            found.append(path)

    look(config.route, ())
    return tuple(found)


def leaves_of(config: Config, rule: HoldRule) -> tuple[tuple[int, ...], ...]:
    """Find the routes at which alerts that a rule holds end at its pager.

    Parameters
    ----------
    config : Config
        Today's configuration.
    rule : HoldRule
        Its pager is a receiver and the time intervals of the route to it.

    Returns
    -------
    tuple of tuple of int
        Paths, as `placements` returns them; none if the configuration no longer has that pager.
    """
    nodes = dict(config.route.walk())
    pager = (rule.receiver, rule.active, rule.mute)
    return tuple(
        path
        for path in placements(config, rule.matchers)
        if (nodes[path].receiver, nodes[path].active, nodes[path].mute) == pager
    )


def _to_chat(route: Route, rule: HoldRule) -> Route:
    """Return the child below a route; Alertmanager doesn't inherit time intervals."""
    return replace(
        route,
        receiver=rule.chat,
        matchers=rule.matchers,
        continues=False,
        mute=(),
        active=(),
        routes=(),
        origin=rule.id,
    )


def _to_pager(rule: HoldRule, repeat_interval: int, apart: Sequence[str]) -> Route:
    """Return the route of the pages that stand for alerts which are held to a rule's pager.

    Pages of one Prometheus that begin at the same evaluation, on several services, are one
    notification. Prometheus sends them together; those of another one may come later.
    """
    name = Matcher(label="alertname", op="=", value=PAGE_NAME)
    pager = Matcher(label="pager", op="=", value=page_label(rule))
    return Route(
        receiver=rule.receiver,
        matchers=(name, pager),
        group_by=tuple(sorted({"since", *apart})),
        group_wait=SECOND,
        group_interval=5 * MINUTE,
        repeat_interval=repeat_interval,
        mute=rule.mute,
        active=rule.active,
        origin=rule.id,
    )


def _grown(
    route: Route, path: tuple[int, ...], more: dict[tuple[int, ...], list[HoldRule]]
) -> Route:
    routes = tuple(
        _grown(child, (*path, position), more) for position, child in enumerate(route.routes)
    )
    below = tuple(_to_chat(route, rule) for rule in more.get(path, ()))
    if not below and all(new is old for new, old in zip(routes, route.routes, strict=True)):
        return route
    return replace(route, routes=(*routes, *below))


def apply_rules(config: Config, rules: Sequence[Rule], apart: Sequence[str] = ()) -> Config:
    """Return the configuration with the rules in it; of equal rules the first one listed wins.

    Parameters
    ----------
    config : Config
        Today's configuration; it isn't changed.
    rules : sequence of Rule
        Rules; known fixes change nothing.
    apart : sequence of str
        Labels that Prometheis add, which tell their pages apart.

    Returns
    -------
    Config
        A new route has the id of its rule as its `origin`; the route of a pager's pages has that
        of the first rule with that pager, and the shortest ``repeat_interval`` of the routes to it.
    """
    nodes = dict(config.route.walk())
    more: dict[tuple[int, ...], list[HoldRule]] = {}
    first: dict[str, HoldRule] = {}
    repeat: dict[str, int] = {}
    chats: set[str] = set()
    for rule in rules:
        if not isinstance(rule, HoldRule):
            continue
        for path in leaves_of(config, rule):
            more.setdefault(path, []).append(rule)
            label, interval = page_label(rule), nodes[path].repeat_interval
            first.setdefault(label, rule)
            repeat[label] = min(repeat.get(label, interval), interval)
            chats.add(rule.chat)
    if not more:
        return config
    pagers = tuple(_to_pager(rule, repeat[label], apart) for label, rule in first.items())
    top = _grown(config.route, (), more)
    receivers = config.receivers
    if QUIET_RECEIVER in chats - {receiver.name for receiver in receivers}:
        receivers = (*receivers, Receiver(QUIET_RECEIVER, (), pages=False))
    return replace(config, route=replace(top, routes=(*pagers, *top.routes)), receivers=receivers)


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
        if _fate(config, labels) != _fate(ruled, labels):
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
