"""The page of a service map in a real browser: inert, and handy with mouse, keys and search."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelines.aiops.report.service_map.page import make_page
from pipelines.aiops.service_map.model import as_data
from pipelines.reporting.page import render
from tests.e2e.browser import browser, resize
from tests.unit.aiops.service_map.spans import built, client, request, span

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

pytestmark = pytest.mark.e2e
EVIL = '"><script>document.title="run"</script><img src=x onerror=document.title="run">'


def chosen(driver: "Chrome") -> str:
    return str(driver.execute_script("return document.querySelector('.details').innerText"))


def click_once_still(driver: "Chrome", element: "WebElement") -> None:
    """Click an element when the page has come to rest: what just closed may still move it."""
    from selenium.common.exceptions import ElementClickInterceptedException
    from selenium.webdriver.support.ui import WebDriverWait

    def clicked(_: "Chrome") -> bool:
        element.click()
        return True

    WebDriverWait(driver, 20, ignored_exceptions=[ElementClickInterceptedException]).until(clicked)


def test_the_page_works_and_names_stay_inert(tmp_path: Path) -> None:
    evil = client("shop", "9", "3", attributes={"peer.service": EVIL})
    page = tmp_path / "map.html"
    rows = [*request("t1", 0), evil, span(EVIL, "1", trace_id="t2")]
    page.write_text(render(make_page(as_data(built(*rows)))), encoding="utf-8")
    with browser(tmp_path / "profile") as driver:
        driver.get(page.as_uri())
        # The script is the page's own, so it runs: controls show.
        form = driver.find_element("css selector", ".controls")
        assert form.is_displayed()
        search = driver.find_element("css selector", "input[type=search]")
        search.send_keys("script")
        assert driver.find_element("css selector", "output").text == "1 found"
        search.send_keys("\n")
        assert "<script>" in chosen(driver)
        search.clear()
        search.send_keys("shop\n")
        assert "Called by" in chosen(driver)
        active = driver.switch_to.active_element
        active.send_keys("\ue012")  # arrow left
        driver.switch_to.active_element.send_keys("\ue007")  # enter
        assert chosen(driver).startswith("web (service)")
        driver.switch_to.active_element.send_keys("\ue00c")  # escape
        assert not driver.find_element("css selector", ".details").is_displayed()
        failing = driver.find_element("css selector", "[value=failing]")
        click_once_still(driver, failing)
        assert not driver.find_elements("css selector", ".node:not(.off)")
        for width in (375, 1280):
            resize(driver, width)
            assert driver.execute_script("return document.documentElement.scrollWidth") <= width
        assert driver.title.startswith("Service map")
        assert not driver.get_log("browser")
