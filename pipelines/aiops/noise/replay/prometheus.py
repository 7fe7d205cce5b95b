"""What Prometheus does before an alert is sent: ``for`` and ``keep_firing_for``.

`rules/alerting.go`: with a longer ``for`` an alert fires that much later, or not at all if its
condition ends before; with ``keep_firing_for`` it fires that much longer, and what comes back in
the meantime is the same alert.
"""

from collections.abc import Sequence

import numpy as np

from pipelines.aiops.noise.alertmanager import SECOND
from pipelines.aiops.noise.arrays import Ints, merged
from pipelines.aiops.noise.replay.labels import LabelTable
from pipelines.aiops.noise.replay.model import Spells
from pipelines.aiops.noise.rules import FlappingRule, Rule, TransientRule
from pipelines.aiops.telemetry.frame import AlertFrame


def _delays(
    rules: Sequence[Rule], table: LabelTable, family: type[TransientRule | FlappingRule]
) -> tuple[Ints, Ints]:
    """Longest delay (µs) for each series and the rule that sets it (-1: none)."""
    delay = np.zeros(len(table), dtype=np.int64)
    setter = np.full(len(table), -1, dtype=np.int64)
    for index, rule in enumerate(rules):
        if not isinstance(rule, family):
            continue
        seconds = rule.wait if isinstance(rule, TransientRule) else rule.keep_firing
        longer = table.mask(rule.matchers) & (seconds * SECOND > delay)
        delay[longer], setter[longer] = seconds * SECOND, index
    return delay, setter


def fire(frame: AlertFrame, rules: Sequence[Rule], table: LabelTable, until: int) -> Spells:
    """Work out when each series fires, up to `until`, with the rules' effects.

    Rows of one series that overlap or touch are one alert that goes on.
    """
    known = np.flatnonzero(frame.starts <= until)
    series = frame.series[known].astype(np.int64)
    ends = np.maximum(np.minimum(frame.ends[known], until + 1), frame.starts[known])
    who, begins, stops, of_known = merged(series, frame.starts[known], ends)
    wait, holder = _delays(rules, table, TransientRule)
    keep, _ = _delays(rules, table, FlappingRule)
    # A condition that ends at the very moment of firing doesn't fire.
    fires = (wait[who] == 0) | (stops - begins > wait[who])
    late = begins[fires] + wait[who[fires]]
    kept = np.where(stops[fires] > until, until + 1, stops[fires] + keep[who[fires]])
    who2, begins2, stops2, of_fired = merged(who[fires], late, kept)
    of_episode = np.full(len(who), -1, dtype=np.int64)
    of_episode[fires] = of_fired
    of_row = np.full(len(frame), -1, dtype=np.int64)
    of_row[known] = of_episode[of_known]
    held = np.full(len(frame), -1, dtype=np.int64)
    held[known] = np.where(fires[of_known], -1, holder[series])
    return Spells(who2, begins2, np.minimum(stops2, until + 1), of_row, held)
