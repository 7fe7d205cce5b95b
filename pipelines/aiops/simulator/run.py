"""Simulate a world from its parameters."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.aiops.params.simulate import SignalsParams, SimulateParams
from pipelines.aiops.simulator.alerts import Alerts, build_alerts
from pipelines.aiops.simulator.model import Timeline, World
from pipelines.aiops.simulator.people import Reactions, react
from pipelines.aiops.simulator.timeline import build_timeline
from pipelines.aiops.simulator.world import build_world
from pipelines.aiops.simulator.write import TITLE, summary, write_world
from pipelines.base.errors import SignalboxError
from pipelines.base.files import write_folder


@dataclass(frozen=True)
class Simulated:
    """A world, what happened in it, and what people saw and did."""

    world: World
    timeline: Timeline
    alerts: Alerts
    people: Reactions
    signals: SignalsParams

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
    return Simulated(world, timeline, alerts, react(world, timeline, alerts), params.signals)


def write(simulated: Simulated, out: Path) -> None:
    """Write it to a folder, whole or not at all.

    Raises
    ------
    SignalboxError
        If there is something at `out` that isn't a simulated world: it is not overwritten.
    """
    if not _may_replace(out):
        raise SignalboxError(f"{out}: holds something else; choose another folder")
    parts = simulated.world, simulated.timeline, simulated.alerts, simulated.people
    write_folder(out, lambda folder: write_world(folder, *parts, signals=simulated.signals))


def _may_replace(out: Path) -> bool:
    """Whether there is nothing, or a world that was simulated before."""
    if not out.exists():
        return True
    if not out.is_dir():
        return False
    readme = out / "README.md"
    ours = readme.is_file() and readme.read_text(encoding="utf-8").startswith(TITLE)
    return ours or not any(out.iterdir())
