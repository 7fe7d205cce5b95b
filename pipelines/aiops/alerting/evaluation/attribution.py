"""Which rule holds which alerts."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.alerting.replay.model import LabelTable
from pipelines.aiops.alerting.rules import HoldRule, Rule
from pipelines.aiops.lake.contract import service_of
from pipelines.aiops.lake.frame import AlertFrame
from pipelines.core.arrays import Ints, merged

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
