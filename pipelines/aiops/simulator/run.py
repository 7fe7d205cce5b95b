"""Simulate a world from its parameters."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.aiops.params.simulate import SimulateParams
from pipelines.aiops.simulator.alerts import Alerts, build_alerts
from pipelines.aiops.simulator.model import Timeline, World
from pipelines.aiops.simulator.people import Reactions, react
from pipelines.aiops.simulator.timeline import build_timeline
from pipelines.aiops.simulator.world import build_world
from pipelines.aiops.simulator.write import CONFIGURATION, summary, write_world
from pipelines.base.errors import SignalboxError
from pipelines.base.files import write_folder


@dataclass(frozen=True)
class Simulated:
    """A world, what happened in it, and what people saw and did."""

    world: World
    timeline: Timeline
    alerts: Alerts
    people: Reactions

    @property
    def summary(self) -> dict[str, Any]:
        """Figures that describe it."""
        return summary(self.world, self.timeline, self.alerts, self.people)


def simulate(params: SimulateParams) -> Simulated:
    """Draw a world and its history.

    Raises
    ------
    SignalboxError
        If a parameter cannot be used.
    """
    world = build_world(params)
    timeline = build_timeline(world, params)
    alerts = build_alerts(world, timeline)
    return Simulated(world, timeline, alerts, react(world, timeline, alerts))


def write(simulated: Simulated, out: Path) -> None:
    """Write it to a folder, whole or not at all.

    Raises
    ------
    SignalboxError
        If there is something at `out` that isn't a simulated world: it is not overwritten.
    """
    empty = not out.exists() or (out.is_dir() and not any(out.iterdir()))
    if not empty and not (out / "truth").is_dir() and not (out / CONFIGURATION).is_file():
        raise SignalboxError(f"{out}: holds something else; choose another folder")
    parts = simulated.world, simulated.timeline, simulated.alerts, simulated.people
    write_folder(out, lambda folder: write_world(folder, *parts))
