"""What goes through the replay: settings of the process, alerts that fire, who gets them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipelines.aiops.alerting.config import (
    HOUR,
    MINUTE,
    SECOND,
    Config,
    Process,
    Route,
    value_matches,
    values_of,
)
from pipelines.aiops.alerting.rules import HoldRule, Matcher
from pipelines.aiops.lake.frame import Labels
from pipelines.core.arrays import Bools, Ints

MASK_BYTES = 50_000_000
"""Which series satisfy which matchers is remembered up to so many bytes a table."""


class LabelTable:
    """Label sets of all series, read a label at a time and cached.

    Parameters
    ----------
    labels : sequence of dict of str to str
        One label set a series.
    """

    def __init__(self, labels: Sequence[Labels]) -> None:
        self.labels = labels
        self._columns: dict[str, tuple[Ints, list[str]]] = {}
        self._codes: dict[str, dict[str, int]] = {}
        self._masks: dict[tuple[Matcher, ...], Bools] = {}

    def with_more(self, labels: Sequence[Labels]) -> "LabelTable":
        """Return a table with more series after these; what was read here isn't read again.

        Parameters
        ----------
        labels : sequence of dict of str to str
            Label sets of the new series; none gives this very table.

        Returns
        -------
        LabelTable
            ``len(self) + len(labels)`` series.
        """
        return _Grown(self, labels) if labels else self

    def __len__(self) -> int:
        return len(self.labels)

    def column(self, name: str) -> tuple[Ints, list[str]]:
        """Return one label of all series as codes.

        Parameters
        ----------
        name : str
            Name of the label.

        Returns
        -------
        codes : array of int64, shape (series,)
            Index into `values`.
        values : list of str
            Distinct values, sorted; a missing label is the empty string.
        """
        if name not in self._columns:
            self._columns[name] = self._read(name)
        return self._columns[name]

    def _read(self, name: str) -> tuple[Ints, list[str]]:
        texts = [each.get(name, "") for each in self.labels]
        values = sorted(set(texts))
        code = {value: i for i, value in enumerate(values)}
        return np.fromiter((code[text] for text in texts), np.int64, count=len(texts)), values

    def mask(self, matchers: Sequence[Matcher]) -> Bools:
        """Return which series satisfy all matchers.

        Parameters
        ----------
        matchers : sequence of Matcher
            An empty sequence accepts every series.

        Returns
        -------
        array of bool, shape (series,)
            Read-only: it is cached.

        Raises
        ------
        SignalboxError
            If a matcher's regex is invalid, or RE2 and Python understand it differently.
        """
        key = tuple(matchers)
        if key not in self._masks:
            if (len(self._masks) + 1) * len(self) > MASK_BYTES:
                self._masks.clear()
            self._masks[key] = self._find(key)
            self._masks[key].flags.writeable = False
        return self._masks[key]

    def _find(self, matchers: tuple[Matcher, ...]) -> Bools:
        found = np.ones(len(self), dtype=bool)
        for matcher in matchers:
            accepted = self._accepted(matcher)
            if len(accepted):
                found &= accepted[self.column(matcher.label)[0]]
        return found

    def _accepted(self, matcher: Matcher) -> Bools:
        """Which values of its column a matcher accepts; a list of values is looked up."""
        _, values = self.column(matcher.label)
        wanted = values_of(matcher)
        if wanted is None:
            return np.fromiter((value_matches(matcher, v) for v in values), dtype=bool)
        if matcher.label not in self._codes:
            self._codes[matcher.label] = {value: i for i, value in enumerate(values)}
        codes = self._codes[matcher.label]
        found = np.zeros(len(values), dtype=bool)
        found[[codes[value] for value in wanted if value in codes]] = True
        return found


class _Grown(LabelTable):
    """A table and more series after its own."""

    def __init__(self, base: LabelTable, labels: Sequence[Labels]) -> None:
        super().__init__([*base.labels, *labels])
        self._base, self._more = base, LabelTable(labels)

    def _read(self, name: str) -> tuple[Ints, list[str]]:
        (old, values), (new, more) = self._base.column(name), self._more.column(name)
        united = sorted({*values, *more})
        code = {value: i for i, value in enumerate(united)}
        positions = [np.array([code[v] for v in each], dtype=np.int64) for each in (values, more)]
        return np.concatenate([positions[0][old], positions[1][new]]), united

    def _find(self, matchers: tuple[Matcher, ...]) -> Bools:
        return np.concatenate([self._base.mask(matchers), self._more.mask(matchers)])


@dataclass(frozen=True)
class Timing:
    """What an Alertmanager process does by its own clock; all in microseconds.

    Attributes
    ----------
    sweep, sweep_at : int, microseconds
        Empty groups are removed every `sweep` at times that are `sweep_at` modulo `sweep`. The
        phase depends on when the process started, which no history tells. 0: as soon as a flush
        leaves them empty.
    retention : int, microseconds
        Longest life of an entry in the notification log (``--data.retention``).
    log_sweep, log_sweep_at : int, microseconds
        Interval and phase at which expired entries of the notification log are dropped
        (``--data.maintenance-interval``).
    answer : int, microseconds
        From a flush until its entry is in the log: its notification was answered. Less than any
        ``group_interval``, or else a notification is given up.
    drift : int, microseconds
        How much more than ``group_interval`` lies between two flushes of a group. Flushes are
        placed without it; it counts for the age of an entry in the log.
    """

    sweep: int = 30 * SECOND
    sweep_at: int = 0
    retention: int = 120 * HOUR
    log_sweep: int = 15 * MINUTE
    log_sweep_at: int = 0
    answer: int = 0
    drift: int = 0

    def answered(self, interval: Ints) -> Ints:
        """Return `answer`, which is less than each ``group_interval``.

        Parameters
        ----------
        interval : array of int64, microseconds
            ``group_interval``.

        Returns
        -------
        array of int64, microseconds
        """
        return np.minimum(self.answer, interval - 1)


def timing_of(process: Process) -> Timing:
    """Return the clocks of an Alertmanager.

    Parameters
    ----------
    process : Process
        Its version, and how fast it is answered.

    Returns
    -------
    Timing
        Phases of sweeps are 0.
    """
    sweep = Timing.sweep if process.sweeps_empty_groups else 0
    return Timing(sweep=sweep, answer=process.answer, drift=process.drift)


@dataclass(frozen=True)
class FiringPeriods:
    """Periods in which a series fires, sorted by series and start, never touching.

    Attributes
    ----------
    series : array of int64, shape (periods,)
        Index into the `LabelTable`.
    starts, ends : array of int64, shape (periods,), microseconds since 1970
        End exclusive.
    of_row : array of int64, shape (rows,)
        Which period each row of the alert frame belongs to, -1 if it started too late to be
        replayed.
    """

    series: Ints
    starts: Ints
    ends: Ints
    of_row: Ints

    def __len__(self) -> int:
        return len(self.series)


@dataclass(frozen=True)
class ReplayInputs:
    """Everything a replay knows before time starts to run.

    Attributes
    ----------
    config : Config
        The configuration, with the rules applied to it.
    table : LabelTable
        Labels of all series, those of held alerts' pages among them.
    periods : FiringPeriods
        When each series fires.
    until : int, microseconds since 1970
        When the replay stops.
    timing : Timing
        Phases of the process's own clocks.
    heartbeats : array of int64 or None
        Series whose notifications are no pages.
    """

    config: Config
    table: LabelTable
    periods: FiringPeriods
    until: int
    timing: Timing
    heartbeats: Ints | None = None


@dataclass(frozen=True)
class Groups:
    """Aggregation groups: one an integration class of (route, group labels).

    Attributes
    ----------
    routes : list of Route
        Routes at which series end.
    group_id : array of int64, shape (groups,)
        Number of the group in the report: classes of one receiver share it.
    route : array of int64, shape (groups,)
        Index into `routes`.
    send_resolved : array of bool, shape (groups,)
        Whether its integrations send resolved alerts (``send_resolved``).
    has_receiver, is_paging : array of bool, shape (groups,)
        Whether there is an integration at all, and whether a notification wakes a person.
    wait, interval, repeat : array of int64, shape (groups,), microseconds
        ``group_wait``, ``group_interval`` and ``repeat_interval`` of the route.
    shared : array of int64, shape (groups,)
        Number of the notification log's key if several groups have it, else -1. Routes with equal
        matchers on the way to them and one receiver share the entries of equal group labels.
    members, member_of : array of int64, shape (pairs,)
        Pairs of a series and an index of a group that it is in, sorted by series.
    """

    routes: list[Route]
    group_id: Ints
    route: Ints
    send_resolved: Bools
    has_receiver: Bools
    is_paging: Bools
    wait: Ints
    interval: Ints
    repeat: Ints
    shared: Ints
    members: Ints
    member_of: Ints

    def __len__(self) -> int:
        return len(self.route)


def next_flush(times: Ints, first: Ints, interval: Ints) -> Ints:
    """Find the first flush at or after each time; `first` if the time is before it.

    Parameters
    ----------
    times : array of int64, shape (n,), microseconds since 1970
    first : array of int64, shape (n,), microseconds since 1970
        First flush of the group's life.
    interval : array of int64, shape (n,), microseconds
        The group's ``group_interval``.

    Returns
    -------
    array of int64, shape (n,), microseconds since 1970
        The smallest ``first + k * interval`` with ``k >= 0`` that is not before the time.
    """
    late = np.maximum(times - first, 0)
    flush: Ints = first + -(-late // interval) * interval
    return flush


@dataclass(frozen=True)
class HeldAlerts:
    """What one Prometheus holds back, and how its rules look at its alerts.

    Attributes
    ----------
    rules : tuple of HoldRule
        With matchers on the labels that this Prometheus has.
    added : tuple of Matcher
        What its alerts match at Alertmanager, where they are told apart by labels that it adds;
        empty: all alerts are its own.
    external : dict of str to str
        Labels that it adds to every alert, its pages too.
    step_seconds : int
        Evaluation interval of the group of rules.
    """

    rules: tuple[HoldRule, ...]
    added: tuple[Matcher, ...]
    external: dict[str, str]
    step_seconds: int


Event = Mapping[str, str]
"""Path, as conditions name it → value."""


@dataclass(frozen=True)
class PauseRule:
    """A rule of an orchestration: `conditions`, any of which is enough, pause for `seconds`."""

    conditions: tuple[Callable[[Event], bool], ...]
    seconds: int

    def takes(self, event: Event) -> bool:
        """Test whether an event satisfies it."""
        return any(condition(event) for condition in self.conditions)


@dataclass(frozen=True)
class Grouping:
    """Alerts with equal values at `field` share an incident, `window_seconds` from the last one."""

    field: str
    window_seconds: int


@dataclass(frozen=True)
class Orchestration:
    """What one PagerDuty service does; without a grouping each alert has its own incident."""

    rules: tuple[PauseRule, ...]
    grouping: Grouping | None = None

    def pause(self, event: Event) -> int:
        """Return for how many seconds an alert with this opening event is paused."""
        return next((rule.seconds for rule in self.rules if rule.takes(event)), 0)


@dataclass(frozen=True)
class Deployed:
    """What files do, as the replay takes it.

    Attributes
    ----------
    today : Config
        The configuration without anything of ours.
    config : Config
        The configuration with the rules in it.
    held : tuple of HeldAlerts
        What each Prometheus holds back.
    pagerduty : dict of str to Orchestration
        Instead of all that, with `today`: receiver → what its PagerDuty service does.
    """

    today: Config
    config: Config
    held: tuple[HeldAlerts, ...]
    pagerduty: Mapping[str, Orchestration] = field(default_factory=dict)
