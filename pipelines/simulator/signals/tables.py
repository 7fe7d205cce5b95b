"""All signals of a world as tables of the contract, and the truth about them."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pipelines.aiops.lake.contract import LOGS, METRICS, SPANS, TIME, Table, microseconds
from pipelines.aiops.params.telemetry import SignalsParams
from pipelines.simulator.signals.load import EdgeChange, Load, Names, build_load, edge_changes
from pipelines.simulator.signals.logs import log_table, speaks
from pipelines.simulator.signals.metrics import metric_rows
from pipelines.simulator.signals.spans import span_table
from pipelines.simulator.signals.troubles import Trouble, troubles_of
from pipelines.simulator.world.model import Timeline, World
from pipelines.simulator.world.tables import change_id

if TYPE_CHECKING:
    import pyarrow as pa


def truth_signals(
    world: World,
    load: Load,
    troubles: Sequence[Trouble],
    changes: Sequence[EdgeChange],
    settings: SignalsParams,
) -> "pa.Table":
    """Build the table of what each service's metrics, logs and spans show, by start."""
    spans = world.seconds - min(settings.span_days, settings.days) * 86400
    rows = [_of_trouble(world, load, trouble, spans) for trouble in troubles]
    # A new call is news once; one that is slow is told until it is as before.
    rows += [
        _of_change(world, n, edge_change) for n, edge_change in enumerate(changes)
        if (edge_change.end if edge_change.slow else edge_change.start) > spans
    ]  # fmt: skip
    rows.sort(key=lambda row: (row["starts_at"], row["fault_id"], row["service"]))
    return _table(world, rows)


def _of_trouble(world: World, load: Load, trouble: Trouble, spans: float) -> dict[str, object]:
    names = Names(world)
    drawn = world.services[trouble.service].kind != "nodes"
    shows = {"metrics": True, "logs": speaks(trouble),
             "spans": drawn and trouble.end > spans and load.rate[trouble.service] > 0}  # fmt: skip
    return {
        "fault_id": trouble.fault,
        "kind": trouble.kind,
        "shape": trouble.shape,
        "service": names.name_at(trouble.service, trouble.start),
        "root_service": names.name_at(trouble.root, trouble.start),
        "starts_at": trouble.start,
        "ends_at": trouble.end,
        "depth": trouble.depth,
        "strength": trouble.strength,
        "force": trouble.force,
        "change_id": change_id(trouble.change) if trouble.change >= 0 else "",
        "signals": [name for name, shown in shows.items() if shown],
        "new_template": trouble.new_line,
        "new_code": trouble.new_code,
        "heartbeat_stops": trouble.no_heartbeat,
    }


def _of_change(world: World, number: int, edge_change: EdgeChange) -> dict[str, object]:
    names = Names(world)
    return {
        "fault_id": f"E-{number + 1:05d}",
        "kind": edge_change.kind,
        "shape": "change",
        "service": names.name_at(edge_change.called, edge_change.start),
        "root_service": names.name_at(edge_change.caller, edge_change.start),
        "starts_at": edge_change.start,
        "ends_at": edge_change.end,
        "depth": 0,
        "strength": 1.0,
        "force": edge_change.slow,
        "change_id": change_id(edge_change.change),
        "signals": ["spans"],
        "new_template": False,
        "new_code": False,
        "heartbeat_stops": False,
    }


def _table(world: World, rows: list[dict[str, object]]) -> "pa.Table":
    import pyarrow as pa

    text, flag, number = pa.string(), pa.bool_(), pa.float64()
    schema = pa.schema(
        [("fault_id", text), ("kind", text), ("shape", text), ("service", text),
         ("root_service", text), ("starts_at", TIME), ("ends_at", TIME), ("depth", pa.int64()),
         ("strength", number), ("force", number), ("change_id", text),
         ("signals", pa.list_(text)), ("new_template", flag), ("new_code", flag),
         ("heartbeat_stops", flag)]
    )  # fmt: skip
    zero = microseconds(world.start)
    for row in rows:
        for name in ("starts_at", "ends_at"):
            row[name] = int(np.rint(float(str(row[name])) * 1e6)) + zero
    return pa.Table.from_pylist(rows, schema)


def signal_tables(
    world: World, timeline: Timeline, settings: SignalsParams
) -> "Iterator[tuple[Table | None, pa.Table]]":
    """Tables one after another; None: the truth about them. Nothing if no days are wanted."""
    days = min(settings.days, world.days)
    if not days:
        return
    settings = settings.model_copy(update={"days": days})
    load = build_load(world, Names(world))
    troubles = troubles_of(world, timeline, world.seconds - days * 86400)
    changes = edge_changes(world, timeline, load)
    yield METRICS, metric_rows(world, timeline, load, troubles, settings)
    yield LOGS, log_table(world, timeline, load, troubles, settings)
    if settings.span_days:
        yield SPANS, span_table(world, load, troubles, changes, settings)
    yield None, truth_signals(world, load, troubles, changes, settings)
