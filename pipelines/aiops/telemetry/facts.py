"""Evidence of stage ``alert_history``: how much was frozen, and how much of it is known."""

from pathlib import Path
from typing import Any

from pipelines.aiops.artifacts import HISTORY
from pipelines.aiops.engine import parquet
from pipelines.aiops.telemetry.contract import TABLES, Table
from pipelines.aiops.telemetry.suite import Rule
from pipelines.base.artifacts import EXPECTATIONS
from pipelines.base.evidence import Evidence, Figure, hash_inputs

STAGE = "alert_history"


def describe(
    raw: Any, missing: list[str], days: int, rules: dict[str, list[Rule]], counts: dict[str, int]
) -> Evidence:
    """Count what was frozen.

    Parameters
    ----------
    raw
        An open DuckDB connection with the table ``frozen_alerts``.
    missing
        Days of the window without an alert, of `days`.
    counts
        Rows by table, and ``quarantined``.
    """
    seen = _seen(raw)
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
                   _part(seen["acted_known"], n), "alerts whose acted is not null / alerts", n,
                   "share"),
            _figure("incidents", "Ticketed incidents", seen["incidents"],
                   "tickets of kind incident", counts["tickets"], "tickets"),
            _figure("incidents_linked_share", "Share of incidents linked to alerts",
                   _part(seen["linked"], seen["incidents"]),
                   "incidents that an alert of the window names / incidents", seen["incidents"],
                   "share"),
        ],
        details={
            "days_missing": missing,
            "sources": seen["sources"],
            "counts": counts,
            "rules": {
                table: [{"rule": rule.title, "action": rule.action, "reason": rule.reason,
                         "kept": rule.kept, "broken_rows": rule.rows} for rule in found]
                for table, found in rules.items()
            },
        },
    )  # fmt: skip


def _seen(raw: Any) -> dict[str, Any]:
    alerts, tickets = (parquet([HISTORY / f"{name}.parquet"]) for name in ("alerts", "tickets"))
    series, acted = raw.execute(
        f"SELECT count(DISTINCT fingerprint), count(acted) FROM {alerts}"
    ).fetchall()[0]
    incidents, linked = raw.execute(
        "SELECT count(DISTINCT ticket_id), count(DISTINCT ticket_id) FILTER "
        "(WHERE ticket_id IN (SELECT ticket_id FROM frozen_alerts)) "
        f"FROM {tickets} WHERE kind = 'incident'"
    ).fetchall()[0]
    sources = raw.execute(
        f"SELECT source, count(*) FROM {alerts} GROUP BY source ORDER BY source"
    ).fetchall()
    return {"series": series, "acted_known": acted, "incidents": incidents, "linked": linked,
            "sources": dict(sources)}  # fmt: skip


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


def suite_of(table: Table) -> Path:
    """Path of a table's suite."""
    return EXPECTATIONS / f"telemetry_{table.name}.json"
