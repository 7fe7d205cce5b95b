"""Metrics of a world: what Prometheus would have scraped, one value a step and series."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipelines.aiops.params.simulate import SignalsParams
from pipelines.aiops.simulator.model import Service, Timeline, World
from pipelines.aiops.simulator.randomness import stream
from pipelines.aiops.simulator.signals.measures import measures
from pipelines.aiops.simulator.signals.names import Floats, Names, instance_name
from pipelines.aiops.simulator.signals.scene import Measured
from pipelines.aiops.simulator.signals.troubles import Trouble
from pipelines.aiops.telemetry.contract import METRICS, TIME
from pipelines.aiops.telemetry.fingerprint import fingerprint, microseconds

if TYPE_CHECKING:
    import pyarrow as pa

    from pipelines.aiops.simulator.signals.load import Load

SOURCE = "simulated-prometheus"
GAPS_PER_DAY = 0.12
"""Times a day that an instance isn't scraped for a few steps."""
NO_VALUE = 0.0002
"""Share of values that the source says there were none of."""


@dataclass(frozen=True)
class Scraped:
    """One series: values at times, NaN where there is a row without a value."""

    name: str
    kind: str
    unit: str
    labels: dict[str, str]
    at: Floats
    values: Floats


def metric_rows(
    world: World,
    timeline: Timeline,
    load: "Load",
    troubles: Iterable[Trouble],
    settings: SignalsParams,
) -> "pa.Table":
    """Rows of table ``metrics``, sorted by series and time."""
    names = Names(world)
    begin = world.seconds - settings.days * 86400
    at = np.arange(begin, world.seconds, settings.step_seconds, dtype=np.float64)
    by_service: dict[int, list[Trouble]] = {}
    for one in troubles:
        by_service.setdefault(one.service, []).append(one)
    deployed: dict[int, list[float]] = {}
    for change in timeline.deployments:
        if change.kind == "deployment" and change.at >= begin:
            deployed.setdefault(names.thing(change.service), []).append(change.at)
    found: list[Scraped] = []
    for service in names.things:
        here = by_service.get(service.index, [])
        resets = deployed.get(service.index, [])
        found += _scraped(
            world, names, service, load=load, troubles=here, resets=resets, at=at,
            instances=settings.instances,
        )  # fmt: skip
    return _table(world, found)


def _scraped(
    world: World,
    names: Names,
    service: Service,
    *,
    load: "Load",
    troubles: list[Trouble],
    resets: list[float],
    at: Floats,
    instances: int,
) -> list[Scraped]:
    rng = stream(world.seed, "metrics", service.index)
    most = min(instances, service.instances)
    measured = measures(
        rng, world, service, load=load, troubles=troubles, resets=resets, at=at, instances=most
    )
    alive = [_alive(rng, troubles, number, at) for number in range(most)]
    return [
        one
        for each in measured
        for one in _named(rng, world, names, service, measured=each, alive=alive, at=at)
    ]  # fmt: skip


def _alive(
    rng: np.random.Generator, troubles: list[Trouble], number: int, at: Floats
) -> "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]":
    """Say at which steps an instance answers its scrape."""
    answers = np.ones(len(at), bool)
    for one in troubles:
        if one.effect.down and number < one.hit:
            # What crashes comes back and crashes again; what is lost stays away.
            share = 0.5 if one.kind == "crash" else 1.0
            away = one.inside(at) & (rng.random(len(at)) < share)
            if one.kind == "cache_lost":
                # It is soon back, empty.
                away &= at < one.start + 0.4 * (one.end - one.start)
            answers &= ~away
    days = (at[-1] - at[0]) / 86400 if len(at) else 0.0
    for first in rng.integers(0, len(at), rng.poisson(GAPS_PER_DAY * days)).tolist():
        answers[first : first + int(rng.integers(1, 5))] = False
    return answers


def _named(
    rng: np.random.Generator,
    world: World,
    names: Names,
    service: Service,
    *,
    measured: Measured,
    alive: list["np.ndarray[tuple[int, ...], np.dtype[np.bool_]]"],
    at: Floats,
) -> list[Scraped]:
    """Part a measurement by the names that its service had."""
    values = np.where(rng.random(len(at)) < NO_VALUE, np.nan, measured.values)
    answers = alive[measured.instance] if measured.instance >= 0 else np.ones(len(at), bool)
    found = []
    for name, since, until in names.periods(service.index):
        kept = answers & (at >= since) & (at < until)
        labels = {"service": name, "cluster": service.cluster, "team": service.team}
        if measured.instance >= 0:
            labels["instance"] = instance_name(world, service, name, measured.instance)
        labels |= measured.labels
        if kept.any():
            found.append(Scraped(measured.name, measured.kind, measured.unit, labels,
                                 at[kept], values[kept]))  # fmt: skip
    return found


def _table(world: World, found: list[Scraped]) -> "pa.Table":
    import pyarrow as pa

    marked = sorted(
        ((fingerprint(one.labels | {"__name__": one.name}), one) for one in found),
        key=lambda pair: pair[0],
    )
    codes = pa.array(np.repeat(np.arange(len(marked)), [len(one.at) for _, one in marked]))
    at = np.concatenate([np.empty(0), *(one.at for _, one in marked)])
    values = np.concatenate([np.empty(0), *(one.values for _, one in marked)])
    once = {
        "fingerprint": pa.array([mark for mark, _ in marked], pa.string()),
        "name": pa.array([one.name for _, one in marked], pa.string()),
        "labels": pa.array([sorted(one.labels.items()) for _, one in marked],
                           METRICS.schema.field("labels").type),
        "kind": pa.array([one.kind for _, one in marked], pa.string()),
        "unit": pa.array([one.unit or None for _, one in marked], pa.string()),
    }  # fmt: skip
    columns = {name: column.take(codes) for name, column in once.items()}
    micro = np.rint(at * 1_000_000).astype(np.int64) + microseconds(world.start)
    columns["source"] = pa.repeat(pa.scalar(SOURCE), len(codes))
    columns["at"] = pa.array(micro, pa.int64()).cast(TIME)
    columns["value"] = pa.array(values, pa.float64(), mask=np.isnan(values))
    return pa.table([columns[name] for name in METRICS.schema.names], schema=METRICS.schema)
