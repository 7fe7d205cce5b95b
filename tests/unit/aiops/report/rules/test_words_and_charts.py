"""Durations read well, and bars and steps are as long as what they stand for."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.aiops.alerting.rules import RULES, one_of
from pipelines.aiops.report.rules import wording
from pipelines.aiops.report.rules.evidence import values_of
from pipelines.aiops.report.rules.rules import _level
from pipelines.reporting import numbers
from pipelines.reporting.charts.bars import Bar, bars, pair
from pipelines.reporting.charts.curves import Steps, steps

from . import cases

WIDTHS = re.compile(r'<rect x="0" y="[\d.]+" width="([\d.]+)"')


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (0.4, "0 s"), (59.6, "1 min"), (314.87, "5 min 15 s"), (3600, "1 h"),
     (3605, "1 h"), (90_000, "1 d 1 h"), (-90, "\N{MINUS SIGN}1 min 30 s"), (None, "–")],
)  # fmt: skip
def test_durations_have_at_most_two_units(seconds, said):
    assert wording.duration(seconds).replace(wording.SPACE, " ") == said


@pytest.mark.parametrize(
    ("level", "said"),
    [(0.95, "95%"), (0.9, "90%"), (0.9997536946, "99.97%"), (0.9999999387, "99.999993%"),
     (1.0, "100%")],
)  # fmt: skip
def test_a_level_is_never_rounded_up(level, said):
    assert _level(level) == said


@given(st.floats(0.5, 1 - 1e-9))
def test_a_level_below_certainty_never_reads_as_certainty(level):
    said = float(_level(level).removesuffix("%"))
    assert said < 100
    assert said <= level * 100 + 1e-6


@pytest.mark.parametrize(
    ("pages", "said"), [(0, "0"), (12, "2.8"), (600, "140"), (7200, "1,680"), (None, "–")]
)
def test_pages_a_week(pages, said):
    assert wording.per_week(pages, 30.0) == said


def test_a_week_of_no_days_is_not_known():
    assert wording.per_week(5, 0.0) == "–"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [(200, 86, "\N{MINUS SIGN}57.0%"), (10, 11, "+10.0%"), (5, 5, "0.0%"), (0, 0, "–"),
     (None, 3, "–")],
)  # fmt: skip
def test_a_change_has_its_sign(before, after, said):
    assert wording.change(before, after) == said


@given(st.lists(st.text(st.sampled_from("ab|\\.+*{}^$ é"), max_size=6), min_size=1, unique=True))
def test_values_of_a_rule_are_read_as_they_were_written(values):
    (rule, _) = RULES.validate_python(cases.rules())
    told = rule.model_copy(update={"matchers": (one_of("service", values),)})
    assert values_of(told, "service") == values
    assert values_of(told, "team") == []


def test_the_busiest_hours_of_the_night_stand_in_its_order():
    hours = {"02": 7.0, "23": 3.0, "06": 0.2, "00": 5.0, "12": 90.0, "05": 1.0}
    said = wording.busiest_hours(hours).replace(wording.SPACE, " ")
    assert said == "23 h (3), 00 h (5), 02 h (7)"
    assert wording.busiest_hours({}) == "–"


def test_many_values_are_counted():
    assert wording.listed(list("abcdef"), 2) == "a, b and 4 more"
    assert wording.listed(["a"], 2) == "a"


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=6))
def test_bars_are_as_long_as_their_values(values):
    svg = bars("t", [Bar("x", [value], ["n"]) for value in values], ["one"])
    widths = [float(width) for width in WIDTHS.findall(svg)]
    for width, value in zip(widths, values, strict=True):
        assert abs(width - max(246 * value / max(values), 1)) < 0.02


def test_a_chart_of_nothing_has_no_long_bars():
    svg = bars("t", [Bar("x", [0.0, 0.0], ["0", "0"])], ["today", "with the rules"])
    assert set(WIDTHS.findall(svg)) == {"1"}
    assert 'width="1"' in pair(0, 0, 0, "t")


def test_a_day_is_a_step_and_its_names_stay_inside():
    days = [f"{n} Mar" for n in range(1, 31)]
    svg = steps("t", days, [Steps("a", [1.0] * 30), Steps("b", [0.0] * 30)], "pages")
    named = re.findall(r">(\d+ Mar)<", svg)
    assert named[0] == "1 Mar"
    assert named[-1] == "30 Mar"
    assert len(named) == 4
    for points in re.findall(r'<polyline points="([^"]+)"', svg):
        assert len(points.split()) == 60


@pytest.mark.parametrize("days", [0, 1, 2])
def test_few_days_can_be_drawn(days):
    svg = steps("t", ["d"] * days, [Steps("a", [2.0] * days)], "pages")
    assert svg.count("<polyline") == min(days, 1)


@pytest.mark.parametrize(("value", "said"), [(314.87, "314.9 seconds"), (60, "60 seconds")])
def test_seconds_of_the_gate_are_read_to_a_tenth(value, said):
    assert numbers.with_unit(value, "seconds").replace(wording.SPACE, " ") == said


def test_who_is_told_at_once_is_said_and_nobody_is_no_chat():
    rule = RULES.validate_python(cases.rules()[:1])[0]
    alone = rule.model_copy(update={"untold": True})
    assert wording.told_at_once([rule]) == "Chat is told of each held alert at once."
    assert wording.told_at_once([alone]).startswith("Nobody is told at once")
    assert wording.told_at_once([rule, alone]).startswith("Of 1 of 2 held names nobody")
