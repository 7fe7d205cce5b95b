"""What holds for every page of a report, as a browser shows and prints it."""

import base64
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.browser import resize

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

WIDTHS = (320, 375, 768, 1280, 1920)
"""CSS pixels, from a small phone to a large screen."""
PRINTED = 680
"""CSS pixels between the margins of A4."""
A4 = ((595, 842), (596, 842))
"""Points; programs round differently."""


def open_page(driver: "Chrome", page: Path) -> "Chrome":
    """Open a page at desktop width; logs of pages before are forgotten."""
    resize(driver, 1280)
    driver.get_log("browser")
    driver.get_log("performance")
    driver.get(page.as_uri())
    return driver


def open_folds(driver: "Chrome") -> None:
    """Unfold everything on the page."""
    driver.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true })")


def check_nothing_sticks_out(driver: "Chrome", width: int) -> None:
    resize(driver, width)
    wide = driver.execute_script("return document.documentElement.scrollWidth")
    assert wide <= width


def check_only_boxes_scroll_on_a_phone(driver: "Chrome") -> None:
    resize(driver, 375)
    outside = driver.execute_script(
        """return [...document.querySelectorAll('main *, header *')].filter(e =>
             !e.closest('.scroll') && !e.closest('pre') && !e.closest('svg') &&
             e.getBoundingClientRect().right > 376).map(e => e.outerHTML.slice(0, 80))"""
    )
    assert outside == []


def boxes_that_scroll_sideways(driver: "Chrome") -> list[str]:
    """Return the words of every visible table that is wider than its box."""
    found: list[str] = driver.execute_script(
        """return [...document.querySelectorAll('.scroll')].filter(box =>
             box.checkVisibility() && box.scrollWidth > box.clientWidth)
             .map(box => box.innerText.slice(0, 80))"""
    )
    return found


def check_charts_are_readable_on_a_phone(driver: "Chrome") -> None:
    """Text in charts, 11 units high, is at least 9 pixels."""
    resize(driver, 375)
    sizes = driver.execute_script(
        """return [...document.querySelectorAll('figure svg.chart')].map(s =>
             11 * s.getBoundingClientRect().width / s.viewBox.baseVal.width)"""
    )
    assert sizes
    assert min(sizes) >= 9


def check_links_arrive(
    driver: "Chrome", elsewhere: Callable[[str], bool] = lambda link: False
) -> None:
    """Every link leads to an anchor of the page, or `elsewhere`, which other tests hold."""
    lost = driver.execute_script(
        """return [...document.querySelectorAll('a')].map(a => a.getAttribute('href'))
             .filter(h => !h.startsWith('#') || !document.getElementById(h.slice(1)))"""
    )
    assert [link for link in lost if not elsewhere(link)] == []


@contextmanager
def as_printed(driver: "Chrome") -> Iterator[None]:
    """Lay the page out as it is printed, as wide as what A4 has between the margins of 15 mm."""
    resize(driver, PRINTED)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        yield
    finally:
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def cut_off_in_print(driver: "Chrome") -> list[str]:
    """Return what stands beyond the right edge of the paper, or is cut by its own box."""
    found: list[str] = driver.execute_script(
        """return [...document.querySelectorAll('body *')].filter(e => !e.closest('svg') &&
             e.checkVisibility() && (e.getBoundingClientRect().right > arguments[0] + 1 ||
             (e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX !== 'visible'
              && e.clientWidth > 1))).map(e => e.outerHTML.slice(0, 100))""",
        PRINTED,
    )
    return found


def dark_in_print(driver: "Chrome") -> list[str]:
    """Return what would be printed on a background that takes much ink."""
    found: list[str] = driver.execute_script(
        """const light = c => { const [r, g, b, a = 1] = c.match(/[\\d.]+/g).map(Number);
             return a < .1 || (.2126 * r + .7152 * g + .0722 * b) > 200 };
           return [...document.querySelectorAll('body, body *')].filter(e => e.checkVisibility() &&
             !light(getComputedStyle(e).backgroundColor)).map(e => e.outerHTML.slice(0, 100))"""
    )
    return found


def folded_in_print(driver: "Chrome") -> list[str]:
    """Return the folds whose content is not printed."""
    found: list[str] = driver.execute_script(
        """return [...document.querySelectorAll('details')].filter(fold =>
             getComputedStyle(fold).display !== 'none' &&
             ![...fold.querySelectorAll(':scope > :not(summary)')].every(e =>
               e.tagName === 'FORM' || e.getBoundingClientRect().height > 0))
             .map(fold => fold.innerText.slice(0, 80))"""
    )
    return found


def check_it_prints_on_a4(driver: "Chrome", more_than: int = 3) -> None:
    """The page prints on more than so many pages, all A4."""
    printed = driver.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    pdf = base64.b64decode(printed["data"])
    assert pdf.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page[^s]", pdf)) > more_than
    boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf)
    assert {(round(float(width)), round(float(height))) for width, height in boxes} <= set(A4)
    assert boxes
