"""Pages of a small shop, made once."""

from pathlib import Path

import pytest

from pipelines.aiops import report_incidents
from tests.support.markup import Page

from . import cases, worlds

PAGES = ("incidents", "anomalies", "service_map")


def read(place: Path) -> dict[str, Page]:
    """The three pages of a place."""
    return {
        name: Page((place / f"reports/{name}.html").read_text(encoding="utf-8")) for name in PAGES
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = cases.leave(tmp_path_factory.mktemp("place"))
    report_incidents.run(found, cases.ABOUT)
    return found


@pytest.fixture(scope="module")
def pages(place: Path) -> dict[str, Page]:
    return read(place)


@pytest.fixture(scope="package")
def huge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages of far too much, made once for all tests."""
    found = tmp_path_factory.mktemp("huge")
    report_incidents.run(found, worlds.huge(found))
    return found
