"""Numbers as text, and from values to places."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.reporting import numbers
from pipelines.reporting.charts.axes import Scale, covering, nice_step
from pipelines.reporting.charts.curves import Axis, Curve, curves
from pipelines.reporting.charts.forest import Estimate, forest
from pipelines.reporting.charts.svg import number, text
from tests.support.markup import Page

finite = st.floats(-1e9, 1e9, allow_nan=False)


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (None, "share", "–"),
        (0.3568, "share", "35.7%"),
        (0.00006, "share", "0.006%"),
        (0.0, "share", "0.0%"),
        (48842, "rows", "48,842"),
        (-0.0301, "difference of shares", "−0.030"),
        (-0.0001, "", "0.000"),
        (0.28612, "nats", "0.2861\N{NO-BREAK SPACE}nats"),
    ],
)
def test_a_number_in_its_unit(value, unit, shown):
    assert numbers.with_unit(value, unit) == shown


def test_intervals_say_their_unit_once_and_open_sides():
    assert numbers.interval(0.1, 0.2, "share") == "10.0 to 20.0%"
    assert numbers.interval(0.27, 0.3, "nats") == "0.2700 to 0.3000"
    assert numbers.interval(None, 0.2) == "no lower bound to 0.200"
    assert numbers.interval(None, None) == "–"


def test_p_values_are_never_zero():
    assert numbers.p_value(0.0) == "< 0.001"
    assert numbers.p_value(0.28) == "0.280"


@given(st.lists(finite, min_size=1, max_size=20))
def test_an_axis_covers_its_values_and_has_ticks(values):
    low, high = covering(values)
    hair = 1e-8 * (high - low)  # thinner than any line
    assert low <= min(values) + hair
    assert high >= max(values) - hair
    scale = Scale(low, high, 0, 100)
    assert len(scale.ticks(4)) >= 2
    assert all(-1e-6 <= scale(value) <= 100 + 1e-6 for value in values)


@given(st.floats(1e-9, 1e9))
def test_steps_are_one_two_five(rough):
    step = nice_step(rough)
    assert step >= rough * (1 - 1e-6)
    lead = step / 10 ** math.floor(math.log10(step) + 1e-9)
    assert min(abs(lead - want) for want in (1, 2, 5)) < 1e-6


@given(finite)
def test_coordinates_are_short_and_never_minus_zero(value):
    assert number(value) != "-0"
    assert abs(float(number(value)) - value) <= 0.005001


def test_what_is_unknown_is_not_drawn():
    axis = forest([Estimate(None), Estimate(0.5, 0.4, 0.6)], reference=0.8)
    assert "<circle" not in axis.row(Estimate(None), "nothing")
    drawn = axis.row(Estimate(0.5, 0.4, 0.6), "something", highlight=True)
    assert "<polygon" in drawn
    assert Page(str(drawn)).all("title")[0].text == "something"


def test_labels_in_charts_are_text():
    drawn = curves("<b>", Axis("<i>"), Axis("y"), [Curve([(0, 0), (1, 1)], "<u>")] * 2)
    tags = {element.tag for element in Page(str(drawn)).elements}
    assert tags <= {"svg", "title", "desc", "line", "text", "polyline", "g"}
    assert text(0, 0, "a<b") == ('<text x="0" y="0" text-anchor="start" class="tick">a&lt;b</text>')
