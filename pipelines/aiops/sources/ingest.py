"""Read sources, found by their ``kind``, into the lake; one that is down holds up no other.

A source is a function ``read(settings, window, project) -> Batch``: `settings` is its model in
`pipelines.aiops.params.telemetry`, paths are relative to `project`. To add one: a model there, a
file here, and its line in `READERS`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import pyarrow as pa

from pipelines.aiops.lake.batch import REJECTED, Batch, ReadWindow
from pipelines.aiops.lake.days import quarantine_file
from pipelines.aiops.lake.store import locked, upsert, write_if_changed
from pipelines.aiops.params import AiopsParams
from pipelines.aiops.params.telemetry import LogParams, Source, TelemetryParams
from pipelines.aiops.privacy.at_ingest import keep_out, pseudonymised
from pipelines.core.errors import SignalboxError

READERS: dict[str, str] = {
    kind: f"pipelines.aiops.sources.{kind}"
    for kind in (
        "alertmanager_webhook",
        "alertmanager_api",
        "alertmanager_events",
        "prometheus",
        "prometheus_export",
        "pagerduty",
        "table",
        "airflow",
        "log_files",
        "log_jsonl",
        "otlp_logs",
        "airflow_logs",
        "prometheus_metrics",
        "openmetrics",
        "otlp_metrics",
        "otlp_traces",
        "jaeger",
        "jaeger_api",
        "zipkin",
        "kubernetes_events",
        "git_changes",
    )
} | {"prometheus_export": "pipelines.aiops.sources.prometheus"}


def read_source(settings: Source, window: ReadWindow, project: Path) -> Batch:
    """Read what changed in a window from a source.

    Parameters
    ----------
    settings : Source
        The source's section of ``aiops.telemetry.sources``; its ``kind`` finds the reader.
    window : ReadWindow
        What to read.
    project : Path
        Folder that paths in `settings` are relative to.

    Returns
    -------
    Batch

    Raises
    ------
    SignalboxError
        If the source can't be reached or isn't what its kind says; names it and what to do.
    """
    module = import_module(READERS[settings.kind])
    batch: Batch = module.read(settings, window, project)
    return batch


@dataclass
class Ingested:
    """What came of one source.

    Attributes
    ----------
    source, kind : str
        Its name and kind in params.
    rows : dict of str to int
        Rows read, by table.
    days : dict of str to list of str
        Days of the lake that changed (``YYYY-MM-DD``), by table.
    quarantined : int
        Records that could not be read this time.
    new_in_quarantine : int
        Those among them that quarantine didn't have yet.
    reasons : dict of str to int
        Reason → number of records; the most frequent first, at most ten.
    records : dict of str to int
        Records that the rows are versions of, by table of alerts, tickets and changes: an alert
        that was delivered firing and resolved is two rows and one record.
    """

    source: str
    kind: str
    rows: dict[str, int] = field(default_factory=dict)
    days: dict[str, list[str]] = field(default_factory=dict)
    quarantined: int = 0
    new_in_quarantine: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=dict)


def describe(done: Ingested) -> str:
    """Describe what came of a source, for logs: rows, days that changed, reasons for quarantine.

    Parameters
    ----------
    done : Ingested

    Returns
    -------
    str
        One or more lines, indented.
    """
    rows = ", ".join(
        f"{done.records.get(table, count):,} {table}"
        + (f" (from {count:,} rows)" if done.records.get(table, count) != count else "")
        for table, count in done.rows.items()
    )
    days = sorted({day for changed in done.days.values() for day in changed})
    changed = f"{len(days)} days changed ({days[0]} to {days[-1]})" if days else "nothing changed"
    lines = [f"  {rows}; {changed}"]
    if done.quarantined:
        lines.append(
            f"  {done.quarantined:,} in quarantine, {done.new_in_quarantine:,} of them new:"
        )
        lines += [f"    {count:>7,}  {reason}" for reason, count in done.reasons.items()]
    return "\n".join(lines)


def chosen(params: TelemetryParams, names: Sequence[str] = ()) -> list[Source]:
    """Return the sources of these names.

    Parameters
    ----------
    params : TelemetryParams
    names : sequence of str
        None: all sources.

    Returns
    -------
    list of Source
        In the order of params.

    Raises
    ------
    SignalboxError
        If there is none of a name.
    """
    known = {source.name: source for source in params.sources}
    for name in names:
        if name not in known:
            raise SignalboxError(
                f"params.yaml: aiops.telemetry.sources has no {name!r}; there are {sorted(known)}"
            )
    return [source for source in params.sources if not names or source.name in names]


def ingest(params: AiopsParams, source: Source, window: ReadWindow, project: Path) -> Ingested:
    """Read a window of one source into the lake; the same window again changes nothing.

    Parameters
    ----------
    params : AiopsParams
        Says where the lake lies and how much memory merging may use.
    source : Source
    window : ReadWindow
        What to read.
    project : Path
        Folder that paths in params are relative to.

    Returns
    -------
    Ingested

    Raises
    ------
    SignalboxError
        If the source can't be read at all; what can be read of it is never lost for that.
    """
    lake = project / params.telemetry.lake
    batch = read_source(_unmasked(source), window, project)
    batch = pseudonymised(keep_out(batch, lake), source.pseudonymise, project, lake)
    written = upsert(lake, batch.tables, params.runtime.memory_mb)
    new = quarantine(lake, source.name, batch.rejected)
    reasons = batch.rejected["reason"].value_counts().to_pylist()
    ordered = sorted(reasons, key=lambda reason: (-reason["counts"], reason["values"]))
    return Ingested(
        source.name,
        source.kind,
        written.rows,
        {table: days for table, days in written.days.items() if days},
        len(batch.rejected),
        new,
        {reason["values"]: reason["counts"] for reason in ordered[:10]},
        written.records,
    )


def _unmasked(source: Source) -> Source:
    """Leave to pseudonyms what would be masked otherwise."""
    if not isinstance(source, LogParams) or not source.pseudonymise:
        return source
    rest = [kind for kind in source.mask if kind not in source.pseudonymise]
    return source.model_copy(update={"mask": rest})


def quarantine(lake: Path, source: str, rejected: pa.Table) -> int:
    """Add records to the source's quarantine file.

    Parameters
    ----------
    lake : Path
        Folder of the lake.
    source : str
        Name of the source.
    rejected : pyarrow.Table
        Rows with the schema `REJECTED`.

    Returns
    -------
    int
        How many were new.
    """
    import pyarrow.parquet as pq

    if not len(rejected):
        return 0
    path = quarantine_file(lake, source)
    with locked(lake):
        known = pq.read_table(path).cast(REJECTED) if path.is_file() else REJECTED.empty_table()
        rows = {row["id"]: row for row in [*known.to_pylist(), *rejected.to_pylist()]}
        ordered = [rows[key] for key in sorted(rows)]
        write_if_changed(path, pa.Table.from_pylist(ordered, schema=REJECTED))
    return len(rows) - len(known)
