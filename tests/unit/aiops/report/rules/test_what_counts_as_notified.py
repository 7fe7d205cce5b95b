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
    assert text.index("disk_full-on-call") < text.index("disk_full-chat")
    assert "wakes nobody" in text


def test_heartbeats_are_named_as_what_no_rule_touches(here):
    text = page().text
    assert "Heartbeats: Watchdog disk_full." in text
    assert "neither as pages nor as saving" in text


def test_an_incident_of_which_no_receiver_is_told_is_an_alarm(here):
    gone = {**cases.incident("INC-9", None, notified=False), "vanished": True}
    text = page(incidents=[*cases.INCIDENTS, gone]).text
    assert "No receiver at all would be told of outage of INC-9." in text
    assert "No receiver at all" not in page().text


def test_a_guessed_link_is_said_beside_its_incident(here):
    guessed = {**cases.incident("INC-8", 40.0), "assumed_link": True}
    assert "(INC-8) (linked by service and time)" in page(incidents=[guessed]).text


def test_what_each_team_can_prove_is_said(here):
    text = page().text
    assert "Records of 2 teams" in text
    assert "(no team)" in text
    assert "is of disk_full" in text


def test_why_a_set_is_empty_depends_on_what_could_be_tried(here):
    tried = page(found=[]).text
    assert "The rule set is empty: the history was too short or too thin" in tried


def test_what_is_a_page_and_what_is_not_is_counted_apart_by_week_and_night(here):
    rows = cases.rows_of(page(), "What a week brings")
    assert rows == {
        "What": ["Today, a week", "With the rules, a week", "Change"],
        "Pager pages": ["163", "70.0", "\N{MINUS SIGN}57.1%"],
        "of these at night, 22 to 07 o’clock (UTC)": ["49.0", "21.0", "\N{MINUS SIGN}57.1%"],
        "Notifications of chat and all else that wakes nobody":
            ["11.7", "105", "+800.0%"],
    }  # fmt: skip


def test_receivers_and_teams_are_told_by_week_and_night(here):
    shown = page()
    receivers = cases.rows_of(shown, "Notifications by receiver")
    assert receivers["disk_full-on-call"] == [
        "pager",
        "163",
        "70.0",
        "\N{MINUS SIGN}57.1%",
        "49.0",
        "21.0",
    ]
    chat = ["wakes nobody", "11.7", "105", "+800.0%", "–", "–"]
    assert receivers["disk_full-chat"] == chat
    teams = cases.rows_of(shown, "Pager pages by team")
    assert teams["disk_full"][1:] == ["21.0", "2.2", "\N{MINUS SIGN}89.4%", "7.0", "0.7"]


def test_an_incident_told_by_a_page_about_its_service_alone_is_said_to_be(here):
    told = cases.incident("INC-7", 400.0, told_by_service=True)
    assert "told by a page about its service alone" in page(incidents=[told]).text
