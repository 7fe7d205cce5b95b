"""How rare, how long, since when: as people say it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.aiops.lake.findings import Finding, Signal
from pipelines.aiops.report.incidents import wording

NOON = 1_710_000_000_000_000


@pytest.mark.parametrize(
    ("score", "told"),
    [(0.0, "not rare"), (0.3, "once in 2 runs"), (1.0, "once in 10 runs"),
     (2.0, "once in 100 runs"), (3.0, "once in 1,000 runs"), (4.1, "once in 13,000 runs"),
     (6.0, "once in 1,000,000 runs"), (300.0, "rarer than once in a million runs")],
)  # fmt: skip
def test_rareness(score: float, told: str) -> None:
    assert wording.rareness(finding("log", score)) == told
    assert wording.rareness(finding("metric", score)) == told.replace("runs", "days of one series")


def finding(signal: Signal, score: float) -> Finding:
    return Finding("f", signal, "spike", "web", "", {}, NOON, NOON, score, "web: a spike.")


def test_a_span_names_the_day_once_and_a_moment_once() -> None:
    hour = 3_600_000_000
    told = wording.span(NOON, NOON + hour).striptags()
    assert told == "2024-03-09 16:00 to 17:00"
    assert wording.span(NOON, NOON + 24 * hour).striptags().count("2024-03") == 2
    assert wording.span(NOON, NOON).striptags().count("16:00") == 1
    assert wording.lasted(NOON, NOON) == "a moment"


@given(st.integers(), st.integers())
def test_times_that_no_calendar_has_are_a_dash(start: int, end: int) -> None:
    assert wording.span(start, end)
    assert wording.moment_to_second(start)


@given(st.text(max_size=300), st.integers(1, 60))
def test_plain_text_is_short_and_on_one_line(text: str, most: int) -> None:
    told = wording.plain(text, most)
    assert len(told) <= most
    assert told == " ".join(told.split())
    assert told.isprintable() or not any(ord(letter) < 32 for letter in told)


def test_names_that_are_left_out_are_counted() -> None:
    assert wording.listed(["a", "b", "c"], 2) == "a, b and 1 more"
    assert wording.listed([]) == "–"
