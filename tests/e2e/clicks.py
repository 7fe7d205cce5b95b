"""Airflow's own pages, as a person clicks through them; no address is typed but a DAG's."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.e2e.browser import browser, need_browser, resize
from tests.e2e.stack import Airflow, wait

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

OPEN, SUBMIT = "[data-testid=trigger-dag-button]", "[data-testid=trigger-dag-submit]"
FORM = "[data-testid=config-form]"

BUSY = re.compile(r"/(?:api/v2|ui)/\S* - Failed to load resource: .* status of 50[03] ")
"""Airflow's own API while another of its processes writes: SQLite has no row locks, and Airflow
waits five seconds. Its pages ask again by themselves; the addresses of our pages are others."""


@contextmanager
def logged_in(airflow: Airflow, profile: Path, user: str = "alice") -> "Iterator[Chrome]":
    """Start a browser and log somebody in, as they would."""
    need_browser()
    passwords = json.loads((airflow.project / ".airflow/passwords.json").read_text())
    with browser(profile) as chrome:
        resize(chrome, 1440)
        # Times in forms are the browser's.
        chrome.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "UTC"})
        chrome.get(f"{airflow.address}/auth/login")
        found(chrome, "input[type=password]").send_keys(passwords[user])
        found(chrome, "input:not([type=password])").send_keys(user)
        found(chrome, "button[type=submit]").click()
        wait(lambda: "/auth/" not in chrome.current_url, 60)
        yield chrome


def found(chrome: "Chrome", selector: str, by: str = By.CSS_SELECTOR) -> Any:
    """Return an element of the page once it is there."""
    wait(lambda: bool(chrome.find_elements(by, selector)), 60, lambda: shown(chrome))
    return chrome.find_element(by, selector)


def shown(chrome: "Chrome") -> str:
    """Return what can be read on the page."""
    return str(chrome.execute_script("return document.body.innerText"))


def reads(chrome: "Chrome", *texts: str) -> None:
    """Wait until all of these can be read on the page."""
    wait(lambda: all(text in shown(chrome) for text in texts), 60, lambda: shown(chrome))


def complaints(chrome: "Chrome") -> list[str]:
    """Return the errors in the browser's console since it was asked last."""
    lines = [line["message"] for line in chrome.get_log("browser") if line["level"] == "SEVERE"]
    return [line for line in lines if not BUSY.search(line)]


def open_form(airflow: Airflow, chrome: "Chrome", dag: str) -> Any:
    """Open a DAG's trigger form; return its button."""
    airflow.api.wait_for_dag(dag)
    chrome.get(f"{airflow.address}/dags/{dag}")
    found(chrome, OPEN).click()
    return found(chrome, SUBMIT)


def fill(chrome: "Chrome", values: Mapping[str, str | datetime]) -> None:
    """Fill fields of the open form: texts by the field's name, times by its title."""
    for name, value in values.items():
        if isinstance(value, datetime):
            choose_time(chrome, name, value)
        else:
            paste(chrome, found(chrome, f"{FORM} #element_{name}"), value)


def paste(chrome: "Chrome", field: Any, text: str) -> None:
    """Put a text into a field as a whole: the form loses keys that are faster than a person's."""
    field.click()
    chrome.execute_cdp_cmd("Input.insertText", {"text": text})
    wait(lambda: field.get_attribute("value") == text, 10)


def choose_time(chrome: "Chrome", title: str, at: datetime) -> None:
    """Fill the field with this title, whose boxes for date and time open by a click."""
    label = f"//label[starts-with(normalize-space(.), '{title}')]"
    field = found(
        chrome,
        f"{label}/ancestor::*[@data-part='root'][1]//*[@data-testid='datetime-input']",
        By.XPATH,
    )
    field.click()
    opened = "[data-scope=popover][data-part=content][data-state=open] input"
    found(chrome, f"{opened}[placeholder='YYYY/MM/DD']").send_keys(f"{at:%Y/%m/%d}", Keys.TAB)
    time = found(chrome, f"{opened}[placeholder='HH:mm']")
    wait(lambda: time.get_attribute("value") != "", 10)  # a date is one at midnight first
    time.send_keys(Keys.CONTROL, "a")
    time.send_keys(f"{at:%H:%M}", Keys.TAB)
    wait(lambda: field.text.endswith(f"{at:%H:%M}"), 10, lambda: field.text)
    field.click()
    wait(lambda: not chrome.find_elements(By.CSS_SELECTOR, opened), 10)


def runs(airflow: Airflow, dag: str) -> set[str]:
    """Return the ids of a DAG's runs that a person started."""
    listed = airflow.client.get(f"/api/v2/dags/{dag}/dagRuns", params={"limit": 100})
    return {run["dag_run_id"] for run in listed.json()["dag_runs"] if run["run_type"] == "manual"}


def start(
    airflow: Airflow, chrome: "Chrome", dag: str, values: Mapping[str, str | datetime] = {}
) -> str:
    """Click a DAG's form through, with its defaults but for some values; return the run's id."""
    before = runs(airflow, dag)
    complaints(chrome)
    button = open_form(airflow, chrome, dag)
    fill(chrome, values)
    wait(button.is_enabled, 30)
    button.click()
    wait(lambda: len(runs(airflow, dag) - before) == 1, 60, lambda: shown(chrome))
    [run] = runs(airflow, dag) - before
    wait(lambda: chrome.current_url.endswith(f"/runs/{run}"), 60)  # it leads to the run's page
    assert complaints(chrome) == []
    return run


def open_run(airflow: Airflow, chrome: "Chrome", dag: str, run: str) -> None:
    """Open a run's page."""
    chrome.get(f"{airflow.address}/dags/{dag}/runs/{run}")


def click_link(chrome: "Chrome", text: str, part: str) -> None:
    """Follow the link that reads so and has this in its address."""
    link = f"//a[normalize-space(.)='{text}' and contains(@href, '{part}')]"
    found(chrome, link, By.XPATH).click()


def ends_well(airflow: Airflow, chrome: "Chrome", dag: str, run: str) -> None:
    """Wait for a run's end and read on its page that it succeeded."""
    assert airflow.finished(run, dag=dag) == "success", airflow.told(run, dag)
    open_run(airflow, chrome, dag, run)
    state = "[data-testid=header-card] [data-testid=state-badge]"
    wait(lambda: found(chrome, state).text == "Success", 60, lambda: shown(chrome))
    assert complaints(chrome) == []


def open_pages_of_signalbox(airflow: Airflow, chrome: "Chrome") -> None:
    """Go from Airflow's first page to the entry of the menu, and into its frame."""
    chrome.get(f"{airflow.address}/")
    found(chrome, "//*[normalize-space(text())='Signalbox']", By.XPATH).click()
    chrome.switch_to.frame(found(chrome, "iframe"))
    found(chrome, "h1")
    assert chrome.execute_script("return window !== window.top")
