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

from pipelines.aiops.artifacts import SIMULATED
from pipelines.aiops.params import AiopsParams, load_aiops_params
from pipelines.aiops.simulator.run import simulate, write
from pipelines.base.stage import run_stage, say


def main(params: AiopsParams) -> None:
    """Draw the world that the parameters describe and write it."""
    simulated = simulate(params.simulate)
    write(simulated, SIMULATED)
    facts = simulated.summary
    say(
        f"synthetic world {facts['seed']}: {facts['services']} services, {facts['alerts']} alerts, "
        f"{facts['faults']} faults, {facts['tickets']} incident tickets"
    )


if __name__ == "__main__":
    run_stage("simulate", main, load=load_aiops_params)
