"""Stage ``simulate``: a declared synthetic world, so that a fresh clone has telemetry.

``telemetry/simulated/`` is a lake in the layout of the contract (``alerts``, ``tickets``,
``changes``; ``metrics``, ``logs``, ``spans`` of the last days), with ``alertmanager.yml`` (today's
configuration of that world), ``README.md`` and the truth:

- ``truth/alerts.parquet``: alert_id, incident_id, cause
- ``truth/incidents.parquet``: incident_id, starts_at, ends_at, root_service, kind, shape, fix,
  ticket_id, change_id, services, alerts, first_alert_id
- ``truth/signals.parquet``: fault_id, kind, shape, service, root_service, starts_at, ends_at,
  depth, strength, force, change_id, signals, new_template, new_code, heartbeat_stops

Equal parameters give equal bytes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.aiops.params import AiopsParams, load_aiops_params
from pipelines.aiops.params.artifacts import SIMULATED
from pipelines.aiops.params.telemetry import SignalsParams, SimulateParams
from pipelines.core.errors import SignalboxError
from pipelines.core.files import write_folder
from pipelines.core.stage import log, run_stage
from pipelines.simulator.world.alerts import Alerts, build_alerts
from pipelines.simulator.world.build import build_world
from pipelines.simulator.world.model import Timeline, World
from pipelines.simulator.world.people import Reactions, react
from pipelines.simulator.world.timeline import build_timeline
from pipelines.simulator.write import TITLE, summary, write_world


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


def main(params: AiopsParams) -> None:
    """Draw the world that the parameters describe and write it."""
    simulated = simulate(params.simulate)
    write(simulated, SIMULATED)
    facts = simulated.summary
    log(
        f"synthetic world {facts['seed']}: {facts['services']} services, {facts['alerts']} alerts, "
        f"{facts['faults']} faults, {facts['tickets']} incident tickets"
    )


if __name__ == "__main__":
    run_stage("simulate", main, load=load_aiops_params)
