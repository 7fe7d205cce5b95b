"""``signalbox simulate``: write the telemetry of a declared synthetic world.

Exit codes: 0 written; 1 a parameter or the folder cannot be used (one line says what to do);
2 wrong usage.
"""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.console import AsJson, one_line_errors, print_json


def simulate(
    *,
    seed: Annotated[int | None, typer.Option(min=0, max=2**32 - 1, help="Of the world.")] = None,
    days: Annotated[int | None, typer.Option(min=1, max=1000, help="Length of history.")] = None,
    alerts: Annotated[int | None, typer.Option(min=1, help="About how many alerts.")] = None,
    signal_days: Annotated[
        int | None,
        typer.Option(min=0, max=1000, help="Days of metrics and logs, at the end; 0 = none."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder; default: where the stage simulate writes.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the telemetry of a synthetic world; what isn't given is in params.yaml."""
    from pipelines.aiops.artifacts import SIMULATED
    from pipelines.aiops.params import load_aiops_params
    from pipelines.aiops.simulator import run

    given = {"seed": seed, "days": days, "alerts": alerts}
    with one_line_errors():
        params = load_aiops_params().simulate.model_copy(
            update={name: value for name, value in given.items() if value is not None}
        )
        if signal_days is not None:
            signals = params.signals.model_copy(update={"days": signal_days})
            params = params.model_copy(update={"signals": signals})
        simulated = run.simulate(params)
        folder = out or SIMULATED
        run.write(simulated, folder)
    told = {"signal_days": min(params.signals.days, params.days)}
    facts = simulated.summary | told | {"folder": folder.as_posix(), "synthetic": True}
    if as_json:
        print_json(facts)
        return
    typer.echo(f"synthetic world of seed {facts['seed']}, {facts['services']} services")
    typer.echo(
        f"{facts['alerts']:,} alerts, {facts['tickets']:,} incident tickets, {facts['days']} days"
    )
    if facts["signal_days"]:
        typer.echo(f"metrics, logs and spans; days of them, at the end: {facts['signal_days']}")
    typer.echo(str(folder))
