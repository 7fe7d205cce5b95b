"""Stage ``alert_history``: freeze a window of the lake, held against the contract's expectations.

Outs: ``data/alert_history/`` with ``alerts.parquet``, ``tickets.parquet`` and ``changes.parquet``,
each sorted by time and key, and ``quarantine/alert_history.parquet`` with everything that could not
be read or broke a rule, and why. Evidence details: ``window``, ``days_missing``, ``sources``
(source → alerts), ``rules`` (per table).
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from pipelines.aiops.artifacts import HISTORY, HISTORY_QUARANTINE
from pipelines.aiops.engine import opened, parquet
from pipelines.aiops.params import AiopsParams, load_aiops_params
from pipelines.aiops.params.alert_history import AlertHistoryParams
from pipelines.aiops.telemetry.batch import REJECTED
from pipelines.aiops.telemetry.contract import ALERTS, CHANGES, TABLES, TICKETS, Table
from pipelines.aiops.telemetry.days import day_files, files_between, quarantine_files
from pipelines.aiops.telemetry.facts import STAGE, describe, suite_of
from pipelines.aiops.telemetry.freeze import Part, freeze, rejected_rows
from pipelines.aiops.telemetry.lake import write_if_changed
from pipelines.aiops.telemetry.profile import profile_of
from pipelines.aiops.telemetry.suite import Rule, run_suite
from pipelines.aiops.telemetry.window import Span, window
from pipelines.base.artifacts import evidence_of, metrics_of
from pipelines.base.errors import SignalboxError
from pipelines.base.evidence import write_evidence
from pipelines.base.files import write_folder, write_json
from pipelines.base.stage import run_stage, say


def main(params: AiopsParams) -> None:
    """Run the stage."""
    settings = params.alert_history
    lake = Path(settings.lake)
    with _engine(settings) as raw:
        span = window(raw, lake, settings)
        rules, parts = _judge(raw, lake, span)
        counts: dict[str, int] = {}
        write_folder(HISTORY, lambda folder: counts.update(_freeze(raw, parts, folder)))
        rejected = _quarantine(raw, lake, span, parts, rules)
        _stop_at(settings, counts, rejected)
        missing = [day.isoformat() for day in span.days if not day_files(lake, ALERTS, day)]
        known = {**counts, "quarantined": rejected}
        evidence = describe(raw, missing, len(span.days), rules, known)
    evidence.details["window"] = {"first": str(span.first), "last": str(span.last)}
    write_evidence(evidence_of(STAGE), evidence)
    write_json(
        metrics_of(STAGE), {f.id.removeprefix(f"{STAGE}."): f.value for f in evidence.figures}
    )
    say(
        f"{counts['alerts']:,} alerts, {counts['tickets']:,} tickets, "
        f"{counts['changes']:,} changes from {span.first} to {span.last}; "
        f"{rejected:,} records in quarantine"
    )


@contextmanager
def _engine(settings: AlertHistoryParams) -> Iterator[Any]:
    import duckdb

    try:
        with opened(settings.memory_mb) as raw:
            yield raw
    except duckdb.Error as error:
        text = str(error).splitlines()[0]
        raise SignalboxError(
            f"{settings.lake}: not a lake of the telemetry contract, or aiops.alert_history."
            f"memory_mb ({settings.memory_mb}) is too small: {text}"
        ) from error


def _judge(raw: Any, lake: Path, span: Span) -> tuple[dict[str, list[Rule]], dict[str, list[Part]]]:
    """Hold each table against its suite; leave out what breaks a rule.

    Raises
    ------
    SignalboxError
        If a rule that stops the run is broken.
    """
    rules: dict[str, list[Rule]] = {}
    parts: dict[str, list[Part]] = {}
    for table in TABLES.values():
        suite = suite_of(table)
        relation = _relation(lake, table, span)
        profile = profile_of(raw, table.name, relation)
        rules[table.name] = run_suite(profile, suite)
        stopped = [r for r in rules[table.name] if r.action == "stop" and not r.kept]
        if stopped:
            said = "; ".join(f"{rule.title}: {rule.observed} ({rule.reason})" for rule in stopped)
            raise SignalboxError(f"{suite}: {lake}/{table.name} breaks {said}")
        broken = _broken(raw, table, profile, rules[table.name])
        parts[table.name] = _parts(lake, table, span, broken)
    return rules, parts


def _relation(lake: Path, table: Table, span: Span) -> str:
    """Rows of the window as SQL; of small tables also what came later, and may be referred to."""
    last = span.last if table is ALERTS else None
    files = files_between(lake, table, span.first, last)
    if not files:
        raw_columns = ", ".join(_empty_column(field) for field in table.schema)
        return f"(SELECT {raw_columns} WHERE false)"
    return parquet(files)


def _empty_column(field: Any) -> str:
    kinds = {"string": "VARCHAR", "bool": "BOOLEAN", "map<string, string>": "MAP(VARCHAR, VARCHAR)"}
    return f'NULL::{kinds.get(str(field.type), "TIMESTAMPTZ")} AS "{field.name}"'


def _broken(raw: Any, table: Table, profile: Any, rules: list[Rule]) -> str:
    """Register the combinations that go to quarantine; "" if there are none."""
    found = {n for rule in rules if rule.action == "quarantine" for n in rule.broken}
    if not found:
        return ""
    name = f"broken_{table.name}"
    raw.register(name, profile.iloc[sorted(found)])
    return name


def _parts(lake: Path, table: Table, span: Span, broken: str) -> list[Part]:
    if table is ALERTS:
        days = (tuple(day_files(lake, table, day)) for day in span.days)
        return [Part(files, broken) for files in days if files]
    files = files_between(lake, table, span.first)
    end = span.last + timedelta(days=1)
    within = f"\"{table.time}\" < TIMESTAMPTZ '{end.isoformat()} 00:00:00+00'"
    if table is TICKETS:
        within = f"({within} OR ticket_id IN (SELECT ticket_id FROM frozen_alerts))"
    return [Part(tuple(files), broken, within)]


def _freeze(raw: Any, parts: dict[str, list[Part]], folder: Path) -> dict[str, int]:
    counts = {"alerts": freeze(raw, ALERTS, parts["alerts"], folder / "alerts.parquet")}
    raw.execute(
        "CREATE OR REPLACE TEMP TABLE frozen_alerts AS SELECT DISTINCT ticket_id "
        f"FROM {parquet([folder / 'alerts.parquet'])} WHERE ticket_id IS NOT NULL"
    )
    for table in (TICKETS, CHANGES):
        path = folder / f"{table.name}.parquet"
        counts[table.name] = freeze(raw, table, parts[table.name], path)
    return counts


def _quarantine(
    raw: Any, lake: Path, span: Span, parts: dict[str, list[Part]], rules: dict[str, list[Rule]]
) -> int:
    """Write the quarantine: what sources couldn't read, and rows that broke a rule."""
    import pyarrow as pa

    found = {row["id"]: row for row in _of_sources(lake, span)}
    for name, table_parts in parts.items():
        titles = "; ".join(
            rule.title for rule in rules[name] if rule.action == "quarantine" and not rule.kept
        )
        for part in table_parts:
            for row in rejected_rows(raw, TABLES[name], part) if part.broken else []:
                reason = f"breaks one of: {titles}"
                known = "\0".join((name, row["raw"], reason))
                row_id = hashlib.sha256(known.encode()).hexdigest()[:32]
                found[row_id] = {"id": row_id, "place": name, "reason": reason, **row}
    rows = [found[key] for key in sorted(found)]
    write_if_changed(HISTORY_QUARANTINE, pa.Table.from_pylist(rows, schema=REJECTED))
    return len(rows)


def _of_sources(lake: Path, span: Span) -> Iterator[dict[str, Any]]:
    """Yield records that sources couldn't read, of the window or of an unknown time."""
    import pyarrow.parquet as pq

    for path in quarantine_files(lake):
        for row in pq.read_table(path).to_pylist():
            if row["at"] is None or span.first <= row["at"].date() <= span.last:
                yield row


def _stop_at(settings: AlertHistoryParams, counts: dict[str, int], rejected: int) -> None:
    share = rejected / (rejected + sum(counts.values()) or 1)
    if share > settings.max_quarantined_share:
        raise SignalboxError(
            f"{rejected:,} records ({share:.1%}) are in quarantine, more than "
            f"aiops.alert_history.max_quarantined_share ({settings.max_quarantined_share:.1%}); "
            f"see {HISTORY_QUARANTINE} for reasons, mend the source or change the share"
        )


if __name__ == "__main__":
    run_stage(STAGE, main, load=load_aiops_params)
