"""What goes through the replay: settings of the process, alerts that fire, who gets them."""

from dataclasses import dataclass

import numpy as np

from pipelines.aiops.noise.alertmanager import HOUR, MINUTE, SECOND, Config, Route
from pipelines.aiops.noise.arrays import Bools, Ints
from pipelines.aiops.noise.replay.labels import LabelTable


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
class Spells:
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
class World:
    """Everything a replay knows before time starts to run."""

    config: Config
    table: LabelTable
    spells: Spells
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
