"""What people say of rules, incidents and findings stands on the page, in numbers without names."""

from datetime import UTC, date, datetime

import pytest

from pipelines.aiops import report_rules
from pipelines.aiops.lake.feedback import Answer, Judged, harmful_names, weigh
from pipelines.core.errors import SignalboxError
from pipelines.reporting.page import render
from tests.support.markup import Page

from . import cases

RULE, OTHERS = "Answers a rule, each person’s last", "How much of what was found is right"


def judged(about, subject, names=("disk_full",), **said) -> Judged:
    detectors = () if about == "rule" else ("alert: burst",)
    return Judged(about=about, subject=subject, last=date(2026, 3, 9), names=names,
                  detectors=detectors, **said)  # fmt: skip


def shown(*said: Judged, **more) -> Page:
    feedback = {
        "spared": harmful_names(said),
        "judged": [subject.model_dump(mode="json") for subject in said],
    }
    params = cases.leave(more={"mine_rules": {"feedback": feedback}} if said else {}, **more)
    return Page(render(report_rules.make_page(report_rules.gather_inputs(params))))


def test_where_nobody_spoke_the_page_says_so_and_where_one_can(here):
    page = shown()
    assert "Nobody has judged a rule, a finding or an incident yet." in page.text
    assert cases.rows_of(page, RULE) == {}


def test_a_rule_stands_with_its_own_answers_and_those_about_its_alerts(here):
    page = shown(
        judged("rule", "hold-1", right=2, harmful=1),
        judged("incident", "i-1", right=1, wrong_cause=3),
        judged("finding", "f-1", noise=4),
        judged("incident", "i-2", names=("other",), noise=7),
    )
    assert cases.rows_of(page, RULE)["hold-1"] == ["2", "1", "1", "3", "4"]
    assert "Held in vain" not in page.text


def test_a_rule_of_an_earlier_release_stands_there_as_well(here):
    page = shown(judged("rule", "hold-gone", names=("cpu_high",), right=1))
    assert cases.rows_of(page, RULE)["hold-gone"] == ["1", "0", "0", "0", "0"]


def test_names_that_no_rule_holds_any_more_are_told_first(here):
    page = shown(judged("rule", "hold-1", right=1, harmful=1))
    assert "No rule holds disk_full: people say" in page.text
    assert "Nobody has judged an incident or a finding." in page.text


def test_each_detector_stands_with_its_share_and_interval(here):
    page = shown(judged("incident", "i-1", right=1), judged("finding", "f-1", noise=1))
    rows = cases.rows_of(page, OTHERS)
    assert rows["alert: burst"] == ["2", "1", "50.0%", "9.5% to 90.5%"]
    assert rows["likeliest cause"][:2] == ["1", "1"]


def test_no_word_and_no_name_of_a_person_reaches_the_page(here):
    answer = Answer(
        at=datetime(2026, 3, 9, tzinfo=UTC),
        by="jane.doe",
        about="rule",
        subject="hold-1",
        verdict="harmful",
        note="secret",
        names=("disk_full",),
    )
    text = shown(*weigh([answer])).text
    assert "hold-1" in text
    assert "jane.doe" not in text
    assert "secret" not in text


def test_what_people_call_things_is_text(here):
    evil = "<script>alert(1)</script>"
    said = judged("rule", evil, names=(evil,), harmful=1)
    more = {"mine_rules": {"feedback": {"judged": [said.model_dump(mode="json")]}}}
    html = render(report_rules.make_page(report_rules.gather_inputs(cases.leave(more=more))))
    assert evil not in html
    assert "&lt;script&gt;" in html


def test_answers_of_another_form_are_refused_with_their_place(here):
    params = cases.leave(more={"mine_rules": {"feedback": {"judged": [{"about": "rule"}]}}})
    inputs = report_rules.gather_inputs(params)
    with pytest.raises(SignalboxError, match=r"mine_rules\.json: details\.feedback\."):
        report_rules.make_page(inputs)
