"""A report as a browser shows and prints it, with ordinary names and with hostile ones."""

import contextlib
import json
from itertools import pairwise

import pytest

from pipelines.mlops import report
from tests.e2e.browser import browser, resize
from tests.e2e.page_checks import (
    WIDTHS,
    boxes_that_scroll_sideways,
    check_charts_are_readable_on_a_phone,
    check_it_prints_on_a4,
    check_links_arrive,
    check_nothing_sticks_out,
    check_only_boxes_scroll_on_a_phone,
    open_page,
)
from tests.unit.mlops.release_report import cases

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Three reports: a plain one, one with the worst names, one of a table of 500 columns."""
    made = {}
    kinds = {
        "plain": ["Female", "Male"],
        "hostile": [*cases.NASTY, "Male"],
        "wide": [f"column_{number}" for number in range(500)],
    }
    for kind, names in kinds.items():
        folder = tmp_path_factory.mktemp(kind)
        with contextlib.chdir(folder):
            details = {
                "ingest": cases.ingest([*names, "income"]),
                "bias_audit": cases.fairness(names),
                "evaluate": cases.evaluate(names),
                "drift": cases.drift(names[-2]),
            }
            report.main(cases.leave(details, cases.figures(low=names[0])))
        made[kind] = folder / "reports/model_release.html"
    return made


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(params=["plain", "hostile"])
def shown(request, pages, driver):
    """The browser with one of the reports open at desktop width, and nothing of it folded."""
    opened = open_page(driver, pages[request.param])
    opened.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true })")
    return opened


@pytest.mark.parametrize("kind", ["plain", "hostile", "wide"])
@pytest.mark.parametrize(("width", "height", "screens"), [(1440, 900, 3), (390, 844, 3)])
def test_the_first_view_is_short_whatever_the_table(pages, driver, kind, width, height, screens):
    open_page(driver, pages[kind])
    resize(driver, width, height)
    assert driver.execute_script("return document.querySelectorAll('details').length") > 5
    tall = driver.execute_script("return document.documentElement.scrollHeight")
    assert tall <= screens * height


@pytest.mark.parametrize("kind", ["plain", "hostile"])
def test_a_phone_shows_value_interval_and_threshold_of_every_open_check(pages, driver, kind):
    open_page(driver, pages[kind])
    resize(driver, 390, 844)
    rows = driver.execute_script(
        """return [...document.querySelectorAll('table.cards tbody tr')]
             .filter(row => row.checkVisibility())
             .map(row => [...row.cells].map(cell => {
               const box = cell.getBoundingClientRect();
               return [cell.dataset.label || 'Check', cell.innerText, box.left, box.right];
             }))"""
    )
    assert rows
    for row in rows:
        assert {"Value", "95% interval", "Threshold"} <= {label for label, *_ in row}
        for label, text, left, right in row:
            assert text.strip(), label
            assert 0 <= left < right <= 390
    assert boxes_that_scroll_sideways(driver) == []


def test_no_table_of_any_chapter_scrolls_sideways_on_a_phone(pages, driver):
    open_page(driver, pages["plain"])
    driver.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true })")
    resize(driver, 390, 844)
    assert boxes_that_scroll_sideways(driver) == []


def test_what_is_folded_is_printed(pages, driver):
    open_page(driver, pages["plain"])
    check_it_prints_on_a4(driver)


def test_the_console_is_silent(shown):
    assert shown.get_log("browser") == []


def test_no_request_leaves_the_page(shown):
    asked = []
    for entry in shown.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            asked.append(message["params"]["request"]["url"])
    assert asked, "the page itself must be in the log"
    assert all(url.startswith(("file:", "data:")) for url in asked)
    files = {url.partition("#")[0] for url in asked if url.startswith("file:")}
    assert files == {shown.current_url.partition("#")[0]}


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_sticks_out_sideways(shown, width):
    check_nothing_sticks_out(shown, width)


def test_wide_tables_scroll_in_their_own_box_on_a_phone(shown):
    check_only_boxes_scroll_on_a_phone(shown)


def test_every_link_arrives(shown):
    # The compliance report lies beside this one; other tests hold its anchors.
    check_links_arrive(shown, lambda link: link.partition("#")[0] == "compliance.html")


def test_headings_are_in_order(shown):
    levels = shown.execute_script(
        "return [...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(h => +h.tagName[1])"
    )
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_text_in_charts_keeps_a_readable_size_on_a_phone(shown):
    check_charts_are_readable_on_a_phone(shown)


def test_the_decision_is_seen_without_scrolling(shown):
    bottom = shown.execute_script(
        "return document.querySelector('.verdict').getBoundingClientRect().bottom"
    )
    assert bottom < 500


def test_it_prints_on_several_a4_pages(shown):
    check_it_prints_on_a4(shown)
