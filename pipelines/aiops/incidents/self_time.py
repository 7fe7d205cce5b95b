"""Evidence from the time inside traces: work that takes longer, and calls that travel longer.

The time of a span is cut at the calls that it makes. What passes before a call goes out is the
caller's (its work, or its requests on the way); what passes between a callee's end and the caller's
going on is the callee's (its answer on the way); a span without calls is its service's own. Each
piece is compared with the same piece in ordinary traces: its middle must lie beyond what ordinarily
is extreme. A request that comes late may also be due to a callee too busy to take it, so the other
end gets most of those points as well: the service with most late pieces at its ends stands out.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np

from pipelines.aiops.incidents.budgets import CauseEvidence
from pipelines.aiops.incidents.model import FaultWindow, Floats, Ints, Spans, inside

PER_FOLD = 5.0
"""Nats for each factor e of the middle beyond the ordinary reach."""
EXTREME = 0.95
ENOUGH_PAST, ENOUGH_NOW = 10, 4
OTHER_END = 0.8
"""Share of the points for a late request that the callee gets."""
FLOOR_US = 5_000.0
"""A reach below this counts as this: clocks of different machines differ."""


@dataclass(frozen=True)
class SelfTimes:
    """Pieces of time, sorted by kind.

    Attributes
    ----------
    start : array of int64, shape (pieces,), microseconds since 1970
        Start of each piece.
    taken : array of float64, shape (pieces,), microseconds
        Length of each piece.
    edges : array of int64, shape (kinds + 1,)
        Pieces of kind k are those from ``edges[k]`` to ``edges[k + 1]``.
    kinds : list of (str, str, str), shape (kinds,)
        For each kind the service that it is counted for, the one at the other end (may be empty; it
        gets a share), and what it is in words.
    """

    start: Ints
    taken: Floats
    edges: Ints
    kinds: list[tuple[str, str, str]]


def prepare_self_times(spans: Spans, parent: Ints) -> SelfTimes:
    """Cut all spans at the calls that they make.

    Parameters
    ----------
    spans : Spans
        Columns of spans.
    parent : array of int64, shape (spans,)
        Row of each span's parent, -1 for none.

    Returns
    -------
    SelfTimes
        Pieces of all spans.
    """
    child = np.flatnonzero(parent >= 0)
    child = child[np.lexsort((spans.start[child], parent[child]))]
    above = parent[child]
    opens = np.append(True, np.diff(above) != 0)[: len(child)]
    closes = np.append(np.diff(above) != 0, True)[: len(child)]
    # Before a first call the span's own start, else the end of the call before; alike after it.
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
        *_requests(spans, child[crosses], caller[crosses].tolist()),
        *_answers(spans, child[crosses]),
        *((spans.service[i], "", f"the time of {spans.name[i]}") for i in own.tolist()),
    ]
    known = sorted(set(names))
    number = {name: i for i, name in enumerate(known)}
    kind = np.array([number[name] for name in names], np.int64)
    order = np.argsort(kind, kind="stable")
    edges = np.searchsorted(kind[order], np.arange(len(known) + 1))
    return SelfTimes(spans.start[row][order], taken[order].astype(float), edges, known)


def _requests(spans: Spans, rows: Ints, callers: list[str]) -> list[tuple[str, str, str]]:
    return [
        (caller, spans.service[i], f"the time until {caller} reaches {_what(spans, i)}")
        for caller, i in zip(callers, rows.tolist(), strict=True)
    ]


def _answers(spans: Spans, rows: Ints) -> list[tuple[str, str, str]]:
    return [
        (spans.service[i], "", f"the time until its caller goes on after {_what(spans, i)}")
        for i in rows.tolist()
    ]


def _what(spans: Spans, row: int) -> str:
    return f"{spans.service[row]} {spans.name[row]}"


def self_time_evidence(window: FaultWindow, delays: SelfTimes) -> list[CauseEvidence]:
    """Blame services for the pieces of time that became longer than they ever ordinarily are.

    Parameters
    ----------
    window : FaultWindow
        The fault's time, and the times it is compared with.
    delays : SelfTimes
        Pieces of all spans.

    Returns
    -------
    list of CauseEvidence
        At most one piece of evidence a service.
    """
    now = (delays.start >= window.start) & (delays.start < window.end)
    past = inside(delays.start, window.reference)
    best: dict[tuple[str, str], CauseEvidence] = {}
    for k, (service, other, what) in enumerate(delays.kinds):
        rows_of_kind = slice(int(delays.edges[k]), int(delays.edges[k + 1]))
        taken = delays.taken[rows_of_kind]
        points, sentence = _longer(taken[past[rows_of_kind]], taken[now[rows_of_kind]], what)
        for name, peer, share in ((service, other, 1.0), (other, service, OTHER_END)):
            found = CauseEvidence(name, "latency", share * points, sentence)
            if name and found.points > best.get((name, peer), CauseEvidence("", "", 0, "")).points:
                best[name, peer] = found
    return _summed([best[key] for key in sorted(best)])


def _summed(evidence: list[CauseEvidence]) -> list[CauseEvidence]:
    """Join each service's pieces, one a peer, by root of squares; the strongest says why."""
    mine: dict[str, list[CauseEvidence]] = {}
    for piece in evidence:
        mine.setdefault(piece.service, []).append(piece)
    return [
        CauseEvidence(
            name,
            "latency",
            sqrt(sum(piece.points**2 for piece in own)),
            max(own, key=lambda piece: (piece.points, piece.sentence)).sentence,
            source="trace",
        )
        for name, own in mine.items()
    ]


def _longer(past: Floats, now: Floats, what: str) -> tuple[float, str]:
    if len(past) < ENOUGH_PAST or len(now) < ENOUGH_NOW:
        return 0.0, ""
    level, high = (float(x) for x in np.quantile(past, (0.5, EXTREME)))
    middle = float(np.median(now))
    fold = (middle - level) / max(high - level, FLOOR_US)
    if fold <= 1:
        return 0.0, ""
    sentence = (
        f"{what}: {middle / 1e3:.3g} ms in the middle, before {level / 1e3:.3g} ms and hardly ever "
        f"above {high / 1e3:.3g} ms"
    )
    return PER_FOLD * float(np.log(fold)), sentence
