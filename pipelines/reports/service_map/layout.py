"""Places of nodes: layers from left to right, callers left of what they call.

After Sugiyama, Tagawa and Toda (1981): calls that close a circle are set aside, layers follow from
the longest way, neighbours are brought together by sweeps over barycentres. The same graph gives
the same places.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

COLUMN, ROW = 200.0, 30.0
"""Distance between columns and between rows, in pixels."""
MOST_LAYERS, MOST_ROWS = 9, 44
MOST_ROUTED = 120
"""Edges up to which long ones get places of their own in the columns they cross."""
_SWEEPS = 12
Edge = tuple[str, str]


@dataclass(frozen=True)
class Layout:
    """Centres of nodes, and the size of the picture.

    Attributes
    ----------
    through
        Long edge → points that it passes on its way, so that it runs between nodes.
    """

    places: dict[str, tuple[float, float]]
    width: float
    height: float
    through: dict[Edge, list[tuple[float, float]]]


def layout(nodes: Sequence[str], edges: Iterable[Edge]) -> Layout:
    """Place nodes.

    Parameters
    ----------
    nodes
        Names, in an order that decides ties.
    edges
        Source and target; loops count for nothing.
    """
    known = [edge for edge in sorted(set(edges)) if edge[0] != edge[1]]
    layers = _layers(nodes, known)
    ways: dict[Edge, list[str]] = {}
    if len(known) <= MOST_ROUTED:
        ways = _routed(layers, known)
    steps = [step for edge in known for step in pairwise([edge[0], *ways.get(edge, []), edge[1]])]
    columns = _split(_ordered(layers, steps))
    places = _placed(columns, steps)
    lowest = min((y for _, y in places.values()), default=0.0)
    highest = max((y for _, y in places.values()), default=0.0)
    moved = {name: (x, y - lowest + ROW) for name, (x, y) in places.items()}
    return Layout(
        {name: moved[name] for name in nodes},
        max(1, len(columns)) * COLUMN,
        highest - lowest + 2 * ROW,
        {edge: [moved[name] for name in way] for edge, way in ways.items()},
    )


def _routed(layers: list[list[str]], edges: list[Edge]) -> dict[Edge, list[str]]:
    """Put a place holder into each layer that a long edge crosses; return them by edge."""
    rank = {name: i for i, layer in enumerate(layers) for name in layer}
    ways: dict[Edge, list[str]] = {}
    for number, (source, target) in enumerate(edges):
        for i in range(rank[source] + 1, rank[target]):
            # No node has such a name: names are texts of one line.
            holder = f"\n{number} {i}"
            layers[i].append(holder)
            ways.setdefault((source, target), []).append(holder)
    return ways


def _after(edges: Iterable[Edge]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for source, target in edges:
        found.setdefault(source, []).append(target)
    return found


def _layers(nodes: Sequence[str], edges: list[Edge]) -> list[list[str]]:
    """Layers by the longest way from a node that nobody calls; by the shortest if that is long."""
    kept = _without_circles(nodes, edges)
    ranks = _longest(nodes, kept)
    if max(ranks.values(), default=0) >= MOST_LAYERS:
        ranks = _shortest(nodes, kept)
    layers: list[list[str]] = [[] for _ in range(max(ranks.values(), default=-1) + 1)]
    for name in nodes:
        layers[ranks[name]].append(name)
    return [layer for layer in layers if layer]


def _without_circles(nodes: Sequence[str], edges: list[Edge]) -> list[Edge]:
    """Leave out edges that lead back to where a walk in depth came from."""
    after = _after(edges)
    called = {target for _, target in edges}
    state: dict[str, int] = {}
    kept: list[Edge] = []
    for root in [*(n for n in nodes if n not in called), *nodes]:
        if root in state:
            continue
        state[root] = 1
        stack = [(root, iter(after.get(root, ())))]
        while stack:
            here, rest = stack[-1]
            there = next(rest, None)
            if there is None:
                state[here] = 2
                stack.pop()
                continue
            if state.get(there) != 1:
                kept.append((here, there))
            if there not in state:
                state[there] = 1
                stack.append((there, iter(after.get(there, ()))))
    return kept


def _longest(nodes: Sequence[str], edges: list[Edge]) -> dict[str, int]:
    after = _after(edges)
    waiting = dict.fromkeys(nodes, 0)
    for _, target in edges:
        waiting[target] += 1
    ranks = dict.fromkeys(nodes, 0)
    free = deque(name for name in nodes if not waiting[name])
    while free:
        here = free.popleft()
        for there in after.get(here, ()):
            ranks[there] = max(ranks[there], ranks[here] + 1)
            waiting[there] -= 1
            if not waiting[there]:
                free.append(there)
    return ranks


def _shortest(nodes: Sequence[str], edges: list[Edge]) -> dict[str, int]:
    after = _after(edges)
    called = {target for _, target in edges}
    ranks = {name: 0 for name in nodes if name not in called}
    waiting = deque(ranks)
    while waiting:
        here = waiting.popleft()
        for there in after.get(here, ()):
            if there not in ranks:
                ranks[there] = min(ranks[here] + 1, MOST_LAYERS - 1)
                waiting.append(there)
    return {name: ranks.get(name, 0) for name in nodes}


def _ordered(layers: list[list[str]], edges: list[Edge]) -> list[list[str]]:
    """Bring neighbours together: each node to the mean place of those it is joined with."""
    joined = _joined(edges)
    place = _shares(layers)
    for sweep in range(_SWEEPS):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            wanted = {
                name: _mean([place[other] for other in joined.get(name, ())], place[name])
                for name in layer
            }
            layer.sort(key=lambda name: (wanted[name], place[name]))
            place.update(_shares([layer]))
    return layers


def _shares(layers: list[list[str]]) -> dict[str, float]:
    """Place of each node in its layer, from 0 to 1."""
    return {name: (i + 0.5) / len(layer) for layer in layers for i, name in enumerate(layer)}


def _joined(edges: list[Edge]) -> Mapping[str, list[str]]:
    return _after([*edges, *((target, source) for source, target in edges)])


def _mean(values: list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _split(layers: list[list[str]]) -> list[list[str]]:
    """Cut layers that are too high into columns side by side."""
    columns: list[list[str]] = []
    for layer in layers:
        count = -(-len(layer) // MOST_ROWS)
        # Every n-th to a column, so that neighbours stay on one height.
        columns += [layer[i::count] for i in range(count)]
    return columns


def _placed(columns: list[list[str]], edges: list[Edge]) -> dict[str, tuple[float, float]]:
    """Heights: near the neighbours, in order, no closer than a row."""
    joined = _joined(edges)
    height = {
        name: (i - len(column) / 2) * ROW for column in columns for i, name in enumerate(column)
    }
    tallest = max((len(column) for column in columns), default=0) * ROW / 2
    for _ in range(_SWEEPS):
        for column in columns:
            wanted = [
                _mean([height[other] for other in joined.get(name, ())], height[name])
                for name in column
            ]
            for name, y in zip(column, _apart(wanted), strict=True):
                height[name] = y
        # Neighbours must not pull the whole picture apart.
        for column in columns:
            low, high = height[column[0]], height[column[-1]]
            shift = max(0.0, -tallest - low) - max(0.0, high - tallest)
            for name in column:
                height[name] += shift
    return {
        name: ((i + 0.5) * COLUMN, round(height[name], 1))
        for i, column in enumerate(columns)
        for name in column
    }


def _apart(wanted: list[float]) -> list[float]:
    """Heights closest to those wanted that keep order and distance (pool adjacent violators)."""
    blocks: list[tuple[float, int]] = []
    for i, y in enumerate(wanted):
        blocks.append((y - i * ROW, 1))
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            (b, m), (a, n) = blocks.pop(), blocks.pop()
            blocks.append(((a * n + b * m) / (n + m), n + m))
    flat = [y for y, n in blocks for _ in range(n)]
    return [y + i * ROW for i, y in enumerate(flat)]
