"""Empty windows, no rules and no incidents are told, not crashed on."""

from pipelines.aiops import report_rules
from pipelines.aiops.params.artifacts import PAGES_PER_DAY
from pipelines.reporting.page import render
from tests.support.markup import Page

from . import cases


def shown(params) -> Page:
    return Page(render(report_rules.make_page(report_rules.gather_inputs(params))))


def test_a_set_without_rules(here):
    page = shown(cases.leave(found=[]))
    assert "The rule set is empty" in page.text
    assert "The rules (0)" in page.text
    assert "No rule holds an alert." in page.text
    assert "There is no rule to release" in page.text


def test_a_window_without_incidents_proves_nothing(here):
    page = shown(cases.leave(incidents=[]))
    assert "none could be missed" in page.text
    assert "not known at all" in page.text
    assert "pages about no ticketed incident" in page.all("header")[0].text
    assert "Incidents missed, each of them" not in page.text


def test_a_window_without_days(here):
    params = cases.leave()
    PAGES_PER_DAY.write_text("day,baseline,candidate\n")
    assert "Pager pages on each day" not in shown(params).all("main")[0].text


def test_no_day_is_missing(here):
    assert "1 day without alerts" in shown(cases.leave()).text


def test_without_pagers_nights_are_not_known(here):
    page = shown(cases.leave(more={"replay_rules": {"receivers": [], "teams": []}}))
    assert "no pager is sent anything" in page.all("header")[0].text
    assert "By team" not in page.text


def test_without_a_curve_and_baselines_there_is_no_wait_to_choose(here):
    more = {"select_rules": {"curve": []}, "replay_rules": {"baselines": []}}
    assert "there is no wait to choose" in shown(cases.leave(more=more)).text


def test_why_nothing_is_held_is_said_where_names_page_often(here):
    fixes = cases.rules()[1:]
    page = shown(cases.leave(found=fixes))
    assert "Of 1,000 alerts that page, 120 for one reason: disk_full is rare." in page.text
    assert "No rule holds an alert" not in shown(cases.leave()).text


def test_a_known_fix_is_no_rule_that_a_file_lacks(here):
    fixes = [{**cases.rules()[1], "id": "hold-1"}]  # the case that isn't exported
    assert "could not be exported" not in shown(cases.leave(found=fixes)).text
    assert "1 rule could not be exported" in shown(cases.leave()).text
