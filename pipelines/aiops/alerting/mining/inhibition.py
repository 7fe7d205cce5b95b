"""Family implied: another alert with equal labels fires already.

A rule needs a target that seldom comes alone. Where most of a kind's episodes are noise of its own,
as in the simulated worlds, no pair is found: there incidents make 1-3 % of the alerts, and the best
pair (failed requests, then a burnt error budget) was in company 13 times of 27, of which some 5,600
pairs compared leave a bound of 14 %. A lower `InhibitionMining.min_share` would find it, to save
less than one page in a thousand; so it stays.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.alerting.mining import support
from pipelines.aiops.alerting.mining.cooccurrence import (
    FiringIntervals,
    begin_inside,
    coincidences,
    count_coincidences,
    firing_intervals,
    shifted,
    target_starts,
)
from pipelines.aiops.alerting.mining.episodes import Episodes, subsample
from pipelines.aiops.alerting.mining.history import (
    Coder,
    History,
    Kinds,
    Mined,
    common_labels,
    kinds_of,
    label_sets,
)
from pipelines.aiops.alerting.mining.patterns import known_values
from pipelines.aiops.alerting.mining.support import Covered, covered
from pipelines.aiops.alerting.rules import InhibitionRule, Matcher, with_id
from pipelines.core.stats import bonferroni_level, clopper_pearson_lower
from pipelines.core.time import DAY_MS

SAMPLE = 300_000
"""Pairs are looked for on about so many episodes; those found are counted on all."""
SHIFTS = 5
"""Days that targets are laid beside themselves to see what chance and time of day bring."""
ROUGHLY = 0.7
"""Share of the lift that a pair must show on the sample already."""
NEARLY = 0.9
"""More labels in ``equal`` are safer: the largest set that covers so much of the best one wins."""


@dataclass(frozen=True)
class _Pair:
    source: int
    target: int
    equal: tuple[str, ...]
    location: NDArray[np.int64]
    counted: Covered
    low: float


def mine_inhibition(history: History) -> Mined:
    """Find pairs of kinds where the target begins while the source fires, with equal labels.

    Only kinds that were ever seen together are compared. A pair must hold on the independent
    targets (one for each set of equal labels and stretch of time) with a bound that pays for all
    pairs, be more frequent than when the same alerts are laid whole days beside each other (which
    keeps the time of day), and never hide a target that was acted on unless its source has the same
    ticket.

    Parameters
    ----------
    history : History
        The training window as the families see it.

    Returns
    -------
    Mined
        Rules of family implied.
    """
    kinds = kinds_of(history)
    if len(kinds.keys) < 2:
        return Mined([], 0)
    locations = _locations(history, kinds)
    looked: dict[tuple[str, ...], list[tuple[int, int]]] = {}
    tried = 0
    sample = subsample(history.episodes, SAMPLE)
    for equal, location in locations.items():
        looked[equal], compared = _candidates(history, sample, kinds, location)
        tried += compared
    proven = []
    for equal, pairs in looked.items():
        firing = _Firing(history, kinds, locations[equal])
        proven += [
            found
            for pair in pairs
            if (found := _proven(history, kinds, pair, equal=equal, firing=firing, tried=tried))
        ]
    chosen = _without_circles(_one_each(proven), history.params.max_rules)
    rules = [_rule(history, kinds, pair, tried) for pair in chosen]
    return Mined([rule for rule in rules if rule is not None], tried)


def _locations(history: History, kinds: Kinds) -> dict[tuple[str, ...], NDArray[np.int64]]:
    """Codes of series for every set of labels that splits them in its own way."""
    series = np.flatnonzero(kinds.of_series >= 0)
    episodes = np.zeros(len(kinds.of_series), np.int64)
    episodes[series] = history.patterns.episodes[series]
    without = ("severity", *history.patterns.open_labels)
    keys = common_labels(
        history.patterns.pairs, episodes, history.params.inhibition.max_labels, without
    )
    found: dict[bytes, tuple[str, ...]] = {}
    locations = {}
    coder = Coder(history.patterns.pairs, series)
    for equal in label_sets(keys):
        location = coder.codes(equal)
        if found.setdefault(location.tobytes(), equal) == equal:
            locations[equal] = location
    return locations


def _candidates(
    history: History, sample: Episodes, kinds: Kinds, location: NDArray[np.int64]
) -> tuple[list[tuple[int, int]], int]:
    """Pairs whose bound may hold, and how many pairs were compared."""
    params = history.params
    block = params.independence_seconds * 1000
    lead = params.inhibition.lead_seconds * 1000
    sources = firing_intervals(sample, location, kinds.of_series, lead)
    wanted = target_starts(sample, location, kinds.of_series, block)
    if count_coincidences(sources, wanted, sample.span) > params.inhibition.max_pairs:
        return [], 0
    count = len(kinds.keys)
    n = np.bincount(wanted.kind, minlength=count)
    counts = coincidences(sources, wanted, sample.span, count)
    days = max(sample.span // DAY_MS, 1)
    laid = shifted(wanted, DAY_MS, days * DAY_MS)
    # One day laid beside is a rough measure of chance: it only spares counting what is hopeless.
    chance = coincidences(sources, laid, sample.span, count) if days > 1 else {}
    pairs = np.array(sorted(counts), np.int64)
    source, target = pairs // count, pairs % count
    hits = np.array([counts[pair] for pair in pairs.tolist()], np.int64)
    by_chance = np.array([chance.get(pair, 0) for pair in pairs.tolist()], np.int64)
    compared = (source != target) & (n[target] >= params.min_episodes)
    # What the bound would be if all of the history were like the sample, for this pair alone.
    scale = len(history.episodes) / max(len(sample), 1)
    low = clopper_pearson_lower(hits * scale, n[target] * scale, bonferroni_level(params.alpha, 1))
    hopeful = (low >= params.inhibition.min_share) & (
        hits >= ROUGHLY * params.inhibition.min_lift * by_chance
    )
    found = np.flatnonzero(compared & hopeful)
    chosen = list(zip(source[found].tolist(), target[found].tolist(), strict=True))
    return chosen, int(compared.sum())


class _Firing:
    """When each kind fires, by location; pairs come by their sources, so the last one is kept."""

    def __init__(self, history: History, kinds: Kinds, location: NDArray[np.int64]) -> None:
        self.history, self.kinds, self.location = history, kinds, location
        self._last: tuple[int, FiringIntervals] | None = None

    def of(self, kind: int) -> FiringIntervals:
        """Stretches during which a kind fires."""
        if self._last is None or self._last[0] != kind:
            self._last = kind, firing_intervals(
                self.history.episodes, self.only(kind), self.kinds.of_series,
                self.history.params.inhibition.lead_seconds * 1000,
            )  # fmt: skip
        return self._last[1]

    def only(self, kind: int) -> NDArray[np.int64]:
        """Code of each series' location, -1 for series of other kinds."""
        return np.where(self.kinds.of_series == kind, self.location, -1)


def _proven(
    history: History, kinds: Kinds, pair: tuple[int, int], *, equal: tuple[str, ...],
    firing: _Firing, tried: int,
) -> _Pair | None:  # fmt: skip
    """Count a pair on all of the history; None if it doesn't hold."""
    params = history.params
    counted = covered(history, kinds, pair, firing.location, firing.of(pair[0]))
    if counted is None:
        return None
    low = float(
        clopper_pearson_lower(counted.good, counted.n, bonferroni_level(params.alpha, tried))
    )
    if (
        counted.n < params.min_episodes
        or counted.days < params.min_days
        or low < params.inhibition.min_share
        or low < params.inhibition.min_lift * _by_chance(history, pair, firing)
    ):
        return None
    return _Pair(*pair, equal, firing.location, counted, low)


def _by_chance(history: History, pair: tuple[int, int], firing: _Firing) -> float:
    """Share of targets that a source covers when they are laid whole days later."""
    episodes, days = history.episodes, history.episodes.span // DAY_MS
    block = history.params.independence_seconds * 1000
    wanted = target_starts(episodes, firing.only(pair[1]), firing.kinds.of_series, block)
    if days < 2 or not len(wanted.at):
        return 0.0
    shifts = range(1, min(SHIFTS, days - 1) + 1)
    hits = 0
    for day in shifts:
        at = (wanted.at + day * DAY_MS) % (days * DAY_MS)
        hits += int(begin_inside(firing.of(pair[0]), wanted.location, at, episodes.span).sum())
    return hits / (len(wanted.at) * len(shifts))


def _one_each(pairs: list[_Pair]) -> list[_Pair]:
    """Of each source and target the largest set of labels that covers nearly the most."""
    by_pair: dict[tuple[int, int], list[_Pair]] = {}
    for pair in pairs:
        by_pair.setdefault((pair.source, pair.target), []).append(pair)
    chosen = []
    for same in by_pair.values():
        most = max(len(pair.counted.rows) for pair in same)
        enough = [pair for pair in same if len(pair.counted.rows) >= NEARLY * most]
        chosen.append(min(enough, key=lambda pair: (-len(pair.equal), -pair.low, pair.equal)))
    return chosen


def _without_circles(pairs: list[_Pair], most: int) -> list[_Pair]:
    """Leave out pairs that close a circle: alerts that inhibit each other notify nobody."""
    by_worth = sorted(pairs, key=lambda p: (-len(p.counted.rows), -p.low, p.source, p.target))
    kept: list[_Pair] = []
    follows: dict[int, set[int]] = {}
    for pair in by_worth[: most * 4]:
        if len(kept) < most and not _reaches(follows, pair.target, pair.source):
            follows.setdefault(pair.source, set()).add(pair.target)
            kept.append(pair)
    return kept


def _reaches(follows: dict[int, set[int]], start: int, goal: int) -> bool:
    todo, seen = [start], {start}
    while todo:
        at = todo.pop()
        if at == goal:
            return True
        fresh = follows.get(at, set()) - seen
        seen |= fresh
        todo += fresh
    return False


def _rule(history: History, kinds: Kinds, pair: _Pair, tried: int) -> InhibitionRule | None:
    source, target = _matchers(history, kinds, pair.source), _matchers(history, kinds, pair.target)
    if source is None or target is None:
        return None
    counted = pair.counted
    where = " and ".join(pair.equal)
    same = f" with the same {where}" if where else ""
    series = np.flatnonzero(kinds.of_series == pair.target)
    return with_id(InhibitionRule(
        id="",
        matchers=target,
        source=source,
        equal=pair.equal,
        sentence=(
            f"{kinds.words(pair.target)} is implied by {kinds.words(pair.source)}{same}: "
            f"{len(counted.rows):,} of {counted.episodes:,} began while that fired, and so did "
            f"{counted.good:,} of {counted.n:,} separate ones (at least "
            f"{support.percent(pair.low)} with confidence); none that would be hidden had a "
            f"ticket of its own."
        ),
        support=support.support_of(history.episodes, counted.rows, counted.n),
        bound=support.bound_of(
            "share of separate episodes that begin while the source fires with equal labels",
            counted.good, counted.n, low=pair.low, alpha=history.params.alpha, tried=tried,
        ),
        expires=support.expiry(history),
        team=history.patterns.pairs.team(series),
        examples=support.examples_of(
            history, counted.rows, lambda _: f"began while {kinds.words(pair.source)} fired"
        ),
    ))  # fmt: skip


def _matchers(history: History, kinds: Kinds, kind: int) -> tuple[Matcher, ...] | None:
    series = np.flatnonzero(kinds.of_series == kind)
    return known_values(
        history.patterns.pairs,
        series,
        history.patterns.episodes[series],
        history.params.max_values,
        history.patterns.open_labels,
    )
