"""Write a world's telemetry, its truth and its configuration; equal worlds give equal bytes."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.aiops.lake.contract import ALERTS, CHANGES, Table
from pipelines.aiops.lake.contract import TICKETS as TICKET_TABLE
from pipelines.aiops.lake.days import FILE, day_folder
from pipelines.aiops.lake.store import by_day
from pipelines.aiops.params.telemetry import SignalsParams
from pipelines.core.time import DAY_MS
from pipelines.simulator.signals.tables import signal_tables
from pipelines.simulator.world.alerts import Alerts
from pipelines.simulator.world.configuration import configuration, prometheus_yml, rule_file
from pipelines.simulator.world.model import Timeline, World
from pipelines.simulator.world.people import Reactions
from pipelines.simulator.world.tables import (
    alert_rows,
    change_rows,
    series_table,
    ticket_rows,
    truth_alerts,
    truth_incidents,
)

if TYPE_CHECKING:
    import pyarrow as pa

CONFIGURATION, RULE_FILE, SERVER = "alertmanager.yml", "prometheus_rules.yml", "prometheus.yml"
TRUTH = "truth"
TITLE = "# Synthetic telemetry"
README = f"""\
{TITLE}

Everything in this folder was invented by `signalbox simulate`: services, faults, alerts, people,
tickets. No real company, system or person is in it.

World: seed {{seed}}, {{days}} days from {{start}}, {{services}} services, time zone {{timezone}},
{{alerts}} alerts, {{faults}} real faults, {{tickets}} incident tickets.

- `alerts/`, `tickets/`, `changes/`: a lake in the layout of the telemetry contract
- `alertmanager.yml`, `prometheus.yml`, `prometheus_rules.yml`: the configuration that this world
  uses today
- `truth/alerts.parquet`: which incident each alert belonged to ("" = none), and what caused it
- `truth/incidents.parquet`: the real faults; `shape` says what makes each easy or hard to tell
"""
SIGNALS_README = """\
- `metrics/`, `logs/`: the last {days} days; `spans/`: the last {span_days} days
- `truth/signals.parquet`: which fault is behind what a service's metrics, logs and spans show.
  `fault_id` is `F-` of `incidents.parquet`, `S-` for troubles that no alert rule saw, and `E-` for
  calls that a deployment made slower or added. `force` below 0.4 is hard to see.
"""


def write_world(
    folder: Path,
    world: World,
    timeline: Timeline,
    alerts: Alerts,
    people: Reactions,
    *,
    signals: SignalsParams,
) -> None:
    """Write everything into an empty folder, a day at a time."""
    import pyarrow as pa

    ids = pa.chunked_array(_write_alerts(folder, world, alerts, people) or [[]], pa.string())
    ids = ids.combine_chunks()
    for table, rows in (
        (TICKET_TABLE, ticket_rows(world, people.tickets)),
        (CHANGES, change_rows(world, timeline)),
    ):
        _write_days(folder, table, rows)
    truth = folder / TRUTH
    truth.mkdir()
    _write(truth / "alerts.parquet", truth_alerts(timeline, alerts, ids))
    _write(truth / "incidents.parquet", truth_incidents(world, timeline, alerts, people, ids))
    (folder / CONFIGURATION).write_text(configuration(world), encoding="utf-8")
    (folder / RULE_FILE).write_text(rule_file(world, alerts.keys), encoding="utf-8")
    (folder / SERVER).write_text(prometheus_yml(world, RULE_FILE), encoding="utf-8")
    for kind, part in signal_tables(world, timeline, signals):
        if kind is None:
            _write(truth / "signals.parquet", part)
        else:
            _write_days(folder, kind, part)
    facts = summary(world, timeline, alerts, people)
    (folder / "README.md").write_text(_readme(facts, signals), encoding="utf-8")


def _readme(facts: dict[str, Any], signals: SignalsParams) -> str:
    days = min(signals.days, int(facts["days"]))
    more = SIGNALS_README.format(days=days, span_days=min(signals.span_days, days)) if days else ""
    return README.format(**facts) + more


def summary(world: World, timeline: Timeline, alerts: Alerts, people: Reactions) -> dict[str, Any]:
    """Figures that describe the world."""
    return {
        "seed": world.seed,
        "start": world.start.date().isoformat(),
        "days": world.days,
        "timezone": world.timezone,
        "services": len(world.services),
        "series": len(alerts.keys),
        "alerts": len(alerts),
        "faults": len(timeline.faults),
        "tickets": sum(ticket.kind == "incident" for ticket in people.tickets),
        "changes": len(timeline.deployments),
        "causes": _causes(timeline, alerts),
    }


def _causes(timeline: Timeline, alerts: Alerts) -> dict[str, int]:
    found = {"incident": int((alerts.fault >= 0).sum())}
    counts = np.bincount(alerts.noise[alerts.noise >= 0], minlength=len(timeline.noise))
    for pattern, count in zip(timeline.noise, counts.tolist(), strict=True):
        found[pattern.family] = found.get(pattern.family, 0) + count
    return dict(sorted(found.items()))


def _write_alerts(
    folder: Path, world: World, alerts: Alerts, people: Reactions
) -> "list[pa.Array]":
    series = series_table(world, alerts.keys)
    edges = np.searchsorted(alerts.start, np.arange(world.days + 1) * DAY_MS)
    ids = []
    for first, last in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        if first == last:
            continue
        rows = alert_rows(world, alerts, people, series, slice(first, last))
        _write_days(folder, ALERTS, rows)
        ids.append(rows["alert_id"].combine_chunks())
    return ids


def _write_days(folder: Path, table: Table, rows: "pa.Table") -> None:
    for day, part in by_day(table, rows) if len(rows) else []:
        path = day_folder(folder, table, day) / FILE
        path.parent.mkdir(parents=True)
        _write(path, part)


def _write(path: Path, rows: "pa.Table") -> None:
    """Write rows so that readers find the contract's plain types, not our dictionaries."""
    import pyarrow.parquet as pq

    pq.write_table(rows, path, compression="zstd", row_group_size=1 << 17, store_schema=False)
