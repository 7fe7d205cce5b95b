"""Incidents, anomalies and the service map in a browser: linked, inert, on phones and on paper."""

import re

import pytest

from pipelines.aiops import report_incidents
from pipelines.aiops.report.incidents.links import anchor
from tests.e2e.browser import browser, resize
from tests.e2e.page_checks import (
    WIDTHS,
    as_printed,
    check_charts_are_readable_on_a_phone,
    check_it_prints_on_a4,
    check_links_arrive,
    check_nothing_sticks_out,
    check_only_boxes_scroll_on_a_phone,
    cut_off_in_print,
    dark_in_print,
    folded_in_print,
    open_folds,
    open_page,
)
from tests.unit.aiops.report.incidents import cases, worlds
from tests.unit.mlops.release_report.cases import NASTY

pytestmark = pytest.mark.e2e

NAMES = ("incidents", "anomalies", "service_map")
TRAP = "<script>document.title='caught'</script><img src=x onerror=\"document.title='caught'\">"
EVIL = TRAP + "".join(NASTY) + "\n" + "y" * 10_000


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Two places: an ordinary one, and one in which every text is hostile."""
    made = {}
    for kind in ("plain", "hostile"):
        folder = tmp_path_factory.mktemp(kind)
        about = cases.ABOUT
        if kind == "plain":
            cases.leave(folder)
        else:
            about = worlds.hostile(folder, EVIL)
        report_incidents.run(folder, about)
        made[kind] = folder / "reports"
    return made


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(params=[f"{kind}/{name}" for kind in ("plain", "hostile") for name in NAMES])
def shown(request, places, driver):
    """The browser with one of the pages open at desktop width."""
    kind, _, name = request.param.partition("/")
    return open_page(driver, places[kind] / f"{name}.html")


def elsewhere(link: str) -> bool:
    """Whether a link leads to a sister page; unit tests hold that it arrives."""
    return re.fullmatch(rf"({'|'.join(NAMES)})\.html(#[a-z0-9-]+)?", link) is not None


def test_names_from_telemetry_do_nothing(shown):
    assert shown.get_log("browser") == []
    assert "caught" not in shown.title or shown.title.startswith(TRAP[:8])
    assert shown.execute_script("return document.querySelectorAll('img').length") == 0
    scripts = shown.execute_script("return document.querySelectorAll('script').length")
    assert scripts == ("service_map" in shown.current_url)


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_sticks_out_sideways(shown, width):
    check_nothing_sticks_out(shown, width)


def test_every_link_arrives(shown):
    check_links_arrive(shown, elsewhere)


def test_it_prints_whole_on_several_a4_pages(shown):
    check_it_prints_on_a4(shown)
    with as_printed(shown):
        assert cut_off_in_print(shown) == []
        assert dark_in_print(shown) == []
        assert folded_in_print(shown) == []


@pytest.mark.parametrize("name", ["incidents", "anomalies"])
@pytest.mark.parametrize("kind", ["plain", "hostile"])
def test_on_a_phone_only_tables_scroll_and_charts_stay_readable(places, driver, kind, name):
    open_page(driver, places[kind] / f"{name}.html")
    open_folds(driver)
    check_only_boxes_scroll_on_a_phone(driver)
    check_charts_are_readable_on_a_phone(driver)


def test_a_reader_goes_from_incident_to_plot_to_lines_to_the_map_and_back(places, driver):
    open_page(driver, places["plain"] / "incidents.html")
    follow(driver, f"anomalies.html#{anchor('finding', cases.metric_findings()[0].id)}")
    assert "New level: http_server_error_share" in target(driver)
    follow(driver, f"#{anchor('finding', cases.log_findings()[0].id)}")
    assert "card authoriser refused: code 5003 try=0" in target(driver)
    follow(driver, "service_map.html#node-")
    assert target(driver).startswith("payments")
    follow(driver, "incidents.html#incident-")
    assert "Likely causes" in target(driver)


def follow(driver, start):
    """Go where the first link leads that can be seen, unfolded, and whose address starts so."""
    open_folds(driver)
    links = driver.find_elements("css selector", f"main a[href^='{start}']")
    # No click: the page may still be scrolling to where the last link led.
    driver.get(next(link for link in links if link.is_displayed()).get_attribute("href"))


def target(driver):
    """Text of the section or row that the address names."""
    return driver.execute_script(
        """const at = document.getElementById(location.hash.slice(1));
           return (at.closest('tr') || at.closest('section')).innerText"""
    )


def test_the_worst_incident_is_seen_without_scrolling(places, driver):
    open_page(driver, places["plain"] / "incidents.html")
    resize(driver, 375)
    told = driver.find_element("css selector", ".decision")
    assert "payments" in told.text
    assert told.rect["y"] + told.rect["height"] < 700


def test_what_is_folded_away_opens_when_a_link_leads_to_it(driver, tmp_path):
    found = [cases.finding("metric", "spike", f"s{n:02d}", n, score=9 - n / 10) for n in range(30)]
    cases.leave(tmp_path, found, [], [])
    report_incidents.run(tmp_path, cases.ABOUT)
    page = open_page(driver, tmp_path / "reports/anomalies.html")
    last = anchor("finding", found[-1].id)
    row = page.find_element("id", last)
    assert not row.is_displayed()
    driver.get(f"{driver.current_url}#{last}")
    assert row.is_displayed()
