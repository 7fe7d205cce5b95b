"""Which events belong together: near in time, and at the same service or at one that it calls.

Events are linked to the one before at the same service, and to the nearest before at services next
to it in the graph; linked events are one group. So the work is a few binary searches per pair of
neighbours, not per pair of events. A group depends on nothing but the events, the graph and the
settings: a window that is computed later, from the same events, has the same groups.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.incidents.model import Graph, Ints
from pipelines.core.time import MINUTE_US


@dataclass(frozen=True)
class Grouping:
    """How far apart in time linked events may start (microseconds).

    Attributes
    ----------
    same : int
        At the same service.
    near : int
        At services of which one calls the other.
    anywhere : int
        At any services, if there is no graph; 0 turns it off.
    longest : int
        A chain of links is cut after this long, so that a service that never rests doesn't make one
        endless incident.
    """

    same: int = 30 * MINUTE_US
    near: int = 10 * MINUTE_US
    anywhere: int = 1 * MINUTE_US
    longest: int = 240 * MINUTE_US


DEFAULT = Grouping()


def group(
    starts: Ints,
    services: list[str],
    graph: Graph,
    settings: Grouping = DEFAULT,
    ends: Ints | None = None,
) -> Ints:
    """Give each event the number of its group.

    Parameters
    ----------
    starts : array of int64, shape (n,)
        Microseconds since 1970, any order.
    services : list of str, shape (n,)
        Service of each event; empty if not known: such events are linked by time alone if there is
        no graph, and stay alone if there is one.
    graph : Graph
        Who calls whom.
    settings : Grouping
        How far apart linked events may start.
    ends : array of int64, shape (n,), or None
        Microseconds since 1970: what starts at a service while something lasts there is linked to
        it, for as long as a chain may be. None: they are not known.

    Returns
    -------
    array of int64, shape (n,)
        Groups are numbered by their first event's start (ties: service), from 0.

    Notes
    -----
    Connected components of the graph of links (`scipy.sparse.csgraph`).
    """
    n = len(starts)
    if not n:
        return np.zeros(0, np.int64)
    order = np.lexsort((np.array(services, dtype=object).astype(str), starts))
    at = starts[order]
    until = at if ends is None else np.minimum(ends[order], at + settings.longest)
    rows = _rows([services[i] for i in order.tolist()])
    reach = np.maximum(at + settings.same, until)
    links = [_chain(at, reach, mine) for name, mine in rows.items() if name]
    if graph.calls:
        links += _neighbours(at, rows, graph, settings.near)
    elif settings.anywhere:
        links.append(_chain(at, at + settings.anywhere, np.arange(n)))
    joined = _joined(np.concatenate([np.zeros((0, 2), np.int64), *links]), n)
    cut = _cut(at, joined, settings.longest)
    result = np.empty(n, np.int64)
    result[order] = cut
    return result


def _rows(services: list[str]) -> dict[str, Ints]:
    names, inverse = np.unique(np.array(services, dtype=str), return_inverse=True)
    by = np.argsort(inverse, kind="stable")
    edges = np.searchsorted(inverse[by], np.arange(len(names) + 1))
    return {
        str(name): by[a:b].astype(np.int64)
        for name, a, b in zip(names, edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    }


def _chain(at: Ints, reach: Ints, rows: Ints) -> Ints:
    """Link each row to the one before, if one before reaches so far."""
    # The running maximum: a long event reaches past short ones that began later.
    near = at[rows[1:]] <= np.maximum.accumulate(reach[rows])[:-1]
    return np.column_stack((rows[:-1][near], rows[1:][near]))


def _neighbours(at: Ints, rows: dict[str, Ints], graph: Graph, gap: int) -> list[Ints]:
    links = []
    for caller, callees in sorted(graph.callees.items()):
        for callee in sorted(callees):
            if caller in rows and callee in rows:
                links.append(_nearest(at, rows[caller], rows[callee], gap))
                links.append(_nearest(at, rows[callee], rows[caller], gap))
    return links


def _nearest(at: Ints, rows: Ints, others: Ints, gap: int) -> Ints:
    """Link each row to the last of the others that starts no later."""
    position = np.searchsorted(at[others], at[rows], side="right") - 1
    known = position >= 0
    mine, theirs = rows[known], others[position[known]]
    near = at[mine] - at[theirs] <= gap
    return np.column_stack((mine[near], theirs[near]))


def _joined(links: Ints, n: int) -> Ints:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    ones = np.ones(len(links), np.int8)
    matrix = coo_matrix((ones, (links[:, 0], links[:, 1])), shape=(n, n))
    return np.asarray(connected_components(matrix, directed=False)[1], np.int64)


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
