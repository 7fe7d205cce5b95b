"""Stage ``alert_history``: freeze a window of the lake, held against the contract's expectations.

Outs: ``data/alert_history/`` with ``alerts.parquet``, ``tickets.parquet`` and ``changes.parquet``,
each sorted by time and key, ``feedback.json`` where people have judged something
(`pipelines.aiops.lake.feedback`), and ``quarantine/alert_history.parquet`` with everything that
could not be read or broke a rule, and why. Evidence details:
`pipelines.aiops.alerting.evidence.HistoryDetails`.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from pipelines.aiops.alerting.evidence import (
    HistoryDays,
    HistoryDetails,
    KeptRule,
    SuspiciousLink,
    TeamRecords,
)
from pipelines.aiops.lake.batch import REJECTED
from pipelines.aiops.lake.contract import (
    ALERTS,
    CHANGES,
    SERVICE_LABELS,
    SUSPICIOUS_HOURS,
    TABLES,
    TICKETS,
    Table,
)
from pipelines.aiops.lake.days import day_files, days_of, files_between, quarantine_files
from pipelines.aiops.lake.engine import opened, parquet
from pipelines.aiops.lake.feedback import figure as judged_right
from pipelines.aiops.lake.feedback import freeze as freeze_feedback
from pipelines.aiops.lake.feedback import read_frozen
from pipelines.aiops.lake.freeze import Part, freeze, rejected_rows
from pipelines.aiops.lake.profile import profile_of
from pipelines.aiops.lake.store import write_if_changed
from pipelines.aiops.params import AiopsParams, load_aiops_params
from pipelines.aiops.params.alert_rules import AlertHistoryParams
from pipelines.aiops.params.artifacts import HISTORY, HISTORY_QUARANTINE
from pipelines.core.artifacts import EXPECTATIONS, evidence_of, metrics_of
from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import Evidence, Figure, hash_inputs, write_evidence
from pipelines.core.files import write_folder, write_json
from pipelines.core.profile_expectations import ProfileExpectation, run_suite
from pipelines.core.stage import log, run_stage
from pipelines.core.stats import normal_quantile, wilson_interval


@dataclass(frozen=True)
class DateRange:
    """Days of the window, both included."""

    first: date
    last: date

    @property
    def days(self) -> list[date]:
        """All its days."""
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]


def window(raw: Any, lake: Path, settings: AlertHistoryParams) -> DateRange:
    """Days to freeze.

    Raises
    ------
    SignalboxError
        If the lake has no alerts in them.
    """
    known = days_of(lake, ALERTS)
    if not known:
        raise SignalboxError(
            f"{lake}: has no alerts; run signalbox ingest, or the stage simulate, "
            "or set aiops.alert_history.lake"
        )
    until = date.fromisoformat(settings.until) if settings.until else latest(raw, lake, known)
    first = until - timedelta(days=settings.days - 1) if settings.days else min(known[0], until)
    if not any(first <= day <= until for day in known):
        raise SignalboxError(
            f"{lake}: no alerts from {first} to {until}; there are some from {known[0]} to "
            f"{known[-1]}: change aiops.alert_history.until or days"
        )
    return DateRange(first, until)


def latest(raw: Any, lake: Path, known: list[date]) -> date:
    """Find the latest complete day: one after which something is known. A lone day counts too."""
    files = [file for table in TABLES.values() for file in files_between(lake, table, known[-1])]
    newest = raw.execute(
        f"SELECT (max(updated_at) AT TIME ZONE 'UTC')::DATE FROM {parquet(files)}"
    ).fetchall()[0][0]
    complete = [day for day in known if newest is not None and day < newest]
    return complete[-1] if complete else known[-1]


STAGE = "alert_history"


def describe(
    raw: Any,
    missing: list[str],
    span: DateRange,
    rules: dict[str, list[ProfileExpectation]],
    counts: dict[str, int],
) -> Evidence:
    """Count what was frozen.

    Parameters
    ----------
    raw
        An open DuckDB connection with the table ``frozen_alerts``.
    missing
        Days of the window without an alert.
    span
        The window.
    counts
        Rows by table, and ``quarantined``.
    """
    seen, days = _seen(raw), len(span.days)
    n, total, rejected = counts["alerts"], sum(counts.values()), counts["quarantined"]

    return Evidence(
        stage=STAGE,
        inputs=hash_inputs(HISTORY, *(suite_of(table) for table in TABLES.values())),
        figures=[
            _figure("alerts", "Alerts", n, "count", n, "alerts"),
            _figure("series", "Series of alerts", seen["series"], "distinct label sets", n,
                   "series"),
            _figure("days_covered", "Days with alerts", days - len(missing),
                   "days of the window with at least one alert", days, "days"),
            _figure("days_missing", "Days without alerts", len(missing),
                   "days of the window with no alert: none fired, or none was recorded", days,
                   "days"),
            _figure("quarantined_share", "Share of records in quarantine",
                   round(rejected / (total or 1), 9), "quarantined / read", total, "share"),
            _figure("acted_known_share", "Share of alerts known to be acted on or not",
                   _part(seen["acted_known"], n),
                   "alerts whose acted or acknowledged_at is not null / alerts", n, "share"),
            _figure("open_share", "Share of alerts without an end", _part(seen["open"], n),
                    f"alerts whose ends_at is null / alerts; {seen['restarted']:,} of them start "
                    "again later, so their end was lost and is assumed", n, "share"),
            _figure("assumed_share", "Share of alerts with an assumed end",
                    _part(seen["assumed"], n),
                    "alerts whose end_observed is false (hold_seconds) / alerts", n, "share"),
            _figure("zero_length_share", "Share of alerts that end as they start",
                    _part(seen["zero_length"], n),
                    "alerts whose ends_at is starts_at / alerts: points in time, over before any "
                    "group's first flush; set hold_seconds of their source", n, "share"),
            _figure("incidents", "Ticketed incidents", seen["incidents"],
                   "tickets of kind incident", counts["tickets"], "tickets"),
            _figure("incidents_linked_share", "Share of incidents linked to alerts",
                   _part(seen["linked"], seen["incidents"]),
                   "incidents that an alert of the window names / incidents; the others are "
                   "linked to an alert of their service that begins about then, if there is one",
                   seen["incidents"], "share"),
            _figure("suspicious_links", "Links of alerts to incidents that hardly belong together",
                    seen["suspicious"],
                    f"the alert begins more than {SUSPICIOUS_HOURS} hours before the ticket is "
                    "opened, or after it was closed, or is of another service", n, "links"),
            _suspicious_share(seen["only_suspicious"], seen["linked"]),
            judged_right(read_frozen(HISTORY), STAGE),
        ],
        details=HistoryDetails(
            window=HistoryDays(first=span.first, last=span.last),
            days_missing=missing,
            sources=seen["sources"],
            counts=counts,
            rules={
                table: [KeptRule(rule=rule.title, action=rule.action, reason=rule.reason,
                                 kept=rule.kept, broken_rows=rule.rows) for rule in found]
                for table, found in rules.items()
            },
            teams=_teams(raw),
            suspicious_links=[
                SuspiciousLink(ticket=ticket, alert=alert, reason=reason)
                for ticket, alert, reason in _suspicious(raw, MOST_LINKS)
            ],
        ).model_dump(mode="json"),
    )  # fmt: skip


def _seen(raw: Any) -> dict[str, Any]:
    alerts, tickets = (parquet([HISTORY / f"{name}.parquet"]) for name in ("alerts", "tickets"))
    names = ("series", "acted_known", "open", "assumed", "zero_length")
    counted = raw.execute(
        "SELECT count(DISTINCT fingerprint), count(*) FILTER (acted IS NOT NULL OR "
        "acknowledged_at IS NOT NULL), count(*) FILTER (ends_at IS NULL), "
        "count(*) FILTER (NOT end_observed), count(*) FILTER (ends_at = starts_at) "
        f"FROM {alerts}"
    ).fetchall()[0]
    restarted = raw.execute(
        "SELECT count(*) FILTER (ends_at IS NULL AND starts_at < latest) FROM (SELECT ends_at, "
        f"starts_at, max(starts_at) OVER (PARTITION BY fingerprint) AS latest FROM {alerts})"
    ).fetchall()[0][0]
    incidents, linked = raw.execute(
        "SELECT count(DISTINCT ticket_id), count(DISTINCT ticket_id) FILTER "
        "(WHERE ticket_id IN (SELECT ticket_id FROM frozen_alerts)) "
        f"FROM {tickets} WHERE kind = 'incident'"
    ).fetchall()[0]
    sources = raw.execute(
        f"SELECT source, count(*) FROM {alerts} GROUP BY source ORDER BY source"
    ).fetchall()
    return {**dict(zip(names, counted, strict=True)), "restarted": restarted,
            "incidents": incidents, "linked": linked, "sources": dict(sources),
            "suspicious": len(_suspicious(raw)),
            "only_suspicious": _only_suspicious(raw)}  # fmt: skip


LEVEL = 0.95
"""Of the interval of a share."""
MOST_LINKS = 20
"""Suspicious links that are listed."""


def _teams(raw: Any) -> list[TeamRecords]:
    """Count what each team's records can prove."""
    alerts, tickets = (parquet([HISTORY / f"{name}.parquet"]) for name in ("alerts", "tickets"))
    found = raw.execute(
        "SELECT coalesce(labels['team'], '') AS team, count(*), "
        "count(DISTINCT (starts_at AT TIME ZONE 'UTC')::DATE), "
        f"count(DISTINCT ticket_id) FILTER (ticket_id IN (SELECT ticket_id FROM {tickets} "
        "WHERE kind = 'incident')), "
        "count(*) FILTER (acted IS NOT NULL OR acknowledged_at IS NOT NULL) / count(*) "
        f"FROM {alerts} GROUP BY team ORDER BY count(*) DESC, team LIMIT 50"
    ).fetchall()
    return [
        TeamRecords(team=team, alerts=count, days=days, incidents=incidents,
                    acted_known_share=round(share, 6))
        for team, count, days, incidents, share in found
    ]  # fmt: skip


def _suspicious(raw: Any, most: int | None = None) -> list[tuple[str, str, str]]:
    """Ticket, alert and reason of links that hardly hold, the earliest first."""
    limit = "" if most is None else f" LIMIT {most}"
    return [
        (str(ticket), str(alert), str(reason))
        for ticket, alert, reason in raw.execute(
            f"SELECT ticket_id, name, reason FROM ({_links()}) WHERE reason IS NOT NULL "
            f"ORDER BY starts_at, ticket_id, name{limit}"
        ).fetchall()
    ]


def _links() -> str:
    """Links of alerts to incidents as SQL; ``reason``: why one hardly holds, null where it does."""
    alerts, tickets = (parquet([HISTORY / f"{name}.parquet"]) for name in ("alerts", "tickets"))
    service = ", ".join(f"nullif(labels['{label}'], '')" for label in SERVICE_LABELS)
    return (
        "SELECT ticket_id, name, starts_at, CASE "
        f"WHEN starts_at < opened_at - INTERVAL {SUSPICIOUS_HOURS} HOURS "
        "THEN 'begins ' || date_diff('hour', starts_at, opened_at) || ' hours before the "
        "ticket was opened' "
        "WHEN starts_at > closed_at THEN 'begins after the ticket was closed' "
        "WHEN own <> service "
        "THEN 'is of service ' || own || ', the ticket of ' || service END AS reason "
        f"FROM (SELECT *, coalesce({service}) AS own FROM {alerts}) JOIN "
        "(SELECT ticket_id, min(opened_at) AS opened_at, max(closed_at) AS closed_at, "
        f"min(nullif(service, '')) AS service FROM {tickets} WHERE kind = 'incident' "
        "GROUP BY ticket_id) USING (ticket_id)"
    )


def _only_suspicious(raw: Any) -> int:
    """Count the incidents of whose links not one holds."""
    found = raw.execute(
        "SELECT count(*) FROM (SELECT ticket_id FROM "
        f"({_links()}) GROUP BY ticket_id HAVING count(*) = count(reason))"
    ).fetchall()
    return int(found[0][0])


def _part(part: int, whole: int) -> float | None:
    return round(part / whole, 9) if whole else None


def _figure(name: str, label: str, value: float | None, method: str, *of: Any) -> Figure:
    """Make a figure; `of` is its n and its unit."""
    n, unit = of
    missing = "" if value is not None else "there are none to count"
    return Figure(
        id=f"{STAGE}.{name}", label=label, value=value, method=method, n=n, unit=unit,
        missing=missing,
    )  # fmt: skip


def _suspicious_share(suspicious: int, linked: int) -> Figure:
    """Count incidents, not links: one that spreads has many alerts, most of other services."""
    low, high = (None, None)
    if linked:
        bounds = wilson_interval(suspicious / linked, linked, normal_quantile(LEVEL))
        low, high = (round(float(bound), 9) for bound in bounds)
    return Figure(
        id=f"{STAGE}.suspiciously_linked_share",
        label="Share of incidents that only suspicious links tie to alerts",
        value=_part(suspicious, linked),
        missing="" if linked else "no incident is linked to an alert",
        low=low,
        high=high,
        level=LEVEL if linked else None,
        method="linked incidents none of whose links is plausible in time and of the ticket's "
        "service / linked incidents; Wilson",
        n=linked,
        unit="share",
    )


def suite_of(table: Table) -> Path:
    """Path of a table's suite."""
    return EXPECTATIONS / f"telemetry_{table.name}.json"


def main(params: AiopsParams) -> None:
    """Run the stage."""
    settings = params.alert_history
    lake = Path(settings.lake)
    with _engine(params) as raw:
        span = window(raw, lake, settings)
        rules, parts = _judge(raw, lake, span)
        counts: dict[str, int] = {}

        def fill(folder: Path) -> None:
            counts.update(_freeze(raw, parts, folder))
            freeze_feedback(lake, folder)

        write_folder(HISTORY, fill)
        rejected = _quarantine(raw, lake, span, parts, rules)
        _stop_at(settings, counts, rejected)
        missing = [day.isoformat() for day in span.days if not day_files(lake, ALERTS, day)]
        known = {**counts, "quarantined": rejected}
        evidence = describe(raw, missing, span, rules, known)
    write_evidence(evidence_of(STAGE), evidence)
    write_json(
        metrics_of(STAGE), {f.id.removeprefix(f"{STAGE}."): f.value for f in evidence.figures}
    )
    log(
        f"{counts['alerts']:,} alerts, {counts['tickets']:,} tickets, "
        f"{counts['changes']:,} changes from {span.first} to {span.last}; "
        f"{rejected:,} records in quarantine"
    )


@contextmanager
def _engine(params: AiopsParams) -> Iterator[Any]:
    import duckdb

    try:
        with opened(params.runtime.memory_mb) as raw:
            yield raw
    except duckdb.Error as error:
        text = str(error).splitlines()[0]
        raise SignalboxError(
            f"{params.alert_history.lake}: not a lake of the telemetry contract, or "
            f"runtime.memory_mb in release.yaml ({params.runtime.memory_mb}) is too small: {text}"
        ) from error


def _judge(
    raw: Any, lake: Path, span: DateRange
) -> tuple[dict[str, list[ProfileExpectation]], dict[str, list[Part]]]:
    """Hold each table against its suite; leave out what breaks a rule.

    Raises
    ------
    SignalboxError
        If a rule that stops the run is broken.
    """
    rules: dict[str, list[ProfileExpectation]] = {}
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


def _relation(lake: Path, table: Table, span: DateRange) -> str:
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


def _broken(raw: Any, table: Table, profile: Any, rules: list[ProfileExpectation]) -> str:
    """Register the combinations that go to quarantine; "" if there are none."""
    found = {n for rule in rules if rule.action == "quarantine" for n in rule.broken}
    if not found:
        return ""
    name = f"broken_{table.name}"
    raw.register(name, profile.iloc[sorted(found)])
    return name


def _parts(lake: Path, table: Table, span: DateRange, broken: str) -> list[Part]:
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
    raw: Any,
    lake: Path,
    span: DateRange,
    parts: dict[str, list[Part]],
    rules: dict[str, list[ProfileExpectation]],
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


def _of_sources(lake: Path, span: DateRange) -> Iterator[dict[str, Any]]:
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
