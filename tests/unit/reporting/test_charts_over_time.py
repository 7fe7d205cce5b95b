"""Charts of values and of things over time stay within their frame, whatever they are given."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.reporting.charts import band as bands
from pipelines.reporting.charts import strip as strips
from pipelines.reporting.charts.axes import short_number, time_ticks
from pipelines.reporting.charts.band import Watched, band
from pipelines.reporting.charts.strip import Mark, strip

MINUTE = 60_000_000
NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False)
TIMES = st.integers(-(10**17), 10**18)
NOON = 1_710_000_000_000_000


def watched(values: list[float | None], **more: object) -> Watched:
    given: dict[str, object] = {"left_us": NOON + 5 * MINUTE, "right_us": NOON + 8 * MINUTE, **more}
    return Watched(NOON, MINUTE, values, **given)  # type: ignore[arg-type]


def coordinates(svg: str) -> list[tuple[float, float]]:
    places = " ".join(re.findall(r'points="([^"]*)"', svg))
    return [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+),(-?[\d.]+)", places)]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(NUMBERS, max_size=40), NUMBERS, NUMBERS, TIMES, st.booleans())
def test_a_band_stays_in_its_frame(
    values: list[float | None], low: float | None, high: float | None, at: int, counts: bool
) -> None:
    svg = band("x", watched(values, low=low, high=high, left_us=at, right_us=at + MINUTE,
                            counts=counts))  # fmt: skip
    assert "nan" not in svg
    assert "inf" not in svg
    for x, y in coordinates(svg):
        assert 0 <= x <= bands.WIDTH
        assert 0 <= y <= bands.HEIGHT


def test_a_gap_is_not_bridged() -> None:
    svg = band("x", watched([1.0, 2.0, None, 3.0, 4.0], left_us=0, right_us=0))
    assert svg.count("<polyline") == 2


def test_a_single_value_between_gaps_is_a_dot() -> None:
    svg = band("x", watched([None, 1.0, None], left_us=0, right_us=0))
    assert svg.count("<circle") == 1
    assert "<polyline" not in svg


def test_the_unusual_values_are_drawn_again_in_their_own_colour() -> None:
    values: list[float | None] = [1.0] * 5 + [9.0] * 4 + [1.0] * 5
    svg = band("x", watched(values, low=0.0, high=2.0))
    assert len(re.findall(rf'<polyline[^>]*stroke="{bands.VERMILLION}"', svg)) == 1
    assert f'fill="{bands.GREEN}"' in svg


def test_without_a_bound_no_band_is_drawn() -> None:
    assert f'fill="{bands.GREEN}"' not in band("x", watched([1.0] * 20))


def test_a_long_unit_does_not_run_into_the_label() -> None:
    assert ">unusual<" in band("x", watched([1.0] * 20, unit="ms"))
    assert ">unusual<" not in band("x", watched([1.0] * 20, unit="u" * 60))


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.lists(st.tuples(TIMES, st.integers(0, 10**12)), max_size=60), TIMES)
def test_a_strip_stays_in_its_frame(found: list[tuple[int, int]], at: int) -> None:
    marks = [Mark("metric", start, start + long) for start, long in found]
    svg = strip("x", [("metric", "metrics")], marks, (at, at + MINUTE))
    for x, _ in coordinates(svg):
        assert -8 <= x <= strips.WIDTH + 8
    assert svg.count("<circle") <= strips.WIDTH


def test_ten_thousand_marks_are_not_ten_thousand_shapes() -> None:
    marks = [Mark("alert", NOON + i * MINUTE, NOON + i * MINUTE) for i in range(10_000)]
    svg = strip("x", [("alert", "alerts")], marks, (NOON, NOON + MINUTE))
    assert svg.count("<polygon") < 100


@settings(max_examples=200, deadline=None, derandomize=True)
@given(TIMES, st.integers(1, 10**17))
def test_ticks_lie_within_and_are_few(start: int, length: int) -> None:
    ticks = time_ticks(start, start + length)
    assert len(ticks) <= 4
    assert all(start <= us <= start + length for us, _ in ticks)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0"), (0.00012345, "0.0001234"), (812.0, "812"), (9999.0, "9999"), (12345.0, "12.35k"),
     (1.2e9, "1.2G"), (-3.5e6, "\N{MINUS SIGN}3.5M"), (1e300, "1e+300")],
)  # fmt: skip
def test_numbers_beside_an_axis_are_short(value: float, shown: str) -> None:
    assert short_number(value) == shown
