"""What stands beside a rule: support, examples, expiry, words; its settings; pairs counted."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.alerting.mining.cooccurrence import Stretches, begin_inside
from pipelines.aiops.alerting.mining.episodes import Episodes, days_of, positions
from pipelines.aiops.alerting.mining.history import (
    History,
    Kinds,
    Unit,
    days_per_pattern,
    levels,
    units,
)
from pipelines.aiops.alerting.rules import Bound, Example, Matcher, Support, rule_id
from pipelines.aiops.lake.frame import YES
from pipelines.core.arrays import distinct
from pipelines.core.evidence import round_floats
from pipelines.core.stats import METHOD, bonferroni_level, clopper_pearson_lower
from pipelines.core.time import EPOCH

MAX_LABELS = 20
"""Labels that an example shows."""


def moment(episodes: Episodes, at: int) -> datetime:
    """Turn milliseconds since the origin of `episodes` into a date in UTC."""
    return EPOCH + timedelta(milliseconds=episodes.origin // 1000 + at)


def support_of(episodes: Episodes, rows: NDArray[np.int64], count: int | None = None) -> Support:
    """Support of a rule that rests on these episodes; `count` is the number of independent ones."""
    starts = episodes.start[rows]
    return Support(
        alerts=int(episodes.rows[rows].sum()),
        episodes=len(rows) if count is None else count,
        days=days_of(episodes, starts),
        first=moment(episodes, int(starts.min())),
        last=moment(episodes, int(starts.max())),
    )


def examples_of(
    history: History, rows: NDArray[np.int64], says: Callable[[int], str]
) -> tuple[Example, ...]:
    """Pick episodes from the beginning, the middle and the end of `rows`, in order of time."""
    return examples_at(history, rows, moments_of(history, history.episodes.start[rows]), says)


def moments_of(history: History, starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pick starts of examples: the first, the last and some between."""
    wanted = min(history.params.examples, len(starts))
    places = np.unique(np.linspace(0, len(starts) - 1, wanted).round().astype(int))
    return np.unique(np.partition(starts, places)[places])


def examples_at(
    history: History,
    rows: NDArray[np.int64],
    moments: NDArray[np.int64],
    says: Callable[[int], str],
) -> tuple[Example, ...]:
    """Show an episode of `rows` for each of the moments, at which one must start."""
    episodes, labels = history.episodes, history.patterns.labels
    chosen = [_at(history, rows, int(start)) for start in moments]
    return tuple(
        Example(
            starts_at=moment(episodes, int(episodes.start[i])),
            ends_at=moment(episodes, int(episodes.end[i])) if episodes.ended[i] else None,
            labels=dict(sorted(labels[episodes.series[i]].items())[:MAX_LABELS]),
            says=says(i),
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
    """Day after which a rule must be proven anew."""
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
    """Give a share's bound as it stands in a rule."""
    return Bound(
        measures=measures, value=round_floats(good / n if n else 0.0),
        low=None if low is None else round_floats(float(low)),
        high=None if high is None else round_floats(float(high)),
        n=n, level=round_floats(bonferroni_level(alpha, tried)), method=method, tried=tried,
    )  # fmt: skip


def identity(family: str, matchers: tuple[Matcher, ...], **does: Any) -> str:
    """Id of a rule from what it does."""
    return rule_id(family, {"matchers": [m.model_dump() for m in matchers], **does})


def seconds_in_words(seconds: float) -> str:
    """Duration as people say it."""
    for size, word in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            count = round(seconds / size)
            return f"{count} {word}{'s' if count != 1 else ''}"
    return f"{seconds:g} s"


def percent(share: float) -> str:
    """Share in per cent, one digit, never rounded up to certainty."""
    shown = min(share * 100, 99.9) if share < 1 else 100.0
    return f"{shown:.1f} %" if shown < 100 else "100 %"


class Counts:
    """Per pattern: separate stretches, their days, and how many speak for each step.

    Attributes
    ----------
    n, days
        Shape (patterns,).
    good
        Shape (patterns, steps).
    """

    def __init__(self, history: History, steps: int) -> None:
        count = len(history.patterns)
        self.history = history
        self.n, self.days = np.zeros(count, np.int64), np.zeros(count, np.int64)
        self.good = np.zeros((count, steps), np.int64)

    def add(self, unit: Unit) -> None:
        """Count one level's stretches."""
        self.n += np.bincount(unit.pattern, minlength=len(self.n))
        self.days += days_per_pattern(unit, len(self.n))

    def speaks(self, step: int, pattern: NDArray[np.int64]) -> None:
        """Count stretches (by their patterns) that speak for a step."""
        self.good[:, step] += np.bincount(pattern, minlength=len(self.n))


def by_level(history: History, episodes: Episodes) -> Iterator[tuple[NDArray[np.int32], Unit]]:
    """Levels of patterns with the separate stretches in which `episodes` have them."""
    for of_level in levels(history):
        unit = units(episodes, of_level, history.params.independence_seconds)
        if len(unit.pattern):
            yield of_level, unit


@dataclass(frozen=True)
class Bounds:
    """What counts prove, paid for by everything that was tried.

    Attributes
    ----------
    enough
        Patterns with history enough for a rule.
    low
        Lower bound of the share that speaks for each step, shape (patterns, steps).
    """

    enough: NDArray[np.bool_]
    low: NDArray[np.float64]
    tried: int


def bounds_of(counts: Counts) -> Bounds:
    """Work out the bounds."""
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
    """Patterns that no wider one with a rule holds, and their steps: (pattern, step).

    Parameters
    ----------
    fits
        Steps that are candidates, shape (patterns, steps).
    worth
        What each step does; shape as `fits`. Of a pattern the step that does most is taken, and the
        first one that does `nearly` (a fraction) as much.
    """
    found: list[tuple[int, int]] = []
    done: set[int] = set()
    for index in np.flatnonzero(fits.any(axis=1)).tolist():
        told = done.intersection(history.patterns.ancestors(index))
        if not told and history.patterns.matchers(index) is not None:
            done.add(index)
            found += [(index, step) for step in _choice(worth[index], fits[index], nearly)]
    return found


def _choice(
    worth: NDArray[np.int64], fits: NDArray[np.bool_], nearly: tuple[int, int]
) -> list[int]:
    allowed = np.flatnonzero(fits)
    most = allowed[np.argmax(worth[allowed])]
    first = allowed[np.argmax(worth[allowed] * nearly[1] >= worth[most] * nearly[0])]
    return sorted({int(most), int(first)})


def rule_evidence(
    counts: Counts, bounds: Bounds, where: tuple[int, int], rows: NDArray[np.int64],
    *, measures: str, says: Callable[[int], str],
) -> dict[str, Any]:  # fmt: skip
    """Fields of a rule that show what it rests on.

    Parameters
    ----------
    where
        Pattern and step.
    rows
        Episodes that speak for it.
    measures
        What the bound is a bound of.
    says
        Says of an episode what it shows.
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
        "examples": examples_of(history, rows, says),
    }  # fmt: skip


@dataclass(frozen=True)
class Covered:
    """What a source covers of a target.

    Attributes
    ----------
    episodes
        Episodes of the target.
    rows
        Those that began while the source fired, positions.
    good, n, days
        Independent ones (one a place and stretch of time, the worst speaks), all of them, and the
        days of the good ones.
    """

    episodes: int
    rows: NDArray[np.int64]
    good: int
    n: int
    days: int


def covered(
    history: History, kinds: Kinds, pair: tuple[int, int], place: NDArray[np.int64],
    firing: Stretches,
) -> Covered | None:  # fmt: skip
    """Count a pair; `place` is the code of each series' equal labels.

    Parameters
    ----------
    firing
        Stretches during which the source fires.

    Returns
    -------
    None if a target that was acted on would be hidden while its source tells of something else.
    """
    episodes, lead = history.episodes, history.params.implied.lead_seconds * 1000
    acted = kinds.acted[pair[1]]
    acted = acted[_inside(episodes, acted, place, firing)]
    # One harm decides, and is found without looking at all the rest.
    if len(acted) and _harm(episodes, _of_kind(episodes, kinds, pair[0]), acted, place, lead):
        return None
    rows = _of_kind(episodes, kinds, pair[1])
    inside = _inside(episodes, rows, place, firing)
    good, n = _units(history, rows, inside, place)
    hidden = rows[inside]
    days = days_of(episodes, episodes.start[hidden])
    return Covered(len(rows), hidden, good, n, days)


def _inside(
    episodes: Episodes, rows: NDArray[np.int64], place: NDArray[np.int64], firing: Stretches
) -> NDArray[np.bool_]:
    return begin_inside(
        firing, place[episodes.series[rows]], episodes.start[rows], episodes.span
    )  # fmt: skip


def _of_kind(episodes: Episodes, kinds: Kinds, kind: int) -> NDArray[np.int64]:
    return positions(episodes, np.flatnonzero(kinds.of_series == kind))


def _units(
    history: History, rows: NDArray[np.int64], inside: NDArray[np.bool_], place: NDArray[np.int64]
) -> tuple[int, int]:
    episodes, block = history.episodes, history.params.independence_seconds * 1000
    blocks = episodes.span // block + 1
    key = place[episodes.series[rows]] * blocks + episodes.start[rows] // block
    n, missed = len(distinct(key)), len(distinct(key[~inside]))
    return n - missed, n


def _harm(
    episodes: Episodes, source: NDArray[np.int64], acted: NDArray[np.int64],
    place: NDArray[np.int64], lead: int,
) -> bool:  # fmt: skip
    """Whether for one of the `acted` targets, all covered, no source tells of the same thing."""
    where = place[episodes.series[source]]
    for row in acted.tolist():
        covers = source[
            (where == place[episodes.series[row]])
            & (episodes.start[source] <= episodes.start[row] + lead)
            & (episodes.end[source] >= episodes.start[row])
        ]
        same = episodes.ticket[covers] == episodes.ticket[row]
        if not (same & (episodes.acted[covers] == YES)).any():
            return True
    return False
