"""Who is who: services that were renamed are one thing with two names, and have instances."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipelines.simulator.world.model import Service, World

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Names:
    """Names of a world's services over time."""

    world: World

    @cached_property
    def things(self) -> tuple[Service, ...]:
        """Services without their second names."""
        second = {renaming.new for renaming in self.world.renamed_services}
        return tuple(service for service in self.world.services if service.index not in second)

    @cached_property
    def _first(self) -> dict[int, int]:
        return {renaming.new: renaming.old for renaming in self.world.renamed_services}

    @cached_property
    def _renamed(self) -> dict[int, tuple[float, str]]:
        services = self.world.services
        return {
            renaming.old: (renaming.at, services[renaming.new].name)
            for renaming in self.world.renamed_services
        }

    def thing(self, service: int) -> int:
        """Position of the service that one is a second name of; else its own."""
        return self._first.get(service, service)

    def periods(self, service: int) -> list[tuple[str, float, float]]:
        """Names of a service, each with the seconds from and until which it is used."""
        other_service = self.world.services[service]
        if service not in self._renamed:
            return [(other_service.name, other_service.since, float("inf"))]
        at, name = self._renamed[service]
        return [(other_service.name, other_service.since, at), (name, at, float("inf"))]

    def name_at(self, service: int, at: float) -> str:
        """Name of a service at a time, seconds since the world's start."""
        return next((name for name, since, until in self.periods(service) if since <= at < until),
                    self.world.services[service].name)  # fmt: skip


def instance_name(world: World, service: Service, name: str, number: int) -> str:
    """Address of an instance; that of its place, which stays when a container is replaced."""
    if service.kind == "nodes":
        return f"{service.cluster}-node-{number:02d}:9100"
    return f"{name}-{number}:9090"
