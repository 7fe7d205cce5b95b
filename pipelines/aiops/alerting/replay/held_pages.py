"""Pages that stand for held alerts: natively recording rules over ``ALERTS``, and one alert.

Every Prometheus evaluates its rules at ticks, multiples of its step; an alert fires at a tick if it
has begun by then and has not ended. What nine rules say of every tick is worked out here for
intervals of ticks, with sorted arrays:

- a *held run*: an alert name fires on a service, on whatever instances, and is held to a pager;
- *several*: the part of it in company: other names on its service, enough instances, or a name that
  begins on many services at once;
- *due*: several; or held for so long; or held again so soon, or far more often than is usual;
- an *onset*: the service has a page. It tells of all that is due then, and the next one waits for
  the end of the window, or for company that no page has told of.

Only onsets come one after the other. `pipelines.aiops.alerting.export.hold_rules` writes the same.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

import numpy as np

from pipelines.aiops.alerting.config import PAGE_NAME, SECOND, Config, leaves_of, page_label
from pipelines.aiops.alerting.replay.model import FiringPeriods, HeldAlerts, LabelTable
from pipelines.aiops.alerting.replay.outcome import FOLDED, PAGED, Lookups, Outcomes
from pipelines.aiops.alerting.rules import HoldRule, Rule
from pipelines.aiops.lake.frame import Labels
from pipelines.core.arrays import Ints, codes_of, heads, merged, order_of, spread

STEP_SECONDS = 30
"""Evaluation interval where no file says one."""
NEVER = 2**62
PAGE_SECONDS = 300
"""A page fires for so long at least, so that its notification isn't overtaken by its end."""


def held_by_rules(config: Config, rules: Sequence[Rule]) -> tuple[HeldAlerts, ...]:
    """Return what rules hold where one Prometheus has all alerts.

    Parameters
    ----------
    config : Config
        Today's configuration: a rule whose pager it doesn't have holds nothing.
    rules : sequence of Rule
        Of any family.

    Returns
    -------
    tuple of HeldAlerts
        One, or none without a rule that holds alerts.
    """
    hold = tuple(rule for rule in rules if isinstance(rule, HoldRule) and leaves_of(config, rule))
    return (HeldAlerts(hold, (), {}, STEP_SECONDS),) if hold else ()


@dataclass(frozen=True)
class Runs:
    """Intervals of ticks, end exclusive; sorted by key and start, apart within a key."""

    key: Ints
    start: Ints
    end: Ints

    def __len__(self) -> int:
        return len(self.key)

    @classmethod
    def of(cls, key: Ints, start: Ints, end: Ints) -> "Runs":
        """Unite intervals of each key, in any order; empty ones count for nothing."""
        some = start < end
        return cls(*merged(key[some], start[some], end[some])[:3])

    @classmethod
    def union(cls, *parts: "Runs") -> "Runs":
        """Unite the runs of several sets with the same keys."""
        columns = (np.concatenate([getattr(p, n) for p in parts]) for n in ("key", "start", "end"))
        return cls.of(*columns)

    def where(self, keep: Ints) -> "Runs":
        """Return some of the runs, by position."""
        return Runs(self.key[keep], self.start[keep], self.end[keep])


def at_least(runs: Runs, count: int, taken: Runs | None = None) -> Runs:
    """Find when at least so many runs of a key go on at once.

    Parameters
    ----------
    runs : Runs
        Runs of one key may overlap, and come in any order.
    count : int
        At least 1.
    taken : Runs, optional
        Runs that each take away from the number.

    Returns
    -------
    Runs
        When ``count`` of them or more go on.
    """
    less = taken if taken is not None else runs.where(np.empty(0, np.int64))
    key = np.concatenate([runs.key, runs.key, less.key, less.key])
    tick = np.concatenate([runs.start, runs.end, less.start, less.end])
    sizes = (len(runs), len(runs), len(less), len(less))
    step = np.repeat(np.array([1, -1, -1, 1]), sizes)
    order = order_of(key, tick)
    key, tick = key[order], tick[order]
    # A key's steps sum to 0, so that one sum over all of them starts anew with each key.
    level = np.cumsum(step[order])
    last = np.ones(len(key), dtype=bool)
    last[:-1] = heads(key)[1:] | heads(tick)[1:]
    key, tick, level = key[last], tick[last], level[last]
    on = np.flatnonzero(level >= count)
    # No key ends with a level above 0: there is a next edge, of the same key.
    return Runs.of(key[on], tick[on], tick[on + 1])


def common(one: Runs, other: Runs, key: Ints) -> Runs:
    """Cut runs to those of another set.

    Parameters
    ----------
    one, other : Runs
        Both sorted and apart.
    key : array of int64, shape (keys of `one`,)
        Key of `other` that belongs to each key of `one`.

    Returns
    -------
    Runs
        Parts of `one`, with its keys.
    """
    # Key and tick in one number, so that one search finds both; no tick is negative.
    span = int(max(one.end.max(initial=0), other.end.max(initial=0))) + 1
    base = key[one.key] * span
    first = np.searchsorted(other.key * span + other.end, base + one.start, side="right")
    stop = np.searchsorted(other.key * span + other.start, base + one.end)
    owner, at = spread(first, np.maximum(stop - first, 0))
    start = np.maximum(one.start[owner], other.start[at])
    return Runs.of(one.key[owner], start, np.minimum(one.end[owner], other.end[at]))


def ticks(seconds: int, step: int) -> int:
    """Count the ticks until at least so many seconds are over."""
    return -(-seconds // step)


@dataclass(frozen=True)
class _Holding:
    """What one Prometheus holds: alerts by series, keys and pagers.

    Attributes
    ----------
    rows, key, rule : array of int64, shape (held periods,)
        Row of what is held, under which (alert name, service, pager), and number of the rule.
    kind_of, service_of, pager_of : array of int64, shape (keys,)
        (Alert name, service), service, and (service, pager) of each key.
    pagers : list of str
        Labels of pagers: (service, pager) is ``service * len(pagers) + pager``.
    """

    rows: Ints
    key: Ints
    rule: Ints
    kind_of: Ints
    service_of: Ints
    pager_of: Ints
    pagers: list[str]


def _hold(
    held: HeldAlerts, table: LabelTable, series: Ints, kind: Ints, service: Ints
) -> _Holding | None:
    """Find what the rules hold of rows, each a firing period of a series."""
    labels = [page_label(rule) for rule in held.rules]
    pagers = list(dict.fromkeys(labels))
    own = [np.flatnonzero(table.mask(rule.matchers)[series]) for rule in held.rules]
    rows = np.concatenate(own)
    if not len(rows):
        return None
    rule = np.repeat(np.arange(len(own)), [len(each) for each in own])
    pager = np.array([pagers.index(label) for label in labels], dtype=np.int64)[rule]
    # Of several rules with one pager the first one has the alert.
    order = np.lexsort((rule, pager, rows))
    first = heads(rows[order]) | heads(pager[order])
    rows, rule, pager = (each[order[first]] for each in (rows, rule, pager))
    key = codes_of([kind[series[rows]], pager], len(rows))
    _, example = np.unique(key, return_index=True)
    some = series[rows[example]]
    pager_of = service[some] * len(pagers) + pager[example]
    return _Holding(rows, key, rule, kind[some], service[some], pager_of, pagers)


@dataclass(frozen=True)
class _Kinds:
    """Alert name and service of each (alert name, service); arrays of shape (kinds,)."""

    name: Ints
    service: Ints

    @classmethod
    def of(cls, kind: Ints, name: Ints, service: Ints) -> "_Kinds":
        """Look them up among series, which have all three."""
        size = int(kind.max(initial=-1)) + 1
        names, services = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
        names[kind], services[kind] = name, service
        return cls(names, services)


@dataclass(frozen=True)
class _Due:
    """When what is held is due, in company, and on so many instances."""

    due: Runs
    several: Runs
    instances: Runs


def _due(
    held: HeldAlerts, holding: _Holding, run: Runs, firing: Runs, *, kind: Ints, of: _Kinds
) -> _Due:
    """Work out rules 4 to 6 for held runs; `firing` has series as keys."""
    rule, step = held.rules[0], held.step_seconds
    ago = ticks(rule.fresh_seconds, step)
    fresh = at_least(firing, 1, Runs(firing.key, firing.start + ago, firing.end + ago))
    by_kind = replace(fresh, key=kind[fresh.key])
    names = Runs.of(by_kind.key, by_kind.start, by_kind.end)
    company = at_least(replace(names, key=of.service[names.key]), rule.names)
    instances = common(run, at_least(by_kind, rule.instances), holding.kind_of)
    lately = common(run, names, holding.kind_of)
    storm = common(lately, _storms(rule, step, names, of), np.zeros_like(holding.kind_of))
    several = Runs.union(common(run, company, holding.service_of), instances, storm)
    wait = max(ticks(rule.wait_seconds - step, step), 0)
    lasting = Runs.of(run.key, run.start + wait, run.end)
    # Twice begun within so many ticks, this beginning among them.
    again = ticks(2 * rule.again_seconds - step, 2 * step)
    back = np.flatnonzero(~heads(run.key))
    soon = np.minimum(run.end[back], run.start[back - 1] + again)
    soon_again = Runs.of(run.key[back], run.start[back], soon)
    due = Runs.union(several, lasting, soon_again, _risen(rule, step, run))
    return _Due(due, several, instances)


def _storms(rule: HoldRule, step: int, names: Runs, of: _Kinds) -> Runs:
    """Find when any alert name has just begun on so many services; all under key 0."""
    past = ticks(rule.storm_seconds, step)
    begun = at_least(names, 1, Runs(names.key, names.start + past, names.end + past))
    many = at_least(replace(begun, key=of.name[begun.key]), rule.services)
    return Runs.of(np.zeros_like(many.key), many.start, many.end)


def _risen(rule: HoldRule, step: int, run: Runs) -> Runs:
    """Find when a held alert began far more often of late than is usual for it."""
    rates = rule.usual_rates
    ranges = [
        ticks(2 * rule.rate_seconds * times - step, 2 * step) for times in (1, rates, 2 * rates)
    ]
    # Numbers change as it begins, and as an earlier beginning leaves one of the ranges.
    span = int(run.end.max(initial=0)) + 2
    at = run.key * span + run.start
    edges, owners = [run.start], [np.arange(len(run))]
    for length in ranges:
        first = np.searchsorted(at, run.key * span + np.maximum(run.start - length, -1), "right")
        stop = np.searchsorted(at, run.key * span + np.maximum(run.end - length, 0))
        owner, gone = spread(first, np.maximum(stop - first, 0))
        edges.append(run.start[gone] + length)
        owners.append(owner)
    owner, tick = np.concatenate(owners), np.concatenate(edges)
    order = order_of(owner, tick)
    owner, tick = owner[order], tick[order]
    own = run.key[owner] * span
    late, near, far = (
        owner + 1 - np.searchsorted(at, own + np.maximum(tick - length + 1, 0)) for length in ranges
    )
    up = np.flatnonzero(late * rates >= rule.rise * (rates + far - near))
    until = run.end[owner]
    until[:-1] = np.where(heads(owner)[1:], until[:-1], tick[1:])
    risen = Runs.of(run.key[owner[up]], tick[up], until[up])
    # Nothing is known to be usual before the oldest of these times has a beginning of anything.
    past = rule.rate_seconds * (2 * rates - 1)
    whole = ticks(2 * (past + rule.rate_seconds) - step, 2 * step)
    nobody = np.zeros_like(run.start)
    known = Runs.of(nobody, run.start + ticks(past, step), run.start + whole)
    return common(risen, known, np.zeros(int(run.key.max(initial=-1)) + 1, dtype=np.int64))


def _pages(found: _Due, pager_of: Ints, held: HeldAlerts) -> Runs:
    """Work out rules 7 to 9: when each (service, pager) has a page; the next one ends it."""
    rule, step = held.rules[0], held.step_seconds
    window, least = ticks(rule.window_seconds, step), ticks(PAGE_SECONDS, step)
    due, several, instances = found.due, found.several, found.instances
    # The run of company that each run of instances is part of.
    span = int(due.end.max(initial=0)) + 1
    inside = np.searchsorted(
        several.key * span + several.start, instances.key * span + instances.start, side="right"
    )
    part_of = several.start[inside - 1]
    by_due, by_several, by_instances = (
        _by_pager(pager_of, runs, more)
        for runs, more in ((due, due.end), (several, several.end), (instances, part_of))
    )
    nothing: tuple[list[int], list[int]] = ([], [])
    pages = [
        (pager, start, end)
        for pager, own in by_due.items()
        for start, end in _onsets(
            own,
            by_several.get(pager, nothing),
            by_instances.get(pager, nothing),
            window=window,
            least=min(least, window),
            names=rule.names + 1,
        )
    ]
    return Runs(*np.array(pages, dtype=np.int64).reshape(-1, 3).T)


def _by_pager(pager_of: Ints, runs: Runs, more: Ints) -> dict[int, tuple[list[int], list[int]]]:
    """Return starts and `more` of the runs of each (service, pager), in order of start."""
    pager = pager_of[runs.key]
    order = order_of(pager, runs.start)
    pager = pager[order]
    start: list[int] = runs.start[order].tolist()
    after: list[int] = more[order].tolist()
    begin = np.flatnonzero(heads(pager)) if len(pager) else np.empty(0, np.int64)
    edges = [*begin.tolist(), len(pager)]
    return {
        own: (start[a:b], after[a:b])
        for own, (a, b) in zip(pager[begin].tolist(), pairwise(edges), strict=True)
    }


def _onsets(
    due: tuple[list[int], list[int]],
    several: tuple[list[int], list[int]],
    instances: tuple[list[int], list[int]],
    *,
    window: int,
    least: int,
    names: int,
) -> list[tuple[int, int]]:
    """Return the pages of one service and pager: (onset, end), in ticks.

    A page tells of all that is due at its onset, until that is no longer due. So what begins after
    the last onset is all that no page has told of.

    Parameters
    ----------
    due, several : tuple of lists of int
        Starts, in order, and ends of runs.
    instances : tuple of lists of int
        Starts, in order, and starts of the runs of `several` that they are part of.
    window, least : int
        Ticks in which there is one page, and for which it fires at least.
    names : int
        So many alerts with company that the last page didn't tell of have another one at once.
    """
    starts, ends = due
    reach = list(accumulate(ends, max))
    pages: list[tuple[int, int]] = []
    onset, begun, enough, company = starts[0], 0, 0, 0
    while True:
        begun = bisect_right(starts, onset, begun)
        # Once the window is over: what began in it and is due still, or else what begins next.
        over = onset + window
        later = bisect_left(starts, over, begun)
        if any(end > over for end in ends[begun:later]):
            following = over
        else:
            following = starts[later] if later < len(starts) else NEVER
        # Before that: company that no page has told of, on so many instances or of so many names.
        while enough < len(instances[0]) and instances[1][enough] <= onset:
            enough += 1
        if enough < len(instances[0]):
            following = min(following, instances[0][enough])
        company = bisect_right(several[0], onset, company)
        going: list[int] = []
        for position in range(company, len(several[0])):
            begins = several[0][position]
            if begins >= following:
                break
            going = [end for end in going if end > begins] + [several[1][position]]
            if len(going) >= names:
                following = begins
                break
        pages.append((onset, min(max(onset + least, reach[begun - 1]), following)))
        if following == NEVER:
            return pages
        onset = following


@dataclass(frozen=True)
class HeldPages:
    """Pages that stand for held alerts, and which of them each page tells of.

    Attributes
    ----------
    labels : list of dict of str to str
        Label sets of the pages.
    series, starts, ends : array of int64, shape (pages,)
        Index into the grown `LabelTable`, and when each fires (microseconds since 1970, end
        exclusive); sorted by series, each of which has one page.
    period, page : array of int64, shape (pairs,)
        Index of the firing period of a held alert, and of that of a page which tells of it.
    rule : array of int64, shape (pairs,)
        Index into `rules`: who holds the alert.
    rules : list of str
        Ids of all rules that hold alerts.
    """

    labels: list[Labels]
    series: Ints
    starts: Ints
    ends: Ints
    period: Ints
    page: Ints
    rule: Ints
    rules: list[str]


@dataclass(frozen=True)
class _ServerPages:
    """Pages of one Prometheus; numbers of pages count from its first one."""

    labels: list[Labels]
    starts: Ints
    ends: Ints
    period: Ints
    page: Ints
    rule: Ints


def _server_pages(
    held: HeldAlerts, table: LabelTable, periods: FiringPeriods, until: int
) -> _ServerPages | None:
    step = held.step_seconds * SECOND
    label = held.rules[0].service_label
    service, services = table.column(label)
    name = table.column("alertname")[0]
    kind = codes_of([name, service], len(table))
    mine = np.flatnonzero(table.mask(held.added)[periods.series])
    # Ticks are counted from the first one.
    start, end = (-(-times[mine] // step) for times in (periods.starts, periods.ends))
    origin = int(start.min(initial=0))
    start, end, series = start - origin, end - origin, periods.series[mine]
    holding = _hold(held, table, series, kind, service)
    if holding is None:
        return None
    rows, key = holding.rows, holding.key
    # Company counts if alerts say on which service they are.
    near = (np.array(services) != "")[service[series]]
    firing = Runs.of(series[near], start[near], end[near])
    run = Runs.of(key, start[rows], end[rows])
    of = _Kinds.of(kind, name, service)
    found = _due(held, holding, run, firing, kind=kind, of=of)
    pages = _pages(found, holding.pager_of, held)
    pages = pages.where(np.flatnonzero((pages.start + origin) * step <= until))
    # A page tells of what is held to its pager and fires at its onset.
    span = int(end.max(initial=0)) + 1
    onset, pager = pages.key * span + pages.start, holding.pager_of[key] * span
    first = np.searchsorted(onset, pager + start[rows])
    stop = np.searchsorted(onset, pager + end[rows])
    row, page = spread(first, np.maximum(stop - first, 0))
    since = ((pages.start + origin) * held.step_seconds).tolist()
    labels = []
    for pager_code, moment in zip(pages.key.tolist(), since, strict=True):
        number, which = divmod(pager_code, len(holding.pagers))
        own = {
            "alertname": PAGE_NAME,
            label: services[number],
            "pager": holding.pagers[which],
            "since": str(moment),
        }
        # What a rule gives an alert stands, whatever labels its Prometheus adds.
        labels.append({k: v for k, v in {**held.external, **own}.items() if v})
    return _ServerPages(
        labels,
        (pages.start + origin) * step,
        np.minimum((pages.end + origin) * step, until + 1),
        mine[rows[row]],
        page,
        holding.rule[row],
    )


def add_held_pages(
    held: Sequence[HeldAlerts], table: LabelTable, periods: FiringPeriods, until: int
) -> tuple[LabelTable, FiringPeriods, HeldPages]:
    """Add the pages that stand for held alerts to the alerts of the replay.

    Parameters
    ----------
    held : sequence of HeldAlerts
        What each Prometheus holds. All rules of one agree on everything but matchers, pager and
        chat.
    table : LabelTable
        Labels of all series.
    periods : FiringPeriods
        When each series fires.
    until : int, microseconds since 1970
        When the replay stops.

    Returns
    -------
    table : LabelTable
        Labels with those of the pages after them.
    periods : FiringPeriods
        Firing periods with those of the pages after them.
    pages : HeldPages
        Which page tells of what; `HeldPages.page` is an index into the grown `periods`.
    """
    rules: list[str] = []
    found = []
    for each in held:
        part = _server_pages(each, table, periods, until) if each.rules else None
        if part is not None:
            found.append(replace(part, rule=part.rule + len(rules)))
            rules += [rule.id for rule in each.rules]
    # Servers with equal labels (a pair that watches the same) send equal pages, which are one.
    number: dict[tuple[tuple[str, str], ...], int] = {}
    codes = [
        number.setdefault(tuple(sorted(labels.items())), len(number))
        for part in found
        for labels in part.labels
    ]
    code = np.array(codes, dtype=np.int64)
    size = len(number)
    starts, ends = np.full(size, until + 1), np.zeros(size, dtype=np.int64)
    np.minimum.at(starts, code, _joined([part.starts for part in found]))
    np.maximum.at(ends, code, _joined([part.ends for part in found]))
    sizes = np.cumsum([0, *(len(part.labels) for part in found)]).tolist()
    page = _joined([part.page + first for part, first in zip(found, sizes, strict=False)])
    pages = HeldPages(
        labels=[dict(labels) for labels in number],
        series=len(table) + np.arange(size),
        starts=starts,
        ends=ends,
        period=_joined([part.period for part in found]),
        page=len(periods) + code[page],
        rule=_joined([part.rule for part in found]),
        rules=rules,
    )
    # Pages have new series, the last ones: firing periods stay sorted, and keep their places.
    more = replace(
        periods,
        **{
            name: np.concatenate([getattr(periods, name), getattr(pages, name)])
            for name in ("series", "starts", "ends")
        },
    )
    return table.with_more(pages.labels), more, pages


def _joined(parts: list[Ints]) -> Ints:
    return np.concatenate([np.empty(0, dtype=np.int64), *parts])


def lookups_of(alerts: FiringPeriods, pages: HeldPages) -> Lookups:
    """Return what is looked up: each alert's own notifications, then those of pages of it.

    Parameters
    ----------
    alerts : FiringPeriods
        As they were before pages were added.
    pages : HeldPages
        As `add_held_pages` returns them.

    Returns
    -------
    Lookups
        The targets are the alerts' firing periods, and then the pairs of `pages`.
    """
    at = np.concatenate([np.arange(len(alerts)), pages.period])
    by = np.concatenate([np.arange(len(alerts)), pages.page])
    return Lookups.of(by, alerts.starts[at], alerts.ends[at])


def merge_held_outcomes(
    pages: HeldPages, outcomes: Outcomes, origins: dict[str, int], lookups: Lookups
) -> None:
    """Record which held alerts a page told of: ``folded``.

    Of an alert's first pages, its own and those that stand for it, the earliest counts. A page
    notifies of an alert if it is sent while the alert fires. An alert that was paged anyway keeps
    its status.

    Parameters
    ----------
    pages : HeldPages
        As `add_held_pages` returns them.
    outcomes : Outcomes
        Changed in place.
    origins : dict of str to int
        Rule id → number in `Outcomes.rule`, as `origins_of` counts.
    lookups : Lookups
        As `lookups_of` made them; first pages of the alerts are changed in place.
    """
    pairs = len(lookups.first_page) - len(pages.period)
    for found in (lookups.first_page, lookups.first_notification):
        np.minimum.at(found, pages.period, found[pairs:])
    sent = np.flatnonzero(outcomes.pages[pages.page] > 0)
    period, page = pages.period[sent], pages.page[sent]
    number = np.array([origins.get(each, -1) for each in pages.rules], dtype=np.int64)
    rule = number[pages.rule[sent]]
    # Of several pages the earliest counts.
    first_page = outcomes.first_page[page]
    order = np.lexsort((page, first_page, period))
    who, first = np.unique(period[order], return_index=True)
    at = order[first]
    hidden = outcomes.status[who] != PAGED
    outcomes.status[who[hidden]] = FOLDED
    hidden &= outcomes.rule[who] < 0
    outcomes.rule[who[hidden]] = rule[at[hidden]]
    sooner = first_page[at] < outcomes.first_page[who]
    outcomes.first_page[who[sooner]] = first_page[at[sooner]]
    outcomes.group[who[sooner]] = outcomes.group[page[at[sooner]]]
