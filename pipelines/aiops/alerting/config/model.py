"""What of an ``alertmanager.yml`` decides who is told what and when; its time intervals.

Durations and times are microseconds. What doesn't matter here (texts, addresses, credentials,
templates) stays in the file and never comes in.
"""

import calendar
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from pipelines.aiops.alerting.rules import HoldRule, Matcher
from pipelines.core.errors import SignalboxError
from pipelines.core.time import DAY_US, HOUR_US, MINUTE_US, SECOND_US

SECOND, MINUTE, HOUR, DAY = SECOND_US, MINUTE_US, HOUR_US, DAY_US

QUIET_RECEIVER = "signalbox-quiet"
"""Receiver without integrations, for held alerts that chat is told of anyway: it wakes nobody."""

PAGE_NAME = "SignalboxPage"
"""Alert that pages for held alerts."""


def page_label(rule: HoldRule) -> str:
    """Name the pager that a rule's alerts are held to: label ``pager`` of its pages.

    Parameters
    ----------
    rule : HoldRule
        The rule.

    Returns
    -------
    str
        The receiver, and the time intervals of the route to it where it has some.
    """
    active = " in " + ",".join(rule.active) if rule.active else ""
    mute = " not in " + ",".join(rule.mute) if rule.mute else ""
    return f"{rule.receiver}{active}{mute}"


OLDEST, NEWEST = (0, 25), (0, 35)
"""Releases of Alertmanager between which what is modelled was read in its source."""

GROUP_BY_ALL = ("...",)
"""``group_by: ['...']``: every label, which is no grouping at all."""


@dataclass(frozen=True)
class Integration:
    """One way in which a receiver is notified.

    Attributes
    ----------
    kind : str
        ``webhook``, ``pagerduty`` and so on.
    send_resolved : bool
        Whether it sends resolved alerts too.
    common_labels : tuple of tuple of (tuple of str, str)
        Of PagerDuty: keys on the way into ``details`` → the common label that stands there.
    """

    kind: str
    send_resolved: bool
    common_labels: tuple[tuple[tuple[str, ...], str], ...] = ()


PAGING_KINDS = frozenset(("incidentio", "opsgenie", "pagerduty", "pushover", "victorops"))
"""Integrations that make a phone ring, whatever their receiver is called."""
_BY_NAME = frozenset(("sns", "webhook"))
"""Integrations that can lead anywhere: they page if their receiver's name says so."""
_PHONE_LIKE = re.compile(
    r"(?<![a-z])(pages?|pagers?|paging|phones?|sms|calls?|on[-_ .]?call|wakes?|pagerduty|opsgenie"
    r"|victorops|xmatters|ilert|signl4|squadcast|zenduty|twilio)(?![a-z])",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Receiver:
    """Who is notified.

    Attributes
    ----------
    name : str
        As routes name it.
    integrations : tuple of Integration
        One webhook by default; without any nobody is notified.
    pages : bool
        Whether a notification wakes a person; without integrations it wakes nobody.
    """

    name: str
    integrations: tuple[Integration, ...] = (Integration("webhook", True),)
    pages: bool = True

    def pages_through(self, integrations: Sequence[Integration]) -> bool:
        """Return whether a person is woken where these of its integrations are notified.

        Parameters
        ----------
        integrations : sequence of Integration
            Some of `Receiver.integrations`.

        Returns
        -------
        bool
            Of a receiver that pages, the integrations that ring phones by their kind do, or else
            those that may (webhooks), or else all: what a pager's receiver writes into a chat as
            well wakes nobody.
        """
        if not self.pages:
            return False
        kinds = {each.kind for each in self.integrations}
        ringing = kinds & PAGING_KINDS or kinds & _BY_NAME or kinds
        return any(each.kind in ringing for each in integrations)


def is_pager(name: str, integrations: Sequence[Integration]) -> bool:
    """Return whether a receiver pages, as far as its integrations and its name say.

    Parameters
    ----------
    name : str
        Name of the receiver.
    integrations : sequence of Integration
        Its integrations.

    Returns
    -------
    bool
        True with an integration of `PAGING_KINDS`; also with a webhook (or SNS) if the name says
        that it leads to somebody's phone: ``web-on-call``, ``pager``, ``sms-night``. Chats, mail
        and other webhooks page nobody.
    """
    kinds = {each.kind for each in integrations}
    return bool(kinds & PAGING_KINDS) or bool(kinds & _BY_NAME and _PHONE_LIKE.search(name))


@dataclass(frozen=True)
class Range:
    """Days, months, … from `first` to `last`, both included (times of day: end exclusive).

    Attributes
    ----------
    first, last : int
        In the unit of the `TimeRange` field that it stands in.
    """

    first: int
    last: int


@dataclass(frozen=True)
class TimeRange:
    """Times of day in `location`; a part that is None allows everything, an empty one nothing.

    Attributes
    ----------
    times : tuple of Range or None, minutes of the day
        End exclusive.
    weekdays : tuple of Range or None
        0 = Sunday … 6 = Saturday, as Alertmanager counts.
    days_of_month : tuple of Range or None
        From 1; negative ones count from the month's end.
    months : tuple of Range or None
        1 … 12.
    years : tuple of Range or None
        Calendar years.
    location : str
        Name of an IANA time zone.
    """

    times: tuple[Range, ...] | None = None
    weekdays: tuple[Range, ...] | None = None
    days_of_month: tuple[Range, ...] | None = None
    months: tuple[Range, ...] | None = None
    years: tuple[Range, ...] | None = None
    location: str = "UTC"


@dataclass(frozen=True)
class TimeInterval:
    """A named set of times.

    Attributes
    ----------
    name : str
        As routes name it.
    ranges : tuple of TimeRange
        Any of them is enough.
    """

    name: str
    ranges: tuple[TimeRange, ...]


@dataclass(frozen=True)
class Route:
    """A node of the routing tree, with everything it inherits filled in.

    Attributes
    ----------
    receiver : str
        Name of the receiver.
    matchers : tuple of Matcher
        All must be satisfied; none match everything.
    group_by : tuple of str
        Labels that make a group, or `GROUP_BY_ALL`.
    group_wait, group_interval, repeat_interval : int, microseconds
        As in Alertmanager; its defaults.
    continues : bool
        ``continue``: siblings after this one are looked at although it matched.
    mute, active : tuple of str
        Names of mute and of active time intervals.
    routes : tuple of Route
        Children, in order.
    origin : str
        Id of the rule that put it here, or empty.
    """

    receiver: str
    matchers: tuple[Matcher, ...] = ()
    group_by: tuple[str, ...] = ()
    group_wait: int = 30 * SECOND
    group_interval: int = 5 * MINUTE
    repeat_interval: int = 4 * HOUR
    continues: bool = False
    mute: tuple[str, ...] = ()
    active: tuple[str, ...] = ()
    routes: tuple["Route", ...] = ()
    origin: str = ""

    def walk(self, path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], "Route"]]:
        """Yield every node with its path, parents first.

        Parameters
        ----------
        path : tuple of int
            Path of this node; empty for the top.

        Yields
        ------
        path : tuple of int
            Positions among siblings, from the top.
        route : Route
            The node.
        """
        yield path, self
        for position, child in enumerate(self.routes):
            yield from child.walk((*path, position))


@dataclass(frozen=True)
class InhibitRule:
    """While an alert that matches `source` fires, `target` alerts with `equal` labels are mute.

    Attributes
    ----------
    source, target : tuple of Matcher
        All of a side must be satisfied.
    equal : tuple of str
        Labels that both alerts have the same value of; missing counts as empty.
    """

    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...] = ()


@dataclass(frozen=True)
class Silence:
    """Alerts that match aren't notified of from `starts` until before `ends`.

    Attributes
    ----------
    matchers : tuple of Matcher
        All must be satisfied.
    starts, ends : int, microseconds since 1970
        End exclusive.
    id : str
        Id of the silence, or empty.
    """

    matchers: tuple[Matcher, ...]
    starts: int
    ends: int
    id: str = ""


@dataclass(frozen=True)
class Process:
    """What an Alertmanager adds to its file: what its version does, and how fast it works.

    Attributes
    ----------
    version : tuple of int
        Release, as (0, 35). Before 0.31 ``group_by: []`` inherits; before 0.32 an empty group goes
        with a sweep; routes may have ``labels`` from 0.34 on.
    answer : int, microseconds
        From a flush until its notification is answered and logged.
    drift : int, microseconds
        How much later than ``group_interval`` says each flush follows the one before: a timer of Go
        is set again when it fires, and fires up to a millisecond late (measured: 0.6 to 0.8 ms).
    """

    version: tuple[int, int] = NEWEST
    answer: int = 300_000
    drift: int = 700

    @property
    def name(self) -> str:
        """``Alertmanager 0.35``."""
        return "Alertmanager " + ".".join(map(str, self.version))

    @property
    def empty_group_by_inherits(self) -> bool:
        """Whether ``group_by: []`` on a child counts as not given."""
        return self.version < (0, 31)

    @property
    def sweeps_empty_groups(self) -> bool:
        """Whether a group that a flush leaves empty lives on until the next sweep."""
        return self.version < (0, 32)

    @property
    def routes_have_labels(self) -> bool:
        """Whether ``labels`` is a key of routes (they reach templates, not the grouping)."""
        return self.version >= (0, 34)


CURRENT = Process()
"""What is modelled where nobody says otherwise."""


def process_of(version: str, answer_seconds: float) -> Process:
    """Return the process that the parameters describe.

    Parameters
    ----------
    version : str
        ``0.35``, or with the patch level ``0.35.1``.
    answer_seconds : float, seconds
        From a flush until its notification is answered.

    Returns
    -------
    Process
        A version that isn't known is modelled as the newest one before it.
    """
    major, minor = (int(part) for part in version.split(".")[:2])
    return Process((major, minor), round(answer_seconds * SECOND))


@dataclass(frozen=True)
class Config:
    """A whole configuration.

    Attributes
    ----------
    route : Route
        Top of the routing tree.
    receivers : tuple of Receiver
        Every receiver that a route names is among them.
    inhibit_rules : tuple of InhibitRule
        In the order of the file.
    time_intervals : tuple of TimeInterval
        Every interval that a route names is among them.
    resolve_timeout : int, microseconds
        ``global.resolve_timeout``.
    process : Process
        What reads the file.
    """

    route: Route
    receivers: tuple[Receiver, ...]
    inhibit_rules: tuple[InhibitRule, ...] = ()
    time_intervals: tuple[TimeInterval, ...] = ()
    resolve_timeout: int = 5 * MINUTE
    process: Process = CURRENT

    def receiver(self, name: str) -> Receiver:
        """Return the receiver of that name.

        Parameters
        ----------
        name : str
            As a route has it.

        Returns
        -------
        Receiver
            The first of that name.

        Raises
        ------
        KeyError
            There is none; `parse_config` doesn't let that through.
        """
        for receiver in self.receivers:
            if receiver.name == name:
                return receiver
        raise KeyError(name)


def default_config(process: Process = CURRENT) -> Config:
    """Return Alertmanager's documented defaults, with one receiver that pages.

    Parameters
    ----------
    process : Process
        What reads it.

    Returns
    -------
    Config
        One route, grouped by ``alertname``.
    """
    return Config(
        route=Route(receiver="default", group_by=("alertname",)),
        receivers=(Receiver("default"),),
        process=process,
    )


_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_MONTHS = tuple(name.lower() for name in calendar.month_name)
_CLOCK = re.compile(r"((?:[01]\d|2[0-3]):[0-5]\d|24:00)", re.ASCII)
_FIELDS = ("times", "weekdays", "days_of_month", "months", "years", "location")
_EPOCH = date(1970, 1, 1).toordinal()


def _number(text: str, names: Sequence[str], *, only_names: bool, where: str) -> int:
    if text in names and text:
        return names.index(text)
    try:
        if only_names:
            raise ValueError
        return int(text)
    except ValueError:
        raise SignalboxError(f"{where}: {text!r} is not known") from None


def _range(text: object, kind: str, where: str) -> Range:
    names = {"weekdays": _DAYS, "months": _MONTHS}.get(kind, ())
    parts = str(text).lower().split(":")
    if len(parts) > 2:
        raise SignalboxError(f"{where}: {text!r} is not a range; write one like 1:5")
    first, last = (
        _number(part.strip(), names, only_names=kind == "weekdays", where=where)
        for part in (parts[0], parts[-1])
    )
    if kind == "days_of_month":
        _check_days(first, last, where)
    elif first > last:
        raise SignalboxError(f"{where}: {text!r} ends before it starts")
    if kind == "months" and not 1 <= first <= last <= 12:
        raise SignalboxError(f"{where}: {text!r} is not a month")
    return Range(first, last)


def _check_days(first: int, last: int, where: str) -> None:
    inside = all(day != 0 and -31 <= day <= 31 for day in (first, last))
    low, high = (28 + day if day < 0 else day for day in (first, last))
    if not inside or (first < 0 < last) or low > high:
        raise SignalboxError(f"{where}: days {first}:{last} are not days of a month in order")


def _minutes(text: object, where: str) -> int:
    if not isinstance(text, str) or not _CLOCK.fullmatch(text):
        raise SignalboxError(f"{where}: {text!r} is not a time of day like 09:30")
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _times(entry: Any, where: str) -> Range:
    if not isinstance(entry, dict) or set(entry) != {"start_time", "end_time"}:
        raise SignalboxError(f"{where}: needs start_time and end_time and nothing else")
    start, end = (_minutes(entry[key], where) for key in ("start_time", "end_time"))
    if start >= end:
        raise SignalboxError(f"{where}: start_time must be before end_time")
    return Range(start, end)


def _zone(name: object, where: str) -> str:
    try:
        if name in {"", "Local", None}:
            return "UTC"
        ZoneInfo(str(name))
    except (KeyError, ValueError, OSError):
        raise SignalboxError(f"{where}: time zone {name!r} is not known") from None
    return str(name)


def parse_time_range(entry: Any, where: str) -> TimeRange:
    """Read one entry of a time interval.

    Parameters
    ----------
    entry : Any
        What YAML has there; it should be a mapping.
    where : str
        File and key, for messages.

    Returns
    -------
    TimeRange
        A time zone that isn't given (or is ``Local``) is UTC. A list that isn't given allows
        everything; one that is given and empty allows nothing, as Go tells nil from empty.

    Raises
    ------
    SignalboxError
        If a key, range, time of day or time zone isn't known; the message starts with `where`.

    References
    ----------
    Alertmanager, `timeinterval/timeinterval.go`.
    """
    if not isinstance(entry, dict):
        raise SignalboxError(f"{where}: must be a mapping")
    unknown = sorted(set(map(str, entry)) - set(_FIELDS))
    if unknown:
        raise SignalboxError(f"{where}: unknown key {unknown[0]!r}")
    given = {kind: entry[kind] for kind in _FIELDS[:5] if entry.get(kind) is not None}
    for kind, items in given.items():
        if not isinstance(items, list):
            raise SignalboxError(f"{where}.{kind}: must be a list")
    ranges = {
        kind: tuple(
            _times(each, f"{where}.{kind}[{i}]")
            if kind == "times"
            else _range(each, kind, f"{where}.{kind}[{i}]")
            for i, each in enumerate(items)
        )
        for kind, items in given.items()
    }
    location = _zone(entry.get("location", "UTC"), f"{where}.location")
    return TimeRange(location=location, **ranges)


def _inside(ranges: Sequence[Range] | None, value: int) -> bool:
    return ranges is None or any(each.first <= value <= each.last for each in ranges)


def _day_inside(times: TimeRange, day: date) -> bool:
    if not (_inside(times.years, day.year) and _inside(times.months, day.month)):
        return False
    if not _inside(times.weekdays, day.isoweekday() % 7):
        return False
    if times.days_of_month is None:
        return True
    length = calendar.monthrange(day.year, day.month)[1]
    spans = []
    for each in times.days_of_month:
        first, last = (n + length + 1 if n < 0 else n for n in (each.first, each.last))
        if first <= length:
            spans.append(Range(max(first, -length), min(last, length)))
    return any(s.first <= day.day <= s.last for s in spans)


def _offset(zone: ZoneInfo, second: int) -> int:
    moment = datetime.fromtimestamp(second, UTC).astimezone(zone)
    return int((moment.utcoffset() or timedelta()).total_seconds())


@lru_cache(maxsize=64)
def steady(location: str, first: int, last: int) -> tuple[tuple[int, int, int], ...]:
    """Divide a time into stretches in which a zone's offset from UTC stays the same.

    Parameters
    ----------
    location : str
        Name of an IANA time zone.
    first, last : int, seconds since 1970
        Begin and end of what is divided.

    Returns
    -------
    tuple of tuple of int
        (start, end, offset) of each, in seconds; offset is local time less UTC.
    """
    zone = ZoneInfo(location)
    found = []
    start, offset = first, _offset(zone, first)
    for step in range(first, last, 6 * 3600):
        low, high = step, min(step + 6 * 3600, last)
        new = _offset(zone, high)
        if new == offset:
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if _offset(zone, middle) == offset else (low, middle)
        found.append((start, high, offset))
        start, offset = high, new
    return (*found, (start, last, offset))


def _stretches(times: TimeRange, first: int, last: int) -> Iterator[tuple[int, int]]:
    clock = (Range(0, 1440),) if times.times is None else times.times
    for start, end, offset in steady(times.location, first // SECOND, last // SECOND + 1):
        shift, low, high = offset * SECOND, start * SECOND, end * SECOND
        for day in range((low + shift) // DAY, (high + shift) // DAY + 1):
            if not _day_inside(times, date.fromordinal(_EPOCH + day)):
                continue
            for each in clock:
                begins = day * DAY + each.first * MINUTE - shift
                ends = day * DAY + each.last * MINUTE - shift
                if max(begins, low) < min(ends, high):
                    yield max(begins, low), min(ends, high)


def stretches(ranges: Sequence[TimeRange], first: int, last: int) -> list[tuple[int, int]]:
    """Find when a time interval is active.

    Parameters
    ----------
    ranges : sequence of TimeRange
        Any of them is enough.
    first, last : int, microseconds since 1970
        Where to look; what lies outside is cut off, to whole seconds.

    Returns
    -------
    list of tuple of int, microseconds since 1970
        (start, end) in order, end exclusive; they neither overlap nor touch.
    """
    merged: list[tuple[int, int]] = []
    for start, end in sorted(pair for each in ranges for pair in _stretches(each, first, last)):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
