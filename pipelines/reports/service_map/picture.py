"""The map as a drawing: shapes for kinds, thickness for traffic, colour and dashes for errors."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from pipelines.reports.charts.svg import number, tag
from pipelines.reports.numbers import percent
from pipelines.reports.service_map import words
from pipelines.reports.service_map.layout import COLUMN, Layout, layout

WIDTH, HEIGHT = 146.0, 22.0
"""Size of a node, in pixels."""
FAILING = 0.01
"""Share of errors from which on an edge is drawn as failing."""
_LETTERS, _MOST_TOLD = 18, 300
_GLYPHS = {"database": "◍", "queue": "≡", "external": "↗", "user": "●", "service": ""}
_CROWD = 80


def drawing(data: Mapping[str, Any]) -> Markup:
    """Draw controls, picture and a place for details; without a script only controls are gone."""
    nodes, edges = data["nodes"], data["edges"]
    names = [node["id"] for node in nodes]
    places = layout(names, ((edge["source"], edge["target"]) for edge in edges))
    index = {name: i for i, name in enumerate(names)}
    seconds = (data["end_us"] - data["start_us"]) / 1e6
    most = max((edge["n"] for edge in edges), default=1)
    lines = [_edge(edge, index, places, most) for edge in edges]
    boxes = [_node(node, i, places, seconds) for i, node in enumerate(nodes)]
    title = f"Service map: {len(nodes)} nodes, {len(edges)} edges"
    svg = tag(
        "svg",
        tag("title", title) + _DEFINITIONS
        + tag("g", Markup("").join(lines), class_="edges")
        + tag("g", Markup("").join(boxes), class_="nodes"),
        viewBox=f"0 0 {number(places.width)} {number(places.height)}",
        width=places.width, height=places.height, role="group", aria_label=title,
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
    kinds = [kind for kind in words.KINDS if any(node["kind"] == kind for node in nodes)]
    boxes = Markup("").join(
        Markup('<label><input type="checkbox" checked value="{}"> {}</label>').format(
            kind, words.KINDS[kind][0]
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


def _edge(edge: Mapping[str, Any], index: Mapping[str, int], places: Layout, most: int) -> Markup:
    a, b = edge["source"], edge["target"]
    failing = edge["n"] > 0 and edge["errors"] / edge["n"] >= FAILING
    thick = 1 + 3 * math.log1p(edge["n"]) / math.log1p(max(most, 1))
    classes = ["edge", *(["message"] if edge["message"] else []), *(["failing"] if failing else [])]
    return tag(
        "path",
        tag("title", f"{_name(a)} → {_name(b)}: {_told(edge)}"),
        d=_way([places.places[a], *places.through.get((a, b), []), places.places[b]], loop=a == b),
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


def _node(node: Mapping[str, Any], i: int, places: Layout, seconds: float) -> Markup:
    x, y = places.places[node["id"]]
    name, kind = words.short(node["name"], _MOST_TOLD), node["kind"]
    glyph = _GLYPHS[kind]
    shown = words.short(name, _LETTERS - 2 * bool(glyph))
    received = node["received"]
    failing = received["n"] > 0 and received["errors"] / received["n"] >= FAILING
    told = f"{words.rate(received['n'], seconds)}, {_told(received)}" if received["n"] else (
        "calls, but is not called" if kind != "user" else words.KINDS["user"][1])  # fmt: skip
    left, top = x - WIDTH / 2, y - HEIGHT / 2
    label = tag("text", f"{glyph} {shown}" if glyph else shown, x=left + 8, y=y + 4)
    box = tag("rect", x=left, y=top, width=WIDTH, height=HEIGHT, rx=11 if kind == "user" else 4)
    mark = tag("path", d=f"M{number(left + WIDTH - 12)} {number(y - 4)}l4 8h-8z", class_="alarm")
    return tag(
        "g",
        tag("title", f"{name} ({kind}): {told}") + box + label + (mark if failing else Markup()),
        class_=f"node {kind}" + (" failing" if failing else ""), tabindex="-1", role="button",
        aria_label=f"{name}, {kind}: {told}", data_i=i, data_kind=kind, data_name=name,
        data_told=told, data_x=x, data_y=y,
    )  # fmt: skip


def _told(traffic: Mapping[str, Any]) -> str:
    n, errors = traffic["n"], traffic["errors"]
    share = percent(errors / n if n else 0.0, 2 if 0 < errors < n / 100 else 1)
    return (
        f"{words.plural(n, 'call')}, {share} failed, "
        f"half within {words.duration(traffic['p50_us'])}, "
        f"95% within {words.duration(traffic['p95_us'])}"
    )


def _name(node: str) -> str:
    return words.short(node.rstrip(":"), _MOST_TOLD)
