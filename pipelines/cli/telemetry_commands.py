"""``signalbox ingest``, ``collect``, ``simulate``: telemetry into the lake; people out of it.

Exit codes: 0 done; 1 a source can't be read, or a setting, parameter or folder is wrong (one
line says what to do; what other sources gave is in the lake); 2 wrong usage; 130 ended with
Ctrl-C.
"""

import signal
import uuid
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import typer
from rich.console import Console

from pipelines.cli.console import AsJson, Project, one_line_errors, print_json, print_lines
from pipelines.core.errors import SignalboxError

if TYPE_CHECKING:
    from pipelines.aiops.privacy.erase import Erased
    from pipelines.aiops.privacy.stores import Stores
    from pipelines.aiops.sources.ingest import Ingested


_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"]


def ingest(
    source: Annotated[
        list[str] | None, typer.Option("--source", "-s", help="Only this source; may repeat.")
    ] = None,
    first: Annotated[
        datetime | None,
        typer.Option("--from", formats=_FORMATS, help="Take what changed from then, UTC."),
    ] = None,
    last: Annotated[
        datetime | None,
        typer.Option("--to", formats=_FORMATS, help="Take what changed before then, UTC."),
    ] = None,
    as_json: AsJson = False,
    project: Project = Path(),
) -> None:
    """Read the sources of aiops.telemetry into the lake; again changes nothing.

    Example: signalbox ingest --source alertmanager --from 2026-03-01
    """
    with one_line_errors():
        done, failed = _ingest_all(project.resolve(), source or [], first, last, quiet=as_json)
        if as_json:
            print_json(IngestedSources(sources=[asdict(each) for each in done], failed=failed))
        if failed:
            raise SignalboxError("; ".join(failed.values()))


class IngestedSources(TypedDict):
    """What ``ingest --json`` prints: what came of each source, and why others couldn't be read."""

    sources: list[dict[str, Any]]
    failed: dict[str, str]


def _ingest_all(
    project: Path, names: list[str], first: datetime | None, last: datetime | None, *, quiet: bool
) -> "tuple[list[Ingested], dict[str, str]]":
    """Read each source on its own: one that is down holds up no other."""
    from pipelines.aiops.lake.batch import ReadWindow
    from pipelines.aiops.params import load_aiops_params
    from pipelines.aiops.sources.ingest import chosen, describe
    from pipelines.aiops.sources.ingest import ingest as ingest_source

    params = load_aiops_params(project)
    start, end = _utc(first), _utc(last)
    if start and end and end <= start:
        raise SignalboxError(f"--to {end:%Y-%m-%d %H:%M:%S} must be after --from")
    window = ReadWindow(start, end, datetime.now(UTC))
    done: list[Ingested] = []
    failed: dict[str, str] = {}
    for source in chosen(params.telemetry, names):
        if not quiet:
            print_lines([f"{source.name} ({source.kind}) …"])
        try:
            done.append(ingest_source(params, source, window, project))
        except SignalboxError as error:
            failed[source.name] = str(error)
            continue
        if not quiet:
            print_lines(describe(done[-1]).splitlines())
    return done, failed


def _utc(time: datetime | None) -> datetime | None:
    return None if time is None else time.replace(tzinfo=UTC)


def collect(
    *,
    folder: Annotated[
        Path, typer.Option(help="Where payloads go: the folder of an alertmanager_webhook source.")
    ] = Path("telemetry/webhook"),
    host: Annotated[str, typer.Option(help="Address to listen on; by default loopback only.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 9099,
    max_body: Annotated[int, typer.Option(min=1024, help="Largest payload, in bytes.")] = 8 << 20,
    otlp: Annotated[
        Path, typer.Option(help="Where OTLP goes: below it metrics, traces and logs, a file a day.")
    ] = Path("telemetry/otlp"),
    mask: Annotated[
        bool, typer.Option(help="Mask personal data and secrets in OTLP logs before they are kept.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Receive Alertmanager webhooks and OTLP over HTTP; on disk before it is answered.

    Example: signalbox collect --port 9099
    """
    from pipelines.aiops.params.telemetry import DEFAULT_KINDS
    from pipelines.aiops.sources.otlp_inbox import OtlpInbox
    from pipelines.aiops.sources.receiver import Receiver

    with one_line_errors():
        inbox = OtlpInbox(otlp, DEFAULT_KINDS if mask else ())
        receiver = Receiver(host, port, folder, max_body, inbox)
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: receiver.stop())
        address = f"http://{host}:{receiver.port}/"
        destinations = f"webhooks to {folder}, OTLP to {otlp}"
        print_lines(
            [f"listening on {address}, writing {destinations}; end with Ctrl-C"],
            console=Console(stderr=as_json),
        )
        receiver.run()
        if as_json:
            print_json(
                Collected(address=address, received=receiver.received, refused=receiver.refused)
            )
        else:
            print_lines([f"{receiver.received} payloads written, {receiver.refused} refused"])


class Collected(TypedDict):
    """What ``collect --json`` prints at its end: payloads that were written, and refused."""

    address: str
    received: int
    refused: int


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
    """Write the telemetry of a synthetic world; what isn't given is in params.yaml.

    Example: signalbox simulate --seed 7 --days 14 --out /tmp/world
    """
    from pipelines.aiops.params import load_aiops_params
    from pipelines.aiops.params.artifacts import SIMULATED
    from pipelines.simulator import simulate as run

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
    lines = [
        f"synthetic world of seed {facts['seed']}, {facts['services']} services",
        f"{facts['alerts']:,} alerts, {facts['tickets']:,} incident tickets, {facts['days']} days",
    ]
    if facts["signal_days"]:
        lines.append(f"metrics, logs and spans; days of them, at the end: {facts['signal_days']}")
    print_lines([*lines, str(folder)])


SUBJECT = "telemetry"
"""What entries in the ledger are about."""
_SHOWN = 20
"""Files outside the stores that are listed for a person."""

app = typer.Typer(help="How long telemetry, results and state are kept.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Make `retain` a command of its own, as there will be others beside it."""


class Retained(TypedDict):
    """What ``telemetry retain --json`` prints: days by store, and what was (or is) too old."""

    limits: dict[str, int]
    removed: dict[str, int]
    dry_run: bool


@app.command()
def retain(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what is older than its limit.")
    ] = False,
    as_json: AsJson = False,
    project: Project = Path(),
) -> None:
    """Remove telemetry, results and state older than release.yaml allows.

    Example: signalbox telemetry retain --dry-run
    """
    with one_line_errors():
        limits, gone = _retain(project.resolve(), dry_run=dry_run)
        if as_json:
            print_json(Retained(limits=limits, removed=gone, dry_run=dry_run))
            return
        days = ", ".join(f"{store} {n} days" for store, n in limits.items())
        print_lines(
            [f"{name}: {n:,} {'too old' if dry_run else 'removed'}" for name, n in gone.items()]
            or [f"nothing is older than its limit ({days})"]
        )


def _retain(project: Path, *, dry_run: bool) -> tuple[dict[str, int], dict[str, int]]:
    from pipelines.aiops.privacy.stores import retain as remove
    from pipelines.mlops.privacy.accountability import PrivacyParams
    from pipelines.release.config import load_section

    own = load_section(project, "privacy", PrivacyParams)
    limits = {str(store): days for store, days in own.telemetry_retention_days.items()}
    if not limits:
        raise SignalboxError("release.yaml: privacy.telemetry_retention_days has no limit")
    ledger = None if dry_run else _ledger(project)
    gone = remove(_stores(project), limits, datetime.now(UTC), write=not dry_run)
    found = dict(sorted((+gone).items()))
    if ledger is not None and found:
        ledger.append("retention", SUBJECT, {"limits_days": limits, "removed": found})
    return limits, found


def erase_telemetry(project: Path, text: str, *, yes: bool, as_json: bool) -> None:
    """Erase what a selector names, and log that without the value.

    Parameters
    ----------
    project : Path
        Root of the project.
    text : str
        ``NAME=VALUE`` or ``pattern=REGEX``.
    yes : bool
        Don't ask.
    as_json : bool
        Print JSON.

    Raises
    ------
    SignalboxError
        If the text is no selector, nothing is selected, or something remains.
    """
    from pipelines.aiops.privacy.erase import erase, search
    from pipelines.aiops.privacy.selectors import parse
    from pipelines.core.keyed_hash import keys_folder, secret, token_of
    from pipelines.mlops.privacy.subject import read

    selector = parse(text)
    if keys_folder().resolve().is_relative_to(project.resolve()):
        raise SignalboxError(
            f"{keys_folder()}: secrets must not lie in the project, where they would be committed; "
            "set SIGNALBOX_KEYS to a folder outside"
        )
    stores = _stores(project)
    found = search(stores, selector)
    if not found.found:
        raise SignalboxError("; ".join(["nothing in the stores is selected", *_notes(found)]))
    if not yes:
        typer.echo("\n".join(_lines(found)), err=True)
        typer.confirm("This cannot be undone. Erase it?", abort=True, err=True)
    key = secret(create=_may_make_key(stores, bool(read(project))))
    ledger = _ledger(project)
    said = {
        "erasure": uuid.uuid4().hex,
        # The name would say what kind of person it is about where a pattern doesn't.
        "selector": "pattern" if selector.is_pattern else selector.name,
        "subject": token_of(f"telemetry {selector.text}", key),
    }
    ledger.append("telemetry_erasure", SUBJECT, {**said, "stage": "begun"})
    done = erase(stores, selector, key)
    stage = "remaining" if done.remaining else "done"
    proof = {**said, "stage": stage, **done.counts()}
    ledger.append("telemetry_erasure", SUBJECT, proof)
    if as_json:
        print_json({"proof": proof, "elsewhere": done.elsewhere, "remaining": done.remaining})
    else:
        print_lines([*_lines(done), f"proof: {said['subject']}"])
    if done.remaining:
        raise SignalboxError(
            f"remains in: {', '.join(done.remaining)}; is a writer at work? Erase again"
        )


def _may_make_key(stores: "Stores", erased_before: bool) -> bool:
    from pipelines.aiops.privacy.at_ingest import nobody_erased

    return not erased_before and all(nobody_erased(lake) for lake in stores.lakes)


def _stores(project: Path) -> "Stores":
    from pipelines.aiops.params import load_aiops_params
    from pipelines.aiops.privacy.stores import stores_of

    return stores_of(project, load_aiops_params(project))


def _ledger(project: Path) -> Any:
    from pipelines.release.ledger import Ledger

    return Ledger.of(project)


def _lines(found: "Erased") -> list[str]:
    rows = [f"{name}: {count:,} rows or records" for name, count in sorted((+found.rows).items())]
    folders = [
        f"{name}: {count:,} windows or days as a whole; they are made again from the lake"
        for name, count in sorted((+found.folders).items())
    ]
    return [*rows, *folders, f"{found.files:,} files searched", *_notes(found)]


def _notes(found: "Erased") -> list[str]:
    from pipelines.aiops.privacy.erase import NOT_SEARCHED

    notes = [
        f"note: {name}: {count:,} other rows hold the value in a text; pattern=… takes them"
        for name, count in sorted((+found.as_text).items())
    ]
    notes += [
        f"note: {path} holds it as well, outside the stores: make it again (dvc repro), or remove "
        "the person there"
        for path in found.elsewhere[:_SHOWN]
    ]
    if len(found.elsewhere) > _SHOWN:
        notes.append(f"note: so do {len(found.elsewhere) - _SHOWN:,} more files; --json lists all")
    return [*notes, *(f"note: not searched: {place}" for place in NOT_SEARCHED)]
