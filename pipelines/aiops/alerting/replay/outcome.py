"""What became of each alert, and what was sent."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.alerting.replay.flushes import Firing, FiringIntervals, Resolved, Rows, key_of
from pipelines.aiops.alerting.replay.lifetimes import Members
from pipelines.aiops.alerting.replay.model import Groups
from pipelines.aiops.alerting.replay.notification_log import REASONS, NotificationLog
from pipelines.aiops.alerting.replay.suppression import SuppressedIntervals
from pipelines.core.arrays import Bools, Ints, heads, order_of, spread

if TYPE_CHECKING:
    import pandas as pd


STATUSES = (
    "paged", "held", "notified", "unsent", "inhibited", "muted", "silenced", "folded", "not_fired",
)  # fmt: skip
"""Every status; the smaller number counts where an alert is in several groups."""
PAGED, HELD, NOTIFIED, UNSENT, INHIBITED, MUTED, SILENCED, FOLDED, NOT_FIRED = range(9)
NOT_YET = 2**62


@dataclass
class Outcomes:
    """What became of each firing period, its groups united; shape (periods,).

    Attributes
    ----------
    status : array of int64
        Index into `STATUSES`.
    rule : array of int64
        Number of the rule that holds it, as `origins_of` counts; -1 if none.
    group : array of int64
        Group (as in `Groups.group_id`) of the first page, or the first group; `NOT_YET` if none.
    first_page : array of int64, microseconds since 1970
        First page that named it firing; `NOT_YET` if none.
    pages : array of int64
        Number of pages that named it firing.
    """

    status: Ints
    rule: Ints
    group: Ints
    first_page: Ints
    pages: Ints

    @classmethod
    def empty(cls, size: int) -> "Outcomes":
        """Return outcomes of firing periods that nothing is known of yet.

        Parameters
        ----------
        size : int
            Number of firing periods.

        Returns
        -------
        Outcomes
            All ``not_fired``, without rule, group and pages.
        """
        return cls(
            np.full(size, NOT_FIRED),
            np.full(size, -1),
            np.full(size, NOT_YET),
            np.full(size, NOT_YET),
            np.zeros(size, np.int64),
        )


@dataclass
class Lookups:
    """Whose notifications are looked through, from when until when, for whom; shape (lookups,).

    People are notified of an alert by a notification that names it (or the page that stands for
    it) while it fires: neither an older one nor a later one tells of it.

    Attributes
    ----------
    period : array of int64
        Firing period that the notification names, ascending.
    starts, ends : array of int64, microseconds since 1970
        When the alert begins and ends to fire, end exclusive.
    target : array of int64
        Number of the alert's firing period, or of the pair of such a period and a page.
    first_page, first_notification : array of int64, shape (targets,), microseconds since 1970
        The first page and the first notification of any receiver; `NOT_YET` if none. `judge`
        enters them.
    """

    period: Ints
    starts: Ints
    ends: Ints
    target: Ints
    first_page: Ints
    first_notification: Ints

    @classmethod
    def of(cls, period: Ints, starts: Ints, ends: Ints) -> "Lookups":
        """Make lookups, one a target.

        Parameters
        ----------
        period, starts, ends : array of int64, shape (targets,)
            As the attributes, in any order.

        Returns
        -------
        Lookups
            Sorted by period.
        """
        order = np.argsort(period, kind="stable")
        nothing = (np.full(len(period), NOT_YET) for _ in range(2))
        return cls(period[order], starts[order], ends[order], order, *nothing)

    def enter(self, groups: Groups, trace: "ReplayTrace") -> None:
        """Look through the notifications of one chunk of groups.

        Parameters
        ----------
        groups : Groups
            The chunk's groups.
        trace : ReplayTrace
            What the steps found out about them.
        """
        firing, log = trace.firing, trace.log
        period = trace.members.period[firing.member]
        first = np.searchsorted(self.period, period)
        owner, at = spread(first, np.searchsorted(self.period, period, side="right") - first)
        # Flushes that see what is named firing, while the alert itself does.
        low = np.maximum(firing.start[owner], self.starts[at])
        high = np.minimum(firing.end[owner], self.ends[at])
        some = low < high
        group, target = trace.members.group[firing.member[owner[some]]], self.target[at[some]]
        begin, end = trace.key(group, low[some]), trace.key(group, high[some])
        sent = (log.firing > 0) & groups.has_receiver[log.group]
        for found, which in (
            (self.first_page, sent & groups.is_paging[log.group]),
            (self.first_notification, sent),
        ):
            key, time = trace.key(log.group, log.time)[which], log.time[which]
            position, count = _counts(key, begin, end)
            named = count > 0
            np.minimum.at(found, target[named], time[position[named]])


def _counts(keys: Ints, start: Ints, end: Ints) -> tuple[Ints, Ints]:
    """Return the position of the first key in each [start, end), and how many there are."""
    first = np.searchsorted(keys, start)
    return first, np.searchsorted(keys, end) - first


@dataclass(frozen=True)
class ReplayTrace:
    """All that the steps of the replay found out about one chunk of groups.

    Attributes
    ----------
    members : Members
        Firing periods as members of groups.
    suppressions : SuppressedIntervals
        When members are kept back.
    firing : Firing
        When members are seen firing.
    resolved : Resolved
        When members are seen resolved.
    intervals : FiringIntervals
        When each (group, series) is seen firing without a break.
    rows : Rows
        Flushes at which something changes.
    log : NotificationLog
        What was logged.
    origin, span : int, microseconds
        As for `flushes.key_of`.
    """

    members: Members
    suppressions: SuppressedIntervals
    firing: Firing
    resolved: Resolved
    intervals: FiringIntervals
    rows: Rows
    log: NotificationLog
    origin: int
    span: int

    def key(self, group: Ints, time: Ints) -> Ints:
        """Encode (group, time) with `flushes.key_of`.

        Parameters
        ----------
        group : array of int64, shape (n,)
            Index into the chunk's `Groups`.
        time : array of int64, shape (n,), microseconds since 1970
            Between the chunk's first and last time.

        Returns
        -------
        array of int64, shape (n,)
            Numbers that sort like (group, time).
        """
        return key_of(group, time, self.origin, self.span)


def _pages(groups: Groups, trace: ReplayTrace) -> tuple[Ints, Ints]:
    """Return the first page (µs) and the number of pages of each member."""
    log, members = trace.log, trace.members
    # Pages of a member are the log's keys between its interval's start and end: two searches.
    is_page = (log.firing > 0) & groups.is_paging[log.group] & groups.has_receiver[log.group]
    key, time = trace.key(log.group, log.time)[is_page], log.time[is_page]
    first_page = np.full(len(members), NOT_YET)
    pages = np.zeros(len(members), dtype=np.int64)
    firing, group = trace.firing, members.group[trace.firing.member]
    first, count = _counts(key, trace.key(group, firing.start), trace.key(group, firing.end))
    np.add.at(pages, firing.member, count)
    # Back between two flushes, an alert isn't told again: the page before it was away is no page
    # of what came back.
    some = count > 0
    np.minimum.at(first_page, firing.member[some], time[first[some]])
    return first_page, pages


def _noticed(groups: Groups, trace: ReplayTrace) -> Bools:
    """Return which members some notification names, firing or resolved."""
    log, members = trace.log, trace.members
    sent = groups.has_receiver[log.group] & ((log.firing > 0) | groups.send_resolved[log.group])
    key = trace.key(log.group, log.time)[sent]
    found = np.zeros(len(members), dtype=bool)
    firing, group = trace.firing, members.group[trace.firing.member]
    _, count = _counts(key, trace.key(group, firing.start), trace.key(group, firing.end))
    found[firing.member[count > 0]] = True
    who = trace.resolved.member
    group = members.group[who]
    at = trace.key(group, trace.resolved.time)
    _, count = _counts(key, at, at + 1)
    found[who[(count > 0) & groups.send_resolved[group]]] = True
    return found


def _why_not(trace: ReplayTrace) -> Ints:
    """Return the kind of the first interval that kept each member back; -1: none."""
    suppressions = trace.suppressions
    kind = np.full(len(trace.members), -1)
    # The earliest interval decides; of equal ones the kind that Alertmanager asks first.
    order = np.lexsort((suppressions.kind, suppressions.start, suppressions.member))
    who, first = np.unique(suppressions.member[order], return_index=True)
    kind[who] = suppressions.kind[order[first]]
    return kind


def _best(period: Ints, columns: tuple[Ints, ...]) -> tuple[Ints, Ints]:
    """Return for each firing period the member that comes first by `columns`: (period, member)."""
    count = np.bincount(period)
    if count.max(initial=0) <= 1:
        return period, np.arange(len(period))
    order = np.lexsort((*reversed(columns), period))
    found, first = np.unique(period[order], return_index=True)
    return found, order[first]


def judge(
    groups: Groups,
    trace: ReplayTrace,
    origins: dict[str, int],
    outcomes: Outcomes,
    lookups: Lookups,
    *,
    chats: Mapping[str, str],
) -> tuple[Ints, Ints, Ints]:
    """Enter what became of a chunk's members into `outcomes`, and who was notified of it.

    Parameters
    ----------
    groups : Groups
        The chunk's groups.
    trace : ReplayTrace
        What the steps found out about them.
    origins : dict of str to int
        Rule id → number in `Outcomes.rule`, as `origins_of` counts.
    outcomes : Outcomes
        Changed in place, all but `Outcomes.pages`.
    lookups : Lookups
        Changed in place: first pages and notifications while alerts fire.
    chats : mapping of str to str
        Id of each rule that holds alerts → receiver that is told of them instead.

    Returns
    -------
    period : array of int64, shape (members,)
        Index of each member's firing period.
    group_id : array of int64, shape (members,)
        Number of its group in the report.
    pages : array of int64, shape (members,)
        Number of pages that named it. `count_pages` takes the three.
    """
    members = trace.members
    first_page, pages = _pages(groups, trace)
    lookups.enter(groups, trace)
    noticed = _noticed(groups, trace)
    kind = _why_not(trace)
    number = np.array([origins.get(route.origin, -1) for route in groups.routes], dtype=np.int64)
    of_route = number[groups.route[members.group]] if len(members) else np.empty(0, np.int64)
    nobody = ~groups.has_receiver[members.group]
    to_chat = np.array([chats.get(r.origin) == r.receiver for r in groups.routes], dtype=bool)
    held = to_chat[groups.route[members.group]] if len(members) else np.empty(0, dtype=bool)
    # In order of what counts more: what was sent, then what kept it back; the rest is folded.
    status = np.select(
        [pages > 0, held & (noticed | nobody | (kind < 0)), noticed, nobody, kind >= 0],
        [np.int64(PAGED), np.int64(HELD), np.int64(NOTIFIED), np.int64(UNSENT), INHIBITED + kind],
        np.int64(FOLDED),
    )
    rule = np.where(status == HELD, of_route, -1)
    group_id = groups.group_id[members.group]
    period, at = _best(members.period, (first_page, status, group_id))
    # A firing period in several groups may have been entered with another part of them.
    take = np.zeros(len(period), dtype=bool)
    same = np.ones(len(period), dtype=bool)
    for name, column in (("first_page", first_page), ("status", status), ("group", group_id)):
        old, new = getattr(outcomes, name)[period], column[at]
        take |= same & (new < old)
        same &= new == old
    period, at = period[take], at[take]
    outcomes.status[period], outcomes.rule[period] = status[at], rule[at]
    outcomes.group[period], outcomes.first_page[period] = group_id[at], first_page[at]
    return members.period, group_id, pages


def count_pages(outcomes: Outcomes, parts: list[tuple[Ints, Ints, Ints]]) -> None:
    """Count the pages of each firing period over all its groups.

    Classes of one receiver notify at once, in one page: of those with one number in the report
    the largest count is taken.

    Parameters
    ----------
    outcomes : Outcomes
        `Outcomes.pages` is added to in place.
    parts : list of tuple of arrays
        What `judge` returned for each chunk: firing period, group as reported, pages.
    """
    if not parts:
        return
    period, group_id, pages = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((pages, group_id, period))
    period, group_id, pages = period[order], group_id[order], pages[order]
    # Sorted by count within (period, group as reported): the last row has the largest count.
    last = np.ones(len(period), dtype=bool)
    last[:-1] = (period[1:] != period[:-1]) | (group_id[1:] != group_id[:-1])
    np.add.at(outcomes.pages, period[last], pages[last])


_SORTS = ("time", "group", "resolved")


@dataclass(frozen=True)
class Sent:
    """Notifications, 26 bytes each; every array has shape (notifications,).

    Attributes
    ----------
    time : array of int64, microseconds since 1970
        When it was sent.
    receiver : array of int16
        Index into the list of receivers' names.
    group : array of int32
        Number of the group in the report.
    firing, resolved : array of int32
        How many alerts it names.
    reason : array of int8
        Index into `REASONS`.
    page : array of bool
        Whether it wakes a person: it names a firing alert, and the receiver pages.
    """

    time: Ints
    receiver: NDArray[np.int16]
    group: NDArray[np.int32]
    firing: NDArray[np.int32]
    resolved: NDArray[np.int32]
    reason: NDArray[np.int8]
    page: Bools

    def __len__(self) -> int:
        return len(self.time)

    def where(self, keep: Bools | Ints) -> "Sent":
        """Return some of the notifications.

        Parameters
        ----------
        keep : array of bool, shape (notifications,), or array of int64
            A mask, or positions.

        Returns
        -------
        Sent
            The chosen rows, in the order of `keep`.
        """
        return Sent(*(getattr(self, each.name)[keep] for each in fields(self)))


def sent_of(groups: Groups, log: NotificationLog, number: dict[str, int]) -> Sent:
    """Select what was sent of what was logged.

    Parameters
    ----------
    groups : Groups
        Groups that the log refers to.
    log : NotificationLog
        What was logged.
    number : dict of str to int
        Receiver's name → its number.

    Returns
    -------
    Sent
        Without entries of receivers that have no integration, and without resolved alerts where
        ``send_resolved`` is false.
    """
    at = np.flatnonzero(
        groups.has_receiver[log.group] & ((log.firing > 0) | groups.send_resolved[log.group])
    )
    group = log.group[at]
    of_route = np.array([number[route.receiver] for route in groups.routes], dtype=np.int16)
    firing = log.firing[at]
    return Sent(
        log.time[at],
        of_route[groups.route[group]],
        groups.group_id[group].astype(np.int32),
        firing.astype(np.int32),
        np.where(groups.send_resolved[group], log.resolved[at], 0).astype(np.int32),
        log.reason[at].astype(np.int8),
        (firing > 0) & groups.is_paging[group],
    )


class Collector:
    """Collects the notifications of chunks of groups.

    Parameters
    ----------
    groups : Groups
        All groups of the replay.
    since : int, microseconds since 1970
        From when on notifications are counted by receiver.
    only_pages : bool
        Drop what wakes nobody as soon as it is counted.
    """

    def __init__(self, groups: Groups, *, since: int, only_pages: bool) -> None:
        self.names = sorted({route.receiver for route in groups.routes})
        self.number = {name: i for i, name in enumerate(self.names)}
        self.since = since
        self.by_receiver = np.zeros((2, len(self.names)), dtype=np.int64)
        self.only_pages = only_pages
        # Classes of one receiver that tell at the same flush are one notification.
        self.shared = len(np.unique(groups.group_id)) < len(groups)
        self.count = 0
        self.parts: list[Sent] = []

    def add(self, groups: Groups, log: NotificationLog) -> None:
        """Add what one chunk logged.

        Parameters
        ----------
        groups : Groups
            The chunk's groups.
        log : NotificationLog
            Their entries.
        """
        sent = sent_of(groups, log, self.number)
        self.count += len(sent)
        if not self.shared:
            self._count(sent)
        if self.only_pages and not self.shared:
            sent = sent.where(sent.page)
        self.parts.append(sent)

    def _count(self, sent: Sent) -> None:
        counted = sent.time >= self.since
        for number, which in enumerate((counted, counted & sent.page)):
            receivers = sent.receiver[which].astype(np.int64)
            self.by_receiver[number] += np.bincount(receivers, minlength=len(self.names))

    def receivers(self) -> "pd.DataFrame":
        """Return what each receiver was sent; after `result`.

        Returns
        -------
        pandas.DataFrame
            As `Replay.receivers`.
        """
        import pandas as pd

        notifications, pages = self.by_receiver
        names = np.array(self.names, dtype=object)
        return pd.DataFrame({"receiver": names, "notifications": notifications, "pages": pages})

    def result(self) -> tuple["pd.DataFrame", int]:
        """Return all notifications; the parts are freed.

        Returns
        -------
        notifications : pandas.DataFrame
            As `Replay.notifications`, in order of time and group.
        count : int
            Number of notifications, dropped ones included.
        """
        sent = self._joined()
        order = (
            np.lexsort([getattr(sent, name) for name in reversed(_SORTS)])
            if self.shared
            else order_of(sent.time, sent.group.astype(np.int64))
        )
        sent = sent.where(order)
        if self.shared:
            first = np.append(heads(sent.time) | heads(sent.group.astype(np.int64)), True)
            starts = np.flatnonzero(first[:-1])
            page = np.logical_or.reduceat(sent.page, starts) if len(starts) else sent.page
            # The last of equal rows names most; it is a page if any of them is.
            sent = replace(sent.where(first[1:] if len(sent) else sent.page), page=page)
            self.count = len(sent)
            self._count(sent)
            sent = sent.where(sent.page) if self.only_pages else sent
        return self._table(sent), self.count

    def _joined(self) -> Sent:
        parts, self.parts = self.parts, []
        empty = np.empty(0, dtype=np.int64)
        first = Sent(empty, *(empty.astype(t) for t in ("i2", "i4", "i4", "i4", "i1", "?")))
        columns: list[Any] = []
        for each in fields(Sent):
            columns.append(np.concatenate([getattr(part, each.name) for part in (first, *parts)]))
        return Sent(*columns)

    def _table(self, sent: Sent) -> "pd.DataFrame":
        import pandas as pd

        def named(names: list[str], codes: NDArray[Any]) -> Any:
            return pd.array(names or [""], dtype="str").take(codes)

        return pd.DataFrame(
            {
                "time": sent.time,
                "receiver": named(self.names, sent.receiver),
                "group": sent.group.astype(np.int64),
                "firing": sent.firing.astype(np.int64),
                "resolved": sent.resolved.astype(np.int64),
                "reason": named(list(REASONS), sent.reason),
                "page": sent.page,
            }
        )
