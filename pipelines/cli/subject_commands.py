"""``signalbox subject``: what is held of a person (GDPR Art. 15), and a copy of it (Art. 20).

Exit codes: 0 listed, or nothing is held; 1 the input is wrong, or something can't be searched or
told apart; 2 wrong usage.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pipelines.cli.console import AsJson, one_line_errors, print_lines
from pipelines.cli.erase_commands import read_key
from pipelines.core.errors import SignalboxError

if TYPE_CHECKING:
    from pipelines.mlops.privacy.access import Held

Key = Annotated[
    str,
    typer.Argument(
        help="The subject's key (data.subject_key, else the hash that `erase --find` shows), or "
        "its keyed hash (hmac-sha256:…), as written. A - alone reads it from standard input."
    ),
]

app = typer.Typer(help="What is held of a person.", no_args_is_help=True)


@app.command()
def show(subject: Key, as_json: AsJson = False) -> None:
    """List where a person's data is, in every store that an erasure searches, with its values.

    The ledger keeps that somebody looked, under a keyed hash of the person.
    """
    with one_line_errors():
        held = _held(subject, "show")
        if as_json:
            typer.echo(held.to_json(), nl=False)
            return
        print_lines(_lines(held))


@app.command()
def export(
    subject: Key,
    form: Annotated[
        Literal["json", "csv"], typer.Option("--format", help="json, or csv with one line a value.")
    ] = "json",
    out: Annotated[
        Path | None,
        typer.Option(
            help="New file, readable by its owner only, outside the project; else stdout."
        ),
    ] = None,
) -> None:
    """Write a copy of a person's data, machine-readable.

    Art. 20 covers what the person provided: the rows of the source. Scores, decisions and reasons
    are in the copy as well, for Art. 15.
    """
    with one_line_errors():
        if out is not None:
            _check_place(out)
        held = _held(subject, "export")
        text = held.to_json() if form == "json" else held.to_csv()
        if out is None:
            typer.echo(text, nl=False)
            return
        from pipelines.core.files import write_new

        write_new(out, text.encode("utf-8"), mode=0o600)
        typer.echo(f"{out}: {held.rows:,} rows in {len(held.copies):,} files or objects", err=True)


def _check_place(out: Path) -> None:
    """Refuse a place before anything is searched and logged.

    Raises
    ------
    SignalboxError
        If the file is there already, or lies in the project, where it would be committed, and be
        one more copy to erase.
    """
    if out.exists():
        raise SignalboxError(f"{out}: is there already; name a new file")
    if out.resolve().is_relative_to(Path.cwd().resolve()):
        raise SignalboxError(f"{out}: lies in the project; name a file outside it")


def _held(subject: str, action: str) -> "Held":
    from pipelines.mlops.privacy.access import held_of
    from pipelines.mlops.privacy.accountability import PrivacyParams
    from pipelines.release.config import load_section
    from pipelines.release.ledger import Ledger

    name = read_key(whole=True) if subject == "-" else subject
    if not name:
        raise SignalboxError("name a subject, or look for one with `signalbox erase --find`")
    project = Path.cwd()
    privacy = load_section(project, "privacy", PrivacyParams)
    return held_of(project, name, Ledger.of(project), privacy, action=action)


def _lines(held: "Held") -> list[str]:
    if not held.copies:
        lines = ["nothing is held of this subject where it was searched"]
    else:
        lines = [f"{held.rows:,} rows in {len(held.copies):,} files or objects"]
    for copy in held.copies:
        lines.append(f"{copy.place}: {copy.path}")
        lines += [
            "  " + ", ".join(f"{name}={value}" for name, value in row.items()) for row in copy.rows
        ]
    lines += [
        f"release {release['release']} learned from the subject ({release['contains']})"
        for release in held.releases
        if release["contains"] is not False
    ]
    lines += [f"not searched: {reason}" for reason in held.closed]
    return lines + [f"ask at the source as well: {store}" for store in held.elsewhere]
