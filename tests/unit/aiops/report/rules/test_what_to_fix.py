"""Suggestions for an alert's owner follow from what pages, when, and from known fixes."""

import pytest

from pipelines.aiops import report_rules
from pipelines.aiops.alerting.evidence import RemainingAlerts
from pipelines.aiops.report.rules.remains import advice
from pipelines.reporting.page import render
from tests.support.markup import Page

from . import cases


def alert(**more) -> RemainingAlerts:
    return RemainingAlerts.model_validate(cases.remaining("disk_full", **more))


def page(**more) -> Page:
    params = cases.leave(**more)
    return Page(render(report_rules.make_page(report_rules.gather_inputs(params))))


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "It lasts, half of the time for more than 15\N{NO-BREAK SPACE}min"),
        ({"median_seconds": 200.0}, "comes in company or is back soon"),
        ({"noisy": False}, "Too rare to be held"),
    ],
)
def test_why_it_pages_decides_what_to_change(more, said):
    (told,) = advice(alert(**more), 300, [])
    assert said in told


def test_a_name_that_pages_most_at_night_is_said_to():
    assert "at night" in advice(alert(night=30.0), 300, [])[-1]
    assert len(advice(alert(night=10.0), 300, [])) == 1


def test_a_known_fix_comes_first_and_is_text():
    told = advice(alert(), 300, ["<b>restart</b>"])
    assert told[0] == "Let the fix run by itself: <b>restart</b>"
    assert not hasattr(told[0], "__html__")


def test_names_that_remain_stand_with_their_hours_of_the_night(here):
    rows = cases.rows_of(page(), "Pager pages that are left, by alert name")
    to_change, *others = rows["disk_full"]
    assert to_change.startswith("Let the fix run by itself: disk_full")
    assert "It lasts" in to_change
    assert others == [
        "9.3", "60.0%", "2.3", "23 h (3), 02 h (7)", "15 min", "disk_full, cart-api",
    ]  # fmt: skip
    assert "Too rare" in rows["rare"][0]


def test_each_hour_of_the_night_is_a_column(here):
    assert cases.rows_of(page(), "by hour of the night") == {
        "Alert name": ["22 h", "23 h", "00 h", "01 h", "02 h", "03 h", "04 h", "05 h", "06 h"],
        "disk_full": ["0", "3", "0", "0", "7", "0", "0", "0", "0"],
    }, "the other one doesn't page at night"


def test_where_no_page_is_left_there_is_nothing_to_fix(here):
    assert "No page is left." in page(more={"replay_rules": {"remaining": []}}).text
