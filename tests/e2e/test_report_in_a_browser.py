"""A report as a browser shows and prints it, with ordinary names and with hostile ones."""

import contextlib
import json
from itertools import pairwise

import pytest

from pipelines.mlops import report
from tests.e2e.browser import browser
from tests.e2e.page_checks import (
    WIDTHS,
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
    """Two reports: one plain, one whose groups and columns have the worst names."""
    made = {}
    for kind, names in (("plain", ["Female", "Male"]), ("hostile", [*cases.NASTY, "Male"])):
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
    """The browser with one of the reports open at desktop width."""
    return open_page(driver, pages[request.param])


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
