"""The command ``signalbox``.

Exit codes: 0 done; 1 the run failed or the input is wrong (one line says what to do); 2 wrong
usage; 130 ended with Ctrl-C.
"""

import time
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pipelines.cli.console import Project, one_line_errors, work_for
from pipelines.core.errors import SignalboxError

COMMANDS: tuple[tuple[str, str, str], ...] = (
    ("ledger", "pipelines.cli.ledger_commands", "app"),
    ("history", "pipelines.cli.ledger_commands", "history"),
    ("verify", "pipelines.cli.verify_commands", "verify"),
    ("release", "pipelines.cli.release_commands", "release"),
    ("answer", "pipelines.cli.release_commands", "answer"),
    ("rollback", "pipelines.cli.release_commands", "rollback"),
    ("registry", "pipelines.cli.release_commands", "registry"),
    ("kpis", "pipelines.cli.compliance_commands", "kpis"),
    ("score", "pipelines.cli.release_commands", "score"),
    ("monitor", "pipelines.cli.release_commands", "monitor"),
    ("ingest", "pipelines.cli.telemetry_commands", "ingest"),
    ("collect", "pipelines.cli.telemetry_commands", "collect"),
    ("erase", "pipelines.cli.erase_commands", "erase"),
    ("subject", "pipelines.cli.erase_commands", "app"),
    ("telemetry", "pipelines.cli.telemetry_commands", "app"),
    ("simulate", "pipelines.cli.telemetry_commands", "simulate"),
    ("rules", "pipelines.cli.rules_commands", "app"),
    ("compliance", "pipelines.cli.compliance_commands", "compliance"),
    ("impact", "pipelines.cli.map_commands", "impact"),
    ("service-map", "pipelines.cli.map_commands", "app"),
    ("incidents", "pipelines.cli.incident_commands", "app"),
)
"""Commands in other files: name, module, attribute (a typer app, or a function)."""

app = typer.Typer(
    help="Signalbox: batch MLOps and AIOps on Airflow and DVC, through one release path.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _root() -> None:
    """Signalbox: batch MLOps and AIOps on Airflow and DVC, through one release path."""


@app.command()
def run(
    product: Annotated[
        list[str] | None,
        typer.Argument(help="Products to run, for example model_release; all if none is named."),
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", help="Override a DVC parameter, for example train.seed=7."),
    ] = None,
    project: Project = Path(),
) -> None:
    """Run products' release DAGs in Airflow; show each gate's checks and the report's path."""
    console = Console()
    with one_line_errors(), work_for(project):
        from pipelines.cli.console import parse_overrides
        from pipelines.cli.release_run import run_releases

        run_releases(console, product or [], parse_overrides(param or []))


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port on loopback; 0 takes a free one.")] = 8080,
    project: Project = Path(),
) -> None:
    """Start Airflow with our DAGs; print address and login; end with Ctrl-C."""
    console = Console()
    with one_line_errors(), work_for(project):
        from pipelines.cli.airflow_stack import USER, password, running, started

        stack = running()
        if stack is not None:
            raise SignalboxError(f"Airflow runs already at {stack.address}")
        console.print("starting Airflow …")
        with started(port or None) as stack:
            console.print(f"address:  {stack.address}")
            console.print(f"login:    {USER}")
            console.print(f"password: {password()}", highlight=False)
            console.print("end with Ctrl-C")
            while True:
                time.sleep(3600)


def _register() -> None:
    """Add the commands of other files: a typer app becomes a group, a function a command.

    Their modules are imported for every ``signalbox --help``, so they import nothing heavy
    outside their functions; a test watches that.
    """
    for name, module, attribute in COMMANDS:
        found = getattr(import_module(module), attribute)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name)
        else:
            app.command(name)(found)


_register()

if __name__ == "__main__":
    app()
