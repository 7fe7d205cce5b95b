"""Incident → plot → log lines → map, and back: every link arrives, on whichever page."""

from pathlib import Path

import pytest

from pipelines.aiops import report_incidents
from pipelines.aiops.report.incidents.links import anchor
from pipelines.aiops.report.service_map.wording import anchor_of
from pipelines.core.files import read_json, write_json
from tests.support.markup import Element, Page

from . import cases, worlds
from .conftest import PAGES, read


def links(page: Page) -> list[str]:
    return [a.attributes["href"] for a in page.all("a")]


def ids(page: Page) -> list[str]:
    return [e.attributes["id"] for e in page.elements if "id" in e.attributes]


def lost(pages: dict[str, Page]) -> list[tuple[str, str]]:
    known = {name: set(ids(page)) for name, page in pages.items()}
    found = []
    for name, page in pages.items():
        for link in links(page):
            file, _, place = link.partition("#")
            other = file.removesuffix(".html") or name
            if other not in known or (place and place not in known[other]):
                found.append((name, link))
    return found


def test_every_link_arrives(pages: dict[str, Page]) -> None:
    assert lost(pages) == []


@pytest.mark.parametrize("world", ["hostile", "huge", "quiet"])
def test_every_link_arrives_at_the_edges_too(world: str, tmp_path: Path, huge: Path) -> None:
    if world == "hostile":
        report_incidents.run(tmp_path, worlds.hostile(tmp_path, "\"><script>'&"))
    elif world == "quiet":
        report_incidents.run(tmp_path, worlds.quiet(tmp_path))
    made = read(huge if world == "huge" else tmp_path)
    assert lost(made) == []
    for page in made.values():
        assert len(ids(page)) == len(set(ids(page)))


def test_an_incident_leads_to_plot_and_lines_and_they_to_the_map_and_back(
    pages: dict[str, Page],
) -> None:
    metric, log = cases.metric_findings()[0], cases.log_findings()[0]
    plot, lines = (f"anomalies.html#{anchor('finding', one.id)}" for one in (metric, log))
    assert {plot, lines} <= set(links(pages["incidents"]))
    on_map = f"service_map.html#{anchor_of('payments')}"
    assert {on_map} <= set(links(pages["incidents"]))
    from_anomalies = links(pages["anomalies"])
    assert on_map in from_anomalies
    assert f"#{anchor('finding', log.id)}" in from_anomalies
    back = [link for link in from_anomalies if link.startswith("incidents.html#incident-")]
    assert back
    from_map = links(pages["service_map"])
    assert set(back) & set(from_map)
    assert f"anomalies.html#{anchor('service', 'payments')}" in from_map


def test_each_page_names_the_others(pages: dict[str, Page]) -> None:
    for page in pages.values():
        assert {f"{name}.html" for name in PAGES} <= set(links(page))


def test_a_finding_told_together_with_another_leads_to_the_incident_too(tmp_path: Path) -> None:
    first = cases.finding("metric", "spike", "payments", 30)
    second = cases.finding("metric", "spike", "payments", 30, labels={"pod": "b"})
    cases.leave(tmp_path, [first, second], [], [])
    inside = tmp_path / "incidents/incidents.json"
    content = read_json(inside)
    [incident] = content["incidents"]
    incident["findings"] = [first.id]
    content["findings"] = {
        first.id: {**first.as_json(), "evidence": {"other_findings": [second.id]}}
    }
    write_json(inside, content)
    report_incidents.run(tmp_path, cases.ABOUT)
    row = f'id="{anchor("finding", second.id)}"'
    html = (tmp_path / "reports/anomalies.html").read_text(encoding="utf-8")
    assert f"incidents.html#{anchor('incident', incident['id'])}" in html.split(row)[1]


def test_a_service_without_spans_is_named_without_a_link(pages: dict[str, Page]) -> None:
    assert "mobile" in pages["incidents"].text
    assert not [a for a in pages["incidents"].all("a") if _is(a, "mobile")]


def _is(element: Element, text: str) -> bool:
    return element.text == text
