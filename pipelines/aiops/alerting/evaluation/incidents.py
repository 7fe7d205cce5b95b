"""Ticketed incidents: when they begin and end, which page tells of them, which ones count.

An incident is **told** by a page that names one of its own alerts while that alert's own episode
lasts, or by a page about one of its services that is sent while the incident lasts: whoever is
woken by that looks at the right place. So does who was woken up to an hour before it, by an alert
of the service that still fires when the incident begins: tickets name one alert of several.
Today's configuration has to tell of it by its own alerts: a page about the service that only
happened to come then proves nothing about what could be missed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.alerting.replay.model import LabelTable
from pipelines.aiops.alerting.rules import HoldRule, Rule
from pipelines.aiops.alerting.windows import HistoryWindow, iso
from pipelines.aiops.lake.contract import SUSPICIOUS_HOURS, service_of
from pipelines.aiops.lake.frame import NEVER, AlertFrame
from pipelines.core.arrays import Bools, Ints, merged
from pipelines.core.errors import SignalboxError
from pipelines.core.time import HOUR_US, SECOND_US

NOT_PAGED = -1
"""First page of what is never paged."""

Names = NDArray[np.object_]


class RuleAttribution:
    """Finds the rules that hold each series.

    Parameters
    ----------
    frame : AlertFrame
        The rows that are replayed; label sets are read once for all sets of rules.

    Attributes
    ----------
    episode_starts : array of int64, shape (rows,), microseconds since 1970
        Start of the episode that each row is part of: rows of one series that overlap or touch.
    """

    def __init__(self, frame: AlertFrame) -> None:
        self.frame = frame
        self.table = LabelTable(frame.labels)
        series = frame.series.astype(np.int64)
        _, begins, _, episode = merged(series, frame.starts, frame.ends)
        self.episode_starts: Ints = begins[episode]

    @cached_property
    def services(self) -> list[str]:
        """Service of each series; empty where labels name none."""
        return [service_of(labels) for labels in self.frame.labels]

    def held_by(self, rules: Sequence[Rule]) -> Names:
        """Find the first rule that holds each series.

        Parameters
        ----------
        rules : sequence of Rule
            Rules in the order in which they apply.

        Returns
        -------
        array of object, shape (series,)
            Id of the rule, "" without.
        """
        own = [rule for rule in rules if isinstance(rule, HoldRule)]
        first = np.full(len(self.table), len(own), dtype=np.int64)
        # Backwards, so that the first rule that matches is the last to be written.
        for position in range(len(own) - 1, -1, -1):
            first[self.table.mask(own[position].matchers)] = position
        return np.array([*(rule.id for rule in own), ""], dtype=object)[first]


@dataclass(frozen=True)
class Ticket:
    """What a ticket says; texts are empty, times None where it says nothing.

    Attributes
    ----------
    title, service, severity, fix : str
        As in the table ``tickets`` of the contract.
    opened, closed : int or None, microseconds since 1970
        When it was opened and closed.
    """

    title: str = ""
    service: str = ""
    severity: str = ""
    fix: str = ""
    opened: int | None = None
    closed: int | None = None


def known_tickets(folder: Path) -> dict[str, Ticket]:
    """Read the incidents of a frozen history.

    Parameters
    ----------
    folder : Path
        Directory of the frozen history; without ``tickets.parquet`` nothing is known.

    Returns
    -------
    dict of str to Ticket
        Ticket id → what it says.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    path = folder / "tickets.parquet"
    if not path.is_file():
        return {}
    texts = ("title", "service", "severity", "fix")
    table: Any = pq.read_table(path, columns=["ticket_id", "kind", *texts, *_TIMES])
    table = table.filter(pc.equal(table["kind"], "incident"))
    times = [table[name].cast("int64").to_pylist() for name in _TIMES]
    columns = [[value or "" for value in table[name].to_pylist()] for name in texts]
    rows = zip(*columns, *times, strict=True)
    return dict(zip(table["ticket_id"].to_pylist(), (Ticket(*row) for row in rows), strict=True))


_TIMES = ("opened_at", "closed_at")


@dataclass(frozen=True)
class TicketedIncident:
    """A ticketed incident and when people were notified of it.

    It begins with the earliest episode of the alerts that belong to it, whenever its ticket was
    opened, and lasts until the ticket is closed or until its last alert ends, whichever is later.
    Alerts that hardly belong to it (`plausible_links`) don't count where others do.

    Attributes
    ----------
    ticket : str
        Id of the ticket.
    starts, ends : int, microseconds since 1970
        How long it lasts, end exclusive.
    baseline_first_page : int, microseconds since 1970
        First page about its own alerts today; `NOT_PAGED` = never.
    candidate_first_page, candidate_own_page : int, microseconds since 1970
        First page that tells of it, and first page about its own alerts, with the rules.
    known : Ticket
        What its ticket says.
    credible : bool
        Whether its ticket names a fix, one of its alerts is of the ticket's service (where the
        ticket names one), and somebody linked the two plausibly: what is closed without a fix, or
        is linked to an alert of another service, hardly was what the alert told of.
    rules, names : tuple of str
        Rules that hold its alerts, and the names of these alerts.
    baseline_first_notification, candidate_first_notification : int
        First notification about its own alerts to any receiver, whether it pages or not.
    assumed_link : bool
        Whether its alert was found by service and time, and not named by anybody.

    Raises
    ------
    SignalboxError
        If a first page is older than the incident: it can't tell of it. Names the incident.
    """

    ticket: str
    starts: int
    ends: int
    baseline_first_page: int
    candidate_first_page: int
    candidate_own_page: int
    known: Ticket = Ticket()
    credible: bool = False
    rules: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    baseline_first_notification: int = NOT_PAGED
    candidate_first_notification: int = NOT_PAGED
    assumed_link: bool = False

    def __post_init__(self) -> None:
        """Refuse a page that is older than the incident."""
        for which in ("baseline_first_page", "candidate_first_page", "candidate_own_page"):
            page = getattr(self, which)
            if page != NOT_PAGED and page < self.starts:
                raise SignalboxError(
                    f"incident {self.ticket} begins at {iso(self.starts)}, but its first page "
                    f"({which}) was sent at {iso(page)}: a page before an incident is no page "
                    "of it; the replay has an error, please report it"
                )

    @property
    def baseline_notified(self) -> bool:
        """Whether today's configuration pages about it at all."""
        return self.baseline_first_page != NOT_PAGED

    @property
    def missed(self) -> bool:
        """Whether it is paged today, and with the rules no page tells of it."""
        return self.baseline_notified and self.candidate_first_page == NOT_PAGED

    @property
    def strict_missed(self) -> bool:
        """Whether it is paged today, and with the rules no page names one of its own alerts."""
        return self.baseline_notified and self.candidate_own_page == NOT_PAGED

    @property
    def told_by_service(self) -> bool:
        """Whether with the rules only a page about its service tells of it."""
        return self.candidate_first_page != NOT_PAGED and self.candidate_own_page == NOT_PAGED

    @property
    def vanished(self) -> bool:
        """Whether some receiver is notified of it today, and none is with the rules."""
        return (
            self.baseline_first_notification != NOT_PAGED
            and self.candidate_first_notification == NOT_PAGED
            and self.candidate_first_page == NOT_PAGED
        )

    @property
    def delay(self) -> float:
        """Seconds by which the rules delay the first page; infinite where it is missed.

        Nan where it isn't paged today: there is nothing to delay. 0 where the page comes earlier
        than today (a group of its own can do that): what one incident gains is no other's.
        """
        if not self.baseline_notified:
            return float("nan")
        if self.missed:
            return float("inf")
        return max(self.candidate_first_page - self.baseline_first_page, 0) / SECOND_US

    @property
    def heard_after(self) -> float | None:
        """Seconds from its beginning until its ticket was opened; None where nobody knows."""
        if self.known.opened is None:
            return None
        return max(self.known.opened - self.starts, 0) / SECOND_US


def plausible_links(
    attribution: RuleAttribution, rows: Ints, tickets: Mapping[str, Ticket]
) -> Bools:
    """Say which rows began about when their tickets were opened.

    Parameters
    ----------
    attribution : RuleAttribution
        Knows the rows.
    rows : array of int64, shape (linked,)
        Rows with a ticket.
    tickets : mapping of str to Ticket
        Ticket id → what it says.

    Returns
    -------
    array of bool, shape (linked,)
        False where the row's episode began more than `SUSPICIOUS_HOURS` before its ticket was
        opened, or the row began after the ticket was closed.
    """
    frame = attribution.frame
    known = [tickets.get(name, Ticket()) for name in frame.tickets]
    never = int(NEVER)
    opened = np.array([0 if one.opened is None else one.opened for one in known], np.int64)
    closed = np.array([never if one.closed is None else one.closed for one in known], np.int64)
    ticket = frame.ticket[rows]
    early = attribution.episode_starts[rows] < opened[ticket] - SUSPICIOUS_HOURS * HOUR_US
    plausible: Bools = ~early & (frame.starts[rows] <= closed[ticket])
    return plausible


STILL_US = HOUR_US
"""A page about a service, sent up to so long before an incident, tells of it if it still fires."""


class ServicePages:
    """When each service was first told of in each of its alerts' episodes.

    Parameters
    ----------
    services : sequence of str
        Service of each series; empty = none.
    series : array of int64, shape (rows,)
        Series of each row.
    first_page : array of int64, shape (rows,), microseconds since 1970
        First page within the row's episode; `NOT_PAGED` = never.
    ends : array of int64, shape (rows,), microseconds since 1970
        End of each row.
    """

    def __init__(self, services: list[str], series: Ints, first_page: Ints, ends: Ints) -> None:
        known = sorted({service for service in services if service})
        self._code = {service: code for code, service in enumerate(known)}
        codes = np.array([self._code.get(service, -1) for service in services], np.int64)
        code = codes[series] if len(codes) else np.empty(0, np.int64)
        told = (first_page != NOT_PAGED) & (code >= 0)
        order = np.lexsort((first_page[told], code[told]))
        self._time, self._ends = first_page[told][order], ends[told][order]
        self._from = np.searchsorted(code[told][order], np.arange(len(known) + 1))

    def first(self, service: str, start: int, end: int) -> int:
        """Return when people are first told that something is wrong with a service.

        Parameters
        ----------
        service : str
            Its name.
        start, end : int, microseconds since 1970
            How long something is wrong, end exclusive.

        Returns
        -------
        int, microseconds since 1970
            `start` where a page of up to `STILL_US` before it is about an alert that still fires;
            else the first page in ``[start, end)``; `NOT_PAGED` without one.
        """
        code = self._code.get(service)
        if code is None:
            return NOT_PAGED
        mine = slice(self._from[code], self._from[code + 1])
        times, ends = self._time[mine], self._ends[mine]
        before, at = np.searchsorted(times, [start - STILL_US, start]).tolist()
        if (ends[before:at] > start).any():
            return start
        return int(times[at]) if at < len(times) and times[at] < end else NOT_PAGED


@dataclass(frozen=True)
class FirstPages:
    """What a replay, or a model of one, says of each row; shape (rows,).

    Attributes
    ----------
    page, notification : array of int64, microseconds since 1970
        The first page, and the first notification to anybody, within the row's own episode;
        `NOT_PAGED` = never.
    """

    page: Ints
    notification: Ints

    @classmethod
    def of(cls, replay: Any) -> "FirstPages":
        """Take them from a `Replay`."""
        alerts = replay.alerts
        return cls(
            alerts["first_page"].to_numpy(dtype=np.int64),
            alerts["first_notification"].to_numpy(dtype=np.int64),
        )


def incidents_of(
    attribution: RuleAttribution,
    *,
    window: HistoryWindow,
    baseline: FirstPages,
    candidate: FirstPages,
    held_by: NDArray[np.object_],
    tickets: Mapping[str, Ticket],
    until: int,
) -> tuple[TicketedIncident, ...]:
    """List the incidents whose first alert starts inside the window.

    Parameters
    ----------
    attribution : RuleAttribution
        Knows the rows that were replayed.
    window : HistoryWindow
        Where incidents count.
    baseline, candidate : FirstPages
        Without and with the rules.
    held_by : array of object, shape (series,)
        Id of the rule that holds each series, "" without.
    tickets : mapping of str to Ticket
        Ticket id → what it says.
    until : int, microseconds since 1970
        End of what was replayed.

    Returns
    -------
    tuple of TicketedIncident
        By ticket.
    """
    frame = attribution.frame
    rows = np.flatnonzero(frame.ticket >= 0)
    if not len(rows):
        return ()
    plausible = plausible_links(attribution, rows, tickets)
    some = np.zeros(len(frame.tickets), dtype=bool)
    some[frame.ticket[rows[plausible]]] = True
    rows = rows[plausible | ~some[frame.ticket[rows]]]
    # Sorted by ticket, each incident is one stretch of rows.
    rows = rows[np.argsort(frame.ticket[rows], kind="stable")]
    codes, at = np.unique(frame.ticket[rows], return_index=True)
    starts = np.minimum.reduceat(frame.starts[rows], at)
    begins = np.minimum.reduceat(attribution.episode_starts[rows], at)
    last = np.maximum.reduceat(frame.ends[rows], at)
    guessed = _any(frame.ticket_assumed, rows, at)
    own = {
        name: _first(times[rows], at)
        for name, times in (
            ("today", baseline.page),
            ("own", candidate.page),
            ("any_today", baseline.notification),
            ("any", candidate.notification),
        )
    }
    services = attribution.services
    pages = ServicePages(services, frame.series.astype(np.int64), candidate.page, frame.ends)
    parts = np.split(frame.series[rows], at[1:])
    found = []
    for i in np.flatnonzero(window.holds(starts)).tolist():
        name = frame.tickets[codes[i]]
        known = tickets.get(name, Ticket())
        series = np.unique(parts[i]).tolist()
        mine = {services[number] for number in series} - {""}
        lasts = max(int(last[i]), known.closed or 0)
        begin, end = int(begins[i]), until if lasts >= NEVER else lasts
        about = [int(own["own"][i])]
        about += [pages.first(each, begin, end) for each in sorted(mine | ({known.service} - {""}))]
        told = [time for time in about if time != NOT_PAGED]
        found.append(
            TicketedIncident(
                ticket=name,
                starts=begin,
                ends=end,
                baseline_first_page=int(own["today"][i]),
                candidate_first_page=min(told, default=NOT_PAGED),
                candidate_own_page=about[0],
                known=known,
                credible=bool(known.fix)
                and bool(some[codes[i]])
                and not guessed[i]
                and (not known.service or known.service in mine),
                rules=tuple(sorted({str(held_by[number]) for number in series} - {""})),
                names=tuple(
                    sorted(
                        {frame.labels[n].get("alertname", "") for n in series if held_by[n] != ""}
                    )
                ),
                baseline_first_notification=int(own["any_today"][i]),
                candidate_first_notification=int(own["any"][i]),
                assumed_link=bool(guessed[i]),
            )
        )
    return tuple(found)


def _any(column: Bools | None, rows: Ints, at: Ints) -> Bools:
    if column is None:
        return np.zeros(len(at), dtype=bool)
    return np.logical_or.reduceat(column[rows], at)


def _first(times: Ints, at: Ints) -> Ints:
    """First page of each run of rows; `NOT_PAGED` where none of them is ever in a page."""
    never = np.iinfo(np.int64).max
    first = np.minimum.reduceat(np.where(times < 0, never, times), at)
    return np.where(first == never, NOT_PAGED, first)
