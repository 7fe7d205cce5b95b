"""Pagers stand apart from all that wakes nobody; what the records can prove is said."""

from pipelines.aiops import report_rules
from pipelines.reporting.page import render
from tests.support.markup import Page

from . import cases


def page(**more):
    params = cases.leave(**more)
    return Page(render(report_rules.make_page(report_rules.gather_inputs(params))))


def test_pagers_and_other_receivers_are_listed_apart(here):
    text = page().text
    assert "2 receivers, 1 of them pagers" in text
    assert text.index("disk_full-on-call") < text.index("disk_full-chat")
    assert "wakes nobody" in text


def test_heartbeats_are_named_as_what_no_rule_touches(here):
    text = page().text
    assert "Heartbeats: Watchdog disk_full." in text
    assert "neither as pages nor as saving" in text


def test_an_incident_of_which_no_receiver_is_told_is_an_alarm(here):
    gone = {**cases.incident("INC-9", None, notified=False), "vanished": True}
    text = page(incidents=[*cases.INCIDENTS, gone]).text
    assert "No receiver at all would be told of INC-9." in text
    assert "No receiver at all" not in page().text


def test_a_guessed_link_is_said_beside_its_incident(here):
    guessed = {**cases.incident("INC-8", 40.0), "assumed_link": True}
    assert "INC-8 (linked by service and time)" in page(incidents=[guessed]).text


def test_what_each_family_needs_and_each_team_can_prove_is_said(here):
    text = page().text
    assert "What a rule of each family needs at least; the training window has 19 days" in text
    assert "Records of 2 teams" in text
    assert "(no team)" in text
    assert "is of disk_full" in text


def test_why_a_set_is_empty_depends_on_what_could_be_tried(here):
    tried = page(found=[]).text
    assert "The rule set is empty: the history was too short or too thin" in tried
