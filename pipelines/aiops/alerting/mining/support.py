"""What stands beside a rule: support, examples, expiry; its threshold sweep; pairs counted."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.alerting.mining.cooccurrence import FiringIntervals, begin_inside
from pipelines.aiops.alerting.mining.episodes import Episodes, days_of, positions
from pipelines.aiops.alerting.mining.history import (
    History,
    IndependentUnits,
    Kinds,
    days_per_pattern,
    levels,
    units,
)
from pipelines.aiops.alerting.rules import Bound, Example, Support
from pipelines.aiops.lake.frame import YES
from pipelines.core.arrays import distinct
from pipelines.core.evidence import round_floats
from pipelines.core.stats import METHOD, bonferroni_level, clopper_pearson_lower
from pipelines.core.time import EPOCH

MAX_LABELS = 20
"""Labels that an example shows."""


def moment(episodes: Episodes, at: int) -> datetime:
    """Turn milliseconds since the origin of `episodes` into a date in UTC.

    Parameters
    ----------
    episodes : Episodes
        Episodes that give the origin.
    at : int
        Milliseconds since the origin.

    Returns
    -------
    datetime
        Time in UTC.
    """
    return EPOCH + timedelta(milliseconds=episodes.origin // 1000 + at)


def support_of(episodes: Episodes, rows: NDArray[np.int64], count: int | None = None) -> Support:
    """Sum up the support of a rule that rests on these episodes.

    Parameters
    ----------
    episodes : Episodes
        Episodes of the training window.
    rows : array of int64, shape (n,)
        Positions of the episodes, at least one.
    count : int or None
        Number of independent episodes; None: all of `rows`.

    Returns
    -------
    Support
        Alerts, episodes, days, first and last.
    """
    starts = episodes.start[rows]
    return Support(
        alerts=int(episodes.rows[rows].sum()),
        episodes=len(rows) if count is None else count,
        days=days_of(episodes, starts),
        first=moment(episodes, int(starts.min())),
        last=moment(episodes, int(starts.max())),
    )


def examples_of(
    history: History, rows: NDArray[np.int64], sentence: Callable[[int], str]
) -> tuple[Example, ...]:
    """Pick episodes from the beginning, the middle and the end of `rows`, in order of time.

    Parameters
    ----------
    history : History
        The training window as the families see it.
    rows : array of int64, shape (n,)
        Positions of episodes.
    sentence : callable
        Describes an episode, given its position.

    Returns
    -------
    tuple of Example
        At most `MineRulesParams.examples` examples.
    """
    return examples_at(history, rows, moments_of(history, history.episodes.start[rows]), sentence)


def moments_of(history: History, starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pick the starts of examples: the first, the last and some between.

    Parameters
    ----------
    history : History
        The training window as the families see it.
    starts : array of int64, shape (n,), milliseconds
        Starts of episodes, any order.

    Returns
    -------
    array of int64, milliseconds
        Chosen starts, ascending.
    """
    wanted = min(history.params.examples, len(starts))
    # Partition instead of sort: only a handful of order statistics is needed.
    ranks = np.unique(np.linspace(0, len(starts) - 1, wanted).round().astype(int))
    return np.unique(np.partition(starts, ranks)[ranks])


def examples_at(
    history: History,
    rows: NDArray[np.int64],
    moments: NDArray[np.int64],
    sentence: Callable[[int], str],
) -> tuple[Example, ...]:
    """Show an episode of `rows` for each of the moments, at which one must start.

    Parameters
    ----------
    history : History
        The training window as the families see it.
    rows : array of int64, shape (n,)
        Positions of episodes.
    moments : array of int64, milliseconds
        Starts since the origin.
    sentence : callable
        Describes an episode, given its position.

    Returns
    -------
    tuple of Example
        One example a moment.
    """
    episodes, labels = history.episodes, history.patterns.labels
    chosen = [_at(history, rows, int(start)) for start in moments]
    return tuple(
        Example(
            starts_at=moment(episodes, int(episodes.start[i])),
            ends_at=moment(episodes, int(episodes.end[i])) if episodes.ended[i] else None,
            labels=dict(sorted(labels[episodes.series[i]].items())[:MAX_LABELS]),
            sentence=sentence(i),
        )
        for i in chosen
    )


def _at(history: History, rows: NDArray[np.int64], start: int) -> int:
    """Of the episodes that start at this moment the first by labels, however they are numbered."""
    episodes, labels = history.episodes, history.patterns.labels
    same = rows[episodes.start[rows] == start].tolist()
    best: int = min(same, key=lambda i: sorted(labels[episodes.series[i]].items()))
    return best


def expiry(history: History) -> date:
    """Return the day after which a rule must be proven anew.

    Parameters
    ----------
    history : History
        The training window as the families see it.

    Returns
    -------
    date
        End of the window and `MineRulesParams.expiry_days` more.
    """
    end = EPOCH + timedelta(microseconds=history.window.end)
    return (end + timedelta(days=history.params.expiry_days)).date()


def bound_of(
    measures: str,
    good: int,
    n: int,
    *,
    low: float | None = None,
    high: float | None = None,
    alpha: float,
    tried: int,
    method: str = METHOD,
) -> Bound:
    """Build a share's confidence bound as it stands in a rule.

    Parameters
    ----------
    measures : str
        What the share is a share of, in words.
    good, n : int
        Units that speak for the rule, and all units.
    low, high : float or None
        Lower and upper confidence bound; None: not claimed.
    alpha : float
        Chance of an error over all candidates together.
    tried : int
        Candidates that share `alpha` (Bonferroni).
    method : str
        Name of the method.

    Returns
    -------
    Bound
        The bound, rounded.
    """
    return Bound(
        measures=measures, value=round_floats(good / n if n else 0.0),
        low=None if low is None else round_floats(float(low)),
        high=None if high is None else round_floats(float(high)),
        n=n, level=round_floats(bonferroni_level(alpha, tried)), method=method, tried=tried,
    )  # fmt: skip


def seconds_in_words(seconds: float) -> str:
    """Format a duration for people.

    Parameters
    ----------
    seconds : float
        Duration, seconds.

    Returns
    -------
    str
        Whole days, hours or minutes where it is one; else seconds.
    """
    for size, word in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            count = round(seconds / size)
            return f"{count} {word}{'s' if count != 1 else ''}"
    return f"{seconds:g} s"


def percent(share: float) -> str:
    """Format a share in per cent, one digit, never rounded up to certainty.

    Parameters
    ----------
    share : float
        Share between 0 and 1.

    Returns
    -------
    str
        Such as "99.9 %".
    """
    text = min(share * 100, 99.9) if share < 1 else 100.0
    return f"{text:.1f} %" if text < 100 else "100 %"


class ThresholdSweep:
    """Independent units per pattern, their days, and the units that speak for each threshold.

    Parameters
    ----------
    history : History
        The training window as the families see it.
    steps : int
        Number of thresholds that are swept.

    Attributes
    ----------
    n, days : array of int64, shape (patterns,)
        Units of each pattern, and separate days with one.
    good : array of int64, shape (patterns, steps)
        Units that speak for each threshold.
    """

    def __init__(self, history: History, steps: int) -> None:
        count = len(history.patterns)
        self.history = history
        self.n, self.days = np.zeros(count, np.int64), np.zeros(count, np.int64)
        self.good = np.zeros((count, steps), np.int64)

    def add(self, unit: IndependentUnits) -> None:
        """Count one level's units.

        Parameters
        ----------
        unit : IndependentUnits
            Units of a level.
        """
        self.n += np.bincount(unit.pattern, minlength=len(self.n))
        self.days += days_per_pattern(unit, len(self.n))

    def speaks(self, step: int, pattern: NDArray[np.int64]) -> None:
        """Count units (by their patterns) that speak for a threshold.

        Parameters
        ----------
        step : int
            Position of the threshold.
        pattern : array of int64, shape (n,)
            Pattern of each unit.
        """
        self.good[:, step] += np.bincount(pattern, minlength=len(self.n))


def by_level(
    history: History, episodes: Episodes
) -> Iterator[tuple[NDArray[np.int32], IndependentUnits]]:
    """Yield the levels of patterns with the independent units in which `episodes` have them.

    Parameters
    ----------
    history : History
        The training window as the families see it.
    episodes : Episodes
        Episodes to group, of the history.

    Yields
    ------
    (array of int32, Unit)
        Pattern of each series, and the level's units.
    """
    for of_level in levels(history):
        unit = units(episodes, of_level, history.params.independence_seconds)
        if len(unit.pattern):
            yield of_level, unit


@dataclass(frozen=True)
class Bounds:
    """What counts prove, corrected for everything that was tried.

    Attributes
    ----------
    enough : array of bool, shape (patterns,)
        Patterns with history enough for a rule.
    low : array of float64, shape (patterns, steps)
        Lower confidence bound of the share that speaks for each threshold.
    tried : int
        Candidates compared.
    """

    enough: NDArray[np.bool_]
    low: NDArray[np.float64]
    tried: int


def bounds_of(counts: ThresholdSweep) -> Bounds:
    """Compute the bounds: Clopper and Pearson's with Bonferroni's correction (`core.stats`).

    Parameters
    ----------
    counts : ThresholdSweep
        Units of every pattern.

    Returns
    -------
    Bounds
        Bounds for every pattern and threshold.
    """
    params = counts.history.params
    enough = (counts.n >= params.min_episodes) & (counts.days >= params.min_days)
    tried = int(enough.sum()) * counts.good.shape[1]
    low = clopper_pearson_lower(
        counts.good, counts.n[:, None], bonferroni_level(params.alpha, tried)
    )
    return Bounds(enough, low, tried)


def most_general(
    history: History, fits: NDArray[np.bool_], worth: NDArray[np.int64], nearly: tuple[int, int]
) -> list[tuple[int, int]]:
    """Choose patterns that no more general one with a rule holds, and their thresholds.

    Parameters
    ----------
    history : History
        The training window as the families see it.
    fits : array of bool, shape (patterns, steps)
        Thresholds that are candidates.
    worth : array of int64, shape (patterns, steps)
        What each threshold does. Of a pattern the threshold that does most is taken, and the first
        one that does `nearly` as much.
    nearly : (int, int)
        Numerator and denominator of a fraction.

    Returns
    -------
    list of (int, int)
        (pattern, step) of each choice.
    """
    found: list[tuple[int, int]] = []
    done: set[int] = set()
    for index in np.flatnonzero(fits.any(axis=1)).tolist():
        covered_already = done.intersection(history.patterns.ancestors(index))
        if not covered_already and history.patterns.matchers(index) is not None:
            done.add(index)
            found += [(index, step) for step in _choice(worth[index], fits[index], nearly)]
    return found


def _choice(
    worth: NDArray[np.int64], fits: NDArray[np.bool_], nearly: tuple[int, int]
) -> list[int]:
    allowed = np.flatnonzero(fits)
    most = allowed[np.argmax(worth[allowed])]
    # Fractions are compared as whole numbers, so that no rounding decides.
    first = allowed[np.argmax(worth[allowed] * nearly[1] >= worth[most] * nearly[0])]
    return sorted({int(most), int(first)})


def rule_evidence(
    counts: ThresholdSweep, bounds: Bounds, where: tuple[int, int], rows: NDArray[np.int64],
    *, measures: str, sentence: Callable[[int], str],
) -> dict[str, Any]:  # fmt: skip
    """Collect the fields of a rule that show what it rests on.

    Parameters
    ----------
    counts : ThresholdSweep
        Units of every pattern.
    bounds : Bounds
        Bounds of `counts`.
    where : (int, int)
        Pattern and step.
    rows : array of int64, shape (n,)
        Episodes that speak for the rule.
    measures : str
        What the bound is a bound of.
    sentence : callable
        Describes an episode, given its position.

    Returns
    -------
    dict of str to object
        Fields `support`, `bound`, `expires`, `team` and `examples`.
    """
    history, index = counts.history, where[0]
    n = int(counts.n[index])
    return {
        "support": support_of(history.episodes, rows, n),
        "bound": bound_of(
            measures, int(counts.good[where]), n, low=float(bounds.low[where]),
            alpha=history.params.alpha, tried=bounds.tried,
        ),
        "expires": expiry(history),
        "team": history.patterns.team(index),
        "examples": examples_of(history, rows, sentence),
    }  # fmt: skip


@dataclass(frozen=True)
class Covered:
    """What a source covers of a target.

    Attributes
    ----------
    episodes : int
        Episodes of the target.
    rows : array of int64, shape (n,)
        Positions of those that began while the source fired.
    good, n, days : int
        Independent units that are covered (one for each set of equal labels and stretch of time,
        the worst episode decides), all units, and the days of the covered ones.
    """

    episodes: int
    rows: NDArray[np.int64]
    good: int
    n: int
    days: int


def covered(
    history: History, kinds: Kinds, pair: tuple[int, int], location: NDArray[np.int64],
    firing: FiringIntervals,
) -> Covered | None:  # fmt: skip
    """Count how many of a target's episodes begin while its source fires.

    Parameters
    ----------
    history : History
        The training window as the families see it.
    kinds : Kinds
        Kinds of alerts with episodes enough.
    pair : (int, int)
        Kinds of the source and of the target.
    location : array of int64, shape (series,)
        Code of each series' equal labels, -1 without.
    firing : FiringIntervals
        Intervals during which the source fires.

    Returns
    -------
    Covered or None
        None if the rule would inhibit a target that was acted on while its source is about
        something else.
    """
    episodes, lead = history.episodes, history.params.inhibition.lead_seconds * 1000
    acted = kinds.acted[pair[1]]
    acted = acted[_inside(episodes, acted, location, firing)]
    # One harm decides, and is found without looking at all the rest.
    if len(acted) and _harm(episodes, _of_kind(episodes, kinds, pair[0]), acted, location, lead):
        return None
    rows = _of_kind(episodes, kinds, pair[1])
    inside = _inside(episodes, rows, location, firing)
    good, n = _units(history, rows, inside, location)
    hidden = rows[inside]
    days = days_of(episodes, episodes.start[hidden])
    return Covered(len(rows), hidden, good, n, days)


def _inside(
    episodes: Episodes,
    rows: NDArray[np.int64],
    location: NDArray[np.int64],
    firing: FiringIntervals,
) -> NDArray[np.bool_]:
    return begin_inside(
        firing, location[episodes.series[rows]], episodes.start[rows], episodes.span
    )  # fmt: skip


def _of_kind(episodes: Episodes, kinds: Kinds, kind: int) -> NDArray[np.int64]:
    return positions(episodes, np.flatnonzero(kinds.of_series == kind))


def _units(
    history: History,
    rows: NDArray[np.int64],
    inside: NDArray[np.bool_],
    location: NDArray[np.int64],
) -> tuple[int, int]:
    episodes, block = history.episodes, history.params.independence_seconds * 1000
    blocks = episodes.span // block + 1
    # A unit with a single episode outside of the source's time speaks against the pair.
    key = location[episodes.series[rows]] * blocks + episodes.start[rows] // block
    n, missed = len(distinct(key)), len(distinct(key[~inside]))
    return n - missed, n


def _harm(
    episodes: Episodes, source: NDArray[np.int64], acted: NDArray[np.int64],
    location: NDArray[np.int64], lead: int,
) -> bool:  # fmt: skip
    """Whether for one of the `acted` targets, all covered, no source tells of the same thing."""
    where = location[episodes.series[source]]
    for row in acted.tolist():
        covers = source[
            (where == location[episodes.series[row]])
            & (episodes.start[source] <= episodes.start[row] + lead)
            & (episodes.observed_end[source] >= episodes.start[row])
        ]
        same = episodes.ticket[covers] == episodes.ticket[row]
        if not (same & (episodes.acted[covers] == YES)).any():
            return True
    return False
