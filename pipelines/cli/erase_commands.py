"""The commands ``signalbox erase`` and ``signalbox subject``: a person's data, taken out or listed.

Exit codes: 0 erased and proven (or erased before), listed, or nothing to list; 1 nobody to erase,
something remains, or the input is wrong; 2 wrong usage.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

import typer
from rich.console import Console

from pipelines.cli.console import AsJson, one_line_errors, print_json, print_lines
from pipelines.core.errors import SignalboxError

if TYPE_CHECKING:
    from pipelines.mlops.privacy.access import Copy, PersonalData


def erase(  # noqa: PLR0917
    subject: Annotated[
        str,
        typer.Argument(
            help="The subject's key (data.subject_key, else the hash that --find shows), or its "
            "keyed hash (hmac-sha256:…), as written, blanks and zeros included; after -- if it "
            "begins with -. A - alone reads it from standard input: one line, or all with --yes."
        ),
    ] = "",
    find: Annotated[
        str, typer.Option(help="Show the subjects whose rows have these values: 'age=39,sex=Male'.")
    ] = "",
    token: Annotated[
        bool, typer.Option("--token", help="Only print the subject's keyed hash.")
    ] = False,
    telemetry: Annotated[
        str,
        typer.Option(
            help="Erase from telemetry, results and state instead: NAME=VALUE (a label, attribute, "
            "annotation or text column) or pattern=REGEX (RE2, in any text). A - alone reads it "
            "from standard input, which no shell history keeps."
        ),
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
    keep_cache: Annotated[
        bool, typer.Option("--keep-cache", help="Leave DVC's cache and remotes as they are.")
    ] = False,
    clear: Annotated[
        bool,
        typer.Option(
            "--clear",
            help="Say in the ledger which source files hold nobody who was erased: runs without "
            "the key of the keyed hashes go on with them.",
        ),
    ] = False,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Run model_release afterwards, without the subject.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Erase a person from data, splits, quarantine, predictions, runs, DVC cache and remote.

    With --telemetry: from the lake, its quarantine and inboxes, results and state.

    The proof goes to the ledger under a keyed hash of the subject, without personal data.

    Example: signalbox erase --find age=39,sex=Male
    """
    console = Console(stderr=as_json)
    with one_line_errors():
        project = Path.cwd()
        if telemetry:
            if subject or find or token or retrain or keep_cache or clear:
                raise SignalboxError("--telemetry goes with --yes and --json alone")
            from pipelines.cli.telemetry_commands import erase_telemetry

            text = read_key(whole=yes) if telemetry == "-" else telemetry
            erase_telemetry(project, text, yes=yes, as_json=as_json)
            return
        if find:
            _show_found(project, find, as_json)
            return
        if clear:
            _clear(project, as_json)
            return
        name = read_key(whole=yes) if subject == "-" else subject
        if not name:
            raise SignalboxError("name a subject, or look for one with --find")
        if token:
            _show_token(project, name, as_json)
            return
        if not yes:
            typer.echo(_found(project, name), err=True)
            typer.confirm("This cannot be undone. Erase the subject?", abort=True, err=True)
        _erase(project, name, keep_cache=keep_cache, as_json=as_json)
    if retrain:
        _retrain(console)


def read_key(*, whole: bool) -> str:
    """Read a key from standard input, but for one line end: every other byte belongs to it.

    Parameters
    ----------
    whole : bool
        Read to the end, for a key may have several lines; else one line, and an answer may follow.

    Returns
    -------
    str

    Raises
    ------
    SignalboxError
        If it is no UTF-8.
    """
    stream = sys.stdin.buffer
    given = stream.read() if whole else stream.readline()
    try:
        text = given.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SignalboxError(f"standard input: the key is not utf-8: {error}") from None
    return text.removesuffix("\n")


def _found(project: Path, name: str) -> str:
    """Where the subject is; an error if nowhere, before anybody is asked to decide."""
    from pipelines.mlops.privacy.erase import preview
    from pipelines.release.ledger import Ledger

    return preview(project, name, Ledger.of(project))


class ErasedSubject(TypedDict):
    """What ``erase --json`` prints; `proof` is what the ledger's entry holds."""

    repeated: bool
    complete: bool
    notes: list[str]
    proof: dict[str, Any]


def _erase(project: Path, name: str, *, keep_cache: bool, as_json: bool) -> None:
    from pipelines.mlops.privacy.accountability import PrivacyParams
    from pipelines.mlops.privacy.erase import erase as do
    from pipelines.release.config import load_section
    from pipelines.release.ledger import Ledger

    privacy = load_section(project, "privacy", PrivacyParams)
    done = do(
        project, name, Ledger.of(project), keep_cache=keep_cache, models_days=privacy.models_days
    )
    if as_json:
        print_json(
            ErasedSubject(
                repeated=done.repeated,
                complete=done.complete,
                notes=list(done.notes),
                proof=done.proof,
            )
        )
    else:
        print_lines(_proof_lines(done))
    if not done.complete:
        raise SignalboxError(
            "the subject remains in: " + "; ".join(done.proof["remaining"])
            + " (the ledger has what was removed; erase again when that is settled)"
        )  # fmt: skip


def _proof_lines(done: Any) -> list[str]:
    """Say what the proof says."""
    proof = done.proof
    if done.repeated:
        return ["erased before; nothing of the subject is left where it was searched"]
    lines = [f"subject:  {proof['subject']}"]
    for store in sorted({item["place"] for item in proof["removed"]}):
        items = [item for item in proof["removed"] if item["place"] == store]
        rows = sum(item["rows"] for item in items)
        lines.append(f"{store}: {len(items)} files or objects, {rows} rows")
    searched = ", ".join(f"{n:,} {store}" for store, n in proof["searched"].items())
    lines.append(f"searched again: {searched}")
    lines += [
        f"release {release['release']} learned from the subject ({release['contains']}); to be "
        f"replaced until {release['until']}"
        for release in proof["releases"]
        if release["contains"] is not False
    ]
    lines += [f"note: {note}" for note in done.notes]
    return [*lines, "retrain without the subject:", "  signalbox run model_release"]


def _show_found(project: Path, text: str, as_json: bool) -> None:
    from pipelines.mlops.privacy.source import find_key, parse

    found = find_key(project, parse(text))
    if as_json:
        print_json(found)
    elif not found:
        raise SignalboxError("no row has these values")
    else:
        print_lines(f"{subject}  {rows} row(s)" for subject, rows in found.items())


class ClearedSources(TypedDict):
    """What ``erase --clear --json`` prints: SHA-256 of files without anybody erased."""

    sources: list[str]


def _clear(project: Path, as_json: bool) -> None:
    from pipelines.mlops.privacy.erase import clear
    from pipelines.release.ledger import Ledger

    found = clear(project, Ledger.of(project))
    if as_json:
        print_json(ClearedSources(sources=found))
        return
    print_lines(f"holds nobody who was erased: {sha256}" for sha256 in found)
    print_lines(["commit the ledger: runs without erasure.key go on with these files"])


class Token(TypedDict):
    """What ``erase --token --json`` prints."""

    token: str


def _show_token(project: Path, name: str, as_json: bool) -> None:
    from pipelines.core.keyed_hash import token_of
    from pipelines.mlops.privacy.subject import secret_of

    found = token_of(name, secret_of(project))
    if as_json:
        print_json(Token(token=found))
    else:
        print_lines([found])


def _retrain(console: Console) -> None:
    with one_line_errors():
        from pipelines.cli.release_run import run_releases

        run_releases(console, ["model_release"], {})


Key = Annotated[
    str,
    typer.Argument(
        help="The subject's key (data.subject_key, else the hash that `erase --find` shows), or "
        "its keyed hash (hmac-sha256:…), as written. A - alone reads it from standard input."
    ),
]

Telemetry = Annotated[
    list[str] | None,
    typer.Option(
        "--telemetry",
        help="Telemetry of the person as well: NAME=VALUE (a label, attribute, annotation or text "
        "column) or pattern=REGEX, as in `erase --telemetry`. May be given several times.",
    ),
]

app = typer.Typer(help="What is held of a person.", no_args_is_help=True)


@app.command()
def show(subject: Key, telemetry: Telemetry = None, as_json: AsJson = False) -> None:
    """List where a person's data is, in every store that an erasure searches, with its values.

    The ledger keeps that somebody looked, under a keyed hash of the person.

    Example: signalbox subject show 1234567
    """
    with one_line_errors():
        found = _found_of(subject, "show", telemetry or [])
        if as_json:
            typer.echo(found.to_json(), nl=False)
            return
        print_lines(_lines(found))


class WrittenCopy(TypedDict):
    """What ``subject export --out FILE --json`` prints; `copies` counts files and objects."""

    out: str
    rows: int
    copies: int


@app.command()
def export(
    subject: Key,
    form: Annotated[
        Literal["json", "csv"], typer.Option("--format", help="json, or csv with one line a value.")
    ] = "json",
    telemetry: Telemetry = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="New file, readable by its owner only, outside the project; else stdout."
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print JSON: the copy, or with --out what was written there."),
    ] = False,
) -> None:
    """Write a copy of a person's data, machine-readable.

    Art. 20 covers what the person provided: the rows of the source. Scores, decisions and reasons
    are in the copy as well, for Art. 15.

    Example: signalbox subject export 1234567 --format csv --out /tmp/copy.csv
    """
    with one_line_errors():
        if out is not None:
            _require_new_outside(out)
        elif as_json and form != "json":
            raise SignalboxError("--json and --format csv without --out: name one of them")
        found = _found_of(subject, "export", telemetry or [])
        text = found.to_json() if form == "json" else found.to_csv()
        if out is None:
            typer.echo(text, nl=False)
            return
        from pipelines.core.files import write_new

        write_new(out, text.encode("utf-8"), mode=0o600)
        if as_json:
            print_json(WrittenCopy(out=str(out), rows=found.rows, copies=len(found.copies)))
            return
        typer.echo(
            f"{out}: {found.rows:,} rows in {len(found.copies):,} files or objects", err=True
        )


def _require_new_outside(out: Path) -> None:
    """Refuse a file before anything is searched and logged.

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


def _found_of(subject: str, action: str, telemetry: list[str]) -> "PersonalData":
    from pipelines.mlops.privacy.access import personal_data_of
    from pipelines.mlops.privacy.accountability import PrivacyParams
    from pipelines.release.config import load_section
    from pipelines.release.ledger import Ledger

    name = read_key(whole=True) if subject == "-" else subject
    if not name:
        raise SignalboxError("name a subject, or look for one with `signalbox erase --find`")
    project = Path.cwd()
    privacy = load_section(project, "privacy", PrivacyParams)
    linked = _in_telemetry(project, telemetry)
    return personal_data_of(
        project, name, Ledger.of(project), privacy, action=action, linked=linked
    )


def _in_telemetry(project: Path, telemetry: list[str]) -> "list[Copy]":
    """List what lake, inboxes, results and state hold under the names that were given."""
    if not telemetry:
        return []
    from pipelines.aiops.params import load_aiops_params
    from pipelines.aiops.privacy.erase import copies
    from pipelines.aiops.privacy.selectors import parse
    from pipelines.aiops.privacy.stores import stores_of
    from pipelines.mlops.privacy.access import Copy

    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    stores = stores_of(project, load_aiops_params(project))
    for text in telemetry:
        for copy in copies(stores, parse(text)):
            # A file that two names lead to has the rows of both.
            rows = found.setdefault((copy.place, copy.path), [])
            rows += [row for row in copy.rows if row not in rows]
    return [Copy(place, path, "selector", rows) for (place, path), rows in found.items()]


def _lines(found: "PersonalData") -> list[str]:
    if not found.copies:
        lines = ["nothing is held of this subject where it was searched"]
    else:
        lines = [f"{found.rows:,} rows in {len(found.copies):,} files or objects"]
    for copy in found.copies:
        lines.append(f"{copy.place}: {copy.path}")
        lines += [
            "  " + ", ".join(f"{name}={value}" for name, value in row.items()) for row in copy.rows
        ]
    lines += [
        f"release {release['release']} learned from the subject ({release['contains']})"
        for release in found.releases
        if release["contains"] is not False
    ]
    lines += [f"not searched: {reason}" for reason in found.closed]
    return lines + [f"ask at the source as well: {store}" for store in found.elsewhere]


if __name__ == "__main__":
    typer.run(erase)
