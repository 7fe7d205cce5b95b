"""The report about alert rules as a browser shows and prints it, with the worst of names too."""

import base64
import os
import re
from pathlib import Path

import pytest

from pipelines.reports import report_rules
from tests.e2e.browser import browser, resize
from tests.unit.aiops_report import cases
from tests.unit.report.cases import NASTY

pytestmark = pytest.mark.e2e

WORST = "".join(NASTY)
TRAP = "<script>document.title='caught'</script><img src=x onerror=\"document.title='caught'\">"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Two reports: one plain, one whose alerts, labels, tickets and rules are hostile."""
    made = {}
    before = Path.cwd()
    for kind in ("plain", "hostile"):
        folder = tmp_path_factory.mktemp(kind)
        os.chdir(folder)
        try:
            if kind == "plain":
                params = cases.leave()
            else:
                texts = dict.fromkeys(("rule", "says", "do"), TRAP)
                bad = [{**texts, "lost": [TRAP], "late": [WORST], "alone": True}]
                lost = cases.incident(TRAP, None, lost=True)
                params = cases.leave(TRAP + WORST, incidents=[lost], bad=bad, why=TRAP)
            report_rules.main(params)
        finally:
            os.chdir(before)
        made[kind] = folder / report_rules.HTML
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
    driver.get(pages[request.param].as_uri())
    return driver


def test_names_of_alerts_and_labels_do_nothing(shown):
    assert shown.get_log("browser") == []
    assert shown.title.startswith("Alert noise rules")
    assert shown.execute_script("return document.querySelectorAll('script, img').length") == 0


@pytest.mark.parametrize("width", [320, 375, 768, 1280, 1920])
def test_nothing_sticks_out_sideways(shown, width):
    resize(shown, width)
    wide = shown.execute_script("return document.documentElement.scrollWidth")
    assert wide <= width


def test_on_a_phone_only_tables_scroll_and_charts_stay_readable(shown):
    resize(shown, 375)
    outside = shown.execute_script(
        """return [...document.querySelectorAll('main *, header *')].filter(e =>
             !e.closest('.scroll') && !e.closest('pre') && !e.closest('svg') &&
             e.getBoundingClientRect().right > 376).map(e => e.outerHTML.slice(0, 80))"""
    )
    assert outside == []
    smallest = shown.execute_script(
        """return Math.min(...[...document.querySelectorAll('figure svg.chart')].map(s =>
             11 * s.getBoundingClientRect().width / s.viewBox.baseVal.width))"""
    )
    assert smallest >= 9


def test_every_link_arrives(shown):
    lost = shown.execute_script(
        """return [...document.querySelectorAll('a')].map(a => a.getAttribute('href'))
             .filter(h => !h.startsWith('#') || !document.getElementById(h.slice(1)))"""
    )
    assert lost == []


def test_decision_and_numbers_are_seen_without_scrolling(pages, driver):
    resize(driver, 1280)
    driver.get(pages["plain"].as_uri())
    bottom = driver.execute_script(
        "return document.querySelector('.headline').getBoundingClientRect().bottom"
    )
    assert bottom < 600


HEIGHTS = """return [...document.querySelectorAll('details table')].map(t =>
    t.checkVisibility({contentVisibilityAuto: true}) ? t.getBoundingClientRect().height : 0)"""


def test_what_a_screen_folds_away_is_printed(pages, driver):
    """Examples, matchers and dropped candidates are on paper without a click."""
    from selenium.webdriver.support.ui import WebDriverWait

    resize(driver, 1280)
    driver.get(pages["plain"].as_uri())
    assert set(driver.execute_script(HEIGHTS)) == {0}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:  # the browser changes over in its own time
        WebDriverWait(driver, 20).until(lambda d: min(d.execute_script(HEIGHTS)) > 10)
    finally:
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_it_prints_on_several_a4_pages(shown):
    printed = shown.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    pdf = base64.b64decode(printed["data"])
    assert len(re.findall(rb"/Type\s*/Page[^s]", pdf)) > 3
    width, height = (float(x) for x in re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf)[0])
    assert (round(width), round(height)) in ((595, 842), (596, 842))
