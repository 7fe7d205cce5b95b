"""Evidence from the time inside traces: work that takes longer, and calls that travel longer.

The time of a span is cut at the calls that it makes. What passes before a call goes out is the
caller's (its work, or its requests on the way); what passes between a callee's end and the caller's
going on is the callee's (its answer on the way); a span without calls is its service's own. Each
piece is compared with the same piece in ordinary traces: its middle must lie beyond what ordinarily
is extreme.
"""

from dataclasses import dataclass

import numpy as np

from pipelines.aiops.incidents.budgets import CAP, Evidence
from pipelines.aiops.incidents.signals import Floats, Ints, Spans, Window, inside

PER_FOLD = 15.0
"""Nats for each factor e of the middle beyond the ordinary reach."""
EXTREME = 0.95
ENOUGH_PAST, ENOUGH_NOW = 10, 4
FLOOR_US = 5_000.0
"""A reach below this counts as this: clocks of different machines differ."""


@dataclass(frozen=True)
class Delays:
    """Pieces of time, sorted by kind; piece i took ``taken[i]`` microseconds from ``start[i]``.

    Attributes
    ----------
    edges
        Pieces of kind k are those from ``edges[k]`` to ``edges[k + 1]``.
    kinds
        For each kind the service that it is counted for, and what it is in words.
    """

    start: Ints
    taken: Floats
    edges: Ints
    kinds: list[tuple[str, str]]


def prepare_delays(spans: Spans, parent: Ints) -> Delays:
    """Cut all spans at the calls that they make.

    Parameters
    ----------
    parent
        Row of each span's parent, -1 for none.
    """
    child = np.flatnonzero(parent >= 0)
    child = child[np.lexsort((spans.start[child], parent[child]))]
    above = parent[child]
    opens = np.append(True, np.diff(above) != 0)[: len(child)]
    closes = np.append(np.diff(above) != 0, True)[: len(child)]
    before_from = np.where(opens, spans.start[above], np.roll(spans.end[child], 1))
    after_to = np.where(closes, spans.end[above], np.roll(spans.start[child], -1))
    caller = np.array(spans.service)[above]
    crosses = caller != np.array(spans.service)[child]
    leaf = np.ones(len(spans.start), bool)
    leaf[above] = False
    own = np.flatnonzero(leaf)
    row = np.concatenate((child[crosses], child[crosses], own))
    taken = np.concatenate(
        (
            (spans.start[child] - before_from)[crosses],
            (after_to - spans.end[child])[crosses],
            spans.end[own] - spans.start[own],
        )
    )
    names = [
        *_named(spans, child[crosses], caller[crosses].tolist(), "until it calls"),
        *_named(spans, child[crosses], None, "until its caller goes on after"),
        *((spans.service[i], f"the time of {spans.name[i]}") for i in own.tolist()),
    ]
    known = sorted(set(names))
    number = {name: i for i, name in enumerate(known)}
    kind = np.array([number[name] for name in names], np.int64)
    order = np.argsort(kind, kind="stable")
    edges = np.searchsorted(kind[order], np.arange(len(known) + 1))
    return Delays(spans.start[row][order], taken[order].astype(float), edges, known)


def _named(spans: Spans, rows: Ints, whose: list[str] | None, what: str) -> list[tuple[str, str]]:
    owners = whose or [spans.service[i] for i in rows.tolist()]
    return [
        (owner, f"the time {what} {spans.service[i]} {spans.name[i]}")
        for owner, i in zip(owners, rows.tolist(), strict=True)
    ]


def delay_evidence(window: Window, delays: Delays) -> list[Evidence]:
    """Blame services for the pieces of time that became longer than they ever ordinarily are."""
    now = (delays.start >= window.start) & (delays.start < window.end)
    past = inside(delays.start, window.reference)
    best: dict[str, Evidence] = {}
    for k, (service, what) in enumerate(delays.kinds):
        piece = slice(int(delays.edges[k]), int(delays.edges[k + 1]))
        taken = delays.taken[piece]
        found = _longer(taken[past[piece]], taken[now[piece]], service, what)
        if found and found.points > best.get(service, Evidence("", "", 0, "")).points:
            best[service] = found
    return [best[name] for name in sorted(best)]


def _longer(past: Floats, now: Floats, service: str, what: str) -> Evidence | None:
    if len(past) < ENOUGH_PAST or len(now) < ENOUGH_NOW:
        return None
    level, high = (float(x) for x in np.quantile(past, (0.5, EXTREME)))
    middle = float(np.median(now))
    fold = (middle - level) / max(high - level, FLOOR_US)
    if fold <= 1:
        return None
    sentence = (
        f"{what}: {middle / 1e3:.3g} ms in the middle, before {level / 1e3:.3g} ms and hardly ever "
        f"above {high / 1e3:.3g} ms"
    )
    return Evidence(service, "latency", min(CAP, PER_FOLD * float(np.log(fold))), sentence)
