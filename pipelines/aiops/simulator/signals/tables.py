"""All signals of a world as tables of the contract."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipelines.aiops.params.simulate import SignalsParams
from pipelines.aiops.simulator.model import Timeline, World
from pipelines.aiops.simulator.signals.edges import edge_changes
from pipelines.aiops.simulator.signals.load import build_load
from pipelines.aiops.simulator.signals.logs import log_table
from pipelines.aiops.simulator.signals.metrics import metric_rows
from pipelines.aiops.simulator.signals.names import Names
from pipelines.aiops.simulator.signals.spans import span_table
from pipelines.aiops.simulator.signals.troubles import troubles_of
from pipelines.aiops.simulator.signals.truth import truth_signals
from pipelines.aiops.telemetry.contract import LOGS, METRICS, SPANS, Table

if TYPE_CHECKING:
    import pyarrow as pa


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
