"""Log lines of a world: what its programs write in peace, and when something is wrong."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipelines.aiops.logs.reading.rows import LogColumns, log_rows
from pipelines.aiops.params.simulate import SignalsParams
from pipelines.aiops.simulator.model import Service, Timeline, World
from pipelines.aiops.simulator.randomness import stream
from pipelines.aiops.simulator.signals.load import Load, usual_traffic
from pipelines.aiops.simulator.signals.log_texts import DEPLOYED, HEARTBEATS, TEXTS, Text
from pipelines.aiops.simulator.signals.log_troubles import trouble_lines
from pipelines.aiops.simulator.signals.log_words import Lines, written
from pipelines.aiops.simulator.signals.names import Floats, Names, instance_name
from pipelines.aiops.simulator.signals.troubles import Trouble
from pipelines.aiops.telemetry.fingerprint import microseconds

if TYPE_CHECKING:
    import pyarrow as pa

SOURCE = "simulated-logs"
HEARTBEAT_SHARE = 0.3
"""Of all lines, those that come at even intervals."""
RARE_PER_DAY = 0.02
"""Times a day that a service writes one of the messages that it hardly ever writes."""
STEP = 900.0


@dataclass(frozen=True)
class Place:
    """One service and what is needed to write its lines."""

    world: World
    service: Service
    load: Load
    peers: tuple[str, ...]
    begin: float
    end: float
    codes: tuple[int, ...]


def log_table(
    world: World,
    timeline: Timeline,
    load: Load,
    troubles: Sequence[Trouble],
    settings: SignalsParams,
) -> "pa.Table":
    """Rows of table ``logs``, sorted by time."""
    import pyarrow as pa

    names = Names(world)
    begin = world.seconds - settings.days * 86400
    busy = {one.index: _busy(one, load) for one in names.things}
    scale = settings.lines_per_day / max(sum(busy.values()), 1e-9)
    tables = []
    for service in names.things:
        peers = tuple(world.services[n].name for n in service.calls) or (service.name,)
        codes = tuple(stream(world.seed, "codes", service.index).integers(100, 999, 4).tolist())
        place = Place(world, service, load, peers, begin, world.seconds, codes)
        mine = [one for one in troubles if one.service == service.index]
        lines = _usual(place, busy[service.index] * scale, mine)
        lines += _deployed(place, names, timeline)
        lines += trouble_lines(world, mine, begin, codes)
        tables.append(_rows(place, names, lines))
    found = pa.concat_tables(tables)
    return found.sort_by([("at", "ascending"), ("log_id", "ascending")])


def _busy(service: Service, load: Load) -> float:
    """Weight of a service among all lines: those with much traffic write more, but sample it."""
    return 1.0 + float(np.sqrt(load.rate[service.index])) / 3


def _usual(place: Place, per_day: float, troubles: Sequence[Trouble]) -> list[Lines]:
    """Lines of a service in peace: those that come with traffic, and its heartbeat."""
    service, world = place.service, place.world
    rng = stream(world.seed, "logs", service.index)
    texts = [one for one in TEXTS[service.kind] if one.weight > 4 or rng.random() < 0.75]
    every = 86400 / max(per_day * HEARTBEAT_SHARE, 24.0)
    every = float(min((60, 120, 300, 600, 900, 1800, 3600), key=lambda step: abs(step - every)))
    found = [_heartbeat(rng, place, every, troubles)]
    days = (place.end - place.begin) / 86400
    weights = sum(one.weight for one in texts)
    grid = np.arange(place.begin, place.end + STEP, STEP)
    for text in texts:
        number = per_day * (1 - HEARTBEAT_SHARE) * text.weight / weights * days
        times = _times(rng, place, text, grid=grid, number=number, troubles=troubles)
        found.append(_write(rng, place, text.severity, text.text, times))
    for n in range(2):
        times = np.sort(rng.uniform(place.begin, place.end, rng.poisson(RARE_PER_DAY * days)))
        text_ = f"deprecated option {{noun}}_{chr(97 + n)} ignored by {service.name}"
        found.append(_write(rng, place, "warn", text_, times))
    return found


def _write(rng: np.random.Generator, place: Place, severity: str, text: str, at: Floats) -> Lines:
    return written(rng, severity, text, at, peers=place.peers, codes=place.codes[:3])


def _heartbeat(
    rng: np.random.Generator, place: Place, every: float, troubles: Sequence[Trouble]
) -> Lines:
    begin = max(place.begin, place.service.since) + float(rng.uniform(0, every))
    times = np.arange(begin, place.end, every)
    times = times + rng.normal(0, min(2.0, every / 40), len(times))
    for one in troubles:
        if one.no_heartbeat:
            times = times[~one.inside(times)]
    text = HEARTBEATS[int(rng.integers(len(HEARTBEATS)))]
    return written(rng, "info", text, times, peers=place.peers, codes=place.codes[:3], instance=0)


def _times(
    rng: np.random.Generator,
    place: Place,
    text: Text,
    *,
    grid: Floats,
    number: float,
    troubles: Sequence[Trouble],
) -> Floats:
    """Draw when a message is written: with the traffic, more of the bad ones in trouble."""
    curve = usual_traffic(place.world, grid) + 0.1 if text.follows else np.ones(len(grid))
    mean = float(curve.mean())
    for one in troubles:
        push = 1 + one.effect.traffic * one.level(grid)
        if text.severity in {"warn", "error"}:
            push = push + 6 * (one.effect.errors + 0.1 * one.effect.slow) * one.level(grid)
        curve = curve * np.clip(push, 0.1, None)
    expected = number / len(grid) * curve / mean
    count = rng.poisson(expected)
    times = np.repeat(grid, count) + rng.uniform(0, STEP, int(count.sum()))
    return times[(times >= max(place.begin, place.service.since)) & (times < place.end)]


def _deployed(place: Place, names: Names, timeline: Timeline) -> list[Lines]:
    """Lines that a deployment brings, some with a message that the new version begins to write."""
    rng = stream(place.world.seed, "log deployments", place.service.index)
    found = []
    for change in timeline.deployments:
        if names.thing(change.service) != place.service.index or change.at < place.begin:
            continue
        hits = min(place.service.instances, 3)
        for n, text in enumerate(DEPLOYED):
            times = change.at + 15.0 * n + rng.uniform(0, 40, hits)
            text_ = text.replace("{version}", change.version)
            found.append(_write(rng, place, "info", text_, times[times < place.end]))
    return found


def _rows(place: Place, names: Names, lines: list[Lines]) -> "pa.Table":
    """Make rows; ids are those that reading the service's file would give."""
    at = np.concatenate([one.at for one in lines])
    body = [text for one in lines for text in one.bodies]
    severity = [one.severity for one in lines for _ in one.bodies]
    number = np.concatenate([one.instance for one in lines])
    order = np.argsort(at, kind="stable")
    at = at[order]
    micro = np.rint(at * 1_000_000).astype(np.int64) + microseconds(place.world.start)
    service, world = place.service, place.world
    called = [names.name_at(service.index, time) for time in at.tolist()]
    most = service.instances
    instance = [
        instance_name(world, service, name, int(n) % most)
        for name, n in zip(called, number[order].tolist(), strict=True)
    ]
    columns = LogColumns(
        micro, [body[n] for n in order], [severity[n] for n in order], called, instance
    )
    return log_rows(columns, SOURCE, f"{service.name}.log", seen=Counter())
