"""Log lines of a world: what its programs write in peace, and when something is wrong."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.lake.contract import microseconds
from pipelines.aiops.log_parsing.rows import LogColumns, log_rows
from pipelines.aiops.params.telemetry import SignalsParams
from pipelines.core.time import SECOND_US
from pipelines.simulator.signals.load import Floats, Load, Names, instance_name, usual_traffic
from pipelines.simulator.signals.log_texts import (
    BROKEN,
    DEPLOYED,
    HEARTBEATS,
    NEW,
    PASSED_ON,
    TEXTS,
    TRACES,
    Text,
)
from pipelines.simulator.signals.troubles import Trouble
from pipelines.simulator.world.kinds import NOUNS
from pipelines.simulator.world.model import Service, Timeline, World
from pipelines.simulator.world.randomness import stream

if TYPE_CHECKING:
    import pyarrow as pa


_FIELD = re.compile(r"\{(\w+)\}")
EXCEPTIONS = ("IllegalStateException", "RuntimeException")


@dataclass(frozen=True)
class Lines:
    """Lines of one template, at seconds since the world's start."""

    at: Floats
    bodies: list[str]
    severity: str
    instance: NDArray[np.int64]


def written(
    rng: np.random.Generator,
    severity: str,
    text: str,
    at: Floats,
    *,
    peers: Sequence[str],
    codes: Sequence[int],
    instance: int | None = None,
) -> Lines:
    """Write a template at times.

    Parameters
    ----------
    peers, codes
        What ``{peer}`` and ``{code}`` are drawn from.
    instance
        Number of the one that writes; None: any.
    """
    n = len(at)
    fields = list(dict.fromkeys(_FIELD.findall(text)))
    drawn = [_draw(rng, name, n, peers, codes) for name in fields]
    numbers = rng.integers(0, 1_000, n) if instance is None else np.full(n, instance)
    if not fields:
        return Lines(at, [text] * n, severity, numbers)
    pattern = _FIELD.sub(lambda found: f"{{{fields.index(found[1])}}}", text)
    bodies = [pattern.format(*row) for row in zip(*drawn, strict=True)]
    return Lines(at, bodies, severity, numbers)


def _draw(
    rng: np.random.Generator, name: str, n: int, peers: Sequence[str], codes: Sequence[int]
) -> list[str]:
    if name == "peer":
        return _one_of(rng, n, peers)
    if name == "code":
        return _one_of(rng, n, [str(code) for code in codes])
    return _DRAWN[name](rng, n)


def _one_of(rng: np.random.Generator, n: int, texts: Sequence[str]) -> list[str]:
    return [texts[at] for at in rng.integers(0, len(texts), n).tolist()]


def _whole(low: int, high: int) -> Callable[[np.random.Generator, int], list[str]]:
    return lambda rng, n: [str(number) for number in rng.integers(low, high, n).tolist()]


def _hex(rng: np.random.Generator, n: int) -> list[str]:
    text = rng.bytes(6 * n).hex()
    return [text[at : at + 12] for at in range(0, 12 * n, 12)]


def _address(rng: np.random.Generator, n: int) -> list[str]:
    return [f"10.{a}.{b}.{c}" for a, b, c in rng.integers(1, 255, (n, 3)).tolist()]


def _milliseconds(rng: np.random.Generator, n: int) -> list[str]:
    return [str(number) for number in np.ceil(rng.lognormal(4, 1, n)).astype(int).tolist()]


_DRAWN: dict[str, Callable[[np.random.Generator, int], list[str]]] = {
    "id": _hex,
    "ip": _address,
    "ms": _milliseconds,
    "n": _whole(1, 2_000),
    "big": _whole(100_000, 90_000_000),
    "few": _whole(1, 9),
    "port": _whole(1_024, 65_000),
    "bytes": _whole(200, 900_000),
    "user": _whole(10_000, 99_999),
    "verb": lambda rng, n: _one_of(rng, n, ("GET", "GET", "GET", "POST", "PUT")),
    "ok": lambda rng, n: _one_of(rng, n, ("200", "200", "200", "201", "304", "404")),
    "path": lambda rng, n: [f"/v1/{noun}s" for noun in _one_of(rng, n, NOUNS[:12])],
    "noun": lambda rng, n: _one_of(rng, n, NOUNS[:20]),
    "exception": lambda rng, n: _one_of(rng, n, EXCEPTIONS),
}


PER_HOUR = 40.0
"""Lines of one message in an hour of trouble at full force."""
FIRST = 0.4
"""Below this force a service that calls the broken one writes nothing about it."""


def trouble_lines(
    world: World, troubles: Sequence[Trouble], begin: float, codes: Sequence[int]
) -> list[Lines]:
    """Draw the lines that the troubles of one service bring.

    Parameters
    ----------
    begin
        Seconds since the world's start; what comes before is left out.
    codes
        Error codes of the service; the last is written in trouble only.
    """
    found = []
    for trouble in troubles:
        if speaks(trouble):
            rng = stream(world.seed, "log troubles", trouble.fault, trouble.service)
            found += [_after(lines, begin) for lines in _lines(rng, world, trouble, codes)]
    return found


def speaks(trouble: Trouble) -> bool:
    """Whether logs say anything about it."""
    return trouble.depth == 0 or trouble.force >= FIRST


def _lines(
    rng: np.random.Generator, world: World, trouble: Trouble, codes: Sequence[int]
) -> list[Lines]:
    texts = BROKEN[trouble.kind] if trouble.depth == 0 else PASSED_ON
    peers = [world.services[trouble.root].name]
    usual = list(codes[:3])
    found = []
    for n, text in enumerate(texts):
        trace = TRACES[trouble.service % len(TRACES)] if n == 0 and trouble.depth else ""
        at = _times_of_trouble(rng, world, trouble, PER_HOUR / (1 + n))
        found.append(written(rng, "error", text + trace, at, peers=peers, codes=usual))
    if trouble.new_line:
        words = [str(word) for word in rng.choice(NOUNS, 2, replace=False)]
        text = NEW[int(rng.integers(len(NEW)))].format(a=words[0], b=words[1])
        at = _times_of_trouble(rng, world, trouble, PER_HOUR / 3)
        found.append(written(rng, "error", text, at, peers=peers, codes=usual))
    if trouble.new_code:
        at = _times_of_trouble(rng, world, trouble, PER_HOUR / 2)
        known = "request {id} failed code=E{code} user={user}"
        text = (
            known
            if world.services[trouble.service].layer < 2
            else "message {id} rejected code=E{code}"
        )
        found.append(written(rng, "error", text, at, peers=peers, codes=codes[-1:]))
    return found


def _times_of_trouble(
    rng: np.random.Generator, world: World, trouble: Trouble, per_hour: float
) -> Floats:
    end = min(trouble.end, world.seconds)
    hours = max(end - trouble.start, 0.0) / 3600
    number = int(rng.poisson(per_hour * trouble.force * min(hours, 3.0)))
    return np.sort(rng.uniform(trouble.start, end, number))


def _after(lines: Lines, begin: float) -> Lines:
    kept = lines.at >= begin
    bodies = [body for body, keep in zip(lines.bodies, kept.tolist(), strict=True) if keep]
    return Lines(lines.at[kept], bodies, lines.severity, lines.instance[kept])


SOURCE = "simulated-logs"
HEARTBEAT_SHARE = 0.3
"""Of all lines, those that come at even intervals."""
RARE_PER_DAY = 0.02
"""Times a day that a service writes one of the messages that it hardly ever writes."""
STEP = 900.0


@dataclass(frozen=True)
class LogContext:
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
    busy = {other_service.index: _busy(other_service, load) for other_service in names.things}
    scale = settings.lines_per_day / max(sum(busy.values()), 1e-9)
    tables = []
    for service in names.things:
        peers = tuple(world.services[n].name for n in service.calls) or (service.name,)
        codes = tuple(stream(world.seed, "codes", service.index).integers(100, 999, 4).tolist())
        context = LogContext(world, service, load, peers, begin, world.seconds, codes)
        mine = [trouble for trouble in troubles if trouble.service == service.index]
        lines = _usual(context, busy[service.index] * scale, mine)
        lines += _deployed(context, names, timeline)
        lines += trouble_lines(world, mine, begin, codes)
        tables.append(_rows(context, names, lines))
    found = pa.concat_tables(tables)
    return found.sort_by([("at", "ascending"), ("log_id", "ascending")])


def _busy(service: Service, load: Load) -> float:
    """Weight of a service among all lines: those with much traffic write more, but sample it."""
    return 1.0 + float(np.sqrt(load.rate[service.index])) / 3


def _usual(context: LogContext, per_day: float, troubles: Sequence[Trouble]) -> list[Lines]:
    """Lines of a service in peace: those that come with traffic, and its heartbeat."""
    service, world = context.service, context.world
    rng = stream(world.seed, "logs", service.index)
    texts = [
        template for template in TEXTS[service.kind] if template.weight > 4 or rng.random() < 0.75
    ]
    every = 86400 / max(per_day * HEARTBEAT_SHARE, 24.0)
    every = float(min((60, 120, 300, 600, 900, 1800, 3600), key=lambda step: abs(step - every)))
    found = [_heartbeat(rng, context, every, troubles)]
    days = (context.end - context.begin) / 86400
    weights = sum(template.weight for template in texts)
    grid = np.arange(context.begin, context.end + STEP, STEP)
    for text in texts:
        number = per_day * (1 - HEARTBEAT_SHARE) * text.weight / weights * days
        times = _times(rng, context, text, grid=grid, number=number, troubles=troubles)
        found.append(_write(rng, context, text.severity, text.text, times))
    for n in range(2):
        times = np.sort(rng.uniform(context.begin, context.end, rng.poisson(RARE_PER_DAY * days)))
        text_ = f"deprecated option {{noun}}_{chr(97 + n)} ignored by {service.name}"
        found.append(_write(rng, context, "warn", text_, times))
    return found


def _write(
    rng: np.random.Generator, context: LogContext, severity: str, text: str, at: Floats
) -> Lines:
    return written(rng, severity, text, at, peers=context.peers, codes=context.codes[:3])


def _heartbeat(
    rng: np.random.Generator, context: LogContext, every: float, troubles: Sequence[Trouble]
) -> Lines:
    begin = max(context.begin, context.service.since) + float(rng.uniform(0, every))
    times = np.arange(begin, context.end, every)
    times = times + rng.normal(0, min(2.0, every / 40), len(times))
    for trouble in troubles:
        if trouble.no_heartbeat:
            times = times[~trouble.inside(times)]
    text = HEARTBEATS[int(rng.integers(len(HEARTBEATS)))]
    return written(
        rng, "info", text, times, peers=context.peers, codes=context.codes[:3], instance=0
    )


def _times(
    rng: np.random.Generator,
    context: LogContext,
    text: Text,
    *,
    grid: Floats,
    number: float,
    troubles: Sequence[Trouble],
) -> Floats:
    """Draw when a message is written: with the traffic, more of the bad ones in trouble."""
    curve = usual_traffic(context.world, grid) + 0.1 if text.follows else np.ones(len(grid))
    mean = float(curve.mean())
    for trouble in troubles:
        push = 1 + trouble.effect.traffic * trouble.level(grid)
        if text.severity in {"warn", "error"}:
            push = push + 6 * (trouble.effect.errors + 0.1 * trouble.effect.slow) * trouble.level(
                grid
            )
        curve = curve * np.clip(push, 0.1, None)
    expected = number / len(grid) * curve / mean
    count = rng.poisson(expected)
    times = np.repeat(grid, count) + rng.uniform(0, STEP, int(count.sum()))
    return times[(times >= max(context.begin, context.service.since)) & (times < context.end)]


def _deployed(context: LogContext, names: Names, timeline: Timeline) -> list[Lines]:
    """Lines that a deployment brings, some with a message that the new version begins to write."""
    rng = stream(context.world.seed, "log deployments", context.service.index)
    found = []
    for change in timeline.deployments:
        if names.thing(change.service) != context.service.index or change.at < context.begin:
            continue
        hits = min(context.service.instances, 3)
        for n, text in enumerate(DEPLOYED):
            times = change.at + 15.0 * n + rng.uniform(0, 40, hits)
            text_ = text.replace("{version}", change.version)
            found.append(_write(rng, context, "info", text_, times[times < context.end]))
    return found


def _rows(context: LogContext, names: Names, lines: list[Lines]) -> "pa.Table":
    """Make rows; ids are those that reading the service's file would give."""
    at = np.concatenate([line_group.at for line_group in lines])
    body = [text for line_group in lines for text in line_group.bodies]
    severity = [line_group.severity for line_group in lines for _ in line_group.bodies]
    number = np.concatenate([line_group.instance for line_group in lines])
    order = np.argsort(at, kind="stable")
    at = at[order]
    micro = np.rint(at * SECOND_US).astype(np.int64) + microseconds(context.world.start)
    service, world = context.service, context.world
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
