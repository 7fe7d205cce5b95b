"""What Prometheus does before an alert is sent: ``for`` and ``keep_firing_for``; storm guards.

`rules/alerting.go`: with a longer ``for`` an alert fires that much later, or not at all if its
condition ends before; with ``keep_firing_for`` it fires that much longer, and what comes back in
the meantime is the same alert.
"""

from collections.abc import Sequence

import numpy as np

from pipelines.aiops.noise.alertmanager import SECOND, values_of
from pipelines.aiops.noise.replay.arrays import Ints, codes_of, merged
from pipelines.aiops.noise.replay.labels import LabelTable
from pipelines.aiops.noise.replay.model import Spells
from pipelines.aiops.noise.rules import FlappingRule, QuietRule, Rule, TransientRule
from pipelines.aiops.telemetry.frame import AlertFrame, Labels

GUARD_NAME = "SignalboxGuard"
_SEVERITIES = ("critical", "page", "error", "high", "warning", "medium", "info", "low")


def guard_labels(rule: QuietRule) -> Labels:
    """Labels of a quiet rule's guard, without those it counts by.

    Its severity is the worst that the rule's matchers name, ``critical`` if they name none: a
    storm of quiet alerts has to go where somebody looks.
    """
    named = [
        value
        for matcher in rule.matchers
        if matcher.label == "severity"
        for value in values_of(matcher) or ()
    ]
    rank = {name: i for i, name in enumerate(_SEVERITIES)}
    worst = min(named, key=lambda name: (rank.get(name, len(rank)), name), default="critical")
    return {"alertname": GUARD_NAME, "rule": rule.id, "severity": worst}


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


def guard_spells(
    rule: QuietRule, table: LabelTable, spells: Spells
) -> tuple[list[Labels], Ints, Ints, Ints, Ints]:
    """When the guard of a quiet rule fires.

    More than ``max_count`` spells that started within the window: the guard fires from the start
    that makes it too many until the window no longer holds too many.

    Returns
    -------
    tuple
        Label sets of the guard's alerts; index into them, starts and ends of its spells; and for
        each alert spell the index of the label set that counts it, -1 if none.
    """
    counted = np.full(len(spells), -1, dtype=np.int64)
    nothing = np.empty(0, dtype=np.int64)
    mine = np.flatnonzero(table.mask(rule.matchers)[spells.series])
    if rule.guard is None or not len(mine):
        return [], nothing, nothing, nothing, counted
    columns = [table.column(name)[0][spells.series[mine]] for name in rule.guard.by]
    key = codes_of(columns, len(mine))
    counted[mine] = key
    order = np.lexsort((spells.starts[mine], key))
    starts, key = spells.starts[mine][order], key[order]
    back, window = rule.guard.max_count, rule.guard.window_seconds * SECOND
    now = np.arange(back, len(key))
    before = now - back
    storm = (key[now] == key[before]) & (starts[now] - starts[before] < window)
    found = merged(key[now[storm]], starts[now[storm]], starts[before[storm]] + window)
    _, example = np.unique(counted[mine], return_index=True)
    labels = []
    for one in spells.series[mine][example]:
        own = table.labels[int(one)]
        by = {name: own[name] for name in rule.guard.by if name in own}
        labels.append({**by, **guard_labels(rule)})
    return labels, found[0], found[1], found[2], counted
