"""The command ``signalbox``.

Exit codes: 0 done; 1 the run failed or the input is wrong (one line says what to do); 2 wrong
usage; 130 ended with Ctrl-C.

Names of commands and options have dashes; with underscores in their place they are taken as well.
"""

import time
from importlib import import_module
from pathlib import Path
from typing import Annotated, TypedDict

import typer
from rich.console import Console

from pipelines.cli.console import (
    AsJson,
    Project,
    one_line_errors,
    print_json,
    print_lines,
    with_dashes,
    work_for,
)
from pipelines.core.errors import SignalboxError

COMMANDS: tuple[tuple[str, str, str], ...] = (
    ("init", "pipelines.cli.init_commands", "init"),
    ("ledger", "pipelines.cli.ledger_commands", "app"),
    ("history", "pipelines.cli.ledger_commands", "history"),
    ("verify", "pipelines.cli.verify_commands", "verify"),
    ("release", "pipelines.cli.release_commands", "release"),
    ("answer", "pipelines.cli.release_commands", "answer"),
    ("compare", "pipelines.cli.release_commands", "compare"),
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
    context_settings={"token_normalize_func": with_dashes},
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
    as_json: AsJson = False,
) -> None:
    """Run products' release DAGs in Airflow; show each gate's checks and the report's path.

    Example: signalbox run model_release --param train.seed=7
    """
    console = Console(stderr=as_json)
    with one_line_errors(), work_for(project):
        from pipelines.cli.console import parse_overrides
        from pipelines.cli.release_run import run_releases

        done = run_releases(console, product or [], parse_overrides(param or []))
        if as_json:
            print_json(done)


USUAL_PORT = 8080
"""Port of the UI where it is free."""


class ShownUi(TypedDict):
    """What ``ui --json`` prints as soon as Airflow answers; `started`: by this very command."""

    address: str
    port: int
    user: str
    password: str
    started: bool


@app.command()
def ui(
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="Port on loopback; default: that of release.yaml, else 8080; a free one where it "
            "is taken, or with 0.",
        ),
    ] = None,
    project: Project = Path(),
    as_json: AsJson = False,
) -> None:
    """Start Airflow with our DAGs; print address and login; end with Ctrl-C.

    Where this project's Airflow runs already, only say where.

    Example: signalbox ui --port 8090
    """
    console = Console(stderr=as_json)
    with one_line_errors(), work_for(project):
        from pipelines.cli.airflow_stack import is_free, running, started
        from pipelines.core.runtime import load_project_params

        stack = running()
        if stack is not None:
            if port not in (None, 0, stack.port):
                raise SignalboxError(
                    f"--port {port}: this project's Airflow runs already, at {stack.address} "
                    f"(process {stack.owner}); end it first, or leave --port out"
                )
            print_lines(["this project's Airflow runs already"], console=console)
            _show_ui(stack.port, as_json, new=False)
            return
        usual = load_project_params(project).port or USUAL_PORT
        if port is None and not is_free(usual):
            taken = f"port {usual} is taken by another program; Airflow gets a free one"
            print_lines([taken], console=console)
            port = 0
        elif port and not is_free(port):
            raise SignalboxError(
                f"--port {port}: taken by another program; name another port, or 0 for a free one"
            )
        print_lines(["starting Airflow …"], console=console)
        with started((usual if port is None else port) or None) as stack:
            _show_ui(stack.port, as_json, new=True)
            print_lines(["end with Ctrl-C"], console=console)
            while True:
                time.sleep(3600)


def _show_ui(port: int, as_json: bool, *, new: bool) -> None:
    from pipelines.cli.airflow_stack import USER, address_of, password

    shown = ShownUi(
        address=address_of(port), port=port, user=USER, password=password(), started=new
    )
    if as_json:
        print_json(shown)
        return
    print_lines([
        f"address:  {shown['address']}",
        f"login:    {shown['user']}",
        f"password: {shown['password']}",
    ])  # fmt: skip


@app.command()
def stage(
    name: Annotated[str, typer.Argument(help="The stage's name in dvc.yaml.", metavar="NAME")],
) -> None:
    """Run one stage in the directory you stand in, as dvc.yaml does; use dvc repro yourself.

    It refuses to run other code than signalbox.lock says.

    Example: signalbox stage train
    """
    from pipelines.project.lock import run_stage_of_lock

    run_stage_of_lock(name, Path())


@app.command()
def upgrade(
    yes: Annotated[bool, typer.Option("--yes", help="Write without a question.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would change and run again.")
    ] = False,
    project: Project = Path(),
    as_json: AsJson = False,
) -> None:
    """Bring a project to the installed Signalbox; say before what runs again, and why.

    Moves keys of params.yaml that were renamed, and shows the difference. With --json nothing is
    written but with --yes.

    Example: signalbox upgrade --dry-run
    """
    with one_line_errors(), work_for(project):
        from pipelines.project.upgrade import apply_upgrade, plan_upgrade

        root = project.expanduser().resolve()
        plan = plan_upgrade(root)
        if not as_json:
            print_lines(plan.lines())
            print_lines(plan.diff.splitlines(), wrap=False)
        write = bool(plan.files) and not dry_run and (yes or not as_json)
        if write:
            if not yes:
                typer.confirm("Write this?", abort=True, err=True)
            apply_upgrade(root, plan)
        if as_json:
            print_json(plan.as_json(applied=write))
        elif write:
            print_lines(["next: dvc repro, or signalbox run"])


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
