"""Family duplicate: alerts that come together are told together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.noise.alertmanager.rules import sparing_guards
from pipelines.aiops.noise.mining import describe
from pipelines.aiops.noise.mining.bounds import level, lower
from pipelines.aiops.noise.mining.company import Company, company, key_of
from pipelines.aiops.noise.mining.episodes import positions
from pipelines.aiops.noise.mining.history import History, Mined
from pipelines.aiops.noise.mining.keys import NAME, Coder, common_labels, label_sets
from pipelines.aiops.noise.mining.quiet_novel import EVERY_ALERT, ONE_GROUP
from pipelines.aiops.noise.mining.thin import thinned
from pipelines.aiops.noise.mining.values import one_of
from pipelines.aiops.noise.rules import DuplicateRule, Example, Matcher, Rule

SAMPLE = 50_000
"""Groupings are compared on about so many episodes; the chosen ones are counted on all."""
NAMES_ALONE = 4
"""Noisiest names that get groupings of their own."""
KEPT_WIDE = 12
"""Groupings kept for all names at once, from one group to the finest."""


@dataclass(frozen=True)
class _Candidate:
    names: tuple[str, ...]
    group_by: tuple[str, ...]
    group: NDArray[np.int64]

    @property
    def matchers(self) -> tuple[Matcher, ...]:
        """Whom it may take: every alert, if one with a name that is new is a group of its own.

        Such an alert is then told as soon as any, and its next ones together: nothing waits for a
        group that it has no history with.
        """
        if len(self.names) > 1 and NAME in self.group_by:
            return sparing_guards(EVERY_ALERT)
        return (one_of(NAME, self.names),)

    def __str__(self) -> str:
        if self.matchers[0] == EVERY_ALERT[0]:
            return "all alerts, new ones too,"
        return self.names[0] if len(self.names) == 1 else f"{len(self.names)} alerts"


@dataclass(frozen=True)
class _Found:
    by: _Candidate
    counted: Company
    low: float
    examples: tuple[Example, ...]


def mine_duplicate(history: History) -> Mined:
    """Find groupings in which alerts come together.

    Candidates are sets of at most two common labels, with and without the alert name, over all
    known names; and for the noisiest names alone, without any label or by one of its own. A
    stretch of time speaks for a grouping if most of its episodes came in company.
    """
    params = history.params
    wide, narrow = _wide(history), _narrow(history)
    tried = len(wide) + len(narrow)
    confidence = level(params.alpha, tried)
    found: list[_Found] = []
    for candidate in [*_best_wide(history, wide), *narrow]:
        counted, together = company(
            history.episodes, candidate.group, _together(history), params.independence_seconds
        )
        low = float(lower(counted.good, counted.n, confidence))
        enough = counted.n >= params.min_episodes and counted.days >= params.min_days
        if enough and low >= params.duplicate.min_share:
            found.append(_Found(candidate, counted, low, _examples(history, candidate, together)))
    found.sort(key=lambda f: (-len(f.by.names), -f.counted.spared, f.by.group_by))
    times = _times(history)
    rules: list[Rule] = []
    for one in found[: -(-params.max_rules // len(times))]:
        rule = _rule(history, one, tried)
        rules += {one.id: one for one in (_timed(rule, *setting) for setting in times)}.values()
    return Mined(rules[: params.max_rules], tried)


def _together(history: History) -> int:
    """Seconds within which alerts of a group can still be told together."""
    return max(history.params.duplicate.join_seconds)


def _times(history: History) -> list[tuple[int, int, int]]:
    """List waits, intervals and repeats to choose among: when people are told, not what."""
    params = history.params.duplicate
    return [
        (wait, interval, repeat)
        for interval in sorted(set(params.join_seconds))
        for wait in sorted(set(params.group_wait_seconds))
        for repeat in sorted(set(params.repeat_seconds))
        if repeat >= interval
    ]


def _timed(rule: DuplicateRule, wait: int, interval: int, repeat: int) -> DuplicateRule:
    """Give the rule with other times, and the id that belongs to them."""
    does = {
        "group_by": rule.group_by,
        "group_wait": wait,
        "group_interval": interval,
        "repeat_interval": repeat,
    }
    own = describe.identity("duplicate", rule.matchers, **does)
    told = (
        f"{rule.sentence} The first page waits {describe.seconds_in_words(wait)} for its "
        f"companions; what joins later is told within {describe.seconds_in_words(interval)}."
    )
    return rule.model_copy(update={**does, "id": own, "sentence": told})


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
        pairs, episodes, history.params.duplicate.max_labels, history.patterns.open_labels
    )
    found: dict[bytes, _Candidate] = {}
    coder = Coder(pairs, series)
    for chosen in label_sets(keys):
        for group_by in (chosen, tuple(sorted((NAME, *chosen)))):
            group = coder.codes(group_by)
            # Of sets of labels that divide alerts alike the first, which has fewest, stays.
            found.setdefault(group.tobytes(), _Candidate(names, group_by, group))
    return list(found.values())


def _best_wide(history: History, wide: list[_Candidate]) -> list[_Candidate]:
    """Of groupings that are about equally fine keep the one that folds most."""
    sample = thinned(history.episodes, SAMPLE)
    finest = max((int(one.group.max(initial=0)) + 1 for one in wide), default=1)
    best: dict[int, tuple[int, int, tuple[str, ...], _Candidate]] = {}
    for candidate in wide:
        groups = int(candidate.group.max(initial=0)) + 1
        step = round((KEPT_WIDE - 1) * float(np.log(groups) / np.log(max(finest, 2))))
        counted, _ = company(
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


def _rule(history: History, found: _Found, tried: int) -> DuplicateRule:
    params, candidate, counted, low = history.params, found.by, found.counted, found.low
    matchers = candidate.matchers
    does = {
        "group_by": candidate.group_by or ONE_GROUP,
        "group_wait": max(params.duplicate.group_wait_seconds),
        "group_interval": max(params.duplicate.join_seconds),
        "repeat_interval": max(params.duplicate.repeat_seconds),
    }
    by = " and ".join(candidate.group_by) or "nothing else: one group"
    series = np.flatnonzero(candidate.group >= 0)
    rows = positions(history.episodes, series)
    return DuplicateRule.model_validate(
        {
            **does,
            "id": describe.identity("duplicate", matchers, **does),
            "matchers": matchers,
            "sentence": (
                f"Tell {candidate} together by {by}: {counted.episodes:,} episodes came in "
                f"{counted.bursts:,} bursts, {counted.spared:,} fewer, and mostly in company in "
                f"{counted.good:,} of {counted.n:,} separate stretches (at least "
                f"{describe.percent(low)} with confidence)."
            ),
            "support": describe.support_of(history.episodes, rows, counted.n),
            "bound": describe.bound_of(
                "share of separate stretches in which most episodes begin together",
                counted.good, counted.n, low=low, alpha=params.alpha, tried=tried,
            ),
            "expires": describe.expiry(history),
            "team": history.patterns.pairs.team(series),
            "examples": found.examples,
        }
    )  # fmt: skip


def _examples(
    history: History, candidate: _Candidate, together: NDArray[np.int64]
) -> tuple[Example, ...]:
    episodes = history.episodes
    moments = describe.moments_of(history, together % episodes.span)
    rows = np.flatnonzero(np.isin(episodes.start, moments))
    rows = rows[candidate.group[episodes.series[rows]] >= 0]
    key = key_of(episodes, candidate.group, rows)
    known = np.minimum(np.searchsorted(together, key), len(together) - 1)
    return describe.examples_at(
        history, rows[together[known] == key], moments,
        lambda _: "began together with others of its group",
    )  # fmt: skip
