"""The fast YAML reader sees what DVC's YAML reader sees."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML, YAMLError

from dvc_airflow.errors import PipelineError
from dvc_airflow.graph.yaml_marks import load_marked
from tests.unit.dvc_airflow.mutated_projects import SEEDS, other_text

SCALARS = [
    "yes",
    "no",
    "on",
    "off",
    "y",
    "n",
    "true",
    "True",
    "TRUE",
    "false",
    "~",
    "null",
    "Null",
    "NULL",
    "1e3",
    "1e-3",
    "1.5e3",
    ".5",
    "1.",
    "+1",
    "-0",
    "0",
    "00",
    "017",
    "09",
    "0o17",
    "0x1F",
    "0b11",
    "1_000",
    "1_0.5",
    "12:30:45",
    "1:2",
    ".inf",
    "-.INF",
    ".nan",
    "1e",
    "-2E+05",
    ".1e3",
    "2020-01-01",
    "!!str'3'",
    "!!int'3'",
    "'a'",
    '"b"',
    "a:",
    "{}",
    "[]",
    "<a",
    "0.1.2",
    "1,2",
    "--",
    "e3",
    "0o8",
    "_1",
    "1__0",
]


def by_ruamel(text: str) -> object:
    return YAML(typ="safe").load(text)


@pytest.mark.parametrize("scalar", SCALARS)
def test_plain_scalars(scalar):
    text = f"a: {scalar}\n"
    try:
        expected = repr(by_ruamel(text))
    except (YAMLError, ValueError, TypeError):
        with pytest.raises(PipelineError):
            load_marked(text, "x.yaml")
    else:
        assert repr(load_marked(text, "x.yaml").data) == expected


@given(st.text(alphabet="0123456789_.+-eExXobaftrunl~", min_size=1, max_size=8))
@example("0x_")
@example("0b_")
def test_any_scalar(scalar):
    text = f"- '{scalar}'\n- {scalar}\n"
    try:
        expected = repr(by_ruamel(text))
    except (YAMLError, ValueError, TypeError, IndexError):
        return
    assert repr(load_marked(text, "x.yaml").data) == expected


def test_anchors_and_merges():
    text = """
a: &a {x: 1, y: {z: 2}}
b: {<<: *a, x: 3}
c: {<<: [*a, {y: 4, w: 5}], v: *a}
"""
    assert load_marked(text, "x.yaml").data == by_ruamel(text)


def test_every_value_knows_its_line():
    marked = load_marked("a:\n  b:\n  - x\n  - y: 1\n", "x.yaml")
    assert [marked.line(*where) for where in (("a",), ("a", "b", 0), ("a", "b", 1, "y"))] == [
        1,
        3,
        4,
    ]
    assert marked.line("a", "b", 9, "deeper") == 2


@pytest.mark.parametrize("seed", range(4))
def test_what_is_typed_anywhere_in_a_file_is_read_alike(seed):
    rng = random.Random(seed)
    texts = [text for files in SEEDS for text in files.values() if ":" in text]
    accepted = set()
    for _ in range(150):
        text = other_text(rng, rng.choice(texts))
        try:
            expected = repr(by_ruamel(text) or {})
        except Exception:
            with pytest.raises(PipelineError):
                load_marked(text, "x.yaml")
            accepted.add(False)
        else:
            assert repr(load_marked(text, "x.yaml").data) == expected, text
            accepted.add(True)
    assert accepted == {True, False}


def test_an_error_of_dvcs_reader_points_at_the_line():
    with pytest.raises(PipelineError, match=r"^x\.yaml:2: .*write spaces"):
        load_marked("a: 1\nb:\t2\n", "x.yaml")
    with pytest.raises(PipelineError, match=r"^x\.yaml:2: .*merge conflict"):
        load_marked("a: 1\n<<<<<<< HEAD\nb: 2\n", "x.yaml")


def test_values_that_dvcs_reader_read_know_their_lines():
    marked = load_marked("a:\n  b: !!str 1\n  c:\n  - d\n", "x.yaml")
    assert [marked.line(*where) for where in (("a", "b"), ("a", "c", 0))] == [2, 4]
