"""What goes through the replay: settings of the process, alerts that fire, who gets them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.aiops.alerting.config import (
    HOUR,
    MINUTE,
    SECOND,
    Config,
    Route,
    value_matches,
    values_of,
)
from pipelines.aiops.alerting.rules import Matcher
from pipelines.aiops.lake.frame import Labels
from pipelines.core.arrays import Bools, Ints

MASK_BYTES = 50_000_000
"""Which series satisfy which matchers is remembered up to so many bytes a table."""


class LabelTable:
    """Label sets of all series, read a label at a time and remembered.

    Parameters
    ----------
    labels
        One label set a series.
    """

    def __init__(self, labels: Sequence[Labels]) -> None:
        self.labels = labels
        self._columns: dict[str, tuple[Ints, list[str]]] = {}
        self._codes: dict[str, dict[str, int]] = {}
        self._masks: dict[tuple[Matcher, ...], Bools] = {}

    def with_more(self, labels: Sequence[Labels]) -> "LabelTable":
        """Return a table with more series after these; what was read here isn't read again."""
        return _Grown(self, labels) if labels else self

    def __len__(self) -> int:
        return len(self.labels)

    def column(self, name: str) -> tuple[Ints, list[str]]:
        """Return the code of each series' value and the values; a missing label is empty."""
        if name not in self._columns:
            self._columns[name] = self._read(name)
        return self._columns[name]

    def _read(self, name: str) -> tuple[Ints, list[str]]:
        texts = [each.get(name, "") for each in self.labels]
        values = sorted(set(texts))
        code = {value: i for i, value in enumerate(values)}
        return np.fromiter((code[text] for text in texts), np.int64, count=len(texts)), values

    def mask(self, matchers: Sequence[Matcher]) -> Bools:
        """Return which series satisfy all matchers; not to be written to."""
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
        places = [np.array([code[v] for v in each], dtype=np.int64) for each in (values, more)]
        return np.concatenate([places[0][old], places[1][new]]), united

    def _find(self, matchers: tuple[Matcher, ...]) -> Bools:
        return np.concatenate([self._base.mask(matchers), self._more.mask(matchers)])


@dataclass(frozen=True)
class Timing:
    """What an Alertmanager process does by its own clock; microseconds.

    Attributes
    ----------
    sweep, sweep_at
        Empty groups are removed every `sweep` at times that are `sweep_at` modulo `sweep`. The
        phase depends on when the process started, which no history tells.
    retention
        Longest life of an entry in the notification log (``--data.retention``).
    log_sweep, log_sweep_at
        Expired entries are dropped so often (``--data.maintenance-interval``).
    """

    sweep: int = 30 * SECOND
    sweep_at: int = 0
    retention: int = 120 * HOUR
    log_sweep: int = 15 * MINUTE
    log_sweep_at: int = 0


@dataclass(frozen=True)
class FiringPeriods:
    """Times in which a series fires, sorted by series and start, never touching.

    Attributes
    ----------
    series, starts, ends
        Shape (spells,); end exclusive.
    of_row
        Which spell each row of the alert frame belongs to, -1 if it never fired.
    held_by
        Index of the rule that kept a row from firing, -1 if none; shape (rows,).
    """

    series: Ints
    starts: Ints
    ends: Ints
    of_row: Ints
    held_by: Ints

    def __len__(self) -> int:
        return len(self.series)


@dataclass(frozen=True)
class ReplayInputs:
    """Everything a replay knows before time starts to run."""

    config: Config
    table: LabelTable
    spells: FiringPeriods
    until: int
    timing: Timing


@dataclass(frozen=True)
class Groups:
    """Aggregation groups: one an integration class of (route, group labels).

    Attributes
    ----------
    real
        Number of the group in the report: classes of one receiver share it.
    route
        Index into `routes`.
    sends
        Whether its integrations tell of resolved alerts.
    tells, pages
        Whether there is an integration at all, and whether being told wakes a person.
    wait, interval, repeat
        Microseconds, shape (groups,).
    members, member_of
        Pairs of series and group, sorted by series.
    """

    routes: list[Route]
    real: Ints
    route: Ints
    sends: Bools
    tells: Bools
    pages: Bools
    wait: Ints
    interval: Ints
    repeat: Ints
    members: Ints
    member_of: Ints

    def __len__(self) -> int:
        return len(self.route)


def ticks(times: Ints, first: Ints, interval: Ints) -> Ints:
    """First tick at or after each time, of a group that ticks from `first` every `interval`."""
    late = np.maximum(times - first, 0)
    tick: Ints = first + -(-late // interval) * interval
    return tick
