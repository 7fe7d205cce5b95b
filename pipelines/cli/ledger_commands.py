"""``signalbox ledger`` and ``signalbox history``: the ledger, its keys, a product in time.

Exit codes: 0 done, and for ``verify``: the chain holds; 1 the chain doesn't hold, the ledger
cannot be read, or something is wrong that the user can mend (one line says what to do);
2 wrong usage.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from pipelines.cli.console import AsJson, Project, one_line_errors, print_json

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from pipelines.release.ledger import Entry, Verification


app = typer.Typer(
    help="The ledger: what happened on the release path, chained and signed.",
    no_args_is_help=True,
)

Kinds = Annotated[
    list[str] | None, typer.Option("--kind", "-k", help="Only entries of this kind; repeatable.")
]
Subject = Annotated[str | None, typer.Option(help="Only entries of this product.")]
Last = Annotated[
    int | None, typer.Option("--last", "-n", min=1, help="Show only the last N entries.")
]
Why = Annotated[str, typer.Option(help="Why; it stands in the ledger.")]


@app.command()
def show(
    kind: Kinds = None,
    subject: Subject = None,
    last: Last = None,
    as_json: AsJson = False,
    project: Project = Path(),
) -> None:
    """Show entries, oldest first. They are read, not verified: see 'verify'."""
    with one_line_errors():
        entries = chosen(project, kind, subject, last)
        if as_json:
            print_json([entry.model_dump() for entry in entries])
            return
        Console().print(_table(entries) if entries else "no entries")


@app.command()
def verify(
    expect_head: Annotated[
        list[str] | None,
        typer.Option(help="Hash that must be in the chain, for example from a release's tag."),
    ] = None,
    as_json: AsJson = False,
    project: Project = Path(),
) -> None:
    """Verify every entry, and that none is lost that a tag names; end with 1 at the first fault."""
    from pipelines.release.ledger import Ledger

    with one_line_errors():
        found = Ledger.of(project).verify_with_tags(expect_head or ())
    if as_json:
        print_json(found.model_dump())
    else:
        _print_verification(Console(), found)
    raise typer.Exit(0 if found.ok else 1)


@app.command()
def keys(as_json: AsJson = False, project: Project = Path()) -> None:
    """Show the keys of the ledger, and which of them this machine has."""
    from pipelines.core.keyed_hash import keys_folder
    from pipelines.release.ledger import Ledger
    from pipelines.release.ledger.keys import Keys

    with one_line_errors():
        found = Ledger.of(project).verify()
        here = Keys(keys_folder(), project)
        rows = [{**key.model_dump(), "here": here.has(key.id)} for key in found.keys]
    if as_json:
        print_json({"folder": str(keys_folder()), "keys": rows})
        return
    table = _columns("key", "first entry", "replaced at", "private key", "why")
    for row in rows:
        location = "on this machine" if row["here"] else "elsewhere"
        _row(table, row["id"], row["since"], row["until"] or "in use", location, row["reason"])
    Console().print(table if rows else "no keys yet; the first entry makes one")
    Console().print(f"folder of the private keys: {keys_folder()}", soft_wrap=True)


@app.command()
def rotate(reason: Why = "rotation", as_json: AsJson = False, project: Project = Path()) -> None:
    """Replace the signing key by a new one, which the old one signs."""
    from pipelines.release.ledger import Ledger

    with one_line_errors():
        _print_key(Ledger.of(project).rotate(reason), as_json)


@app.command()
def begin(reason: Why, as_json: AsJson = False, project: Project = Path()) -> None:
    """Begin a ledger of your own; the one so far is kept in ledger/archive/.

    For a clone that came with a ledger whose key you don't have.
    """
    from pipelines.release.ledger import Ledger

    with one_line_errors():
        _print_key(Ledger.of(project).begin(reason), as_json)


def chosen(
    project: Path, kinds: list[str] | None, subject: str | None, last: int | None
) -> "list[Entry]":
    """Entries that pass the filters.

    Raises
    ------
    SignalboxError
        If there is no such kind, or the ledger cannot be read.
    """
    from pipelines.core.errors import SignalboxError
    from pipelines.release.ledger import KINDS, Ledger

    unknown = sorted(set(kinds or ()) - KINDS)
    if unknown:
        raise SignalboxError(f"--kind {unknown[0]}: no such kind; kinds are {sorted(KINDS)}")
    entries = [
        entry
        for entry in Ledger.of(project).entries()
        if (not kinds or entry.kind in kinds) and subject in (None, entry.subject)
    ]
    return entries[-last:] if last else entries


def summary(entry: "Entry") -> str:
    """Put an entry's data on one line: ``decision=review · commit=1a2b3c4d5e6f…``."""
    return " · ".join(f"{key}={_short(value)}" for key, value in entry.data.items())


def _short(value: object) -> str:
    """One value; of a table only how many rows it has."""
    items = value if isinstance(value, list) else [value]
    if isinstance(value, (dict, list)) and any(isinstance(i, (dict, list)) for i in items):
        return f"({len(value)})"
    text = " ".join(", ".join(str(item) for item in items).split())
    if _is_hash(text):
        return f"{text[:12]}…"
    return text if len(text) <= 48 else f"{text[:47]}…"


def _is_hash(text: str) -> bool:
    return len(text) in (40, 64) and set(text) <= set("0123456789abcdef")


def _table(entries: "list[Entry]") -> "Table":
    table = _columns("#", "time (UTC)", "kind", "subject", "what")
    for entry in entries:
        time = entry.time[:19].replace("T", " ")
        _row(table, entry.seq, time, entry.kind, entry.subject, summary(entry))
    return table


def _columns(*names: str) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in names:
        table.add_column(name, overflow="fold", justify="right" if name == "#" else "left")
    return table


def _row(table: "Table", *cells: object) -> None:
    """Add a row of plain text: what stands in the ledger is no markup."""
    from rich.text import Text

    table.add_row(*(Text(str(cell)) for cell in cells))


def _print_verification(console: Console, found: "Verification") -> None:
    for note in found.notes:
        console.print(f"note: {note}", style="yellow", markup=False, soft_wrap=True)
    if found.problem is None:
        console.print(f"✓ {found.entries} entries hold", style="green", highlight=False)
        console.print(f"head: {found.head}", highlight=False, soft_wrap=True)
        return
    problem = found.problem
    console.print(
        f"✗ entry {problem.seq} (line {problem.line}): {problem.reason}",
        style="bold red",
        markup=False,
        soft_wrap=True,
    )
    console.print(f"{found.entries} entries before it hold", highlight=False)


def _print_key(entry: "Entry", as_json: bool) -> None:
    from pipelines.core.keyed_hash import keys_folder
    from pipelines.release.ledger.keys import Keys, key_id

    if as_json:
        print_json(entry.model_dump())
        return
    key = key_id(entry.data["public_key"])
    console = Console()
    console.print(f"entry {entry.seq}: key {key} signs from now on", highlight=False)
    path = Keys(keys_folder(), Path()).path(key)
    console.print(f"keep it safe: {path}", highlight=False, soft_wrap=True)


STYLES = {
    "gate": "",
    "approval": "green",
    "rejection": "bold red",
    "override": "bold red",
    "refusal": "bold red",
    "release": "bold green",
    "rollback": "bold yellow",
    "erasure": "magenta",
    "access": "magenta",
    "telemetry_erasure": "magenta",
    "retention": "magenta",
    "alarm": "yellow",
    "publication": "bold green",
    "withdrawal": "bold yellow",
    "remediation": "yellow",
}
"""Kinds of the timeline: decisions about what is in production, and what called for them."""


def history(
    subject: Annotated[str | None, typer.Option(help="Only this product.")] = None,
    last: Last = None,
    as_json: AsJson = False,
    project: Project = Path(),
) -> None:
    """Show decisions, releases, rollbacks, erasures, accesses, alarms and the like, day by day."""
    with one_line_errors():
        entries = chosen(project, list(STYLES), subject, last)
    if as_json:
        print_json([entry.model_dump() for entry in entries])
        return
    console = Console()
    if not entries:
        console.print("nothing was decided or released yet")
    day = ""
    for entry in entries:
        if entry.time[:10] != day:
            day = entry.time[:10]
            console.print(day, style="bold", highlight=False)
        console.print(_line(entry), soft_wrap=True)


def _line(entry: "Entry") -> "Text":
    """One entry; what stands in the ledger is text, never markup."""
    from rich.text import Text

    line = Text(f"  {entry.time[11:19]}  #{entry.seq:<5}")
    line.append(f"{entry.kind:<11}", style=STYLES[entry.kind])
    line.append(f" {entry.subject}  {summary(entry)}")
    return line
