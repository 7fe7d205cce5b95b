"""Rules with one setting (how long to wait, to hold): the steps of it that a pattern speaks for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.noise.mining import describe
from pipelines.aiops.noise.mining.bounds import level, lower
from pipelines.aiops.noise.mining.episodes import Episodes
from pipelines.aiops.noise.mining.history import History, Unit, days_per_pattern, levels, units


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
    low = lower(counts.good, counts.n[:, None], level(params.alpha, tried))
    return Bounds(enough, low, tried)


def widest(
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


def shown(
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
        "support": describe.support_of(history.episodes, rows, n),
        "bound": describe.bound_of(
            measures, int(counts.good[where]), n, low=float(bounds.low[where]),
            alpha=history.params.alpha, tried=bounds.tried,
        ),
        "expires": describe.expiry(history),
        "team": history.patterns.team(index),
        "examples": describe.examples_of(history, rows, says),
    }  # fmt: skip
