"""PagerDuty behind Alertmanager: which of its incidents notify people, with an orchestration.

Alertmanager sends an event for each notification of a group, always with one deduplication key
(``notify/pagerduty``). What PagerDuty documents of such events is modelled:

- the first trigger opens an alert, further ones are added to it and notify nobody; the resolve
  closes it, and the next trigger opens another one (Events API v2);
- the first rule of a service's orchestration that an alert's opening event satisfies pauses it
  (``suspend``): it is in no incident until the pause is over, and never if it is resolved by then;
- an alert that isn't paused any more joins the open incident of its service whose alerts have the
  same value in the field (``content_based``) if the last of them joined it at most a
  ``time_window`` ago and the first one at most a day ago; else it has an incident of its own;
- an incident notifies people once, when it is created, and is open until its last alert is closed.

What people do in PagerDuty (resolve, merge, snooze) and escalations no history tells. A paused
alert stays paused whatever further triggers say: the documents say of none that it ends a pause.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipelines.aiops.alerting.config import Config
from pipelines.aiops.alerting.config.model import Integration, Receiver
from pipelines.aiops.alerting.replay.model import (
    FiringPeriods,
    Grouping,
    Groups,
    LabelTable,
    Orchestration,
)
from pipelines.aiops.alerting.replay.outcome import NOT_YET, ReplayTrace
from pipelines.aiops.lake.frame import Labels
from pipelines.core.arrays import Ints, heads, spread
from pipelines.core.time import DAY_US, SECOND_US

NEVER = -1
"""When people are notified of an alert of which they aren't."""


def events_of(receiver: Receiver) -> Integration | str:
    """Return how a receiver's alerts reach PagerDuty, or why nobody knows.

    Parameters
    ----------
    receiver : Receiver
        Of today's configuration.

    Returns
    -------
    Integration or str
        Its only PagerDuty integration; or a reason.
    """
    found = [each for each in receiver.integrations if each.kind == "pagerduty"]
    if not found:
        return f"its pager {receiver.name} has no pagerduty_configs"
    if len(found) > 1:
        return f"its pager {receiver.name} has {len(found)} pagerduty_configs: which service is it?"
    if not found[0].send_resolved:
        return (
            f"its pager {receiver.name} doesn't send resolved alerts: none would end in its pause"
        )
    return found[0]


def path_of(keys: tuple[str, ...]) -> str:
    """Write where an event holds what stands below ``details`` in ``pagerduty_configs``."""
    return "event.custom_details" + "".join(
        f".{key}" if key.isascii() and key.isidentifier() else "['" + escaped(key) + "']"
        for key in keys
    )


def escaped(text: str) -> str:
    """Escape a text as in the single quotes of a condition."""
    return text.replace("\\", "\\\\").replace("'", "\\'")


@dataclass(frozen=True)
class PagerdutyAlerts:
    """Alerts that today's configuration opens in PagerDuty, and what they tell of.

    Attributes
    ----------
    services : list of str
        Receivers that page through PagerDuty, each with a service of its own.
    service : array of int64, shape (alerts,)
        Index into `services`.
    opened, resolved : array of int64, shape (alerts,), microseconds since 1970
        First trigger and its resolve; `NOT_YET` where none came.
    content : array of int64, shape (alerts,)
        Index into `events`.
    events : list of dict of str to str
        Opening events: path → value.
    row : array of int64, shape (pairs,)
        Row of the frame that an alert tells of, …
    alert, start, end : array of int64, shape (pairs,)
        … which alert that is, and when: if people are notified in ``[start, end)``.
    rows : int
        Number of the frame's rows.
    until : int, microseconds since 1970
        When the replay stopped.
    """

    services: list[str]
    service: Ints
    opened: Ints
    resolved: Ints
    content: Ints
    events: list[dict[str, str]]
    row: Ints
    alert: Ints
    start: Ints
    end: Ints
    rows: int
    until: int

    def notified(self, services: Mapping[str, Orchestration]) -> Ints:
        """Work out when people are notified.

        Parameters
        ----------
        services : mapping of str to Orchestration
            Receiver → what its service does; others notify of every alert when it is opened.

        Returns
        -------
        array of int64, shape (alerts,), microseconds since 1970
            When an incident is created for the alert; `NEVER` where none is.
        """
        found = np.full(len(self.opened), NEVER, dtype=np.int64)
        for number, name in enumerate(self.services):
            mine = np.flatnonzero(self.service == number)
            doing = services.get(name, Orchestration(()))
            codes, position = np.unique(self.content[mine], return_inverse=True)
            pauses = np.array([doing.pause(self.events[code]) for code in codes.tolist()], np.int64)
            begins = self.opened[mine] + (pauses * SECOND_US)[position]
            # A pause of no length doesn't wait for anything.
            left = (self.resolved[mine] > begins) | (begins == self.opened[mine])
            left &= begins <= self.until
            mine, begins = mine[left], begins[left]
            if doing.grouping is not None:
                new = self._new_incidents(mine, begins, doing.grouping)
                mine, begins = mine[new], begins[new]
            found[mine] = begins
        return found

    def _new_incidents(self, alerts: Ints, begins: Ints, grouping: Grouping) -> Ints:
        """Return the positions of the alerts that no open incident takes, in order of time."""
        window = grouping.window_seconds * SECOND_US
        incidents: dict[str, tuple[int, int, int]] = {}
        new = []
        order = np.lexsort((alerts, begins))
        for position, alert in zip(order.tolist(), alerts[order].tolist(), strict=True):
            time, ends = int(begins[position]), int(self.resolved[alert])
            value = self.events[int(self.content[alert])].get(grouping.field)
            if value is None:  # what an alert lacks it shares with none
                new.append(position)
                continue
            first, last, closes = incidents.get(value, (0, -NOT_YET, -NOT_YET))
            if time < closes and time - last <= window and time - first <= DAY_US:
                incidents[value] = first, time, max(closes, ends)
            else:
                incidents[value] = time, time, ends
                new.append(position)
        return np.array(new, dtype=np.int64)

    def first_pages(self, notified: Ints) -> Ints:
        """Return when people are first notified of each row, while its own alert fires.

        Parameters
        ----------
        notified : array of int64, shape (alerts,), microseconds since 1970
            As `notified` returns it.

        Returns
        -------
        array of int64, shape (rows,), microseconds since 1970
            `NEVER` where they never are.
        """
        time = notified[self.alert]
        told = (time >= self.start) & (time < self.end) & (time != NEVER)
        first = np.full(self.rows, NOT_YET, dtype=np.int64)
        np.minimum.at(first, self.row[told], time[told])
        return np.where(first == NOT_YET, NEVER, first)


class PagerdutyEvents:
    """Collects what the groups of a replay send PagerDuty.

    Parameters
    ----------
    config : Config
        The configuration that is replayed: receivers of it that page through PagerDuty.
    """

    def __init__(self, config: Config) -> None:
        self._known = {
            receiver.name: integration
            for receiver in config.receivers
            if receiver.pages and isinstance(integration := events_of(receiver), Integration)
        }
        self._names = sorted(self._known)
        self._events: dict[tuple[tuple[str, str], ...], int] = {}
        self._alerts: list[Ints] = []
        self._pairs: list[Ints] = []
        self._count = 0

    def add(
        self, groups: Groups, trace: ReplayTrace, table: LabelTable, periods: FiringPeriods
    ) -> None:
        """Add what one chunk of groups sent.

        Parameters
        ----------
        groups : Groups
            The chunk's groups.
        trace : ReplayTrace
            What the steps found out about them.
        table : LabelTable
            Labels of all series.
        periods : FiringPeriods
            When each series fires.
        """
        number = {name: at for at, name in enumerate(self._names)}
        of_route = np.array([number.get(route.receiver, -1) for route in groups.routes], np.int64)
        service = of_route[groups.route] if len(of_route) else groups.route
        mine = (service >= 0) & groups.is_paging & groups.has_receiver & groups.send_resolved
        # Routes that share a key of the notification log send one deduplication key, too.
        key = np.where(groups.shared >= 0, groups.shared, np.arange(len(groups)))
        log = trace.log
        entry = np.flatnonzero(mine[log.group])
        # Of one key and time the resolve comes first.
        entry = entry[np.lexsort((log.firing[entry] > 0, log.time[entry], key[log.group[entry]]))]
        group, time = log.group[entry], log.time[entry]
        trigger, head = log.firing[entry] > 0, heads(key[group])
        open_before = np.zeros(len(entry), dtype=bool)
        open_before[1:] = trigger[:-1] & ~head[1:]
        opens = np.flatnonzero(trigger & ~open_before)
        if not len(opens):
            return
        closes = np.append(np.flatnonzero(~trigger & open_before), len(entry))
        after = closes[np.searchsorted(closes, opens)]
        inside = np.minimum(after, len(entry) - 1)
        closed = (after < len(entry)) & (key[group[inside]] == key[group[opens]])
        resolved = np.where(closed, time[inside], NOT_YET)
        labels = self._common(trace, group[opens], time[opens], table, periods)
        self._alerts.append(
            np.stack([service[group[opens]], time[opens], resolved, self._codes(
                labels, service[group[opens]].tolist()
            )])
        )  # fmt: skip
        sent = trace.key(key[group], time)
        self._notify(trace, mine, key, (key[group[opens]], time[opens], resolved, sent), periods)
        self._count += len(opens)

    def _codes(self, labels: list[Labels], services: list[int]) -> Ints:
        """Return the numbers of the events that open alerts with these common labels."""
        found = []
        for common, service in zip(labels, services, strict=True):
            details = self._known[self._names[service]].common_labels
            event = tuple((path_of(keys), common.get(label, "")) for keys, label in details)
            found.append(self._events.setdefault(event, len(self._events)))
        return np.array(found, dtype=np.int64)

    @staticmethod
    def _common(
        trace: ReplayTrace, group: Ints, time: Ints, table: LabelTable, periods: FiringPeriods
    ) -> list[Labels]:
        """Return the labels that all alerts of a notification share: firing and resolved ones."""
        at = trace.key(group, time)
        order = np.argsort(at)
        at = at[order]
        firing, resolved = trace.firing, trace.resolved
        member = np.concatenate([firing.member, resolved.member])
        of_member = trace.members.group[member]
        start = trace.key(of_member, np.concatenate([firing.start, resolved.time]))
        end = trace.key(of_member, np.concatenate([firing.end, resolved.time + 1]))
        first = np.searchsorted(at, start)
        who, opening = spread(first, np.searchsorted(at, end) - first)
        series = periods.series[trace.members.period[member[who]]]
        found: list[Labels | None] = [None] * len(group)
        for position, number in zip(order[opening].tolist(), series.tolist(), strict=True):
            own, known = table.labels[number], found[position]
            if known is None:
                found[position] = own
            elif known is not own:
                found[position] = {k: v for k, v in known.items() if own.get(k) == v}
        return [each or {} for each in found]

    def _notify(
        self,
        trace: ReplayTrace,
        mine: np.ndarray,
        key: Ints,
        alerts: tuple[Ints, Ints, Ints, Ints],
        periods: FiringPeriods,
    ) -> None:
        """Enter which alerts name which firing periods, and when."""
        of_alert, opened, resolved, sent = alerts
        firing = trace.firing
        rows = np.flatnonzero(mine[trace.members.group[firing.member]])
        member, start, end = firing.member[rows], firing.start[rows], firing.end[rows]
        of_row = key[trace.members.group[member]]
        last = trace.origin + trace.span - 1
        # An alert names what it named until the next event: nothing is sent of what is inhibited.
        at = trace.key(of_row, end)
        more = np.append(sent, NOT_YET)[np.searchsorted(sent, at)] - at
        end = end + np.minimum(more, np.maximum(last - end, 0))
        # Alerts of one key come one after the other: those that are open in [start, end).
        first = np.searchsorted(
            trace.key(of_alert, np.minimum(resolved, last)), trace.key(of_row, start), side="right"
        )
        stop = np.searchsorted(trace.key(of_alert, opened), trace.key(of_row, end))
        who, alert = spread(first, np.maximum(stop - first, 0))
        period = trace.members.period[member[who]]
        begins = np.maximum(np.maximum(start[who], opened[alert]), periods.starts[period])
        ends = np.minimum(np.minimum(end[who], resolved[alert]), periods.ends[period])
        some = begins < ends
        self._pairs.append(
            np.stack([period[some], alert[some] + self._count, begins[some], ends[some]])
        )

    def result(self, of_row: Ints, until: int) -> PagerdutyAlerts:
        """Return all alerts.

        Parameters
        ----------
        of_row : array of int64, shape (rows,)
            Firing period of each row of the frame; -1: it never fires.
        until : int, microseconds since 1970
            When the replay stopped.

        Returns
        -------
        PagerdutyAlerts
            In no particular order.
        """
        nothing = np.empty((4, 0), dtype=np.int64)
        service, opened, resolved, content = np.concatenate([nothing, *self._alerts], axis=1)
        period, alert, start, end = np.concatenate([nothing, *self._pairs], axis=1)
        rows = np.flatnonzero(of_row >= 0)
        rows = rows[np.argsort(of_row[rows], kind="stable")]
        first = np.searchsorted(of_row[rows], period)
        pair, at = spread(first, np.searchsorted(of_row[rows], period, side="right") - first)
        return PagerdutyAlerts(
            services=self._names,
            service=service,
            opened=opened,
            resolved=resolved,
            content=content,
            events=[dict(event) for event in self._events],
            row=rows[at],
            alert=alert[pair],
            start=start[pair],
            end=end[pair],
            rows=len(of_row),
            until=until,
        )
