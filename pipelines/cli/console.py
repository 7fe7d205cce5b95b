"""What every command shares: names, errors on one line, lines that wrap, JSON, overrides."""

import json
import os
import re
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml
from rich.console import Console

from pipelines.core.errors import SignalboxError
from pipelines.core.project import PIPELINE, VARIABLE, command_project, use_keys_of

if TYPE_CHECKING:
    from pipelines.aiops.params import AiopsParams


def with_dashes(name: str) -> str:
    """Spell the name of a command or option as all are: `service_map` is ``service-map``."""
    return name.replace("_", "-")


def _chosen(ctx: typer.Context, param: typer.CallbackParam, value: Path) -> Path:
    """Find the project where none is named; say which one where it isn't the directory itself."""
    source = ctx.get_parameter_source(str(param.name))
    if source is not None and source.name != "DEFAULT":
        use_keys_of(value)
        return value
    with one_line_errors():
        found = command_project(__file__)
    use_keys_of(found.path)
    if found.why:
        print_lines([f"project: {found.path} ({found.why})"], console=Console(stderr=True))
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
        print_error(str(error))
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def print_error(text: str) -> None:
    """Print an error on stderr: one line (or what a diff needs), wrapped on a terminal alone."""
    console = Console(stderr=True)
    for line in f"error: {text}".split("\n"):
        _print(console, line, console.width if console.is_terminal else None, "red")


def print_json(value: Any) -> None:
    """Print `value` as JSON on stdout, for programs."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def print_lines(
    lines: Iterable[str], *, style: str = "", console: Console | None = None, wrap: bool = True
) -> None:
    """Print texts for people; what steers a terminal is left out of them, and nothing is cut.

    Parameters
    ----------
    lines : iterable of str
        Texts, which may come from telemetry; none is markup.
    style : str, default ''
        Rich's style of all of them.
    console : Console, optional
        Where they go; stdout if not given.
    wrap : bool, default True
        Whether they wrap at words where a person reads them (`screen_width`).
    """
    own = console or Console()
    width = screen_width(own) if wrap else None
    for line in lines:
        _print(own, line, width, style)


def screen_width(console: Console) -> int | None:
    """Return the columns of a person's screen; None for a pipe or file, where lines stay whole.

    A person who sets ``COLUMNS`` says what the screen is.
    """
    return console.width if console.is_terminal or "COLUMNS" in os.environ else None


def _print(console: Console, line: str, width: int | None, style: str) -> None:
    from rich.text import Text

    text = printable(line)
    for piece in [text] if width is None else wrapped(text, width):
        console.print(Text(piece, style=style), soft_wrap=True)


def printable(text: str) -> str:
    """Replace what steers a terminal."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text)


_HEAD = re.compile(r" *(?:[^\s:]{1,11}: {1,10}(?=\S)|\d+\. +)")
"""What a line's continuation stands to the right of: ``label:  ``, or the number of a list."""
_TO_COPY = ("signalbox ", "git ")
"""Commands stay on one line, so that they can be copied."""


def wrapped(line: str, width: int, indent: int | None = None) -> list[str]:
    """Wrap a line at blanks; what is longer than the screen (a path, a hash) stays whole.

    Parameters
    ----------
    line : str
        One line.
    width : int
        Columns of the screen.
    indent : int, optional
        Columns before the continuation; by default those of the line's label.

    Returns
    -------
    list of str
        One line or more.
    """
    if len(line) <= width or line.lstrip().startswith(_TO_COPY):
        return [line]
    lead = len(line) - len(line.lstrip(" "))
    if indent is None:
        head = _HEAD.match(line)
        indent = head.end() if head else lead + 2
    return textwrap.wrap(
        line[lead:],
        width,
        initial_indent=" " * lead,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


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
