"""Which events belong together: near in time, and at one subject or at subjects that are related.

An event touches places: an instance and its service, both ends of an edge, a host. Events are
linked to the one before at the same place, and to the nearest before at places next to it in the
graph: a service that it calls, the host that it runs on. Linked events are one group. So the work
is a few binary searches per pair of neighbours, not per pair of events. Of a subject of which the
graph knows nothing, a host with unknown guests, time alone can tell: what it shows joins the only
group of its time, and stays apart where there are several: it never glues two. A group depends on
nothing but the events, the graph and the settings: a window that is computed later, from the same
events, has the same groups.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp, lgamma

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.incidents.model import Graph, Ints, Subject
from pipelines.core.time import MINUTE_US


@dataclass(frozen=True)
class Grouping:
    """How far apart in time linked events may start (microseconds).

    Attributes
    ----------
    same : int
        At the same place.
    near : int
        At places of which one calls the other or runs on it.
    anywhere : int
        At any places of which the graph knows nothing; 0 turns off that time alone links.
    quiet : int
        Silence of a group up to this is no end of it, however busy it was before.
    longest : int
        A chain of links is cut after this long, so that a service that never rests doesn't make one
        endless incident.
    """

    same: int = 30 * MINUTE_US
    near: int = 10 * MINUTE_US
    anywhere: int = 1 * MINUTE_US
    quiet: int = 5 * MINUTE_US
    longest: int = 240 * MINUTE_US


DEFAULT = Grouping()
OVER = 1e-3
"""A silence less likely than this, by how busy a group was, ends it."""
Place = tuple[str, str]
"""``service``, ``instance`` or ``host``, and a name; ``all of`` a service: no instance is known."""


def places_of(subject: Subject | None, graph: Graph, service: str = "") -> tuple[Place, ...]:
    """Tell which places an event touches.

    Parameters
    ----------
    subject : Subject or None
        What the event is about; None: not known.
    graph : Graph
        Whose instance an instance is, and where it runs.
    service : str
        Service of an instance that the graph doesn't know; empty: not known.

    Returns
    -------
    tuple of Place
        An instance's own place and its service's, both ends of an edge, else one; empty for None.
    """
    if subject is None:
        return ()
    if subject.kind == "host":
        return (("host", subject.name),)
    if subject.kind == "instance":
        mine = graph.services.get(subject.name) or ({service} if service else set())
        whole = () if subject.name in graph.hosts else tuple(("all of", s) for s in sorted(mine))
        return (("instance", subject.name), *(("service", s) for s in sorted(mine)), *whole)
    kinds = ("service", "all of", "instance") if subject.ends else ("service", "all of")
    return tuple((kind, name) for name in subject.ends or (subject.name,) for kind in kinds)


def group(
    starts: Ints,
    places: Sequence[Sequence[Place]],
    graph: Graph,
    settings: Grouping = DEFAULT,
    ends: Ints | None = None,
) -> Ints:
    """Give each event the number of its group.

    Parameters
    ----------
    starts : array of int64, shape (n,)
        Microseconds since 1970, any order.
    places : sequence of sequence of Place, shape (n,)
        What each event touches, as `places_of` gives it.
    graph : Graph
        Which places are next to each other.
    settings : Grouping
        How far apart linked events may start.
    ends : array of int64, shape (n,), or None
        Microseconds since 1970: what starts at a place while something lasts there is linked to
        it, for as long as a chain may be. None: they are not known.

    Returns
    -------
    array of int64, shape (n,)
        Groups are numbered by their first event's start (ties: places), from 0.

    Notes
    -----
    Connected components of the graph of links (`scipy.sparse.csgraph`).
    """
    n = len(starts)
    if not n:
        return np.zeros(0, np.int64)
    keys = ["\0".join(map("\0".join, own)) for own in places]
    order = np.lexsort((np.array(keys, dtype=object).astype(str), starts))
    at = starts[order]
    until = at if ends is None else np.minimum(ends[order], at + settings.longest)
    rows = _rows([places[i] for i in order.tolist()])
    reach = np.maximum(at + settings.same, until)
    known = _settled(rows, graph, n)
    links = _links(at, reach, _only(rows, known), graph, settings)
    rest = ~known
    if settings.anywhere:
        adopted = _adopted(at, _joined(links, n), known, settings.near)
        rest[adopted[:, 0]] = False
        links += [adopted, _chain(at, at + settings.anywhere, np.flatnonzero(rest))]
    links += _links(at, reach, _only(rows, rest), graph, settings)
    joined = _joined(links, n)
    cut = _cut(at, _rested(at, until, joined, settings.quiet), settings.longest)
    result = np.empty(n, np.int64)
    result[order] = cut
    return result


def _rows(places: Sequence[Sequence[Place]]) -> dict[Place, Ints]:
    found: dict[Place, list[int]] = {}
    for i, own in enumerate(places):
        for place in dict.fromkeys(own):
            found.setdefault(place, []).append(i)
    return {place: np.array(mine, np.int64) for place, mine in sorted(found.items())}


def _only(rows: dict[Place, Ints], wanted: NDArray[np.bool_]) -> dict[Place, Ints]:
    some = {place: mine[wanted[mine]] for place, mine in rows.items()}
    return {place: mine for place, mine in some.items() if len(mine)}


def _links(
    at: Ints, reach: Ints, rows: dict[Place, Ints], graph: Graph, settings: Grouping
) -> list[Ints]:
    chains = [_chain(at, reach, mine) for mine in rows.values()]
    return chains + _neighbours(at, rows, graph, settings.near)


def _settled(rows: dict[Place, Ints], graph: Graph, n: int) -> NDArray[np.bool_]:
    """Mark events of which the graph can tell to what they belong."""
    calling = graph.mapped | graph.callees.keys() | graph.callers.keys()
    known = np.zeros(n, bool)
    for (kind, name), mine in rows.items():
        if name in (graph.guests if kind == "host" else calling):
            known[mine] = True
    return known


def _chain(at: Ints, reach: Ints, rows: Ints) -> Ints:
    """Link each row to the one before, if one before reaches so far."""
    # The running maximum: a long event reaches past short ones that began later.
    near = at[rows[1:]] <= np.maximum.accumulate(reach[rows])[:-1]
    return np.column_stack((rows[:-1][near], rows[1:][near]))


def _neighbours(at: Ints, rows: dict[Place, Ints], graph: Graph, gap: int) -> list[Ints]:
    links = []
    for one, other in _next_to(rows, graph):
        links.append(_nearest(at, rows[one], rows[other], gap))
        links.append(_nearest(at, rows[other], rows[one], gap))
    return links


def _next_to(rows: Iterable[Place], graph: Graph) -> list[tuple[Place, Place]]:
    """Pairs of places with events, one of which calls the other or runs on it."""
    present = set(rows)
    pairs = []
    for place in sorted(present):
        kind, name = place
        if kind == "service":
            others: list[Place] = [("service", callee) for callee in graph.callees.get(name, ())]
        elif kind == "host":
            others = []
        else:
            others = [("host", host) for host in graph.hosts.get(name, ())]
        pairs += [(place, other) for other in sorted(others) if other in present]
    return pairs


def _nearest(at: Ints, rows: Ints, others: Ints, gap: int) -> Ints:
    """Link each row to the last of the others that starts no later."""
    position = np.searchsorted(at[others], at[rows], side="right") - 1
    known = position >= 0
    mine, theirs = rows[known], others[position[known]]
    near = at[mine] - at[theirs] <= gap
    return np.column_stack((mine[near], theirs[near]))


def _joined(parts: Sequence[Ints], n: int) -> Ints:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    links = np.concatenate([np.zeros((0, 2), np.int64), *parts])
    ones = np.ones(len(links), np.int8)
    matrix = coo_matrix((ones, (links[:, 0], links[:, 1])), shape=(n, n))
    return np.asarray(connected_components(matrix, directed=False)[1], np.int64)


def _adopted(at: Ints, groups: Ints, known: NDArray[np.bool_], gap: int) -> Ints:
    """Link each stranger to the nearest event of the group near it in time, if there is only one.

    No stranger has two links, and none is linked to another: so they glue nothing.
    """
    settled, alone = np.flatnonzero(known), np.flatnonzero(~known)
    first = np.searchsorted(at[settled], at[alone] - gap)
    last = np.searchsorted(at[settled], at[alone] + gap, side="right")
    # How often the group changes up to each settled event: no change in a stretch, one group.
    changes = np.concatenate([[0], np.cumsum(np.diff(groups[settled]) != 0)])
    some = first < last
    single = some.copy()
    single[some] = changes[first[some]] == changes[last[some] - 1]
    alone, first, last = alone[single], first[single], last[single]
    after = np.clip(np.searchsorted(at[settled], at[alone]), first, last - 1)
    before = np.maximum(after - 1, first)
    nearer = at[alone] - at[settled[before]] <= at[settled[after]] - at[alone]
    return np.column_stack((alone, np.where(nearer, settled[before], settled[after])))


def _rested(at: Ints, until: Ints, groups: Ints, quiet: int) -> Ints:
    """Cut groups at silences that don't fit how busy they were.

    A group in which something began in m of its D minutes goes on being silent for g minutes with
    the chance B(m + 1/2, D - m + g + 1/2) / B(m + 1/2, D - m + 1/2): Bernoulli trials with
    Jeffreys' prior. A few alerts at the beginning say little of when the next comes; an alert a
    minute that stops for ten has ended. Only what came before counts.
    """
    result = np.empty(len(groups), np.int64)
    number = -1
    last: dict[int, _Activity] = {}
    for i, (start, end, of) in enumerate(
        zip(at.tolist(), until.tolist(), groups.tolist(), strict=True)
    ):
        own = last.get(of)
        if own is None or (start - own.until > quiet and own.chance_of_silence(start) < OVER):
            number += 1
            own = last[of] = _Activity(number, start, start, -1, 0)
        own.add(start, end)
        result[i] = own.number
    return result


@dataclass
class _Activity:
    """A group so far: in how many minutes since its start something began, until when it lasts."""

    number: int
    start: int
    until: int
    minute: int
    minutes: int

    def add(self, start: int, end: int) -> None:
        minute = (start - self.start) // MINUTE_US
        self.minutes += minute != self.minute
        self.minute, self.until = minute, max(self.until, start + MINUTE_US, end)

    def chance_of_silence(self, at: int) -> float:
        """Chance that nothing begins from the end of what lasts to a time."""
        past = (self.until - self.start) / MINUTE_US
        idle = max(past - self.minutes, 0) + 0.5
        silence = (at - self.until) / MINUTE_US
        total = self.minutes + 0.5 + idle
        return exp(lgamma(idle + silence) - lgamma(idle) + lgamma(total) - lgamma(total + silence))


def _cut(at: Ints, groups: Ints, longest: int) -> Ints:
    """Cut groups into pieces of at most `longest`, counted from the group's first event."""
    # Numbers of the new groups follow the first event of each, not the order of the links.
    first = np.full(int(groups.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, groups, at)
    part_number = (at - first[groups]) // longest
    keys = np.column_stack((groups, part_number))
    _, where, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    rank = np.empty(len(where), np.int64)
    rank[np.argsort(where, kind="stable")] = np.arange(len(where))
    return rank[inverse.ravel()]


def pairwise(truth: NDArray[np.int64], groups: NDArray[np.int64]) -> tuple[float, float, float]:
    """Compute precision, recall and F1 over pairs of events that are in one group.

    Parameters
    ----------
    truth : array of int64, shape (n,)
        True group of each event; negative: alone.
    groups : array of int64, shape (n,)
        Group that was found for each event.

    Returns
    -------
    (float, float, float)
        Precision, recall, F1.
    """
    alone = truth < 0
    # Pairs are counted from sizes of groups: n (n - 1) / 2 of each, without listing them.
    labels = np.where(alone, truth.max(initial=0) + 1 + np.arange(len(truth)), truth)
    both = _pairs(np.unique(np.column_stack((labels, groups)), axis=0, return_counts=True)[1])
    true = _pairs(np.unique(labels, return_counts=True)[1])
    found = _pairs(np.unique(groups, return_counts=True)[1])
    precision = both / found if found else 1.0
    recall = both / true if true else 1.0
    total = precision + recall
    return precision, recall, 2 * precision * recall / total if total else 0.0


def _pairs(sizes: NDArray[np.int64]) -> int:
    return int((sizes * (sizes - 1) // 2).sum())
