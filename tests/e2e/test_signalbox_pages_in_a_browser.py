"""Pages of the menu in a real browser: at two widths, without errors, by links that all arrive."""

import importlib.util
import json
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from pipelines.aiops.lake.window import Window
from pipelines.aiops.params.artifacts import ANOMALIES_HTML, INCIDENTS, INCIDENTS_HTML
from pipelines.aiops.report.incidents.windows_page import windows_page
from pipelines.reporting.page import render
from tests.e2e.browser import browser, need_browser, resize
from tests.e2e.page_checks import (
    as_printed,
    boxes_that_scroll_sideways,
    check_it_prints_on_a4,
    cut_off_in_print,
    dark_in_print,
    folded_in_print,
)
from tests.support.judged_runs import ask, figure, judged_run, release_candidate
from tests.unit.release.lifecycle.product import PRODUCT, make_project
from tests.unit.signalbox_airflow.test_pages_of_windows import TOLD, WINDOW

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = pytest.mark.e2e

WIDTHS = (1440, 390)
COMPARE = f"/releases/{PRODUCT}/compare?a=v1.0.0&b={PRODUCT}/run_3"
PAGES = ("/", "/releases", COMPARE, "/rules", "/incidents", f"/incidents/{WINDOW}", "/service-map",
         "/kpis", "/ledger", "/reports")  # fmt: skip
FRAME = "allow-scripts allow-same-origin allow-forms allow-downloads"
"""What the frame of Airflow 3.3 allows a page of a plugin."""
AIRFLOWS = "Airflow’s own page"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    need_browser()
    folder = tmp_path_factory.mktemp("pages")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGNALBOX_KEYS", str(folder / "keys"))
        made = make_project(folder / "project")
        figures = [figure(f"evaluate.figure_{n}", 0.5, 0.4, 0.6, slice="a longer name of a slice")
                   for n in range(40)]  # fmt: skip
        for n in (1, 2):
            release_candidate(made, judged_run(made, n, figures=tuple(figures), seed=n))
        run = "manual__2026-11-30T08.00.00.123456+00.00"
        ask(made, judged_run(made, 4, "review", run=run))
        judged_run(made, 3, "reject", figures=(figure("evaluate.figure_1", 0.9, 0.8, 1.0),))
        _window(made)
        yield made


def _window(project: Path) -> None:
    """Write what the analysis leaves of a window."""
    (project / "params.yaml").write_text("aiops: {analysis: {results: results, lake: lake}}\n")
    folder = project / "results" / WINDOW
    for path in (INCIDENTS, INCIDENTS_HTML, ANOMALIES_HTML):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / INCIDENTS).write_text(json.dumps(TOLD))
    assert Window.parse(WINDOW).name == WINDOW
    for path in (INCIDENTS_HTML, ANOMALIES_HTML):
        (folder / path).write_text(render(windows_page([])), encoding="utf-8")


@pytest.fixture(scope="module")
def server(project: Path) -> Iterator[str]:
    """Serve the pages under their prefix, in a frame as Airflow's, with alice logged in."""
    import uvicorn
    from airflow.api_fastapi.core_api.security import get_user
    from fastapi import FastAPI
    from fastapi.responses import HTMLResponse

    from signalbox_airflow.pages import access, feedback
    from signalbox_airflow.pages.app import make_app

    pages, outer = make_app(project), FastAPI()
    user = SimpleNamespace(get_id=lambda: "alice", get_name=lambda: "alice")
    pages.dependency_overrides[get_user] = lambda: user
    pages.dependency_overrides[access.visible_to] = lambda: lambda dag: True
    pages.dependency_overrides[feedback.edits_of] = lambda: lambda dag: True
    outer.mount("/signalbox", pages)

    @outer.get("/plugin/signalbox")
    def framed() -> HTMLResponse:
        size = 'width="1200" height="800"'
        return HTMLResponse(f'<iframe {size} sandbox="{FRAME}" src="/signalbox/"></iframe>')

    @outer.get("/{path:path}")
    def airflow(path: str) -> HTMLResponse:
        return HTMLResponse(f"<title>{AIRFLOWS}</title>")

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = uvicorn.Server(uvicorn.Config(outer, port=port, log_level="warning"))
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        _wait(lambda: running.started)
        yield f"http://127.0.0.1:{port}"
    finally:
        running.should_exit = True
        thread.join(30)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def driver(server: str, tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Chrome]":
    with browser(tmp_path_factory.mktemp("browser") / "profile") as chrome:
        yield chrome


def _wait(condition: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _open(driver: "Chrome", address: str, width: int = 1440) -> None:
    resize(driver, width)
    driver.get_log("browser")
    driver.get(address)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_without_errors_and_without_scrolling_sideways(
    driver: "Chrome", server: str, page: str, width: int
) -> None:
    _open(driver, f"{server}/signalbox{page}", width)
    assert driver.find_element("css selector", "h1").is_displayed()
    assert "Something is wrong in the project" not in driver.title
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    assert boxes_that_scroll_sideways(driver) == []
    assert [line for line in driver.get_log("browser") if line["level"] == "SEVERE"] == []
    if folder := os.environ.get("SIGNALBOX_SCREENSHOTS"):
        name = re.sub(r"\W+", "_", page)[:40].strip("_") or "overview"
        driver.save_screenshot(f"{folder}/{name}_{width}.png")


def test_every_link_arrives(server: str) -> None:
    seen, pending = set[str](), [f"/signalbox{page}" for page in PAGES]
    with httpx.Client(base_url=server, timeout=60) as client:
        while pending:
            address = pending.pop()
            if address in seen:
                continue
            seen.add(address)
            reply = client.get(address, follow_redirects=True)
            assert reply.status_code == 200, address
            if reply.text.startswith(f"<title>{AIRFLOWS}"):
                assert address.startswith(("/dags/", "/required_actions", "/signalbox-results/"))
                continue
            for found in re.findall(r'<a href="(/[^"#]*)', reply.text):
                pending.append(found.replace("&amp;", "&"))
    reports = [address for address in seen if address.startswith("/signalbox/report/")]
    assert len(reports) >= 6
    assert any(address.startswith(f"/dags/{PRODUCT}/runs/") for address in seen)


@pytest.mark.parametrize("page", PAGES)
def test_anchors_of_a_page_are_on_it(driver: "Chrome", server: str, page: str) -> None:
    _open(driver, f"{server}/signalbox{page}")
    lost = driver.execute_script(
        """return [...document.querySelectorAll('a[href^="#"]')].map(a => a.hash.slice(1))
             .filter(id => !document.getElementById(id))"""
    )
    assert lost == []


def test_a_link_to_airflow_leaves_airflows_own_frame(driver: "Chrome", server: str) -> None:
    """The frame may not open pages in its place, so a plain ``target=_top`` would do nothing."""
    _open(driver, f"{server}/plugin/signalbox")
    driver.switch_to.frame(0)
    driver.find_element("css selector", "a[target=_top]").click()
    driver.switch_to.default_content()
    _wait(lambda: driver.title == AIRFLOWS)
    assert f"/dags/{PRODUCT}/runs/manual__2026-11-30T08" in driver.current_url


def test_two_versions_are_chosen_in_the_form(driver: "Chrome", server: str) -> None:
    from selenium.webdriver.support.ui import Select

    _open(driver, f"{server}/signalbox/releases")
    first = Select(driver.find_element("css selector", f"#{PRODUCT}-a"))
    first.select_by_value("v1.0.0")
    driver.find_element("css selector", "form.choose button").click()
    _wait(lambda: "a=v1.0.0" in driver.current_url)
    assert driver.find_element("css selector", "h1").text.endswith("two versions side by side")
    assert driver.find_elements("css selector", "table")


def test_the_keyboard_reaches_the_page_over_its_navigation(driver: "Chrome", server: str) -> None:
    _open(driver, f"{server}/signalbox/")
    driver.find_element("css selector", "body").send_keys("\ue004")  # tab
    skip = driver.switch_to.active_element
    assert skip.get_attribute("class") == "skip"
    assert driver.execute_script("return arguments[0].getBoundingClientRect().left >= 0", skip)
    skip.send_keys("\ue007")  # enter
    assert driver.switch_to.active_element.get_attribute("id") == "main"
    outline = "return getComputedStyle(document.activeElement).outlineStyle"
    link = driver.find_element("css selector", "main a")
    link.send_keys("")
    driver.execute_script("arguments[0].focus()", link)
    assert driver.execute_script(outline) != "none"


@pytest.mark.parametrize("page", PAGES)
def test_a_page_prints_whole_and_without_its_navigation(
    driver: "Chrome", server: str, page: str
) -> None:
    _open(driver, f"{server}/signalbox{page}")
    with as_printed(driver):
        for selector in (".bar", ".skip", "form", "button"):
            assert not any(e.is_displayed() for e in driver.find_elements("css selector", selector))
        assert driver.find_element("css selector", "h1").is_displayed()
        assert cut_off_in_print(driver) == []
        assert dark_in_print(driver) == []
        assert folded_in_print(driver) == []
    check_it_prints_on_a4(driver, more_than=0)


def test_a_hash_is_short_to_read_and_whole_to_copy_and_print(driver: "Chrome", server: str) -> None:
    _open(driver, f"{server}/signalbox/releases")
    found = driver.find_element("css selector", "code.long")
    whole = found.get_attribute("title")
    assert whole
    assert re.fullmatch("[0-9a-f]{40}", whole)
    copied = """getSelection().selectAllChildren(arguments[0]); return String(getSelection())"""
    assert driver.execute_script(copied, found) == whole
    rest = found.find_element("css selector", ".rest")
    assert rest.size["width"] < 1
    with as_printed(driver):
        assert rest.size["width"] > 50


def _axe() -> str:
    """Return axe-core's script from the package that ships it."""
    spec = importlib.util.find_spec("axe_core_python")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("axe-core-python isn't installed: pip install -e '.[dev]'")
    return next(Path(spec.submodule_search_locations[0]).rglob("axe.min.js")).read_text("utf-8")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_accessible_by_wcag_aa(
    driver: "Chrome", server: str, page: str, width: int
) -> None:
    script = _axe()
    _open(driver, f"{server}/signalbox{page}", width)
    driver.execute_script(script)
    found = driver.execute_async_script(
        """const done = arguments[0];
           const named = v => [v.id, v.nodes.map(n => n.html).slice(0, 3)];
           axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']})
              .then(r => done(r.violations.map(named)))"""
    )
    assert found == []
