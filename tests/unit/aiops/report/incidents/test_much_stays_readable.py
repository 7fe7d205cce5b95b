"""Hundreds of incidents and thousands of findings: bounded pages that say what they leave out."""

from pathlib import Path

import pytest

from tests.support.markup import Page

from .conftest import read


@pytest.fixture(scope="module")
def pages(huge: Path) -> dict[str, Page]:
    return read(huge)


def test_pages_are_bounded(huge: Path) -> None:
    for page in (huge / "reports").glob("*.html"):
        assert page.stat().st_size < 3_000_000, page.name


def test_the_worst_stand_open_and_the_others_fold(pages: dict[str, Page]) -> None:
    page = pages["incidents"]
    told = [e for e in page.all("h3") if e.text[:1].isdigit()]
    assert len(told) == 40
    assert len([e for e in told if "details" not in e.inside]) == 3
    assert "536 incidents" in page.text
    assert "236 incidents more; all of them stand in incidents/incidents.json" in page.text
    assert "496 incidents more" in page.text
    assert any("Show 20 more of 292" in e.text for e in page.all("summary"))


def test_findings_left_out_are_counted(pages: dict[str, Page]) -> None:
    assert "3,900 findings more; all of them stand in" in pages["anomalies"].text


def test_rare_findings_with_plots_are_never_those_left_out(pages: dict[str, Page]) -> None:
    charts = [e for e in pages["anomalies"].all("svg") if "chart" in e.attributes["class"]]
    assert len(charts) >= 100


def test_changes_that_moved_nothing_are_listed_up_to_a_bound(pages: dict[str, Page]) -> None:
    assert "more left out" in pages["service_map"].text


def test_counts_of_a_service_are_of_all_its_findings(pages: dict[str, Page]) -> None:
    """Each of the 700 services has 5 or 6 findings in metrics, whatever is shown of them."""
    cells = pages["anomalies"].all("td", "th")
    rows = [i for i, e in enumerate(cells) if e.tag == "th" and e.text.startswith("service-")]
    assert len(rows) == 500
    assert {cells[i + 1].text for i in rows} == {"5", "6"}
    assert "200 services more left out." in pages["anomalies"].text
    assert "of them shown" in pages["anomalies"].text


def test_most_services_fold(pages: dict[str, Page]) -> None:
    open_ones = [e for e in pages["anomalies"].all("h3") if "details" not in e.inside]
    assert len([e for e in open_ones if e.text.startswith("service-")]) == 8
