"""A report as a browser shows and prints it, with ordinary names and with hostile ones."""

import base64
import json
import os
import re
from itertools import pairwise
from pathlib import Path

import pytest

from pipelines.reports import report
from tests.e2e.browser import browser, resize
from tests.unit.report import cases

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Two reports: one plain, one whose groups and columns have the worst names."""
    made = {}
    before = Path.cwd()
    for kind, names in (("plain", ["Female", "Male"]), ("hostile", [*cases.NASTY, "Male"])):
        folder = tmp_path_factory.mktemp(kind)
        os.chdir(folder)
        try:
            details = {
                "ingest": cases.ingest([*names, "income"]),
                "bias_audit": cases.fairness(names),
                "evaluate": cases.evaluate(names),
                "drift": cases.drift(names[-2]),
            }
            report.main(cases.leave(details, cases.figures(low=names[0])))
        finally:
            os.chdir(before)
        made[kind] = folder / "reports/model_release.html"
    return made


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(params=["plain", "hostile"])
def shown(request, pages, driver):
    """The browser with one of the reports open at desktop width."""
    resize(driver, 1280)
    driver.get_log("browser")
    driver.get_log("performance")
    driver.get(pages[request.param].as_uri())
    return driver


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


@pytest.mark.parametrize("width", [320, 375, 768, 1280, 1920])
def test_nothing_sticks_out_sideways(shown, width):
    resize(shown, width)
    wide = shown.execute_script("return document.documentElement.scrollWidth")
    assert wide <= width


def test_wide_tables_scroll_in_their_own_box_on_a_phone(shown):
    resize(shown, 375)
    outside = shown.execute_script(
        """return [...document.querySelectorAll('main *')].filter(e =>
             !e.closest('.scroll') && !e.closest('pre') && !e.closest('svg') &&
             e.getBoundingClientRect().right > 376).map(e => e.outerHTML.slice(0, 80))"""
    )
    assert outside == []


def test_every_link_arrives(shown):
    lost = shown.execute_script(
        """return [...document.querySelectorAll('a')].map(a => a.getAttribute('href'))
             .filter(h => !h.startsWith('#') || !document.getElementById(h.slice(1)))"""
    )
    # The compliance report lies beside this one; other tests hold its anchors.
    assert [link for link in lost if link.partition("#")[0] != "compliance.html"] == []


def test_headings_are_in_order(shown):
    levels = shown.execute_script(
        "return [...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(h => +h.tagName[1])"
    )
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_text_in_charts_keeps_a_readable_size_on_a_phone(shown):
    resize(shown, 375)
    smallest = shown.execute_script(
        """return Math.min(...[...document.querySelectorAll('svg.chart')].map(s =>
             11 * s.getBoundingClientRect().width / s.viewBox.baseVal.width))"""
    )
    assert smallest >= 9


def test_the_decision_is_seen_without_scrolling(shown):
    bottom = shown.execute_script(
        "return document.querySelector('.verdict').getBoundingClientRect().bottom"
    )
    assert bottom < 500


def test_it_prints_on_several_a4_pages(shown):
    printed = shown.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    pdf = base64.b64decode(printed["data"])
    assert pdf.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page[^s]", pdf)) > 3
    width, height = (float(x) for x in re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf)[0])
    assert (round(width), round(height)) in ((595, 842), (596, 842))
