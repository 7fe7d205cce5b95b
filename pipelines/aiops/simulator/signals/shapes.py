"""Curves that measurements are made of; times are seconds since the world's start."""

from collections.abc import Iterable, Sequence

import numpy as np

from pipelines.aiops.simulator.signals.names import Floats
from pipelines.aiops.simulator.signals.troubles import Trouble

DRAIN = 900.0
"""Seconds in which a backlog falls to about a third once it is served again."""


def wander(rng: np.random.Generator, n: int, size: float, memory: int = 12) -> Floats:
    """Noise with standard deviation `size` whose neighbours are alike, shape (n,)."""
    weights = np.exp(-np.arange(4 * memory) / memory)
    weights /= np.sqrt((weights**2).sum())
    white = rng.standard_normal(n + len(weights) - 1)
    return np.asarray(np.convolve(white, weights, "valid") * size)


def shaken(rng: np.random.Generator, n: int, size: float) -> Floats:
    """Factors around 1: some that last a while, some of one step, and now and then a blip."""
    found = np.exp(wander(rng, n, size) + rng.standard_normal(n) * size)
    blips = rng.random(n) < 0.0004
    return np.where(blips, found * rng.uniform(1.2, 2.0, n), found)


def total(troubles: Iterable[Trouble], what: str, at: Floats, share: Sequence[float]) -> Floats:
    """Add up one part of the effects of troubles, each weighted, at times."""
    found = np.zeros(len(at))
    for one, weight in zip(troubles, share, strict=True):
        size = float(getattr(one.effect, what)) * weight
        if size:
            found += one.level(at) * size
    return found


def backlog(troubles: Iterable[Trouble], at: Floats) -> Floats:
    """Minutes of traffic that wait; they are worked off after the trouble's end."""
    found = np.zeros(len(at))
    for one in troubles:
        size = one.effect.backlog
        if not size:
            continue
        share = np.clip((at - one.start) / (one.end - one.start), 0, 1)
        after = np.exp(-np.clip(at - one.end, 0, None) / DRAIN)
        found += share * after * size * one.force * (at >= one.start)
    return found


def counted(rng: np.random.Generator, rate: Floats, at: Floats, resets: Sequence[float]) -> Floats:
    """Let a counter grow with a rate a second, from zero again at each reset."""
    step = float(at[1] - at[0]) if len(at) > 1 else 0.0
    grown = np.cumsum(rng.poisson(np.clip(rate, 0, None) * step)).astype(np.float64)
    begun = grown[0] + rng.integers(0, 10_000_000) if len(grown) else 0.0
    found = grown + begun
    for reset in sorted(resets):
        later = at >= reset
        if later.any() and not later.all():
            first = int(later.argmax())
            found[first:] = grown[first:] - grown[first - 1]
    return found


def sawtooth(at: Floats, resets: Sequence[float]) -> Floats:
    """Seconds since the last of some moments; before the first one, since the beginning."""
    edges = np.concatenate([[float(at[0]) if len(at) else 0.0], np.sort(np.array(resets, float))])
    return np.asarray(at - edges[np.clip(np.searchsorted(edges, at, "right") - 1, 0, None)])
