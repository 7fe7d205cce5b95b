"""Whatever telemetry, tickets, changes or params hold appears as text, short, never as markup."""

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest

from pipelines.aiops import report_incidents
from tests.support.markup import Page
from tests.unit.mlops.release_report.cases import NASTY

from . import cases, worlds
from .conftest import PAGES, read

EVIL = [*NASTY, "line\nbreak\x00\x1b[31m\ttab", "y" * 10_000 + "<b>"]
NAMES = ["script", "quotes", "rtl", "emoji", "long", "control", "very-long"]


@pytest.fixture(scope="module", params=EVIL, ids=NAMES)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("evil")
    report_incidents.run(place, worlds.hostile(place, request.param))
    return place


@pytest.fixture(scope="module")
def pages(made: Path) -> dict[str, Page]:
    return read(made)


def test_no_element_comes_from_data(pages: dict[str, Page]) -> None:
    for name, page in pages.items():
        assert not page.all("img", "iframe", "object", "embed", "b")
        assert len(page.all("script")) == (name == "service_map")
        for element in page.elements:
            assert not [key for key in element.attributes if key.startswith("on")], element


def test_headings_go_down_one_step_at_a_time(pages: dict[str, Page]) -> None:
    for page in pages.values():
        levels = [int(e.tag[1]) for e in page.all("h1", "h2", "h3", "h4", "h5", "h6")]
        assert all(after <= before + 1 for before, after in pairwise(levels))


def test_pages_stay_small(made: Path) -> None:
    for name in PAGES:
        assert (made / f"reports/{name}.html").stat().st_size < 250_000


def test_it_is_there_as_text_and_cannot_turn_the_line_around(tmp_path: Path) -> None:
    evil = NASTY[2]
    report_incidents.run(tmp_path, worlds.hostile(tmp_path, evil))
    for page in read(tmp_path).values():
        isolated = [e for e in page.all("bdi") if evil[:20] in e.text]
        assert len(isolated) > 3


def test_no_control_character_reaches_a_page_of_anomalies_or_incidents(tmp_path: Path) -> None:
    worlds.hostile(tmp_path, "a\x00\x07\x1b[31m\u0085b")
    report_incidents.run(tmp_path, cases.ABOUT)
    for name in ("incidents", "anomalies"):
        html = (tmp_path / f"reports/{name}.html").read_text(encoding="utf-8")
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", html)


def test_half_a_letter_in_json_is_not_the_end(tmp_path: Path) -> None:
    r"""JSON may hold ``\ud800`` alone, which no UTF-8 file can."""
    cases.leave(tmp_path)
    for path in tmp_path.rglob("*.json"):
        if path.parent.name in ("anomalies", "incidents"):
            text = json.dumps(json.loads(path.read_text(encoding="utf-8")))
            path.write_text(text.replace("card authoriser", "card \\ud800"), encoding="utf-8")
    inputs = tmp_path / "incidents/incidents.json"
    inputs.write_text(json.dumps({**json.loads(inputs.read_text()), "inputs": {}}))
    group = tmp_path / "evidence/group_incidents.json"
    group.write_text(json.dumps({**json.loads(group.read_text()), "inputs": {}}))
    report_incidents.run(tmp_path, cases.ABOUT)
    assert "refused: code 5003" in read(tmp_path)["anomalies"].text
