"""When alerts are kept from being told: inhibition, time intervals, silences.

Order and meaning as in `notify/notify.go`'s pipeline (inhibit, time active, time mute, silence)
and `inhibit/inhibit.go`: a source inhibits while it fires, wherever it is routed and even if it is
itself inhibited, silenced or muted; labels in ``equal`` that are missing count as empty; an alert
that matches both sides isn't inhibited by another one that does.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipelines.aiops.alerting.config import Config, InhibitRule, Silence
from pipelines.aiops.alerting.config.model import stretches
from pipelines.aiops.alerting.replay.lifetimes import Members
from pipelines.aiops.alerting.replay.model import FiringPeriods, Groups, ReplayInputs, next_flush
from pipelines.core.arrays import Ints, codes_of, merged, search, spread
from pipelines.core.time import DAY_US

INHIBITED, MUTED, SILENCED = 0, 1, 2
"""Kinds of `SuppressedIntervals`, in the order in which Alertmanager asks."""


@dataclass(frozen=True)
class SuppressedIntervals:
    """Flushes at which members are kept back, from `start` until before `end`; shape (intervals,).

    Attributes
    ----------
    member : array of int64
        Index into `Members`.
    start, end : array of int64, microseconds since 1970
        First flush that keeps it back, first flush that doesn't any more.
    kind : array of int64
        Why: `INHIBITED`, `MUTED` or `SILENCED`.
    """

    member: Ints
    start: Ints
    end: Ints
    kind: Ints


@dataclass(frozen=True)
class _Blocks:
    """Intervals in which what has `key` is kept back; sorted, disjoint within a key."""

    key: Ints
    start: Ints
    end: Ints


@dataclass(frozen=True)
class Index:
    """Finds firing periods of a series and members of a series.

    Attributes
    ----------
    periods : FiringPeriods
        When each series fires, sorted by series.
    period_from : array of int64, shape (series + 1,)
        First firing period of each series.
    member_order : array of int64, shape (members,)
        Members in order of their series.
    member_from : array of int64, shape (series + 1,)
        First position of each series in `member_order`.
    """

    periods: FiringPeriods
    period_from: Ints
    member_order: Ints
    member_from: Ints

    def periods_of(self, series: Ints) -> tuple[Ints, Ints]:
        """Find all firing periods of some series.

        Parameters
        ----------
        series : array of int64
            Indices of series.

        Returns
        -------
        owner : array of int64, shape (found,)
            Position in `series`.
        period : array of int64, shape (found,)
            Index into `FiringPeriods`.
        """
        count = self.period_from[series + 1] - self.period_from[series]
        return spread(self.period_from[series], count)

    def members_of(self, series: Ints) -> tuple[Ints, Ints]:
        """Find all members of some series.

        Parameters
        ----------
        series : array of int64
            Indices of series.

        Returns
        -------
        owner : array of int64, shape (found,)
            Position in `series`.
        member : array of int64, shape (found,)
            Index into `Members`.
        """
        count = self.member_from[series + 1] - self.member_from[series]
        owner, at = spread(self.member_from[series], count)
        return owner, self.member_order[at]


def index_of(inputs: ReplayInputs, members: Members) -> Index:
    """Build the index; firing periods are sorted by series already.

    Parameters
    ----------
    inputs : ReplayInputs
        Labels and firing periods of the replay.
    members : Members
        Members of one chunk of groups.

    Returns
    -------
    Index
        Over all series of the label table.
    """
    periods, size = inputs.periods, len(inputs.table)
    series = periods.series[members.period]
    order = np.argsort(series, kind="stable")
    edges = np.arange(size + 1)
    return Index(
        periods,
        np.searchsorted(periods.series, edges),
        order,
        np.searchsorted(series[order], edges),
    )


def _overlapping(
    groups: Groups, members: Members, who: Ints, key: Ints, blocks: _Blocks
) -> tuple[Ints, Ints, Ints]:
    """Lay members `who` (with keys) over blocks: (member, first flush, first flush after)."""
    if not len(blocks.key) or not len(who):
        empty = np.empty(0, dtype=np.int64)
        return empty, empty, empty
    # Blocks of a key are sorted and disjoint: those that overlap a member are one run.
    first = search(blocks.key, blocks.end, key, members.seen[who])
    stop = search(blocks.key, blocks.start, key, members.gone[who])
    owner, block = spread(first, np.maximum(stop - first, 0))
    member = who[owner]
    first_flush, interval = members.first[member], groups.interval[members.group[member]]
    start = next_flush(blocks.start[block], first_flush, interval)
    end = next_flush(blocks.end[block], first_flush, interval)
    keep = start < end
    return member[keep], start[keep], end[keep]


def _inhibition(
    inputs: ReplayInputs, rule: InhibitRule, index: Index
) -> Iterator[tuple[Ints, Ints, _Blocks]]:
    """Yield (target series, their keys, blocks) for the two kinds of target."""
    table = inputs.table
    source, target = table.mask(rule.source), table.mask(rule.target)
    if not source.any() or not target.any():
        return
    involved = np.flatnonzero(source | target)
    # One code for equal values of all labels in `equal`; series that match neither side have none.
    key_of = np.full(len(table), -1, dtype=np.int64)
    columns = [table.column(name)[0][involved] for name in rule.equal]
    key_of[involved] = codes_of(columns, len(involved))
    for targets, sources in ((target & ~source, source), (target & source, source & ~target)):
        who, by = np.flatnonzero(targets), np.flatnonzero(sources)
        if not len(who) or not len(by):
            continue
        owner, period = index.periods_of(by)
        periods = index.periods
        some = periods.ends[period] > periods.starts[period]
        key = key_of[by][owner][some]
        # While any source of the key fires, its targets are inhibited.
        united = merged(key, periods.starts[period[some]], periods.ends[period[some]])
        yield who, key_of[who], _Blocks(*united[:3])


def _inhibited(
    inputs: ReplayInputs, groups: Groups, members: Members, index: Index
) -> Iterator[SuppressedIntervals]:
    for rule in inputs.config.inhibit_rules:
        for series, key, blocks in _inhibition(inputs, rule, index):
            owner, who = index.members_of(series)
            found = _overlapping(groups, members, who, key[owner], blocks)
            yield _pieces(found, INHIBITED)


def _pieces(found: tuple[Ints, Ints, Ints], kind: int) -> SuppressedIntervals:
    return SuppressedIntervals(*found, np.full(len(found[0]), kind))


def _times(config: Config, names: tuple[str, ...], first: int, last: int) -> list[tuple[int, int]]:
    ranges = [
        each
        for interval in config.time_intervals
        if interval.name in names
        for each in interval.ranges
    ]
    return stretches(ranges, first, last)


def _complement(inside: list[tuple[int, int]], first: int, last: int) -> list[tuple[int, int]]:
    edges = [first, *(edge for pair in inside for edge in pair), last]
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return [(start, end) for start, end in pairs if start < end]


def _blocks(times: list[tuple[int, int]]) -> _Blocks:
    both = np.array(times, dtype=np.int64).reshape(-1, 2)
    return _Blocks(np.zeros(len(both), dtype=np.int64), both[:, 0], both[:, 1])


def _muted(inputs: ReplayInputs, groups: Groups, members: Members) -> Iterator[SuppressedIntervals]:
    if not len(members):
        return
    config = inputs.config
    first, last = int(members.seen.min()) - DAY_US, int(members.gone.max()) + DAY_US
    route_of = groups.route[members.group]
    for number, route in enumerate(groups.routes):
        spans = [_times(config, (name,), first, last) for name in route.mute]
        if route.active:
            active = _times(config, route.active, first, last)
            spans.append(_complement(active, first, last))
        who = np.flatnonzero(route_of == number) if spans else np.empty(0, dtype=np.int64)
        for span in spans:
            found = _overlapping(groups, members, who, np.zeros_like(who), _blocks(span))
            yield _pieces(found, MUTED)


def _silenced(
    inputs: ReplayInputs,
    groups: Groups,
    members: Members,
    index: Index,
    silences: tuple[Silence, ...],
) -> Iterator[SuppressedIntervals]:
    for silence in silences:
        _, who = index.members_of(np.flatnonzero(inputs.table.mask(silence.matchers)))
        blocks = _blocks([(silence.starts, silence.ends)])
        found = _overlapping(groups, members, who, np.zeros_like(who), blocks)
        yield _pieces(found, SILENCED)


def origins_of(config: Config) -> dict[str, int]:
    """Return a number for each rule that is in a configuration.

    Parameters
    ----------
    config : Config
        A configuration with rules applied to it.

    Returns
    -------
    dict of str to int
        Rule id → number, in the order of the routes; what no rule of ours put there has none.
    """
    found = dict.fromkeys(route.origin for _, route in config.route.walk() if route.origin)
    return {origin: i for i, origin in enumerate(found)}


def suppressed(
    inputs: ReplayInputs, groups: Groups, members: Members, silences: tuple[Silence, ...]
) -> SuppressedIntervals:
    """Find all intervals in which members are kept back.

    Parameters
    ----------
    inputs : ReplayInputs
        The configuration with its rules, labels and firing periods.
    groups : Groups
        One chunk of groups.
    members : Members
        Their members.
    silences : tuple of Silence
        Silences that were active.

    Returns
    -------
    SuppressedIntervals
        In no order; they may overlap.

    References
    ----------
    Alertmanager, `notify/notify.go`, `inhibit/inhibit.go`, `timeinterval/timeinterval.go` and
    `silence/silence.go`.
    """
    index = index_of(inputs, members)
    found = [
        *_inhibited(inputs, groups, members, index),
        *_muted(inputs, groups, members),
        *_silenced(inputs, groups, members, index, silences),
    ]
    names = ("member", "start", "end", "kind")
    empty = np.empty(0, dtype=np.int64)
    return SuppressedIntervals(
        *(np.concatenate([empty, *(getattr(p, n) for p in found)]) for n in names)
    )
