"""What every command shares: errors on one line, and results as JSON."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console

from pipelines.base.errors import SignalboxError

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
