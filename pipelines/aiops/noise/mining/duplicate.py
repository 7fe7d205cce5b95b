"""Family duplicate: alerts that come together are told together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.noise.mining import describe
from pipelines.aiops.noise.mining.bounds import level, lower
from pipelines.aiops.noise.mining.company import Company, company
from pipelines.aiops.noise.mining.history import History, Mined, positions
from pipelines.aiops.noise.mining.keys import NAME, Coder, common_labels, label_sets
from pipelines.aiops.noise.mining.patterns import team_of
from pipelines.aiops.noise.mining.thin import thinned
from pipelines.aiops.noise.mining.values import one_of
from pipelines.aiops.noise.rules import DuplicateRule, Rule

LADDER = (10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 300)
"""Durations as people write them, seconds."""
SAMPLE = 50_000
"""Groupings are compared on about so many episodes; the chosen ones are counted on all."""
NAMES_ALONE = 30
"""Noisiest names that get groupings of their own."""
KEPT_WIDE = 8
"""Groupings kept for all names at once."""


@dataclass(frozen=True)
class _Candidate:
    names: tuple[str, ...]
    group_by: tuple[str, ...]
    group: NDArray[np.int64]


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
    found: list[tuple[_Candidate, Company, float]] = []
    for candidate in [*_best_wide(history, wide), *narrow]:
        counted = company(
            history.episodes, candidate.group, params.duplicate.max_group_wait_seconds,
            params.independence_seconds,
        )  # fmt: skip
        low = float(lower(counted.good, counted.n, confidence))
        enough = counted.n >= params.min_episodes and counted.days >= params.min_days
        if enough and low >= params.duplicate.min_share:
            found.append((candidate, counted, low))
    found.sort(key=lambda f: (f[1].bursts - f[1].episodes, f[0].group_by, f[0].names))
    repeats = sorted(set(params.duplicate.repeat_seconds))
    rules: list[Rule] = []
    for candidate, counted, low in found[: -(-params.max_rules // len(repeats))]:
        rule = _rule(history, candidate, counted, low, tried=tried)
        rules += [_repeating(rule, repeat) for repeat in repeats]
    return Mined(rules[: params.max_rules], tried)


def _repeating(rule: DuplicateRule, seconds: int) -> DuplicateRule:
    """Give the rule with another repeat interval, and the id that belongs to it."""
    does = {
        "group_by": rule.group_by,
        "group_wait": rule.group_wait,
        "group_interval": rule.group_interval,
        "repeat_interval": seconds,
    }
    own = describe.identity("duplicate", rule.matchers, **does)
    return rule.model_copy(update={"id": own, "repeat_interval": seconds})


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
    labels, names = history.patterns.labels, tuple(sorted(by_name))
    series = np.sort(np.concatenate(list(by_name.values())))
    episodes = np.zeros(len(labels), np.int64)
    episodes[series] = history.patterns.episodes[series]
    keys = common_labels(
        labels, episodes, history.params.duplicate.max_labels, history.patterns.open_labels
    )
    found, coder = [], Coder(labels, series)
    for chosen in label_sets(keys):
        for group_by in (chosen, tuple(sorted((NAME, *chosen)))):
            found.append(_Candidate(names, group_by, coder.codes(group_by)))
    return found


def _best_wide(history: History, wide: list[_Candidate]) -> list[_Candidate]:
    """Of the groupings by equally many labels keep those that fold most."""
    sample = thinned(history.episodes, SAMPLE)
    wait = history.params.duplicate.max_group_wait_seconds
    by_size: dict[int, list[tuple[int, tuple[str, ...], _Candidate]]] = {}
    for candidate in wide:
        counted = company(sample, candidate.group, wait, history.params.independence_seconds)
        entry = (counted.bursts, candidate.group_by, candidate)
        by_size.setdefault(len(candidate.group_by), []).append(entry)
    kept: list[_Candidate] = []
    for size in sorted(by_size):
        ranked = sorted(by_size[size], key=lambda e: e[:2])
        kept += [candidate for _, _, candidate in ranked[: max(1, KEPT_WIDE // len(by_size))]]
    return kept


def _narrow(history: History) -> list[_Candidate]:
    labels, found = history.patterns.labels, []
    for name, series in list(_series_by_name(history).items())[:NAMES_ALONE]:
        if len(series) < 2:
            continue
        own = np.zeros(len(labels), np.int64)
        own[series] = history.patterns.episodes[series]
        keys = common_labels(labels, own, 2, history.patterns.open_labels)
        coder = Coder(labels, series)
        for group_by in label_sets(keys, 1):
            found.append(_Candidate((name,), group_by, coder.codes(group_by)))
    return found


def _rule(
    history: History,
    candidate: _Candidate,
    counted: Company,
    low: float,
    *,
    tried: int,
) -> DuplicateRule:
    params = history.params
    matchers = (one_of(NAME, candidate.names),)
    does = {
        "group_by": candidate.group_by,
        "group_wait": _wait(counted.lags, params.duplicate.max_group_wait_seconds),
        "group_interval": params.duplicate.max_join_seconds,
        "repeat_interval": params.duplicate.repeat_seconds[0],
    }
    by = " and ".join(candidate.group_by) or "nothing else: one group"
    whom = candidate.names[0] if len(candidate.names) == 1 else f"{len(candidate.names)} alerts"
    saved = counted.episodes - counted.bursts
    rows = positions(history.episodes, np.flatnonzero(candidate.group >= 0).astype(np.int32))
    return DuplicateRule.model_validate(
        {
            **does,
            "id": describe.identity("duplicate", matchers, **does),
            "matchers": matchers,
            "sentence": (
                f"Tell {whom} together by {by}: {counted.episodes:,} episodes came in "
                f"{counted.bursts:,} bursts, {saved:,} fewer, and mostly in company in "
                f"{counted.good:,} of {counted.n:,} separate stretches (at least "
                f"{describe.percent(low)} with confidence)."
            ),
            "support": describe.support_of(history.episodes, rows, counted.n),
            "bound": describe.bound_of(
                "share of separate stretches in which most episodes begin together",
                counted.good, counted.n, low=low, alpha=params.alpha, tried=tried,
            ),
            "expires": describe.expiry(history),
            "team": team_of(
                history.patterns.labels[i] for i in np.flatnonzero(candidate.group >= 0).tolist()
            ),
            "examples": describe.examples_of(
                history, counted.rows, lambda _: "began together with others of its group"
            ),
        }
    )  # fmt: skip


def _wait(lags: NDArray[np.float64], most: int) -> int:
    """Smallest usual duration within which nine of ten companions have begun."""
    wanted = float(np.quantile(lags, 0.9))
    return min(next((step for step in LADDER if step >= wanted), most), most)
