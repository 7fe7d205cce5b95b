"""What every command shares: errors on one line, results as JSON, parameters and overrides."""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml
from rich.console import Console

from pipelines.core.errors import SignalboxError
from pipelines.core.project import PIPELINE, VARIABLE, command_project

if TYPE_CHECKING:
    from pipelines.aiops.params import AiopsParams


def _chosen(ctx: typer.Context, param: typer.CallbackParam, value: Path) -> Path:
    """Find the project where none is named; say which one where it isn't the directory itself."""
    source = ctx.get_parameter_source(str(param.name))
    if source is not None and source.name != "DEFAULT":
        return value
    with one_line_errors():
        found = command_project(__file__)
    if found.why:
        Console(stderr=True).print(
            f"project: {found.path} ({found.why})", markup=False, highlight=False, soft_wrap=True
        )
    return found.path if found.path != Path.cwd().resolve() else value


Project = Annotated[
    Path,
    typer.Option(
        help="Root of the project; default: $SIGNALBOX_PROJECT, else where you stand, else the "
        "one that this command is installed from.",
        callback=_chosen,
        show_default=False,
    ),
]


@contextmanager
def work_for(project: Path) -> Iterator[None]:
    """Let what runs in the block, and the processes it starts, work for a project.

    Raises
    ------
    SignalboxError
        If it is none.
    """
    top = project.expanduser().resolve()
    if not (top / PIPELINE).is_file():
        raise SignalboxError(
            f"{top} has no {PIPELINE}: start in the project's top directory, or name it with "
            f"--project or ${VARIABLE}"
        )
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(top)
    try:
        yield
    finally:
        os.environ.pop(VARIABLE)
        if before is not None:
            os.environ[VARIABLE] = before


AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON, and nothing else.")]


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Print a user's error as one line and exit with 1; end quietly on Ctrl-C."""
    try:
        yield
    except SignalboxError as error:
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def print_json(value: Any) -> None:
    """Print `value` as JSON on stdout, for programs."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def print_lines(lines: Iterable[str]) -> None:
    """Print texts that may come from telemetry: what steers a terminal is left out of them."""
    for line in lines:
        typer.echo("".join(sign if sign.isprintable() else "\ufffd" for sign in line))


def parse_overrides(texts: list[str]) -> dict[str, Any]:
    """Parse ``["train.seed=7"]`` into ``{"train.seed": 7}``; values are YAML.

    Raises
    ------
    SignalboxError
        If a text isn't ``key=value``.
    """
    overrides = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise SignalboxError(f"--param {text!r}: write key=value, for example train.seed=7")
        overrides[key] = yaml.safe_load(value)
    return overrides


def analysis_params(project: Path) -> "AiopsParams":
    """Section ``aiops`` with folders that don't depend on where a command runs."""
    from pipelines.aiops.params import load_aiops_params

    params = load_aiops_params(project)
    folders = {name: str(project / getattr(params.analysis, name))
               for name in ("lake", "results", "state")}  # fmt: skip
    return params.model_copy(update={"analysis": params.analysis.model_copy(update=folders)})
