"""Junk in a log costs neither the run nor the other lines' templates."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.aiops.logs.templates import MinerSettings, mine
from pipelines.aiops.logs.templates.mining import OVERFLOW_KEY
from pipelines.aiops.logs.templates.variables import VARIABLE

GOOD = ["took 5 ms", "took 7 ms"]


@pytest.mark.parametrize(
    "bad",
    [
        "",
        " \t ",
        "\x00\x01\x02\x7f",
        "a\x00b\x01c",
        VARIABLE,
        b"\xff\xfe caf\xe9 \x80".decode("utf-8", "replace"),
        b"\xff 5".decode("utf-8", "surrogateescape"),
        "\ud800 lone surrogate",
        "<script>alert(1)</script>",
        "x" * 1_000_000,
        "1 " * 500_000,
        "a." * 500_000,
        "\x01=" * 5_000,
        "=\"'({[<" * 100_000,
        "/" * 1_000_000,
        "a-" * 500_000 + "1",
        "no break\n" * 100_000,
        "\u2028 \x85 \u3000 wide 7",
    ],
    ids=repr,
)
def test_a_bad_line_leaves_the_others_alone(bad: str) -> None:
    clean = mine(GOOD)
    mined = mine([GOOD[0], bad, GOOD[1]])
    assert mined.ids[::2] == clean.ids
    assert mined.ids[1] not in clean.ids
    assert len(mined.templates) == 2
    for template in mined.templates:
        assert len(template.text) < 20_000
        mined.variables(template.id)
    again = mine([bad], mined.store)
    assert again.ids == mined.ids[1:2]


def test_no_control_character_gets_into_a_template() -> None:
    mined = mine(["a\x00b\x1b[31mred\x07", "bell \x07 5"])
    for template in mined.templates:
        assert all(char >= " " for char in template.text)


def test_script_tags_stay_text() -> None:
    (template,) = mine(["<script>alert('x')</script> took 5"]).templates
    assert "<script>" in template.text  # who shows it escapes it
    assert json.loads(json.dumps(template.text)) == template.text


def test_too_many_shapes_are_bounded_and_counted() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    distinct = [f"{a}{b}{c} {c}{a}" for a in letters for b in letters for c in letters]
    settings = MinerSettings(max_shapes=1_000, max_keys=500)
    mined = mine([*GOOD * 2, *distinct], settings=settings)
    assert mined.overflow == len(distinct) + 1 - 1_000
    assert len(mined.store.keys) <= 501
    assert mined.ids[:2] == mine(GOOD).ids
    rest = next(t for t in mined.templates if t.key == OVERFLOW_KEY)
    assert rest.count >= mined.overflow
    assert rest.text == "<*>"
    later = mine(distinct[::-1], mined.store, settings)
    assert len(later.store.keys) <= 501


def test_every_line_is_counted_when_all_shapes_differ() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    some = [f"{a}{b} {c}{d}" for a in letters for b in letters for c in letters for d in "ab"]
    mined = mine(some, settings=MinerSettings(max_shapes=5_000))
    assert mined.overflow == len(some) - 5_000
    assert sum(t.count for t in mined.templates) == len(some)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.binary(max_size=60), max_size=10))
def test_any_bytes_can_be_mined(lines: list[bytes]) -> None:
    text = [line.decode("utf-8", "replace") for line in lines]
    mined = mine(text)
    assert len(mined.ids) == len(lines)
    assert mined.ids == mine(text).ids
