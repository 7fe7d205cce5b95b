"""The page: inert whatever services are called, the same bytes for the same map, places apart."""

import re
from html.parser import HTMLParser
from itertools import combinations, pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.aiops.report.service_map.drawing import COLUMN, ROW, layout
from pipelines.aiops.report.service_map.page import make_page
from pipelines.aiops.report.service_map.wording import anchor_of
from pipelines.aiops.service_map.edge_changes import diff_maps
from pipelines.aiops.service_map.model import as_data
from pipelines.reporting.page import render
from tests.unit.aiops.service_map.spans import built, client, request, span

EVIL = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'&"


class Tags(HTMLParser):
    """Elements of a page with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def page_of(*rows: dict[str, Any], **more: Any) -> str:
    return render(make_page(as_data(built(*rows)), **more))


def test_names_with_script_tags_stay_text() -> None:
    rows = [span(EVIL, "1"), client(EVIL, "2", "1", attributes={"peer.service": EVIL}),
            client(EVIL, "3", "1", attributes={"db.system": EVIL})]  # fmt: skip
    moved = diff_maps(built(), built(*rows)).as_data()["moved"]
    tags = Tags(page_of(*rows, moved=moved, title=EVIL, notice=EVIL)).found
    assert [tag for tag, _ in tags].count("script") == 1
    assert not [tag for tag, _ in tags if tag in ("img", "iframe", "object")]
    assert not [name for _, given in tags for name in given if name.startswith("on")]


def test_only_the_pages_own_script_may_run_and_nothing_is_fetched() -> None:
    page = page_of(*request("t1", 0))
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
    assert "default-src 'none'" in policy
    assert "script-src 'sha256-" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1]
    # Addresses of the drawing's own parts only.
    assert set(re.findall(r"url\(([^)]*)\)", page)) <= {"#tip", "#tip-failing"}
    assert "http://" not in page
    assert "https://" not in page


def test_the_same_map_gives_the_same_page() -> None:
    rows = request("t1", 0) + request("t2", 1)
    assert page_of(*rows) == page_of(*reversed(rows))


def test_figures_stand_in_tables_too() -> None:
    page = page_of(*request("t1", 0, error=True))
    for text in ("postgresql/shop", "100.0%", "What spans could not tell", "user"):
        assert text in page


def test_other_pages_can_link_to_a_nodes_row() -> None:
    page = page_of(*request("t1", 0), span(EVIL, "1", trace_id="t2"))
    for node in ("shop", "database:postgresql/shop", EVIL):
        assert page.count(f'<tr role="row" id="{anchor_of(node)}"') == 1


def test_a_page_of_nothing_says_so() -> None:
    page = page_of()
    assert "There are no spans in this time." in page
    assert "0\N{NO-BREAK SPACE}services" in page


def test_what_is_missing_is_told() -> None:
    page = page_of(span("shop", "2", "gone"), client("shop", "3", "2"))
    assert "1\N{NO-BREAK SPACE}span whose parent no span is" in page
    assert "which no attribute names" in page


NAMES = [f"n{i}" for i in range(12)]
EDGES = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=40)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(EDGES)
def test_no_two_nodes_lie_on_one_another(edges: list[tuple[str, str]]) -> None:
    found = layout(NAMES, edges)
    assert set(found.centres) == set(NAMES)
    for a, b in combinations(found.centres.values(), 2):
        assert abs(a[0] - b[0]) >= COLUMN - 1 or abs(a[1] - b[1]) >= ROW - 1
    for x, y in found.centres.values():
        assert 0 < x < found.width
        assert 0 < y < found.height
    for (source, target), way in found.through.items():
        xs = [x for x, _ in (found.centres[source], *way, found.centres[target])]
        assert all(a < b for a, b in pairwise(xs))


@settings(max_examples=30, deadline=None, derandomize=True)
@given(EDGES, st.randoms(use_true_random=False))
def test_places_do_not_depend_on_the_order_of_edges(
    edges: list[tuple[str, str]], chance: Any
) -> None:
    assert layout(NAMES, edges) == layout(NAMES, chance.sample(edges, len(edges)))


def test_callers_stand_left_of_what_they_call() -> None:
    places = layout(["c", "b", "a"], [("a", "b"), ("b", "c"), ("a", "c")]).centres
    assert places["a"][0] < places["b"][0] < places["c"][0]


@pytest.mark.parametrize("count", [1, 300])
def test_many_nodes_in_a_row_are_cut_into_columns(count: int) -> None:
    names = [f"n{i}" for i in range(count)]
    found = layout(["user", *names], [("user", name) for name in names])
    assert found.height <= 46 * ROW
