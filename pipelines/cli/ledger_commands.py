"""``signalbox ledger`` and ``signalbox history``: the ledger, its keys, a product in time.

Exit codes: 0 done, and for ``verify``: the chain holds; 1 the chain doesn't hold, the ledger
cannot be read, or something is wrong that the user can mend (one line says what to do);
2 wrong usage.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import typer
from rich.console import Console

from pipelines.cli.console import (
    AsJson,
    Project,
    one_line_errors,
    print_json,
    print_lines,
    printable,
    screen_width,
    wrapped,
)

if TYPE_CHECKING:
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
    """Show entries, oldest first. They are read, not verified: see 'verify'.

    Example: signalbox ledger show --kind release --last 5
    """
    with one_line_errors():
        entries = chosen(project, kind, subject, last)
    if as_json:
        print_json([entry.model_dump() for entry in entries])
        return
    print_lines([line for entry in entries for line in _entry_lines(entry)] or ["no entries"])


@app.command()
def verify(
    expect_head: Annotated[
        list[str] | None,
        typer.Option(help="Hash that must be in the chain, for example from a release's tag."),
    ] = None,
    as_json: AsJson = False,
    project: Project = Path(),
) -> None:
    """Verify every entry, and that none is lost that a tag names; end with 1 at the first fault.

    Example: signalbox ledger verify
    """
    from pipelines.release.ledger import Ledger

    with one_line_errors():
        found = Ledger.of(project).verify_with_tags(expect_head or ())
    if as_json:
        print_json(found.model_dump())
    else:
        _print_verification(found)
    raise typer.Exit(0 if found.ok else 1)


class ShownKey(TypedDict):
    """A key of the ledger: entries that it signs, why there is one, whether it is here."""

    id: str
    public_key: str
    since: int
    until: int | None
    reason: str
    here: bool


class ShownKeys(TypedDict):
    """What ``ledger keys --json`` prints."""

    folder: str
    keys: list[ShownKey]


@app.command()
def keys(as_json: AsJson = False, project: Project = Path()) -> None:
    """Show the keys of the ledger, and which of them this machine has.

    Example: signalbox ledger keys
    """
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
    for row in rows:
        until = f"replaced at entry {row['until']}" if row["until"] else "in use"
        where = f"private key {'on this machine' if row['here'] else 'elsewhere'}"
        since = f"since entry {row['since']}, {until}, {where}"
        print_lines([f"{row['id']}  {since}: {row['reason']}"])
    print_lines([] if rows else ["no keys yet; the first entry makes one"])
    print_lines([f"folder of the private keys: {keys_folder()}"])


@app.command()
def rotate(reason: Why = "rotation", as_json: AsJson = False, project: Project = Path()) -> None:
    """Replace the signing key by a new one, which the old one signs.

    Example: signalbox ledger rotate --reason "left the team"
    """
    from pipelines.release.ledger import Ledger

    with one_line_errors():
        _print_key(Ledger.of(project).rotate(reason), as_json)


@app.command()
def begin(reason: Why, as_json: AsJson = False, project: Project = Path()) -> None:
    """Begin a ledger of your own; the one so far is kept in ledger/archive/.

    For a clone that came with a ledger whose key you don't have.

    Example: signalbox ledger begin --reason "our own ledger"
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


def _entry_lines(entry: "Entry") -> list[str]:
    """One entry with its fields: what stands in the ledger, not what it means."""
    from pipelines.release.ledger.describe import fields

    time = entry.time[:19].replace("T", " ")
    head = f"#{entry.seq}  {time}  {entry.kind}  {entry.subject}"
    return [head, f"    {fields(entry.data)}"] if entry.data else [head]


def _print_verification(found: "Verification") -> None:
    print_lines([f"note: {note}" for note in found.notes], style="yellow")
    if found.problem is None:
        print_lines([f"✓ {found.entries} entries hold"], style="green")
        print_lines([f"head: {found.head}"])
        return
    problem = found.problem
    print_lines(
        [f"✗ entry {problem.seq} (line {problem.line}): {problem.reason}"], style="bold red"
    )
    print_lines([f"{found.entries} entries before it hold"])


def _print_key(entry: "Entry", as_json: bool) -> None:
    from pipelines.core.keyed_hash import keys_folder
    from pipelines.release.ledger.keys import Keys, key_id

    if as_json:
        print_json(entry.model_dump())
        return
    key = key_id(entry.data["public_key"])
    path = Keys(keys_folder(), Path()).path(key)
    print_lines([f"entry {entry.seq}: key {key} signs from now on", f"keep it safe: {path}"])


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


class ToldEntry(TypedDict):
    """An entry of the ledger, and what it says: ``history --json`` prints a list of these."""

    seq: int
    time: str
    kind: str
    subject: str
    data: dict[str, Any]
    previous: str
    key: str
    hash: str
    signature: str
    sentence: str


def history(
    subject: Annotated[str | None, typer.Option(help="Only this product.")] = None,
    last: Last = None,
    as_json: AsJson = False,
    project: Project = Path(),
) -> None:
    """Show decisions, releases, rollbacks, erasures, accesses, alarms and the like, day by day.

    Example: signalbox history --subject model_release --last 20
    """
    from pipelines.release.ledger.describe import describe
    from pipelines.release.registry.read import reports

    with one_line_errors():
        entries = chosen(project, list(STYLES), subject, last)
        pages = reports(project)
    told = [(entry, describe(entry, pages.get(entry.subject, ""))) for entry in entries]
    if as_json:
        print_json([{**entry.model_dump(), "sentence": sentence} for entry, sentence in told])
        return
    if not told:
        print_lines([f"nothing{f' of {subject}' if subject else ''} was decided or released yet"])
    console = Console()
    day = ""
    for entry, sentence in told:
        if entry.time[:10] != day:
            day = entry.time[:10]
            print_lines([f"{day} (UTC)"], style="bold", console=console)
        _print_entry(console, entry, sentence)


def _print_entry(console: Console, entry: "Entry", sentence: str) -> None:
    """One entry; what stands in the ledger is text, never markup."""
    from rich.text import Text

    head = f"  {entry.time[11:19]}  #{entry.seq:<4} "
    line = printable(f"{head}{entry.subject}: {sentence}")
    width = screen_width(console)
    first, *more = [line] if width is None else wrapped(line, width, len(head))
    text = Text(first)
    begin = len(head) + len(entry.subject) + 2
    end = begin + len(re.split(r"[:;,(]", sentence, maxsplit=1)[0])
    text.stylize(STYLES[entry.kind], min(begin, len(first)), min(end, len(first)))
    console.print(text, soft_wrap=True)
    for piece in more:
        console.print(Text(piece), soft_wrap=True)
