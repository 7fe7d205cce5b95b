"""Family grouping: alerts that occur together are notified together.

Alerts with names that history doesn't know join a group where that keeps nobody waiting: if one
with a new name is a group of its own, or if the group tells of what joins within a minute.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.alerting.config.apply import sparing_guards
from pipelines.aiops.alerting.mining import support
from pipelines.aiops.alerting.mining.cooccurrence import Cooccurrence, cooccurrence, key_of
from pipelines.aiops.alerting.mining.episodes import positions, subsample
from pipelines.aiops.alerting.mining.history import (
    NAME,
    Coder,
    History,
    Mined,
    common_labels,
    label_sets,
)
from pipelines.aiops.alerting.rules import (
    Example,
    GroupingRule,
    Matcher,
    Rule,
    one_of,
    with_id,
)
from pipelines.core.stats import bonferroni_level, clopper_pearson_lower

EVERY_ALERT = (Matcher(label="alertname", op="!=", value=""),)
"""Every alert has a name; a route that no label holds back would be refused at publication."""

ONE_GROUP = ("signalbox_together",)
"""A label that no alert has puts all of them into one group; an empty ``group_by`` in a child route
would not: Alertmanager takes the parent's instead (`config.Route.UnmarshalYAML`)."""


SAMPLE = 50_000
"""Groupings are compared on about so many episodes; the chosen ones are counted on all."""
NAMES_ALONE = 4
"""Noisiest names that get groupings of their own."""
KEPT_WIDE = 12
"""Groupings kept for all names at once, from one group to the finest."""
SOON = 60
"""Seconds. Where a group's first page and what joins wait no longer, which is late for no incident
(`SelectRulesParams.max_median_delay_seconds`), alerts with new names may join it as well."""


@dataclass(frozen=True)
class _Candidate:
    names: tuple[str, ...]
    group_by: tuple[str, ...]
    group: NDArray[np.int64]
    heartbeats: tuple[str, ...] = ()

    @property
    def matchers(self) -> tuple[Matcher, ...]:
        """Whom it may take: every alert, if one with a name that is new is a group of its own.

        Such an alert is then notified as soon as any, and its next ones together: nothing waits for
        a group that it has no history with.
        """
        if len(self.names) > 1 and NAME in self.group_by:
            return sparing_guards(EVERY_ALERT, self.heartbeats)
        return (one_of(NAME, self.names),)

    def __str__(self) -> str:
        if self.matchers[0] == EVERY_ALERT[0]:
            return "all alerts, new ones too,"
        return self.names[0] if len(self.names) == 1 else f"{len(self.names)} alerts"


@dataclass(frozen=True)
class _Found:
    by: _Candidate
    counted: Cooccurrence
    low: float
    examples: tuple[Example, ...]


def mine_grouping(history: History) -> Mined:
    """Find groupings in which alerts occur together.

    Candidates are sets of at most two common labels, with and without the alert name, over all
    known names; and for the noisiest names alone, without any label or by one of its own. A
    stretch of time speaks for a grouping if most of its episodes had company.

    Parameters
    ----------
    history : History
        The training window as the families see it.

    Returns
    -------
    Mined
        Rules of family duplicate, those that spare most first.
    """
    params = history.params
    wide, narrow = _wide(history), _narrow(history)
    tried = len(wide) + len(narrow)
    confidence = bonferroni_level(params.alpha, tried)
    found: list[_Found] = []
    for candidate in [*_best_wide(history, wide), *narrow]:
        counted, together = cooccurrence(
            history.episodes, candidate.group, _together(history), params.independence_seconds
        )
        low = float(clopper_pearson_lower(counted.good, counted.n, confidence))
        enough = counted.n >= params.min_episodes and counted.days >= params.min_days
        if enough and low >= params.grouping.min_share:
            found.append(_Found(candidate, counted, low, _examples(history, candidate, together)))
    found.sort(key=lambda f: (-len(f.by.names), -f.counted.spared, f.by.group_by))
    times = _times(history)
    rules: list[Rule] = []
    for pair in found[: -(-params.max_rules // len(times))]:
        rule = _rule(history, pair, tried)
        rules += {
            other_rule.id: other_rule
            for other_rule in (_timed(rule, pair.by, *setting) for setting in times)
        }.values()
    return Mined(rules[: params.max_rules], tried)


def _together(history: History) -> int:
    """Seconds within which alerts of a group still share a notification."""
    return max(history.params.grouping.group_interval_seconds)


def _times(history: History) -> list[tuple[int, int, int]]:
    """List waits, intervals and repeats to choose among: when people are notified, not of what."""
    params = history.params.grouping
    return [
        (wait, interval, repeat)
        for interval in sorted(set(params.group_interval_seconds))
        for wait in sorted(set(params.group_wait_seconds))
        for repeat in sorted(set(params.repeat_interval_seconds))
        if repeat >= interval
    ]


def _timed(
    rule: GroupingRule, by: _Candidate, wait: int, interval: int, repeat: int
) -> GroupingRule:
    """Give the rule with other times, and the id that belongs to them."""
    soon = len(by.names) > 1 and max(wait, interval) <= SOON
    does = {
        "matchers": sparing_guards(EVERY_ALERT, by.heartbeats) if soon else rule.matchers,
        "group_by": rule.group_by,
        "group_wait_seconds": wait,
        "group_interval_seconds": interval,
        "repeat_interval_seconds": repeat,
    }
    sentence = (
        f"{rule.sentence} The first page waits {support.seconds_in_words(wait)} for its "
        f"companions; what joins later, "
        f"{'new alerts too, ' if soon else ''}is notified within "
        f"{support.seconds_in_words(interval)}."
    )
    return with_id(rule.model_copy(update={**does, "sentence": sentence}))


def _series_by_name(history: History) -> dict[str, NDArray[np.int64]]:
    """Series of each name that has patterns, the noisiest names first."""
    return {
        item.name: item.series.astype(np.int64)
        for item in history.patterns.items
        if item.parent < 0
    }


def _wide(history: History) -> list[_Candidate]:
    by_name = dict(list(_series_by_name(history).items())[: history.params.max_values])
    if len(by_name) < 2:
        return []
    pairs, names = history.patterns.pairs, tuple(sorted(by_name))
    series = np.sort(np.concatenate(list(by_name.values())))
    episodes = np.zeros(len(pairs), np.int64)
    episodes[series] = history.patterns.episodes[series]
    keys = common_labels(
        pairs, episodes, history.params.grouping.max_labels, history.patterns.open_labels
    )
    found: dict[bytes, _Candidate] = {}
    coder = Coder(pairs, series)
    for chosen in label_sets(keys):
        for group_by in (chosen, tuple(sorted((NAME, *chosen)))):
            group = coder.codes(group_by)
            # Of sets of labels that divide alerts alike the first, which has fewest, stays.
            candidate = _Candidate(names, group_by, group, history.heartbeats)
            found.setdefault(group.tobytes(), candidate)
    return list(found.values())


def _best_wide(history: History, wide: list[_Candidate]) -> list[_Candidate]:
    """Of groupings that are about equally fine keep the one that folds most."""
    sample = subsample(history.episodes, SAMPLE)
    finest = max((int(option.group.max(initial=0)) + 1 for option in wide), default=1)
    best: dict[int, tuple[int, int, tuple[str, ...], _Candidate]] = {}
    for candidate in wide:
        groups = int(candidate.group.max(initial=0)) + 1
        step = round((KEPT_WIDE - 1) * float(np.log(groups) / np.log(max(finest, 2))))
        counted, _ = cooccurrence(
            sample, candidate.group, _together(history), history.params.independence_seconds
        )
        entry = (counted.bursts, len(candidate.group_by), candidate.group_by, candidate)
        best[step] = min(best.get(step, entry), entry, key=lambda e: e[:3])
    return [best[step][3] for step in sorted(best)]


def _narrow(history: History) -> list[_Candidate]:
    pairs, found = history.patterns.pairs, []
    for name, series in list(_series_by_name(history).items())[:NAMES_ALONE]:
        if len(series) < 2:
            continue
        own = np.zeros(len(pairs), np.int64)
        own[series] = history.patterns.episodes[series]
        keys = common_labels(pairs, own, 2, history.patterns.open_labels)
        coder = Coder(pairs, series)
        for group_by in label_sets(keys, 1):
            found.append(_Candidate((name,), group_by, coder.codes(group_by)))
    return found


def _rule(history: History, found: _Found, tried: int) -> GroupingRule:
    params, candidate, counted, low = history.params, found.by, found.counted, found.low
    matchers = candidate.matchers
    does = {
        "group_by": candidate.group_by or ONE_GROUP,
        "group_wait_seconds": max(params.grouping.group_wait_seconds),
        "group_interval_seconds": max(params.grouping.group_interval_seconds),
        "repeat_interval_seconds": max(params.grouping.repeat_interval_seconds),
    }
    by = " and ".join(candidate.group_by) or "nothing else: one group"
    series = np.flatnonzero(candidate.group >= 0)
    rows = positions(history.episodes, series)
    rule = GroupingRule.model_validate(
        {
            **does,
            "id": "",
            "matchers": matchers,
            "sentence": (
                f"Group {candidate} by {by}: {counted.episodes:,} episodes came in "
                f"{counted.bursts:,} bursts, {counted.spared:,} fewer, and most co-occurred with "
                f"others in {counted.good:,} of {counted.n:,} separate stretches (at least "
                f"{support.percent(low)} with confidence)."
            ),
            "support": support.support_of(history.episodes, rows, counted.n),
            "bound": support.bound_of(
                "share of separate stretches in which most episodes begin together",
                counted.good, counted.n, low=low, alpha=params.alpha, tried=tried,
            ),
            "expires": support.expiry(history),
            "team": history.patterns.pairs.team(series),
            "examples": found.examples,
        }
    )  # fmt: skip
    return with_id(rule)


def _examples(
    history: History, candidate: _Candidate, together: NDArray[np.int64]
) -> tuple[Example, ...]:
    episodes = history.episodes
    moments = support.moments_of(history, together % episodes.span)
    rows = np.flatnonzero(np.isin(episodes.start, moments))
    rows = rows[candidate.group[episodes.series[rows]] >= 0]
    key = key_of(episodes, candidate.group, rows)
    known = np.minimum(np.searchsorted(together, key), len(together) - 1)
    return support.examples_at(
        history, rows[together[known] == key], moments,
        lambda _: "began together with others of its group",
    )  # fmt: skip
