"""What of an ``alertmanager.yml`` decides who is told what and when.

Durations and times are microseconds. What doesn't matter here (texts, addresses, credentials,
templates) stays in the file and never comes in.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from pipelines.aiops.noise.rules import Matcher

SECOND = 1_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86400 * SECOND

QUIET_RECEIVER = "signalbox-quiet"
"""Receiver without integrations that rules of family ``quiet`` send to: it wakes nobody."""

GUARD_NAME, STILL_NAME = "SignalboxGuard", "SignalboxStillFiring"
"""Alerts by which guards tell: too many hidden ones, and one that is hidden for too long."""

GROUP_BY_ALL = ("...",)
"""``group_by: ['...']``: every label, which is no grouping at all."""


@dataclass(frozen=True)
class Integration:
    """One way a receiver is told: ``webhook``, ``pagerduty`` and so on."""

    kind: str
    send_resolved: bool


@dataclass(frozen=True)
class Receiver:
    """Who is told.

    Attributes
    ----------
    pages
        Whether being told means that a person is woken.
    """

    name: str
    integrations: tuple[Integration, ...] = (Integration("webhook", True),)
    pages: bool = True


@dataclass(frozen=True)
class Range:
    """Days, months, … from `first` to `last`, both included."""

    first: int
    last: int


@dataclass(frozen=True)
class TimeRange:
    """Times of day in `location`; an empty part allows everything.

    Attributes
    ----------
    times
        Minutes of the day, end exclusive.
    weekdays
        0 = Sunday … 6 = Saturday, as Alertmanager counts.
    days_of_month
        Negative ones count from the month's end.
    """

    times: tuple[Range, ...] = ()
    weekdays: tuple[Range, ...] = ()
    days_of_month: tuple[Range, ...] = ()
    months: tuple[Range, ...] = ()
    years: tuple[Range, ...] = ()
    location: str = "UTC"


@dataclass(frozen=True)
class TimeInterval:
    """A named set of times; `origin` is the id of the rule it comes from."""

    name: str
    ranges: tuple[TimeRange, ...]
    origin: str = ""


@dataclass(frozen=True)
class Route:
    """A node of the routing tree, with everything it inherits filled in.

    Attributes
    ----------
    continues
        ``continue``: siblings after this one are looked at although it matched.
    origin
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
        """Every node with its path (positions among siblings), parents first."""
        yield path, self
        for position, child in enumerate(self.routes):
            yield from child.walk((*path, position))


@dataclass(frozen=True)
class InhibitRule:
    """While an alert that matches `source` fires, `target` alerts with `equal` labels are mute."""

    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...] = ()
    origin: str = ""


@dataclass(frozen=True)
class Silence:
    """Alerts that match are not told of from `starts` until before `ends`."""

    matchers: tuple[Matcher, ...]
    starts: int
    ends: int
    id: str = ""


@dataclass(frozen=True)
class Config:
    """A whole configuration; `route` is the top of the tree."""

    route: Route
    receivers: tuple[Receiver, ...]
    inhibit_rules: tuple[InhibitRule, ...] = ()
    time_intervals: tuple[TimeInterval, ...] = ()
    resolve_timeout: int = 5 * MINUTE

    def receiver(self, name: str) -> Receiver:
        """Return the receiver of that name.

        Raises
        ------
        KeyError
            There is none; `parse_config` doesn't let that through.
        """
        for receiver in self.receivers:
            if receiver.name == name:
                return receiver
        raise KeyError(name)


def default_config() -> Config:
    """Alertmanager's documented defaults, with one receiver that pages, grouped by alertname."""
    return Config(
        route=Route(receiver="default", group_by=("alertname",)),
        receivers=(Receiver("default"),),
    )
