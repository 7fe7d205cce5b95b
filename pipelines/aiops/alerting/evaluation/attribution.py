"""Which rule changed what happens to an alert: to attribute missed incidents, and for credit.

The replay says which rule decided over an alert, and which one made the route that its group is on.
A rule that waits or merges leaves alerts undecided; those are found by its matchers.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.alerting.replay.model import LabelTable
from pipelines.aiops.alerting.rules import Rule
from pipelines.aiops.lake.frame import AlertFrame
from pipelines.core.arrays import Ints, merged

Names = NDArray[np.object_]


class RuleAttribution:
    """Finds the rules that changed what happens to each row.

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
        self._masks: dict[str, NDArray[np.bool_]] = {}

    def matched(self, rules: Sequence[Rule], family: str) -> Names:
        """Find the first rule of a family that matches each series.

        Parameters
        ----------
        rules : sequence of Rule
            Rules in the order in which they apply.
        family : str
            Family of the rules to try.

        Returns
        -------
        array of object, shape (series,)
            Id of the rule, "" without.
        """
        own = [rule for rule in rules if rule.family == family]
        first = np.full(len(self.table), len(own), dtype=np.int64)
        # Backwards, so that the first rule that matches is the last to be written.
        for position in range(len(own) - 1, -1, -1):
            first[self._mask(own[position])] = position
        return np.array([*(rule.id for rule in own), ""], dtype=object)[first]

    def _mask(self, rule: Rule) -> NDArray[np.bool_]:
        if rule.id not in self._masks:
            self._masks[rule.id] = self.table.mask(rule.matchers)
        return self._masks[rule.id]

    def columns(self, rules: Sequence[Rule], candidate: Any) -> list[Names]:
        """List the rules that touch each row: who decided, whose route, who waits, who merges.

        Parameters
        ----------
        rules : sequence of Rule
            The rules that are replayed.
        candidate : Replay
            Replay of the rows with `rules`.

        Returns
        -------
        list of array of object, shape (rows,)
            Four arrays of ids, "" where there is none.
        """
        series = self.frame.series
        return [
            candidate.alerts["rule"].to_numpy().astype(object),
            _of_group(candidate),
            self.matched(rules, "wait")[series],
            self.matched(rules, "keep_firing")[series],
        ]

    def credited(self, rules: Sequence[Rule], baseline: Any, candidate: Any) -> Names:
        """Credit each row's saved page to a rule.

        Parameters
        ----------
        rules : sequence of Rule
            The rules of `candidate`.
        baseline, candidate : Replay
            Replays of the rows without and with the rules.

        Returns
        -------
        array of object, shape (rows,)
            Id of the rule, "" where it is nobody's.
        """
        decided, route, waits, merges = self.columns(rules, candidate)
        baseline_first_page = baseline.alerts["first_page"].to_numpy(dtype=np.int64)
        candidate_first_page = candidate.alerts["first_page"].to_numpy(dtype=np.int64)
        # Paged, but not in its own episode: the page was sent for one that it was merged with.
        merged = (
            (candidate_first_page < 0)
            & (candidate.alerts["pages"].to_numpy(dtype=np.int64) > 0)
            & (baseline_first_page >= 0)
        )
        found = np.where(decided != "", decided, np.where(merged, merges, ""))
        found = np.where(found != "", found, route)
        return np.where(found != "", found, np.where(waits != "", waits, merges))


def _of_group(candidate: Any) -> Names:
    """Rule whose route the row's group is on."""
    groups = candidate.groups
    size = int(groups["group"].max()) + 2 if len(groups) else 1
    rule_of = np.full(size, "", dtype=object)
    rule_of[groups["group"].to_numpy(dtype=np.int64)] = groups["rule"].to_numpy().astype(object)
    of_row = candidate.alerts["group"].to_numpy(dtype=np.int64)
    return rule_of[np.where((of_row >= 0) & (of_row < size), of_row, size - 1)]
