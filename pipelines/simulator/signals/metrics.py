"""Metrics of a world: what is measured at each kind of service, as Prometheus would scrape it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipelines.aiops.lake.contract import METRICS, TIME, fingerprint, microseconds
from pipelines.aiops.params.telemetry import SignalsParams
from pipelines.core.time import SECOND_US
from pipelines.simulator.signals.load import Floats, Load, Names, instance_name, usual_traffic
from pipelines.simulator.signals.scene import (
    Measured,
    Scene,
    backlog,
    counted,
    sawtooth,
    shaken,
    total,
    wander,
)
from pipelines.simulator.signals.troubles import Trouble
from pipelines.simulator.world.clock import local_seconds
from pipelines.simulator.world.model import Service, Timeline, World
from pipelines.simulator.world.randomness import stream

if TYPE_CHECKING:
    import pyarrow as pa


GIB = 1024.0**3


def measures(
    rng: np.random.Generator,
    world: World,
    service: Service,
    *,
    load: Load,
    troubles: Sequence[Trouble],
    resets: Sequence[float],
    at: Floats,
    instances: int,
) -> list[Measured]:
    """Draw all measurements of a service whose first instances are scraped."""
    own = float(load.milliseconds[service.index]) / 1000
    scene = Scene(rng, world, service, troubles, resets, at, np.zeros(len(at)), own)
    pushed = total(troubles, "traffic", at, [1.0] * len(troubles))
    steady = 0.25 if service.kind in {"database", "queue", "worker"} else 0.08
    curve = steady + (1 - steady) * usual_traffic(world, at)
    scene.rate = load.rate[service.index] * curve * shaken(rng, len(at), 0.03)
    scene.rate = scene.rate * np.clip(1 + pushed, 0.05, None)
    found: list[Measured] = []
    for make in _MADE[service.kind]:
        found += make(scene, instances)
    return found


def _round(values: Floats, digits: int = 0) -> Floats:
    return np.asarray(np.round(values, digits), np.float64)


def _requests(prefix: str, unit: str) -> Callable[[Scene, int], list[Measured]]:
    def made(scene: Scene, instances: int) -> list[Measured]:
        found = []
        usual = float(scene.rng.uniform(0.0005, 0.004))
        noise = shaken(scene.rng, len(scene.at), 0.05)
        for number in range(instances):
            part = scene.rate / scene.service.instances
            part = part * shaken(scene.rng, len(scene.at), 0.02)
            wrong = np.clip(usual * noise + scene.at_instance("errors", number), 0, 0.95)
            for name, rate in (
                (f"{prefix}{unit}_total", part),
                (f"{prefix}errors_total", part * wrong),
            ):
                values = counted(scene.rng, rate, scene.at, scene.restarts(number))
                found.append(Measured(name, values, number, "counter", unit))
        return found

    return made


def _latency(name: str) -> Callable[[Scene, int], list[Measured]]:
    def made(scene: Scene, instances: int) -> list[Measured]:
        busy = scene.rate / max(float(scene.rate.max()), 1e-9)
        usual = scene.own * 5 * (1 + 0.35 * busy**2) * shaken(scene.rng, len(scene.at), 0.05)
        values = np.round(usual * (1 + scene.slowest("slow")), 4)
        return [Measured(name, values, unit="s", labels={"quantile": "0.99"})]

    return made


def _cpu(name: str) -> Callable[[Scene, int], list[Measured]]:
    def made(scene: Scene, instances: int) -> list[Measured]:
        low, high = scene.rng.uniform(0.03, 0.12), scene.rng.uniform(0.2, 0.45)
        busy = scene.rate / max(float(np.quantile(scene.rate, 0.99)), 1e-9)
        if scene.service.kind == "nodes":
            busy = usual_traffic(scene.world, scene.at)
        found = []
        for number in range(instances):
            noise = shaken(scene.rng, len(scene.at), 0.04)
            values = (low + high * busy) * noise + scene.at_instance("cpu", number)
            found.append(Measured(name, _round(np.clip(values, 0.002, 0.998), 4), number))
        return found

    return made


def _memory(name: str, unit: str) -> Callable[[Scene, int], list[Measured]]:
    def made(scene: Scene, instances: int) -> list[Measured]:
        rng, n = scene.rng, len(scene.at)
        limit = float(rng.choice([0.5, 1.0, 2.0, 4.0]))
        usual, leak = rng.uniform(0.3, 0.55), 0.0
        if rng.random() < 0.25:
            # It leaks a little, all the time; nobody minds, deployments and Mondays mend it.
            leak = float(rng.uniform(0.01, 0.03))
        found = []
        weekly = [float(n * 7 * 86400 + 3 * 3600) for n in range(scene.world.days // 7 + 1)]
        for number in range(instances):
            age = sawtooth(scene.at, [*scene.restarts(number), *weekly])
            share = usual + leak * age / 86400 + wander(rng, n, 0.008, 24)
            share = share + rng.standard_normal(n) * 0.004 + scene.at_instance("memory", number)
            share = np.clip(share, 0.02, 0.995)
            values = (
                np.round(share, 4) if unit == "" else np.round(share * limit * 1024) * GIB / 1024
            )
            found.append(Measured(name, values, number, unit=unit))
        return found

    return made


def _disk(name: str) -> Callable[[Scene, int], list[Measured]]:
    def made(scene: Scene, instances: int) -> list[Measured]:
        rng, found = scene.rng, []
        usual, growth = float(rng.uniform(0.35, 0.65)), float(rng.uniform(0.0005, 0.004))
        nights = [local_seconds(scene.world.start, scene.world.timezone, day, 130)
                  for day in range(-1, scene.world.days + 1)]  # fmt: skip
        for number in range(instances):
            grown = growth * (scene.at - scene.at[0]) / 86400
            logs = sawtooth(scene.at, nights) / 86400 * 0.01
            values = usual + grown + logs + rng.standard_normal(len(scene.at)) * 0.0004
            values = np.clip(values + scene.at_instance("disk", number), 0, 0.999)
            found.append(Measured(name, np.round(values, 4), number))
        return found

    return made


def _lag(name: str) -> Callable[[Scene, int], list[Measured]]:
    def made(scene: Scene, instances: int) -> list[Measured]:
        waiting = scene.rate * scene.rng.uniform(0.5, 3.0) * shaken(scene.rng, len(scene.at), 0.25)
        piled = backlog(scene.troubles, scene.at) * 60 * scene.rate
        return [Measured(name, np.round(waiting + piled), unit="messages")]

    return made


def _connections(name: str) -> Callable[[Scene, int], list[Measured]]:
    def made(scene: Scene, instances: int) -> list[Measured]:
        found, pool = [], float(scene.rng.uniform(8, 30))
        for number in range(instances):
            busy = scene.rate / max(float(np.quantile(scene.rate, 0.99)), 1e-9)
            values = pool * (1 + 1.5 * busy) * shaken(scene.rng, len(scene.at), 0.04)
            values = values * (1 + scene.at_instance("connections", number))
            found.append(Measured(name, _round(np.clip(values, 0, 10 * pool)), number))
        return found

    return made


def _replica(scene: Scene, instances: int) -> list[Measured]:
    if scene.service.instances < 2:
        return []
    usual = 0.4 * shaken(scene.rng, len(scene.at), 0.2)
    return [Measured("db_replication_lag_seconds",
                     np.round(usual + scene.slowest("replica"), 2), unit="s")]  # fmt: skip


def _lookups(scene: Scene, instances: int) -> list[Measured]:
    found, usual = [], float(scene.rng.uniform(0.03, 0.15))
    for number in range(instances):
        rate = scene.rate / scene.service.instances * shaken(scene.rng, len(scene.at), 0.02)
        missed = np.clip(usual * shaken(scene.rng, len(scene.at), 0.05)
                         + scene.whole("misses"), 0, 1)  # fmt: skip
        for name, part in (("hits", 1 - missed), ("misses", missed)):
            values = counted(scene.rng, rate * part, scene.at, scene.restarts(number))
            found.append(Measured(f"cache_{name}_total", values, number, "counter"))
    return found


def _runs(scene: Scene, instances: int) -> list[Measured]:
    """Measure a job that runs every few hours; a run that fails leaves what was there."""
    world, rng = scene.world, scene.rng
    minute, every = int(rng.integers(0, 60)), int(rng.choice([60, 120, 360]))
    runs = [
        local_seconds(world.start, world.timezone, day, minute + turn)
        for day in range(-1, world.days + 1) for turn in range(0, 1440 - 59, every)
    ]  # fmt: skip
    good = [
        run + 60 * float(rng.uniform(10, 14))
        for run in runs
        if not any(trouble.start <= run < trouble.end for trouble in scene.troubles)
    ]
    took = rng.lognormal(np.log(scene.own), 0.08, len(good) + 1)
    turn = np.searchsorted(np.array(good), scene.at, "right")
    rows = np.round(took[turn] * 140)
    return [
        Measured("batch_last_run_duration_seconds", np.round(took[turn], 1), unit="s"),
        Measured("batch_last_run_rows", rows),
        Measured("batch_seconds_since_success", np.round(sawtooth(scene.at, good)), unit="s"),
    ]


_HTTP = (
    _requests("http_server_", "requests"),
    _latency("http_server_request_duration_seconds"),
)
_PROCESS = (
    _cpu("process_cpu_utilization_ratio"),
    _memory("process_resident_memory_bytes", "bytes"),
)
_FILES = _disk("filesystem_utilization_ratio")
_MADE: dict[str, tuple[Callable[[Scene, int], list[Measured]], ...]] = {
    "edge": (*_HTTP, *_PROCESS),
    "api": (*_HTTP, *_PROCESS),
    "worker": (
        _requests("messaging_process_", "messages"),
        _latency("messaging_process_duration_seconds"),
        _lag("messaging_consumer_lag"),
        *_PROCESS,
    ),
    "batch": (_runs, *_PROCESS),
    "database": (
        _requests("db_", "queries"), _latency("db_query_duration_seconds"),
        _connections("db_connections"), _PROCESS[0], _FILES, _replica,
    ),
    "cache": (_lookups, _connections("cache_connections"), *_PROCESS),
    "queue": (
        _lag("messaging_queue_messages"), _requests("messaging_publish_", "messages"), _FILES,
    ),
    "nodes": (
        _cpu("node_cpu_utilization_ratio"), _memory("node_memory_utilization_ratio", ""),
        _disk("node_filesystem_utilization_ratio"),
    ),
}  # fmt: skip


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
    for trouble in troubles:
        by_service.setdefault(trouble.service, []).append(trouble)
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
        scraped
        for each in measured
        for scraped in _named(rng, world, names, service, measured=each, alive=alive, at=at)
    ]  # fmt: skip


def _alive(
    rng: np.random.Generator, troubles: list[Trouble], number: int, at: Floats
) -> "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]":
    """Say at which steps an instance answers its scrape."""
    answers = np.ones(len(at), bool)
    for trouble in troubles:
        if trouble.effect.down and number < trouble.hit:
            # What crashes comes back and crashes again; what is lost stays away.
            share = 0.5 if trouble.kind == "crash" else 1.0
            away = trouble.inside(at) & (rng.random(len(at)) < share)
            if trouble.kind == "cache_lost":
                # It is soon back, empty.
                away &= at < trouble.start + 0.4 * (trouble.end - trouble.start)
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
        ((fingerprint(scraped.labels | {"__name__": scraped.name}), scraped) for scraped in found),
        key=lambda pair: pair[0],
    )
    codes = pa.array(np.repeat(np.arange(len(marked)), [len(scraped.at) for _, scraped in marked]))
    at = np.concatenate([np.empty(0), *(scraped.at for _, scraped in marked)])
    values = np.concatenate([np.empty(0), *(scraped.values for _, scraped in marked)])
    once = {
        "fingerprint": pa.array([mark for mark, _ in marked], pa.string()),
        "name": pa.array([scraped.name for _, scraped in marked], pa.string()),
        "labels": pa.array([sorted(scraped.labels.items()) for _, scraped in marked],
                           METRICS.schema.field("labels").type),
        "kind": pa.array([scraped.kind for _, scraped in marked], pa.string()),
        "unit": pa.array([scraped.unit or None for _, scraped in marked], pa.string()),
    }  # fmt: skip
    columns = {name: column.take(codes) for name, column in once.items()}
    micro = np.rint(at * SECOND_US).astype(np.int64) + microseconds(world.start)
    columns["source"] = pa.repeat(pa.scalar(SOURCE), len(codes))
    columns["at"] = pa.array(micro, pa.int64()).cast(TIME)
    columns["value"] = pa.array(values, pa.float64(), mask=np.isnan(values))
    return pa.table([columns[name] for name in METRICS.schema.names], schema=METRICS.schema)
