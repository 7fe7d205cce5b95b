"""Whatever stands in data or params appears as text and never as markup."""

import pytest

from pipelines.mlops import report
from pipelines.reporting.page import render
from tests.support.markup import Page

from . import cases


@pytest.fixture(params=cases.NASTY, ids=["script", "quotes", "rtl", "emoji", "long"])
def nasty(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def page(here, nasty):
    groups = [nasty, "Male"]
    details = {
        "ingest": cases.ingest([nasty, "income"]),
        "validate": cases.validate(reason=nasty),
        "train": cases.train(nasty),
        "evaluate": cases.evaluate([nasty]),
        "bias_audit": cases.fairness(groups),
        "drift": cases.drift(nasty, reason=nasty),
    }
    params = cases.leave(
        details,
        cases.figures(low=nasty),
        cases.checks(label=nasty),
        {
            "report": dict.fromkeys(("title", "owner", "purpose", "not_for", "notice"), nasty),
        },
    )
    return Page(render(report.make_page(report.gather_inputs(params))))


def test_no_element_comes_from_data(page):
    assert not page.all("script", "img", "iframe", "object", "embed", "form")
    for element in page.elements:
        handlers = [name for name in element.attributes if name.startswith("on")]
        assert not handlers, element


def test_it_is_there_as_text(page, nasty):
    assert page.text.count(nasty) > 20
    assert page.all("h1")[0].text == nasty


def test_a_name_cannot_turn_the_line_around(page, nasty):
    shown = [e for e in page.all("bdi") if e.text == nasty]
    assert len(shown) > 10
