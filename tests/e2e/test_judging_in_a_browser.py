"""Feedback in a real browser: clicked, shown, and refused from another site's page."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import uvicorn
from fastapi import FastAPI

from pipelines.aiops.lake.feedback import read_answers
from signalbox_airflow.pages import feedback
from tests.e2e.browser import browser, need_browser, resize
from tests.e2e.page_checks import check_only_boxes_scroll_on_a_phone
from tests.unit.signalbox_airflow.test_what_people_say import PAGE, Asked, project

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

__all__ = ["project"]
pytestmark = pytest.mark.e2e


@pytest.fixture
def server(project: Path) -> Iterator[str]:
    """The pages as Airflow mounts them, for somebody who may edit DAGs."""
    need_browser()
    outer = FastAPI()
    outer.mount("/signalbox", Asked(project).app)
    running = uvicorn.Server(uvicorn.Config(outer, port=0, log_level="warning"))
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        thread.join(0.05)
        assert thread.is_alive()
    port = running.servers[0].sockets[0].getsockname()[1]
    yield f"http://localhost:{port}/signalbox"
    running.should_exit = True
    thread.join(10)


@pytest.fixture
def driver(tmp_path: Path) -> "Iterator[Chrome]":
    with browser(tmp_path / "profile") as found:
        yield found


def said_on_page(driver: "Chrome") -> list[str]:
    """Wait until the page shows what was said."""
    from selenium.webdriver.support.ui import WebDriverWait

    script = "return [...document.querySelectorAll('ul.said li')].map(one => one.textContent)"
    found = WebDriverWait(driver, 30).until(lambda d: d.execute_script(script))
    return [str(text) for text in found]


@pytest.mark.parametrize("width", [1440, 390])
def test_an_incident_is_judged_by_clicking(
    server: str, driver: "Chrome", project: Path, width: int
) -> None:
    resize(driver, width)
    driver.get(server + PAGE)
    form = driver.find_element("css selector", "#judge-incident-i1 form")
    # Without a choice the browser sends nothing.
    form.find_element("css selector", "button").click()
    assert read_answers(project / "lake")[0] == []
    form.find_element("css selector", "input[value=wrong_cause]").click()
    form.find_element("css selector", "input[name=cause]").send_keys("cache")
    form.find_element("css selector", "input[name=note]").send_keys("seen <b>twice</b>")
    form.find_element("css selector", "button").click()
    (line,) = said_on_page(driver)
    assert line.startswith("wrong cause: it was cache “seen <b>twice</b>” ann · ")
    assert driver.current_url.endswith(f"{PAGE}#judge-incident-i1")
    (one,) = read_answers(project / "lake")[0]
    assert (one.by, one.cause) == ("ann", "cache")
    check_only_boxes_scroll_on_a_phone(driver)
    errors = [log for log in driver.get_log("browser") if log["level"] == "SEVERE"]
    assert errors == []


def test_a_finding_is_judged_by_keyboard(server: str, driver: "Chrome", project: Path) -> None:
    driver.get(server + PAGE)
    summary = driver.find_element("css selector", "#judge-finding-f1 summary")
    summary.send_keys("\ue007")
    noise = driver.find_element("css selector", "#judge-finding-f1 input[value=noise]")
    noise.send_keys(" ")
    noise.send_keys("\ue007")
    assert said_on_page(driver)[0].startswith("noise ann")
    assert driver.current_url.endswith("#judge-finding-f1")
    (one,) = read_answers(project / "lake")[0]
    assert (one.about, one.verdict) == ("finding", "noise")


class _Evil(BaseHTTPRequestHandler):
    """A page of another site that sends the form by itself, with a token that it got to know."""

    page = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(self.page)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_another_sites_page_judges_nothing(server: str, driver: "Chrome", project: Path) -> None:
    fields = {"about": "incident", "subject": "i1", "window": PAGE.split("/")[2],
              "verdict": "noise", "token": feedback.token("id of ann")}  # fmt: skip
    inputs = "".join(f'<input name="{name}" value="{value}">' for name, value in fields.items())
    _Evil.page = (
        f'<form method="post" action="{server}/feedback">{inputs}</form>'
        "<script>document.forms[0].submit()</script>"
    ).encode()
    evil = ThreadingHTTPServer(("127.0.0.1", 0), _Evil)
    threading.Thread(target=evil.serve_forever, daemon=True).start()
    try:
        driver.get(f"http://127.0.0.1:{evil.server_address[1]}/")
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(driver, 20).until(lambda d: "Signalbox" in d.title)
        assert "Only a page of Signalbox can send this." in driver.page_source
    finally:
        evil.shutdown()
        evil.server_close()
    assert read_answers(project / "lake")[0] == []
