"""Decision, missed incidents and harmful rules stand before everything else."""

import pytest

from pipelines.aiops import report_rules
from pipelines.reporting.page import render
from tests.support.markup import Page

from . import cases

HARMFUL = {
    "rule": "demotion-7",
    "sentence": "Rule demotion-7 hid INC-7.",
    "missed": ["INC-7"],
    "late": [],
    "sole_cause": True,
    "command": "signalbox rules withdraw demotion-7",
}


def shown(**given) -> Page:
    params = cases.leave(**given)
    return Page(render(report_rules.make_page(report_rules.gather_inputs(params))))


def contents(page: Page) -> list[str]:
    return [e.text for e in page.all("a") if "nav" in e.inside]


def headline(page: Page) -> dict[str, str]:
    block = next(e for e in page.all("dl") if e.attributes.get("class") == "headline")
    terms = [e.text for e in page.all("dt") if e.text in block.text][:4]
    much = [e.text for e in page.all("dd") if e.attributes.get("class") == "much"]
    return dict(zip(terms, much, strict=True))


def test_four_numbers_say_what_it_comes_to(here):
    assert headline(shown()) == {
        "Pages a day": "100 → 10.0",
        "Pages saved": "90.0%",
        "Incidents missed": "0 of 2",
        "Detection delay, median": "at the same time",
    }


def test_pictures_come_before_tables(here):
    assert contents(shown())[:3] == ["What changes", "Incidents", "Decision and checks"]


def test_a_harmful_rule_comes_before_all(here):
    page = shown(harmful=[HARMFUL])
    assert contents(page)[0] == "Harmful rules"
    main = page.all("main")[0].text
    assert "signalbox rules withdraw demotion-7" in main
    assert main.index("INC-7") < main.index("What changes")
    banner = next(e for e in page.all("div") if "decision" in e.attributes.get("class", ""))
    assert banner.attributes["class"] == "decision open"
    assert "1 published rule did harm" in banner.text


@pytest.mark.parametrize(
    ("released", "said"), [(None, "No rule set is released yet"), ("rules-1", "hid no incident")]
)
def test_without_a_harmful_rule_there_is_no_such_chapter(here, released, said):
    page = shown(released=released)
    assert said in page.text
    assert "Harmful rules" not in page.text
    assert contents(page)[0] == "What changes"


def test_missed_incidents_come_first_then_the_most_delayed(here):
    missed = cases.incident("INC-9", None, missed=True)
    page = shown(incidents=[missed, *cases.INCIDENTS])
    table = next(e for e in page.all("tbody") if "INC-9" in e.text)
    assert table.text.index("INC-9") < table.text.index("INC-2")
    assert "INC-1" not in table.text
    row = next(e for e in page.all("tr") if "INC-9" in e.text)
    assert row.attributes["class"] == "strong"
    assert "missed" in row.text
    assert "Rejected" in page.text


def test_only_rules_of_this_set_are_linked(here):
    page = shown()
    row = next(e for e in page.all("tr") if "INC-2" in e.text)
    assert "demotion-1" in row.text
    assert "gone-1" in row.text
    links = [e.text for e in page.all("a") if "rule-" in e.attributes["href"]]
    assert "demotion-1" in links
    assert "gone-1" not in links


@pytest.mark.parametrize(
    ("lake", "synthetic"), [(None, True), ("telemetry/simulated", True), ("telemetry/lake", False)]
)
def test_a_simulated_history_is_called_synthetic_at_the_top(here, lake, synthetic):
    page = shown(aiops={"alert_history": {"lake": lake}} if lake else {})
    top = page.all("header")[0].text
    assert ("Synthetic data" in top) == synthetic
    assert ("synthetic data" in page.all("title")[0].text) == synthetic


def test_every_rule_is_told_with_its_evidence_and_three_examples(here):
    page = shown()
    for rule in cases.rules():
        row = next(e for e in page.all("tr") if e.attributes.get("id", "").startswith("rule-")
                   and rule["id"] in e.text)  # fmt: skip
        assert "is told in a sentence" in row.text
        assert "20 days, 50 episodes" in row.text
        assert "at most 5.8%" in row.text
        assert "99.97% confidence, 200 tried" in row.text
        assert "2026-06-20" in row.text
    assert page.text.count("2026-03-02\N{NO-BREAK SPACE}10:00:00") == 3 * len(cases.rules())


def test_a_rule_that_was_not_exported_says_why(here):
    page = shown(why="no place for it")
    assert "1 rule could not be exported" in page.text
    assert "not exported: no place for it" in page.text


def test_the_policy_is_said_to_stand_where_it_stands(here):
    assert "From section aiops.gate_rules of params.yaml" in shown().text


@pytest.mark.parametrize(("last", "renewed"), [("2026-03-19", False), ("2026-03-24", True)])
def test_the_days_that_rules_rest_on_are_said(here, last, renewed):
    found = cases.rules()
    found[0]["support"]["last"] = f"{last}T10:00:00Z"
    page = shown(found=found)
    assert f"Mined from 2026-03-01 to {last} (UTC)" in page.text
    assert ("mined again with these days" in page.text) == renewed
