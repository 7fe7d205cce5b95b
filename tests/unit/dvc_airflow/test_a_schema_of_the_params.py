"""A JSON schema of params.yaml: titles, units, choices and limits of the form's fields."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from airflow.sdk import DAG

from dvc_airflow import DvcTaskGroup, RenderConfig
from dvc_airflow.errors import OverrideError
from dvc_airflow.graph import load_graph, select_stages
from dvc_airflow.graph.errors import PipelineError
from dvc_airflow.graph.param_schema import ParamSchema
from dvc_airflow.graph.params import collect_params, refuse_invalid

FILE = "params.schema.json"
SCHEMA = {
    "$defs": {
        "Train": {
            "type": "object",
            "title": "Train",
            "description": "About training.",
            "additionalProperties": False,
            "properties": {
                "seed": {"type": "integer", "minimum": 0, "exclusiveMaximum": 10, "default": 1},
                "rule": {"enum": ["f1", "cost"], "type": "string", "title": "Rule"},
                "wait": {"type": "integer", "title": "Wait", "unit": "seconds", "maximum": 60},
                "share": {"type": "number", "exclusiveMinimum": 0, "description": "Of the rows."},
                "flag": {"type": "boolean"},
                "until": {
                    "anyOf": [{"type": "string", "pattern": "^[0-9-]+$"}, {"type": "null"}],
                    "title": "Until",
                },
                "level": {"anyOf": [{"enum": ["a", "b"], "type": "string"}, {"type": "null"}]},
                "label": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                "kinds": {"type": "array", "items": {"enum": ["x", "y"], "type": "string"}},
                "only": {"const": "csv", "type": "string"},
                "note": {"type": "string"},
                "tree": {"$ref": "#/$defs/Tree", "description": "Holds itself."},
                "source": {"oneOf": [{"$ref": "#/$defs/Csv"}, {"$ref": "#/$defs/Sql"}]},
                "bins": {"type": "object", "additionalProperties": {"$ref": "#/$defs/Bin"}},
            },
        },
        "Tree": {"type": "object", "properties": {"below": {"$ref": "#/$defs/Tree"}}},
        "Csv": {
            "type": "object",
            "properties": {"kind": {"const": "csv"}, "limit": {"type": "integer"}},
        },
        "Sql": {
            "type": "object",
            "properties": {"kind": {"const": "sql"}, "limit": {"type": "string"}},
        },
        "Bin": {
            "type": "object",
            "properties": {"title": {"type": "string", "title": "Of a bin"}},
        },
    },
    "type": "object",
    "properties": {"train": {"$ref": "#/$defs/Train"}},
}
PARAMS = """
train:
  seed: 1
  rule: f1  # a comment that the schema has no word for
  wait: 5
  share: 0.5
  flag: true
  until: null
  level: a
  label: x
  kinds: [x]
  only: csv
  note: ""
  tree: {below: {}}
  source: {kind: sql, limit: "3"}
  bins: {age: {title: old}}
"""
DVC = "stages:\n  s: {cmd: x, params: [train]}\n"
PROJECT = {"params.yaml": PARAMS, "dvc.yaml": DVC, FILE: json.dumps(SCHEMA)}


def specs(root, wanted=True, schema=FILE, **options):
    graph = load_graph(root)
    found = collect_params(graph, select_stages(graph, None), wanted, schema, **options)
    return {spec.key.removeprefix("train."): spec for spec in found}


@pytest.fixture
def known(write_project):
    return specs(write_project(PROJECT))


@pytest.mark.parametrize(
    ("key", "schema"),
    [
        ("seed", {"type": "integer", "minimum": 0, "maximum": 9}),
        ("rule", {"type": "string", "enum": ["f1", "cost"], "title": "Rule"}),
        ("wait", {"type": "integer", "maximum": 60, "title": "Wait (seconds)"}),
        ("share", {"type": "number", "exclusiveMinimum": 0}),
        ("flag", {"type": "boolean"}),
        ("until", {"type": ["null", "string"], "pattern": "^[0-9-]+$", "title": "Until"}),
        ("level", {"type": ["null", "string"], "enum": ["a", "b", None]}),
        ("label", {"type": ["string", "integer"]}),
        (
            "kinds",
            {
                "type": "array",
                "items": {"enum": ["x", "y"], "type": "string"},
                "examples": ["x", "y"],
            },
        ),
        ("only", {"type": "string", "enum": ["csv"]}),
        ("note", {"type": ["null", "string"]}),
        ("source.limit", {"type": "string"}),
        ("bins.age.title", {"type": "string", "title": "Of a bin"}),
    ],
)
def test_the_schema_is_flat_as_the_form_reads_it(known, key, schema):
    assert known[key].schema == schema


def test_the_schemas_words_describe_and_else_the_comment(known):
    assert known["share"].description == "Of the rows."
    assert known["rule"].description == "a comment that the schema has no word for"


def test_a_schema_that_holds_itself_allows_anything_there():
    tree = ParamSchema(SCHEMA).of(["train", "tree"])
    assert tree == {
        "type": "object",
        "properties": {"below": {"type": "object", "properties": {"below": {}}}},
        "description": "Holds itself.",
    }


def test_an_unknown_key_has_no_schema_and_is_known_by_its_value(write_project):
    root = write_project({**PROJECT, "params.yaml": "train:\n  else: 3\n"})
    assert ParamSchema(SCHEMA).of(["train", "else"]) is None
    assert specs(root)["else"].schema == {"type": "integer"}


def test_a_value_in_the_file_that_the_schema_refuses_lets_the_form_open(write_project):
    """The stages refuse it; an invalid default would stop the schedule, without a word."""
    root = write_project({**PROJECT, "params.yaml": "train:\n  wait: 90\n  rule: f1\n"})
    assert specs(root)["wait"].schema == {"type": "integer", "title": "Wait (seconds)"}


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("train.seed", 10, "maximum of 9"),
        ("train.rule", "f2", "not one of"),
        ("train.share", 0, "minimum of 0"),
        ("train.flag", 1, "not of type 'boolean'"),
        ("train.until", "today", "does not match"),
        ("train.kinds", ["x", "z"], r"\[1\]: 'z' is not one of"),
    ],
)
def test_a_value_of_the_configuration_is_held_against_the_schema(known, key, value, word):
    schemas = {f"train.{name}": spec.schema for name, spec in known.items()}
    with pytest.raises(OverrideError, match=rf"^'{key}' cannot be .*{word}"):
        refuse_invalid({key: value}, schemas)


def test_values_that_keep_to_the_schema_pass_and_all_others_are_named(known):
    schemas = {f"train.{name}": spec.schema for name, spec in known.items()}
    refuse_invalid({"train.seed": 9, "train.until": None, "train.level": "b"}, schemas)
    with pytest.raises(OverrideError, match=r"train\.seed.*; 'train\.flag'"):
        refuse_invalid({"train.seed": -1, "train.flag": "yes", "train.wait": 60}, schemas)


def test_a_schema_that_is_not_there_is_an_error_but_not_for_a_run_that_began(write_project):
    root = write_project({"params.yaml": PARAMS, "dvc.yaml": DVC, "bad.json": "{"})
    with pytest.raises(PipelineError, match=r"params\.schema\.json:1: cannot be read"):
        specs(root)
    with pytest.raises(PipelineError, match=r"bad\.json:1: no JSON"):
        specs(root, schema="bad.json")
    assert specs(root, strict=False)["wait"].schema == {"type": "integer"}


def test_a_key_that_only_the_schema_knows_is_left_out_of_the_form(write_project):
    """It has its default; a project that doesn't write it down must not break."""
    root = write_project({**PROJECT, "params.yaml": "train:\n  seed: 1\n"})
    found = specs(root, ["train.seed", "train.wait"])
    assert [key for key, spec in found.items() if spec.shown] == ["seed"]
    with pytest.raises(PipelineError, match=r"there is no parameter 'train\.wiat'"):
        specs(root, ["train.wiat"])


def test_the_dag_has_the_forms_fields_and_its_first_task_knows_all(write_project):
    root = write_project(PROJECT)
    with DAG("d", schedule=None) as dag:
        DvcTaskGroup(root, render=RenderConfig(params=["train.wait", "train.rule"], schema=FILE))
    assert list(dag.params) == ["train.wait", "train.rule"]
    param = dag.params.get_param("train.wait")
    assert (param.value, param.schema["title"]) == (5, "Wait (seconds)")
    first = dag.get_task("open_workspace")
    assert first.defaults["train.seed"] == 1
    assert first.schemas["train.seed"] == {"type": "integer", "minimum": 0, "maximum": 9}


@pytest.mark.parametrize(
    ("conf", "word"),
    [
        ({"train.seed": 99}, "'train.seed' cannot be 99"),
        ({"train.sede": 3}, "did you mean train.seed"),
        ({"train.old": 3}, "'train.old' is now 'train.seed'"),
    ],
)
def test_a_run_is_stopped_before_it_has_a_workspace(write_project, conf, word):
    root = write_project(PROJECT)
    with DAG("d", schedule=None) as dag:
        DvcTaskGroup(
            root,
            render=RenderConfig(
                params=["train.wait"], schema=FILE, renamed=lambda: {"train.old": "train.seed"}
            ),
        )
    context = {
        "dag": dag,
        "dag_run": SimpleNamespace(conf=conf),
        "params": {"train.wait": 5, **conf},  # Airflow puts the configuration over the params
        "ti": SimpleNamespace(dag_id="d"),
        "run_id": "r",
    }
    with pytest.raises(OverrideError) as stopped:
        dag.get_task("open_workspace").execute(context)
    assert word in str(stopped.value)
    assert not (root / "runs").exists()
