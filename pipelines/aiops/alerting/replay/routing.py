"""Which groups each series is in; `dispatch/route.go` and `dispatch/dispatch.go`."""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from pipelines.aiops.alerting.config import GROUP_BY_ALL, Config, Route
from pipelines.aiops.alerting.replay.model import Groups, LabelTable
from pipelines.core.arrays import Bools, Ints, codes_of

_Key = tuple[tuple[tuple[str, str, str], ...], ...]
"""Matchers on the way to a route, as ``Route.Key`` in Alertmanager: sorted on each level."""


def _ends(
    route: Route, table: LabelTable, mask: Bools, above: _Key = ()
) -> list[tuple[Route, Ints, _Key]]:
    """Return the routes, the series (indices) that end at each, and its key; depth first."""
    found: list[tuple[Route, Ints, _Key]] = []
    key = (*above, tuple(sorted((m.label, m.value, m.op) for m in route.matchers)))
    # Shape (series,): `left` may still match a later sibling, `taken` ends somewhere below.
    left, taken = mask.copy(), np.zeros_like(mask)
    for child in route.routes:
        if not left.any():
            break
        inside = left & table.mask(child.matchers)
        taken |= inside
        if inside.any():
            found += _ends(child, table, inside, key)
        if not child.continues:
            left &= ~inside
    here = np.flatnonzero(mask & ~taken)
    return [*found, (route, here, key)] if len(here) else found


def _codes(route: Route, table: LabelTable, series: Ints) -> Ints:
    if route.group_by == GROUP_BY_ALL:
        return np.arange(len(series))
    # Group labels are those an alert has: a missing label and an empty one are the same group.
    columns = [table.column(name)[0][series] for name in route.group_by]
    return codes_of(columns, len(series))


@dataclass(frozen=True)
class _Class:
    """Integrations of a route's receiver that treat resolved alerts alike."""

    route: int
    send_resolved: bool
    has_receiver: bool
    is_paging: bool
    group_id: Ints


def _classes(config: Config, route: Route, number: int, group_id: Ints) -> list[_Class]:
    receiver = config.receiver(route.receiver)
    found = []
    for kind in sorted({each.send_resolved for each in receiver.integrations}, reverse=True):
        alike = [each for each in receiver.integrations if each.send_resolved == kind]
        found.append(_Class(number, kind, True, receiver.pages_through(alike), group_id))
    return found or [_Class(number, True, False, False, group_id)]


def _group_labels(
    route: Route, table: LabelTable, series: Ints, codes: Ints
) -> list[tuple[tuple[str, str], ...]]:
    """Return the labels of each group that its alerts have."""
    first = np.unique(codes, return_index=True)[1]
    found = []
    for at in series[first].tolist():
        labels = table.labels[at]
        names = labels if route.group_by == GROUP_BY_ALL else route.group_by
        found.append(tuple(sorted((n, labels[n]) for n in names if labels.get(n))))
    return found


def _shared(keys: dict[int, list[Hashable]], size: int) -> Ints:
    """Return a number for each key that occurs more than once (filed under groups), or else -1."""
    counts = Counter(key for part in keys.values() for key in part)
    numbers = {key: i for i, key in enumerate(k for k, n in counts.items() if n > 1)}
    found = np.full(size, -1, dtype=np.int64)
    for first, part in keys.items():
        found[first : first + len(part)] = [numbers.get(key, -1) for key in part]
    return found


def _joined(parts: list[Ints]) -> Ints:
    return np.concatenate([np.empty(0, dtype=np.int64), *parts]).astype(np.int64)


def route_series(config: Config, table: LabelTable) -> Groups:
    """Put every series into its groups.

    An alert belongs to a group of each route it ends at; `Groups.members` has a row for each.

    Parameters
    ----------
    config : Config
        The configuration; the receivers that its routes name are in it.
    table : LabelTable
        Labels of all series.

    Returns
    -------
    Groups
        Groups in the order of their routes, depth first.

    References
    ----------
    Alertmanager, `dispatch/route.go` and `dispatch/dispatch.go`.
    """
    routes: list[Route] = []
    classes: list[_Class] = []
    members: list[Ints] = []
    owners: list[Ints] = []
    keys: dict[int, list[Hashable]] = {}
    groups = size = 0
    ends = _ends(config.route, table, np.ones(len(table), dtype=bool))
    logs = Counter((key, route.receiver) for route, _, key in ends)
    for route, series, key in ends:
        codes = _codes(route, table, series)
        count = int(codes.max()) + 1
        alike = logs[key, route.receiver] > 1
        labels = _group_labels(route, table, series, codes) if alike else []
        for each in _classes(config, route, len(routes), groups + np.arange(count)):
            if alike:
                sends = each.send_resolved
                keys[size] = [(key, route.receiver, sends, names) for names in labels]
            classes.append(each)
            members.append(series)
            owners.append(size + codes)
            size += count
        routes.append(route)
        groups += count
    sizes = [len(each.group_id) for each in classes]

    def flags(name: str) -> Bools:
        return np.repeat(np.array([getattr(each, name) for each in classes], dtype=bool), sizes)

    of_route = np.repeat(np.array([each.route for each in classes], dtype=np.int64), sizes)

    def setting(name: str) -> Ints:
        return np.array([getattr(route, name) for route in routes], dtype=np.int64)[of_route]

    # Sorted by series, which makes the firing periods of a series one run of rows.
    member, owner = _joined(members), _joined(owners)
    order = np.argsort(member, kind="stable")
    return Groups(
        routes=routes,
        group_id=_joined([each.group_id for each in classes]),
        route=of_route,
        send_resolved=flags("send_resolved"),
        has_receiver=flags("has_receiver"),
        is_paging=flags("is_paging"),
        wait=setting("group_wait"),
        interval=setting("group_interval"),
        repeat=setting("repeat_interval"),
        shared=_shared(keys, size),
        members=member[order],
        member_of=owner[order],
    )
