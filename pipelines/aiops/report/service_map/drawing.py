"""The map as a drawing: layers from left to right, shapes for kinds, thickness for traffic.

After Sugiyama, Tagawa and Toda (1981): calls that close a circle are set aside, layers follow from
the longest way, neighbours are brought together by sweeps over barycentres. The same graph gives
the same positions.
"""

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from markupsafe import Markup

from pipelines.aiops.report.service_map import wording
from pipelines.reporting.charts.svg import number, tag
from pipelines.reporting.numbers import percent

COLUMN, ROW = 200.0, 30.0
"""Distance between columns and between rows, in pixels."""
MOST_LAYERS, MOST_NODES_A_LAYER = 9, 44
MOST_ROUTED = 120
"""Edges up to which long ones get positions of their own in the columns they cross."""
_SWEEPS = 12
Edge = tuple[str, str]


@dataclass(frozen=True)
class Layout:
    """Centres of nodes, and the size of the picture.

    Attributes
    ----------
    centres : dict of str to (float, float)
        Node to the centre (x, y), pixels.
    width : float
        Width of the picture, pixels.
    height : float
        Height of the picture, pixels.
    through : dict of Edge to list of (float, float)
        Long edge → points that it passes on its way, so that it runs between nodes.
    """

    centres: dict[str, tuple[float, float]]
    width: float
    height: float
    through: dict[Edge, list[tuple[float, float]]]


def layout(nodes: Sequence[str], edges: Iterable[Edge]) -> Layout:
    """Lay out a directed graph in layers from left to right.

    Parameters
    ----------
    nodes : sequence of str
        Names, in an order that decides ties.
    edges : iterable of Edge
        Source and target; loops count for nothing.

    Returns
    -------
    Layout
        Centres of nodes, points of long edges, and the size of the picture.

    Notes
    -----
    Layered drawing (Sugiyama, Tagawa & Toda 1981).
    """
    known = [edge for edge in sorted(set(edges)) if edge[0] != edge[1]]
    layers = _layers(nodes, known)
    ways: dict[Edge, list[str]] = {}
    if len(known) <= MOST_ROUTED:
        ways = _routed(layers, known)
    steps = [step for edge in known for step in pairwise([edge[0], *ways.get(edge, []), edge[1]])]
    columns = _split(_ordered(layers, steps))
    centres = _placed(columns, steps)
    lowest = min((y for _, y in centres.values()), default=0.0)
    highest = max((y for _, y in centres.values()), default=0.0)
    moved = {name: (x, y - lowest + ROW) for name, (x, y) in centres.items()}
    return Layout(
        {name: moved[name] for name in nodes},
        max(1, len(columns)) * COLUMN,
        highest - lowest + 2 * ROW,
        {edge: [moved[name] for name in way] for edge, way in ways.items()},
    )


def _routed(layers: list[list[str]], edges: list[Edge]) -> dict[Edge, list[str]]:
    """Put a placeholder into each layer that a long edge crosses; return them by edge."""
    rank = {name: i for i, layer in enumerate(layers) for name in layer}
    ways: dict[Edge, list[str]] = {}
    for edge, (source, target) in enumerate(edges):
        for i in range(rank[source] + 1, rank[target]):
            # No node has such a name: names are texts of one line.
            holder = f"\n{edge} {i}"
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
    """Bring neighbours together: each node to the mean position of those it is joined with."""
    joined = _joined(edges)
    position = _shares(layers)
    for sweep in range(_SWEEPS):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            wanted = {
                name: _mean([position[other] for other in joined.get(name, ())], position[name])
                for name in layer
            }
            layer.sort(key=lambda name: (wanted[name], position[name]))
            position.update(_shares([layer]))
    return layers


def _shares(layers: list[list[str]]) -> dict[str, float]:
    """Return the position of each node in its layer, from 0 to 1."""
    return {name: (i + 0.5) / len(layer) for layer in layers for i, name in enumerate(layer)}


def _joined(edges: list[Edge]) -> Mapping[str, list[str]]:
    return _after([*edges, *((target, source) for source, target in edges)])


def _mean(values: list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _split(layers: list[list[str]]) -> list[list[str]]:
    """Cut layers that are too high into columns side by side."""
    columns: list[list[str]] = []
    for layer in layers:
        count = -(-len(layer) // MOST_NODES_A_LAYER)
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


WIDTH, HEIGHT = 146.0, 22.0
"""Size of a node, in pixels."""
FAILING = 0.01
"""Share of errors from which on an edge is drawn as failing."""
_LETTERS, _LONGEST_NAME = 18, 300
_GLYPHS = {"database": "◍", "queue": "≡", "external": "↗", "user": "●", "service": ""}
_CROWD = 80


def drawing(data: Mapping[str, Any]) -> Markup:
    """Draw controls, picture and a panel for details; without a script only controls are gone.

    Parameters
    ----------
    data : mapping of str to object
        Content of ``service_map.json``.

    Returns
    -------
    Markup
        HTML with an SVG.
    """
    nodes, edges = data["nodes"], data["edges"]
    names = [node["id"] for node in nodes]
    placed = layout(names, ((edge["source"], edge["target"]) for edge in edges))
    index = {name: i for i, name in enumerate(names)}
    seconds = (data["end_us"] - data["start_us"]) / 1e6
    most = max((edge["n"] for edge in edges), default=1)
    lines = [_edge(edge, index, placed, most) for edge in edges]
    boxes = [_node(node, i, placed, seconds) for i, node in enumerate(nodes)]
    title = f"Service map: {len(nodes)} nodes, {len(edges)} edges"
    svg = tag(
        "svg",
        tag("title", title) + _DEFINITIONS
        + tag("g", Markup("").join(lines), class_="edges")
        + tag("g", Markup("").join(boxes), class_="nodes"),
        viewBox=f"0 0 {number(placed.width)} {number(placed.height)}",
        width=placed.width, height=placed.height, role="group", aria_label=title,
        class_="chart map crowd" if len(edges) > _CROWD else "chart map",
    )  # fmt: skip
    scroll = tag("div", svg, class_="canvas", tabindex="0", role="region", aria_label=title)
    return tag("div", _controls(nodes) + scroll + _LEGEND + _DETAILS, class_="service-map")


_DEFINITIONS = Markup(
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
    'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 .5L8 4 0 7.5z"/></marker>'
    '<marker id="tip-failing" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="9" '
    'markerHeight="9" markerUnits="userSpaceOnUse" orient="auto"><path d="M0 .5L8 4 0 7.5z"/>'
    "</marker></defs>"
)
_LEGEND = Markup(
    '<ul class="legend"><li><svg viewBox="0 0 34 10" aria-hidden="true"><path class="line" '
    'd="M1 5h32"/></svg>requests; thicker: more</li>'
    '<li><svg viewBox="0 0 34 10" aria-hidden="true"><path class="line message" d="M1 5h32"/></svg>'
    'messages</li><li><svg viewBox="0 0 34 10" aria-hidden="true"><path class="line failing" '
    'd="M1 5h32"/></svg>at least 1% fail</li>'
    "<li>◍ database</li><li>≡ queue</li><li>↗ external</li><li>● users</li></ul>"
)
_DETAILS = Markup(
    '<div class="details" aria-live="polite" hidden><p class="name"></p><p class="told"></p>'
    '<p class="links"></p></div>'
)


def _controls(nodes: Sequence[Mapping[str, Any]]) -> Markup:
    """Search and filters; a script shows them."""
    kinds = [kind for kind in wording.KINDS if any(node["kind"] == kind for node in nodes)]
    boxes = Markup("").join(
        Markup('<label><input type="checkbox" checked value="{}"> {}</label>').format(
            kind, wording.KINDS[kind][0]
        )
        for kind in kinds
        if kind != "service"
    )
    return Markup(
        '<form class="controls" hidden><label>Find <input type="search" autocomplete="off" '
        'spellcheck="false" placeholder="name"></label><fieldset><legend>Show</legend>{}'
        '<label><input type="checkbox" value="failing"> only what fails</label></fieldset>'
        '<button type="button" value="fit" aria-pressed="false">Whole map</button>'
        '<button type="button" value="clear">Clear</button>'
        '<output aria-live="polite"></output></form>'
    ).format(boxes)


def _edge(edge: Mapping[str, Any], index: Mapping[str, int], placed: Layout, most: int) -> Markup:
    a, b = edge["source"], edge["target"]
    failing = edge["n"] > 0 and edge["errors"] / edge["n"] >= FAILING
    thick = 1 + 3 * math.log1p(edge["n"]) / math.log1p(max(most, 1))
    classes = ["edge", *(["message"] if edge["message"] else []), *(["failing"] if failing else [])]
    return tag(
        "path",
        tag("title", f"{_name(a)} → {_name(b)}: {_traffic_text(edge)}"),
        d=_way(
            [placed.centres[a], *placed.through.get((a, b), []), placed.centres[b]], loop=a == b
        ),
        stroke_width=round(thick, 2), class_=" ".join(classes),
        data_a=index[a], data_b=index[b],
        marker_end="url(#tip-failing)" if failing else "url(#tip)",
    )  # fmt: skip


def _way(points: Sequence[tuple[float, float]], *, loop: bool) -> str:
    """Path of an edge: out at the right of its source, in at the left of its target."""
    if len(points) == 2:
        return _curve(points[0], points[1], loop=loop)
    x, y = points[0][0] + WIDTH / 2, points[0][1]
    parts = [f"M{number(x)} {number(y)}"]
    for i, (u, v) in enumerate(points[1:], 1):
        left, right = u - WIDTH / 2, u + WIDTH / 2
        reach = (left - x) / 2
        parts.append(
            f"C{number(x + reach)} {number(y)} {number(left - reach)} {number(v)} "
            f"{number(left)} {number(v)}"
        )
        if i < len(points) - 1:
            parts.append(f"H{number(right)}")
        x, y = right, v
    return "".join(parts)


def _curve(a: tuple[float, float], b: tuple[float, float], *, loop: bool) -> str:
    x, y = a[0] + WIDTH / 2, a[1]
    if loop:
        return " ".join(
            ("M", number(x), number(y), "c 26 -6 26 -24", number(-WIDTH / 4), "-22",
             "q -12 1 -12", number(22 - HEIGHT / 2))
        )  # fmt: skip
    u, v = b[0] - WIDTH / 2, b[1]
    reach = max(30.0, (u - x) / 2) if u > x else 46.0
    if abs(a[0] - b[0]) < COLUMN / 2:
        # In one column: out and in at the right, so that the line stays clear of names.
        u, arm = b[0] + WIDTH / 2, 26 + min(20.0, abs(y - v) / 12)
        return (
            f"M{number(x)} {number(y)}C{number(x + arm)} {number(y)} "
            f"{number(u + arm)} {number(v)} {number(u)} {number(v)}"
        )
    return (
        f"M{number(x)} {number(y)}C{number(x + reach)} {number(y)} "
        f"{number(u - reach)} {number(v)} {number(u)} {number(v)}"
    )


def _node(node: Mapping[str, Any], i: int, placed: Layout, seconds: float) -> Markup:
    x, y = placed.centres[node["id"]]
    name, kind = wording.short(node["name"], _LONGEST_NAME), node["kind"]
    glyph = _GLYPHS[kind]
    shown = wording.short(name, _LETTERS - 2 * bool(glyph))
    received = node["received"]
    failing = received["n"] > 0 and received["errors"] / received["n"] >= FAILING
    details = (
        f"{wording.rate(received['n'], seconds)}, {_traffic_text(received)}"
        if received["n"]
        else ("calls, but is not called" if kind != "user" else wording.KINDS["user"][1])
    )
    left, top = x - WIDTH / 2, y - HEIGHT / 2
    label = tag("text", f"{glyph} {shown}" if glyph else shown, x=left + 8, y=y + 4)
    box = tag("rect", x=left, y=top, width=WIDTH, height=HEIGHT, rx=11 if kind == "user" else 4)
    mark = tag("path", d=f"M{number(left + WIDTH - 12)} {number(y - 4)}l4 8h-8z", class_="alarm")
    return tag(
        "g",
        tag("title", f"{name} ({kind}): {details}") + box + label + (mark if failing else Markup()),
        class_=f"node {kind}" + (" failing" if failing else ""), tabindex="-1", role="button",
        aria_label=f"{name}, {kind}: {details}", data_i=i, data_kind=kind, data_name=name,
        data_told=details, data_x=x, data_y=y,
    )  # fmt: skip


def _traffic_text(traffic: Mapping[str, Any]) -> str:
    n, errors = traffic["n"], traffic["errors"]
    share = percent(errors / n if n else 0.0, 2 if 0 < errors < n / 100 else 1)
    return (
        f"{wording.plural(n, 'call')}, {share} failed, "
        f"half within {wording.duration(traffic['p50_us'])}, "
        f"95% within {wording.duration(traffic['p95_us'])}"
    )


def _name(node: str) -> str:
    return wording.short(node.rstrip(":"), _LONGEST_NAME)
