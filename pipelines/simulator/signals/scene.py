"""One service over time, and the curves that measurements are made of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipelines.simulator.signals.load import Floats
from pipelines.simulator.signals.troubles import Trouble
from pipelines.simulator.world.model import Service, World

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
    for trouble, weight in zip(troubles, share, strict=True):
        size = float(getattr(trouble.effect, what)) * weight
        if size:
            found += trouble.level(at) * size
    return found


def backlog(troubles: Iterable[Trouble], at: Floats) -> Floats:
    """Minutes of traffic that wait; they are worked off after the trouble's end."""
    found = np.zeros(len(at))
    for trouble in troubles:
        size = trouble.effect.backlog
        if not size:
            continue
        share = np.clip((at - trouble.start) / (trouble.end - trouble.start), 0, 1)
        after = np.exp(-np.clip(at - trouble.end, 0, None) / DRAIN)
        found += share * after * size * trouble.force * (at >= trouble.start)
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


@dataclass(frozen=True)
class Measured:
    """A curve; `instance` is -1 for what is measured of the whole service."""

    name: str
    values: Floats
    instance: int = -1
    kind: str = "gauge"
    unit: str = ""
    labels: dict[str, str] = field(default_factory=dict)


@dataclass
class Scene:
    """One service over time: its traffic, and what is wrong with it."""

    rng: np.random.Generator
    world: World
    service: Service
    troubles: Sequence[Trouble]
    resets: Sequence[float]
    at: Floats
    rate: Floats
    own: float

    def whole(self, what: str) -> Floats:
        """Part of the effects for the service as a whole."""
        share = [trouble.hit / self.service.instances for trouble in self.troubles]
        return total(self.troubles, what, self.at, share)

    def slowest(self, what: str) -> Floats:
        """Part of the effects for a high quantile: few instances are enough to see it."""
        share = [min(1.0, 4 * trouble.hit / self.service.instances) for trouble in self.troubles]
        return total(self.troubles, what, self.at, share)

    def at_instance(self, what: str, number: int) -> Floats:
        """Part of the effects for one instance."""
        return total(self.troubles, what, self.at, [float(number < t.hit) for t in self.troubles])

    def restarts(self, number: int) -> list[float]:
        """When an instance began again: deployments, and what crashed or was restarted."""
        ended = [
            trouble.end
            for trouble in self.troubles
            if number < trouble.hit
            and trouble.depth == 0
            and (trouble.effect.down or trouble.kind == "memory_leak")
        ]
        return [*self.resets, *ended]
