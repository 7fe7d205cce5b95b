"""One service over time, and the curves that are measured of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pipelines.aiops.simulator.model import Service, World
from pipelines.aiops.simulator.signals.names import Floats
from pipelines.aiops.simulator.signals.shapes import total
from pipelines.aiops.simulator.signals.troubles import Trouble


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
        share = [one.hit / self.service.instances for one in self.troubles]
        return total(self.troubles, what, self.at, share)

    def slowest(self, what: str) -> Floats:
        """Part of the effects for a high quantile: few instances are enough to see it."""
        share = [min(1.0, 4 * one.hit / self.service.instances) for one in self.troubles]
        return total(self.troubles, what, self.at, share)

    def at_instance(self, what: str, number: int) -> Floats:
        """Part of the effects for one instance."""
        return total(self.troubles, what, self.at, [float(number < t.hit) for t in self.troubles])

    def restarts(self, number: int) -> list[float]:
        """When an instance began again: deployments, and what crashed or was restarted."""
        ended = [one.end for one in self.troubles if number < one.hit and one.depth == 0
                 and (one.effect.down or one.kind == "memory_leak")]  # fmt: skip
        return [*self.resets, *ended]
