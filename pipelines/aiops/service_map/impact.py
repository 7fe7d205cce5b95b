"""Who depends on a service, directly and through others, with its share of traffic."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.aiops.service_map.model import ANY, Key, ServiceMap, Shape, touched
from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import round_floats

ENOUGH = 0.9
"""Share of traces whose shapes the map must hold for shares to be counted and not estimated."""
_ROUNDS = 200
_CLOSE = 1e-9


@dataclass(frozen=True)
class Dependent:
    """A node that depends on the service.

    Attributes
    ----------
    node : str
        Its id.
    hops : int
        Calls from it to the service on the shortest way; 1: it calls the service itself.
    share : float
        Share of the traces with it in which it reaches the service, between 0 and 1.
    calls : int
        Calls that it makes to the service itself; 0 if only others do for it.
    share_of_calls : float
        Of the calls that the service gets, the share that it makes itself.
    """

    node: str
    hops: int
    share: float
    calls: int
    share_of_calls: float


@dataclass(frozen=True)
class Impact:
    """What depends on a service.

    Attributes
    ----------
    node : str
        Id of the service, database, queue or external peer.
    share_of_traces : float
        Share of all traces that touch the service, between 0 and 1.
    dependents : tuple of Dependent
        Sorted by hops, then by share, greatest first.
    entries : dict of str to float
        Service that users call → share of its traces that touch the service.
    depends_on : dict of str to int
        Nodes that the service calls, directly or through others → hops.
    counted : bool
        Whether shares are counted in traces; otherwise they are estimated from calls per request
        along the paths, as if paths were independent.
    """

    node: str
    share_of_traces: float
    dependents: tuple[Dependent, ...]
    entries: dict[str, float]
    depends_on: dict[str, int]
    counted: bool

    def as_data(self) -> dict[str, Any]:
        """Return it as JSON values, floats rounded.

        Returns
        -------
        dict
            A key a field.
        """
        found: dict[str, Any] = round_floats(
            {
                "node": self.node,
                "share_of_traces": self.share_of_traces,
                "dependents": [vars(dependent) for dependent in self.dependents],
                "entries": self.entries,
                "depends_on": self.depends_on,
                "counted": self.counted,
            }
        )
        return found


def impact_of(service_map: ServiceMap, node: str) -> Impact:
    """Find what depends on a node: a service, database, queue or external peer.

    Parameters
    ----------
    service_map : ServiceMap
    node : str
        Id of the node.

    Returns
    -------
    Impact

    Raises
    ------
    SignalboxError
        If the map has no such node; names similar ones.
    """
    _known(service_map, node)
    up = hops(((b, a) for a, b in service_map.edges), node)
    kept = sum(service_map.shapes.values())
    left_out = service_map.counts.get("shapes_left_out", 0)
    counted = bool(kept) and kept >= ENOUGH * (kept + left_out)
    shares = _counted(service_map.shapes, node) if counted else _estimated(service_map, node)
    received = service_map.received(node).n
    dependents = []
    for other, distance in up.items():
        direct = service_map.edges.get((other, node))
        calls = direct.n if direct else 0
        share_of_calls = calls / received if received else 0.0
        dependents.append(Dependent(other, distance, shares.get(other, 0.0), calls, share_of_calls))
    dependents.sort(key=lambda item: (item.hops, -item.share, item.node))
    entered = sorted({target for source, target in service_map.edges if source == "user:"})
    entries = {entry: 1.0 if entry == node else shares.get(entry, 0.0) for entry in entered}
    return Impact(
        node,
        shares.get(ANY, 0.0),
        tuple(dependents),
        {entry: share for entry, share in entries.items() if share},
        dict(sorted(hops(service_map.edges, node).items(), key=lambda item: (item[1], item[0]))),
        counted,
    )


def hops(edges: Iterable[Key], node: str) -> dict[str, int]:
    """Find the nodes that are reached from a node along edges (breadth-first).

    Parameters
    ----------
    edges : iterable of (str, str)
        Source and target; turn them round to go from callee to caller.
    node : str
        Where to begin.

    Returns
    -------
    dict of str to int
        Node → calls on the shortest way; without `node` itself.
    """
    after: dict[str, list[str]] = {}
    for source, target in edges:
        after.setdefault(source, []).append(target)
    found, waiting = {node: 0}, deque([node])
    while waiting:
        here = waiting.popleft()
        for there in after.get(here, ()):
            if there not in found:
                found[there] = found[here] + 1
                waiting.append(there)
    del found[node]
    return found


def _known(service_map: ServiceMap, node: str) -> None:
    from difflib import get_close_matches

    names = [child.id for child in service_map.nodes]
    if node not in names:
        close = get_close_matches(node, names, 3)
        hint = f"did you mean {', '.join(close)}?" if close else f"it has {len(names)} nodes"
        raise SignalboxError(f"the service map has no node {node!r}; {hint}")


def _counted(shapes: Mapping[Shape, int], node: str) -> dict[str, float]:
    """Count, per node, the traces with it in which it reaches the node; `ANY`: of all traces."""
    with_it: dict[str, int] = {}
    reaching: dict[str, int] = {}
    for shape, n in shapes.items():
        nodes = touched(shape)
        for name in (ANY, *nodes):
            with_it[name] = with_it.get(name, 0) + n
        if node not in nodes:
            continue
        for name in (ANY, *hops(((b, a) for a, b in shape if a != ANY), node)):
            reaching[name] = reaching.get(name, 0) + n
    return {name: n / with_it[name] for name, n in reaching.items()}


def _estimated(service_map: ServiceMap, node: str) -> dict[str, float]:
    """Chance that a request of each node leads to the node, from calls per request.

    The smallest solution of ``p(a) = 1 - Π (1 - min(1, calls(a, b) / requests(a)) · p(b))``, which
    rounds from zero reach also where services call each other in a circle.
    """
    edges = service_map.edges
    requests = {child.id: service_map.received(child.id).n for child in service_map.nodes}
    for source in {source for source, _ in edges}:
        if not requests.get(source):
            requests[source] = max(edge.n for (a, _), edge in edges.items() if a == source)
    per = {key: min(1.0, edge.n / requests[key[0]]) for key, edge in edges.items()}
    chances = {node: 1.0}
    for _ in range(_ROUNDS):
        found: dict[str, float] = {}
        for (source, target), often in per.items():
            none = 1 - found.get(source, 0.0)
            found[source] = 1 - none * (1 - often * chances.get(target, 0.0))
        found[node] = 1.0
        moved = max(abs(found[name] - chances.get(name, 0.0)) for name in found)
        chances = found
        if moved < _CLOSE:
            break
    roots = [name for name in requests if not any(b == name for _, b in edges)]
    total = sum(requests[name] for name in roots)
    overall = sum(requests[name] * chances.get(name, 0.0) for name in roots)
    return {**chances, ANY: overall / total if total else 0.0}
