"""``signalbox ingest``, ``collect`` and ``simulate``: telemetry into the lake.

Exit codes: 0 done; 1 a source can't be read, or a setting, parameter or folder is wrong (one
line says what to do; what other sources gave is in the lake); 2 wrong usage; 130 ended with
Ctrl-C.
"""

import signal
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.console import AsJson, one_line_errors, print_json
from pipelines.core.errors import SignalboxError

if TYPE_CHECKING:
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
    project: Annotated[Path, typer.Option(help="Root of the project.")] = Path(),
) -> None:
    """Read the sources of aiops.telemetry into the lake; again changes nothing."""
    with one_line_errors():
        done, failed = _ingest_all(project.resolve(), source or [], first, last, quiet=as_json)
        if as_json:
            print_json({"sources": [asdict(ingested) for ingested in done], "failed": failed})
        if failed:
            raise SignalboxError("; ".join(failed.values()))


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
            typer.echo(f"{source.name} ({source.kind}) …")
        try:
            done.append(ingest_source(params, source, window, project))
        except SignalboxError as error:
            failed[source.name] = str(error)
            continue
        if not quiet:
            typer.echo(describe(done[-1]))
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
        Path, typer.Option(help="Where OTLP goes: <folder>/{metrics,traces,logs}/<day>.jsonl.")
    ] = Path("telemetry/otlp"),
    mask: Annotated[
        bool, typer.Option(help="Mask personal data and secrets in OTLP logs before they are kept.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Receive Alertmanager webhooks and OTLP over HTTP; on disk before it is answered."""
    from pipelines.aiops.params.mask_kinds import DEFAULT_KINDS
    from pipelines.aiops.sources.otlp_inbox import OtlpInbox
    from pipelines.aiops.sources.receiver import Receiver

    with one_line_errors():
        inbox = OtlpInbox(otlp, DEFAULT_KINDS if mask else ())
        receiver = Receiver(host, port, folder, max_body, inbox)
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: receiver.stop())
        address = f"http://{host}:{receiver.port}/"
        if not as_json:
            destinations = f"webhooks to {folder}, OTLP to {otlp}"
            typer.echo(f"listening on {address}, writing {destinations}; end with Ctrl-C")
        receiver.run()
        told: dict[str, Any] = {"address": address, "received": receiver.received,
                                "refused": receiver.refused}  # fmt: skip
        if as_json:
            print_json(told)
        else:
            typer.echo(f"{receiver.received} payloads written, {receiver.refused} refused")


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
    """Write the telemetry of a synthetic world; what isn't given is in params.yaml."""
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
    typer.echo(f"synthetic world of seed {facts['seed']}, {facts['services']} services")
    typer.echo(
        f"{facts['alerts']:,} alerts, {facts['tickets']:,} incident tickets, {facts['days']} days"
    )
    if facts["signal_days"]:
        typer.echo(f"metrics, logs and spans; days of them, at the end: {facts['signal_days']}")
    typer.echo(str(folder))
