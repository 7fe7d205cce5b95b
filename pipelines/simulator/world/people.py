"""What people do about alerts: acknowledge, open a ticket and mend it, or ignore it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.simulator.world.alerts import Alerts
from pipelines.simulator.world.clock import STEP, awake
from pipelines.simulator.world.events import Ints
from pipelines.simulator.world.kinds import FAULTS
from pipelines.simulator.world.model import Fault, Timeline, World
from pipelines.simulator.world.randomness import stream

NOT = np.int64(-1)
"""No such time, or no such ticket."""
ENDED_AS_NOISE = ("Nothing found, ended by itself", "Known, no action", "Threshold looked at")
REQUESTS = ("Access to the dashboard", "Raise the quota", "New topic", "Question about a graph")


@dataclass(frozen=True)
class Ticket:
    """A ticket; times in milliseconds since the world's start, `NOT` where there is none."""

    id: str
    opened: int
    closed: int
    kind: str
    severity: str
    service: int
    title: str
    resolution: str
    fix: str
    fault: int


@dataclass(frozen=True)
class Reactions:
    """What people did about each alert, arrays of shape (rows,).

    Attributes
    ----------
    acted
        1, 0, or -1 where the source cannot say.
    acknowledged
        Milliseconds since the world's start, or `NOT`.
    ticket
        Position in `tickets`, or `NOT`.
    """

    acted: NDArray[np.int8]
    acknowledged: Ints
    ticket: Ints
    tickets: tuple[Ticket, ...]


def react(world: World, timeline: Timeline, alerts: Alerts) -> Reactions:
    """Draw what people do about all alerts."""
    rng = stream(world.seed, "people")
    at_work = awake(world)
    rows = len(alerts)
    silent = np.array([rule.source != world.rules[0].source for rule in world.rules])
    acted = np.where(silent[alerts.keys[:, 0]][alerts.series], -1, 0).astype(np.int8)
    acknowledged, ticket = np.full(rows, NOT), np.full(rows, NOT)
    tickets = _incidents(rng, world, timeline, alerts, at_work=at_work, ticket=ticket)
    linked = np.flatnonzero(ticket >= 0)
    habit = np.array([source.habit for source in timeline.noise] or [0.0])
    by_habit = np.flatnonzero(
        (alerts.noise >= 0) & (acted >= 0) & (rng.random(rows) < habit[alerts.noise])
    )
    tickets += _needless(rng, world, alerts, by_habit, ticket=ticket, before=len(tickets))
    seen = np.concatenate([linked[rng.random(len(linked)) < 0.85], by_habit])
    acted[linked], acted[by_habit] = 1, 1
    acknowledged[seen] = alerts.start[seen] + _delay(rng, at_work, alerts.start[seen])
    acknowledged[acknowledged >= world.seconds * 1000] = NOT
    tickets += _requests(rng, world, len(tickets))
    return Reactions(acted, acknowledged, ticket, tuple(tickets))


def _delay(rng: np.random.Generator, at_work: NDArray[np.bool_], start: Ints) -> Ints:
    """Milliseconds until somebody reacts: longer when people sleep."""
    step = np.minimum(start // int(STEP * 1000), len(at_work) - 1)
    minutes = np.where(at_work[step], 3.0, 9.0)
    return np.asarray(rng.lognormal(np.log(minutes), 0.6) * 60_000).astype(np.int64)


def _incidents(
    rng: np.random.Generator,
    world: World,
    timeline: Timeline,
    alerts: Alerts,
    *,
    at_work: NDArray[np.bool_],
    ticket: Ints,
) -> list[Ticket]:
    """Open a ticket a fault, and link the alerts to it that people looked at; fills `ticket`."""
    service = alerts.keys[alerts.series, 1]
    order = np.argsort(alerts.fault, kind="stable")
    edges = np.searchsorted(alerts.fault[order], np.arange(len(timeline.faults) + 1))
    tickets: list[Ticket] = []
    for fault in timeline.faults:
        rows = order[edges[fault.index] : edges[fault.index + 1]]
        rows = rows[~alerts.early[rows]]
        if not fault.ticketed or not len(rows):
            continue
        first = int(alerts.start[rows].min())
        opened = first + int(_delay(rng, at_work, np.array([first]))[0]) + 60_000
        closed = int(fault.end * 1000) + int(rng.uniform(5, 120) * 60_000)
        if opened >= world.seconds * 1000:
            continue
        rows = rows[alerts.start[rows] <= max(closed, first)]
        odds = np.where(service[rows] == service[rows[0]], 0.9, 0.55)
        chosen = rows[(rng.random(len(rows)) < odds) | (rows == rows[0])]
        ticket[chosen] = len(tickets)
        tickets.append(
            _incident(
                rng,
                world,
                fault,
                number=len(tickets),
                opened=opened,
                closed=closed,
                service=int(service[rows[0]]),
            )
        )
    return tickets


def _incident(
    rng: np.random.Generator,
    world: World,
    fault: Fault,
    *,
    number: int,
    opened: int,
    closed: int,
    service: int,
) -> Ticket:
    severity = ("low", "medium", "high")[min(2, len(fault.impacts) // 2)]
    words = {kind.key: kind.words for kind in FAULTS}
    done = words.get(fault.kind, f"Mended by {fault.fix.replace('_', ' ')}")
    symptom = fault.symptoms[-1].kind.replace("_", " ")
    title = f"{world.services[service].name}: {symptom}"
    over = closed < world.seconds * 1000
    return Ticket(
        f"INC-{number + 1001}", opened, max(closed, opened + 60_000) if over else int(NOT),
        "incident", severity, service, title, done if over else "", fault.fix if over else "",
        fault.index,
    )  # fmt: skip


def _needless(
    rng: np.random.Generator,
    world: World,
    alerts: Alerts,
    by_habit: Ints,
    *,
    ticket: Ints,
    before: int,
) -> list[Ticket]:
    """Tickets that somebody opened for nothing; fills `ticket`."""
    number = min(len(by_habit), int(rng.integers(0, 9)))
    rows = np.sort(rng.permutation(by_habit)[:number])
    tickets: list[Ticket] = []
    for row in rows:
        opened = int(alerts.start[row]) + 300_000
        closed = opened + int(rng.uniform(10, 300) * 60_000)
        if closed >= world.seconds * 1000:
            continue
        ticket[row] = before + len(tickets)
        service = int(alerts.keys[alerts.series[row], 1])
        said = str(rng.choice(ENDED_AS_NOISE))
        tickets.append(
            Ticket(f"INC-{before + len(tickets) + 1001}", opened, closed, "noise", "low", service,
                   f"{world.services[service].name}: looked at", said, "none", -1)
        )  # fmt: skip
    return tickets


def _requests(rng: np.random.Generator, world: World, before: int) -> list[Ticket]:
    """Tickets that have nothing to do with alerts."""
    tickets = []
    for n in range(int(rng.poisson(0.4 * world.days))):
        opened = int(rng.uniform(0, world.seconds) * 1000)
        closed = opened + int(rng.exponential(86_400_000)) + 60_000
        over = closed < world.seconds * 1000
        title = str(rng.choice(REQUESTS))
        tickets.append(
            Ticket(f"REQ-{before + n + 1001}", opened, closed if over else int(NOT), "request",
                   "low", int(rng.integers(len(world.services))), title, "Done" if over else "",
                   "", -1)
        )  # fmt: skip
    return tickets
