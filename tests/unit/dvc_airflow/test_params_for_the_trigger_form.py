"""Parameters of the project, typed and described, for Airflow's trigger form."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dvc_airflow.errors import OverrideError, WorkspaceError
from dvc_airflow.graph import load_graph, select_stages
from dvc_airflow.graph.errors import PipelineError
from dvc_airflow.graph.params import (
    changed_values,
    collect_params,
    read_comments,
    read_specs,
    refuse_unknown,
)
from dvc_airflow.runtime.overrides import apply_overrides

PARAMS = """
# A header that belongs to nobody.

seed: 7  # for everything
train:
  # How fast to learn,
  # between 0 and 1.
  lr: 0.1
  depth: 3  # of the trees
  names: [a, b]
  sizes: [1, 2.5]
  flag: false
  nothing: null
  empty: {}
  deep: {er: text}
other: 1
"""
FILES = {
    "params.yaml": PARAMS,
    "more.json": '{"j": {"k": 1}}',
    "dvc.yaml": """
        vars: [more.json]
        stages:
          split: {cmd: 'split ${seed} ${j.k}', outs: [s]}
          train: {cmd: t, deps: [s], params: [train]}
          unused: {cmd: u, params: [other]}
        """,
}


@pytest.fixture
def graph(write_project):
    return load_graph(write_project(FILES))


def specs_of(graph, wanted=True, targets=("train",)):
    found = collect_params(graph, select_stages(graph, list(targets)), wanted)
    return {spec.key: spec for spec in found}


def test_what_the_stages_depend_on_is_offered_also_through_placeholders(graph):
    leaves = ["lr", "depth", "names", "sizes", "flag", "nothing", "empty", "deep.er"]
    expected = {"seed", "more.json:j.k", *(f"train.{leaf}" for leaf in leaves)}
    assert set(specs_of(graph)) == expected


def shown(graph, wanted):
    return [key for key, spec in specs_of(graph, wanted).items() if spec.shown]


def test_a_list_is_what_the_form_shows_in_its_order(graph):
    assert shown(graph, ["other", "train.deep", "seed"]) == ["other", "train.deep.er", "seed"]
    assert shown(graph, ["more.json"]) == ["more.json:j.k"]
    assert shown(graph, True) == list(specs_of(graph))
    assert specs_of(graph, False) == {}


def test_what_the_form_leaves_out_is_offered_to_the_runs_configuration(graph):
    short = specs_of(graph, ["train.lr", "other"])
    assert set(short) == {*specs_of(graph), "other"}
    assert (short["train.depth"].shown, short["train.depth"].value) == (False, 3)
    assert set(specs_of(graph, [])) == set(specs_of(graph))


def test_a_short_form_has_no_sections(graph):
    short = specs_of(graph, ["train.lr"])
    assert (short["train.lr"].section, short["train.depth"].section) == (None, "train")


def test_a_misspelt_key_of_the_form_is_an_error_that_names_a_near_one(graph):
    with pytest.raises(PipelineError, match=r"'train\.lrr'.*did you mean train\.lr, "):
        specs_of(graph, ["train.lrr"])


@pytest.mark.parametrize(
    ("key", "schema"),
    [
        ("train.lr", {"type": "number"}),
        ("train.depth", {"type": "integer"}),
        ("train.flag", {"type": "boolean"}),
        ("train.deep.er", {"type": "string"}),
        ("train.names", {"type": "array", "items": {"type": "string"}}),
        ("train.sizes", {"type": "array", "items": {"type": "number"}}),
        ("train.empty", {"type": "object"}),
        (
            "train.nothing",
            {"type": ["null", "string", "number", "boolean", "array", "object"]},
        ),
    ],
)
def test_the_value_decides_the_type(graph, key, schema):
    assert specs_of(graph)[key].schema == schema


def test_comments_above_and_beside_describe(graph):
    specs = specs_of(graph)
    assert specs["train.lr"].description == "How fast to learn, between 0 and 1."
    assert specs["train.depth"].description == "of the trees"
    assert specs["seed"].description == "for everything"
    assert specs["train.names"].description is None


def test_sections_are_the_top_level_keys(graph):
    specs = specs_of(graph)
    assert (specs["train.deep.er"].section, specs["seed"].section) == ("train", None)


def test_a_hash_inside_a_text_is_no_comment():
    assert read_comments("a: 'x # y'  # real\nb: x#y\n", "p.yaml") == {("a",): "real"}


def test_only_what_differs_is_an_override():
    defaults = {"a": 1, "b": True, "c": [1], "d": None, "e": 1.0}
    same = {"a": 1, "b": True, "c": [1], "d": None, "e": 1.0, "unknown": 3}
    assert changed_values(defaults, same) == {}
    assert changed_values(defaults, {**same, "a": True, "c": [1, 2], "e": 1.5}) == {
        "a": True,
        "c": [1, 2],
        "e": 1.5,
    }


def test_a_default_that_went_through_a_browser_is_no_override():
    """JavaScript has one kind of number: 1.0 comes back as 1, also deep inside."""
    defaults = {"a": 1.0, "b": [{"c": 2.0, "d": True}], "e": {"f": [0.5, 3.0]}}
    assert (
        changed_values(defaults, {"a": 1, "b": [{"c": 2, "d": True}], "e": {"f": [0.5, 3]}}) == {}
    )
    assert changed_values(defaults, {"b": [{"c": 2, "d": 1}]}) == {"b": [{"c": 2, "d": 1}]}
    assert changed_values(defaults, {"e": {"f": [0.5]}}) == {"e": {"f": [0.5]}}


@pytest.mark.parametrize("empty", [None, ""])
def test_an_empty_text_is_an_empty_field_that_needs_no_value(write_project, empty):
    """Airflow's form disables its button while a text that may not be null is empty."""
    root = write_project({"params.yaml": 'until: ""\nmark: "|"\n', "dvc.yaml": "stages: {}"})
    specs = {spec.key: spec for spec in read_specs(Path(root), "params.yaml")}
    assert (specs["until"].value, specs["until"].schema) == (None, {"type": ["null", "string"]})
    assert (specs["mark"].value, specs["mark"].schema) == ("|", {"type": "string"})
    defaults = {key: spec.value for key, spec in specs.items()}
    assert changed_values(defaults, {"until": empty, "mark": "|"}) == {}
    assert changed_values(defaults, {"until": "2026-01-31", "mark": ""}) == {
        "until": "2026-01-31",
        "mark": "",
    }


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.floats(-9, 9) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from("pqr"), VALUES, min_size=1), st.data())
def test_every_leaf_that_is_offered_can_be_overridden(tmp_path_factory, data, drawn):
    root = tmp_path_factory.mktemp("params")
    (root / "params.yaml").write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    specs = read_specs(root, "params.yaml")
    new = {spec.key: drawn.draw(VALUES) for spec in specs}

    apply_overrides(root, new)

    from ruamel.yaml import YAML

    written = YAML(typ="safe").load((root / "params.yaml").read_text(encoding="utf-8"))
    for key, value in new.items():
        found = written
        for part in key.split("."):
            found = found[part]
        assert found == value
        assert type(found) is type(value)


def test_overrides_keep_comments_order_and_quotes(tmp_path):
    text = "# top\nb: 'x'  # why\na:\n  - 1 # one\n  - 2\nc: {d: 1}  # flow\n"
    (tmp_path / "params.yaml").write_text(text)
    apply_overrides(tmp_path, {"c.d": 2})
    assert (tmp_path / "params.yaml").read_text() == text.replace("d: 1", "d: 2")


def test_overrides_reach_other_files(tmp_path):
    (tmp_path / "p.json").write_text('{"a": {"b": 1}, "c": 2}')
    assert apply_overrides(tmp_path, {"p.json:a.b": [1]}) == ["p.json"]
    assert (tmp_path / "p.json").read_text() == '{"a": {"b": [1]}, "c": 2}'


def test_an_override_for_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(WorkspaceError, match=r"has no params\.yaml"):
        apply_overrides(tmp_path, {"a": 1})


OFFERED = {
    "train.lr": 0.1,
    "train.layers": [1, 2],
    "data.rows": 5,
    "seed": 1,
    "other.yaml:size.x": 3,
}


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("train.lrr", "train.lr"),
        ("train", "train.lr"),
        ("train.lr.x", "train.lr"),
        ("trian.lr", "train.lr"),
        ("trian.lrr", "train.lr"),
        ("Train.lr", "train.lr"),
        ("lr", "train.lr"),
        ("trains", "train.lr"),
        ("sead", "seed"),
        ("train.layers.0", "train.layers"),
        ("train.layers[0]", "train.layers"),
        ("params.yaml:train.lr", "train.lr"),
        ("other.yml:size.x", "other.yaml:size.x"),
        ("other.yaml:size.y", "other.yaml:size.x"),
        ("size.x", "other.yaml:size.x"),
    ],
)
def test_a_key_that_is_not_offered_is_refused_and_near_ones_are_named(key, near):
    words = rf"^'{re.escape(key)}' is not a parameter .*\b{re.escape(near)}\b"
    with pytest.raises(OverrideError, match=words):
        refuse_unknown({key: 1}, OFFERED)


def test_a_path_like_no_other_is_refused_with_the_sections_that_there_are():
    with pytest.raises(OverrideError, match=r"there are train, data, seed, other\.yaml:size"):
        refuse_unknown({"quux.corge.0": 1}, OFFERED)


def test_a_path_is_refused_where_nothing_is_offered():
    with pytest.raises(OverrideError, match="which offers none"):
        refuse_unknown({"train.lr": 1}, {})


def test_keys_of_others_are_left_alone():
    refuse_unknown({"train.lr": 1, "who": "me"}, OFFERED)
    refuse_unknown({"mail.to": "me", "trains": 1}, OFFERED, declared={"mail.to", "trains"})


def test_whoever_knows_every_parameter_refuses_every_other_key():
    with pytest.raises(OverrideError, match="'who' is not a parameter of the pipeline"):
        refuse_unknown({"who": "me"}, OFFERED, strict=True)


def test_a_key_that_was_renamed_is_refused_with_its_new_name():
    renamed = {"fit": "train", "fit.threads": "machine.yaml:threads"}
    offered = {"train.lr": 0.1}
    with pytest.raises(OverrideError, match=r"^'fit\.lr' is now 'train\.lr'$"):
        refuse_unknown({"fit.lr": 1}, offered, renamed)
    with pytest.raises(OverrideError, match=r"^'fit\.threads' is now 'machine\.yaml:threads'$"):
        refuse_unknown({"fit.threads": 1}, offered, renamed)
    with pytest.raises(OverrideError, match=r"^'fitting\.lr' is not a parameter"):
        refuse_unknown({"fitting.lr": 1, "train.lr": 2}, offered, renamed)
