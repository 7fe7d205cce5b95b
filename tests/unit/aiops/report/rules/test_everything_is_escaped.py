"""Whatever stands in alert names, labels, reasons or params appears as text, never as markup."""

from itertools import pairwise

import pytest

from pipelines.aiops import report_rules
from pipelines.reporting.page import render
from tests.support.markup import Page
from tests.unit.mlops.release_report.cases import NASTY

from . import cases


@pytest.fixture(params=NASTY, ids=["script", "quotes", "rtl", "emoji", "long"])
def nasty(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def page(here, nasty):
    texts = dict.fromkeys(("title", "service", "severity"), nasty)
    incidents = [
        cases.incident(nasty, 900.0, **texts, names=[nasty]),
        cases.incident(nasty + "2", None, missed=True, **texts, names=[nasty]),
    ]
    smaller = {**cases.SMALLER, "guilty": [nasty], "exclude": [{"alertname": nasty}]}
    more = {
        "replay_rules": {"smaller_set": smaller},
        "select_rules": {"few_incidents": nasty, "credible_incidents": 3},
    }
    harmful = [
        {
            "rule": nasty,
            "sentence": nasty,
            "missed": [nasty],
            "late": [nasty],
            "sole_cause": False,
            "command": nasty,
        }
    ]
    about = dict.fromkeys(("title", "owner", "purpose", "not_for", "notice"), nasty)
    own = {"report_rules": about, "export_rules": {"alertmanager_yml": nasty}}
    params = cases.leave(
        nasty, incidents=incidents, harmful=harmful, aiops=own, why=nasty, more=more
    )
    return Page(render(report_rules.make_page(report_rules.gather_inputs(params))))


def test_no_element_comes_from_data(page):
    assert not page.all("script", "img", "iframe", "object", "embed", "form")
    for element in page.elements:
        handlers = [name for name in element.attributes if name.startswith("on")]
        assert not handlers, element


def test_it_is_there_as_text(page, nasty):
    assert page.text.count(nasty[:50]) > 40
    assert page.all("h1")[0].text == nasty


def test_a_name_cannot_turn_the_line_around(page, nasty):
    shown = [e for e in page.all("bdi") if nasty[:50] in e.text]
    assert len(shown) > 20


def test_ids_are_unique_and_every_link_arrives(page):
    ids = [e.attributes["id"] for e in page.elements if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    assert all(e.attributes["href"][1:] in ids for e in page.all("a"))


def test_headings_go_down_one_step_at_a_time(page):
    levels = [int(e.tag[1]) for e in page.all("h1", "h2", "h3", "h4", "h5", "h6")]
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_ten_thousand_labels_do_not_fill_the_page(here):
    found = cases.rules()[:1]
    found[0]["examples"][0]["labels"] = {f"l{n}": "v" * 5000 for n in range(10_000)}
    params = cases.leave(found=found)
    html = render(report_rules.make_page(report_rules.gather_inputs(params)))
    assert "and 9,992 more" in html
    assert len(html) < 200_000
