"""The report about alert rules as a browser shows and prints it, with the worst of names too."""

import contextlib

import pytest

from pipelines.aiops import report_rules
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
from tests.unit.aiops.report.rules import cases
from tests.unit.mlops.release_report.cases import NASTY

pytestmark = pytest.mark.e2e

WORST = "".join(NASTY)
TRAP = "<script>document.title='caught'</script><img src=x onerror=\"document.title='caught'\">"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Two reports: one plain, one whose alerts, labels, tickets and rules are hostile."""
    made = {}
    for kind in ("plain", "hostile"):
        folder = tmp_path_factory.mktemp(kind)
        with contextlib.chdir(folder):
            if kind == "plain":
                params = cases.leave()
            else:
                texts = dict.fromkeys(("rule", "sentence", "command"), TRAP)
                harmful = [{**texts, "missed": [TRAP], "late": [WORST], "sole_cause": True}]
                texts = {**dict.fromkeys(("title", "service", "severity"), TRAP), "names": [TRAP]}
                incidents = [
                    cases.incident(TRAP, None, missed=True, **texts),
                    cases.incident(WORST, 900.0, **texts),
                ]
                guilty = {"guilty": [TRAP, WORST], "exclude": [{"alertname": TRAP}]}
                params = cases.leave(
                    TRAP + WORST,
                    incidents=incidents,
                    harmful=harmful,
                    why=TRAP,
                    more={"replay_rules": {"smaller_set": {**cases.SMALLER, **guilty}}},
                )
            report_rules.main(params)
        made[kind] = folder / report_rules.HTML
    return made


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(params=["plain", "hostile"])
def shown(request, pages, driver):
    """The browser with one of the reports open at desktop width."""
    return open_page(driver, pages[request.param])


def test_names_of_alerts_and_labels_do_nothing(shown):
    assert shown.get_log("browser") == []
    assert shown.title.startswith("Alert noise rules")
    assert shown.execute_script("return document.querySelectorAll('script, img').length") == 0


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_sticks_out_sideways(shown, width):
    check_nothing_sticks_out(shown, width)


def test_on_a_phone_only_tables_scroll_and_charts_stay_readable(shown):
    shown.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true })")
    check_only_boxes_scroll_on_a_phone(shown)
    check_charts_are_readable_on_a_phone(shown)


def test_every_link_arrives(shown):
    check_links_arrive(shown)


def test_decision_and_numbers_are_seen_without_scrolling(pages, driver):
    resize(driver, 1280)
    driver.get(pages["plain"].as_uri())
    bottom = driver.execute_script(
        "return document.querySelector('.headline').getBoundingClientRect().bottom"
    )
    assert bottom < 600


def test_a_phone_shows_the_folded_report_on_few_screens_and_no_table_scrolls(pages, driver):
    driver.get(pages["plain"].as_uri())
    resize(driver, 390, 844)
    assert driver.execute_script("return document.documentElement.scrollHeight") <= 4 * 844
    assert boxes_that_scroll_sideways(driver) == []


HEIGHTS = """return [...document.querySelectorAll('details table')].map(t =>
    t.checkVisibility({contentVisibilityAuto: true}) ? t.getBoundingClientRect().height : 0)"""


def test_what_a_screen_folds_away_is_printed(pages, driver):
    """Examples, matchers and what was left out are on paper without a click."""
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
    check_it_prints_on_a4(shown)
