"""``docs/params.md`` and ``params.schema.json`` say what the typed models say."""

import json
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from docs.make_params import PAGE, PROJECT, SCHEMA, TITLES, page, schema
from dvc_airflow.graph.param_schema import ParamSchema, title_of
from pipelines.core.errors import SignalboxError
from pipelines.core.params import TrainParams
from pipelines.core.settings import validate_section


def test_the_page_is_what_the_models_give() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python docs/make_params.py"


def test_every_section_of_both_files_has_a_table() -> None:
    text = page()
    for file in ("params.yaml", "release.yaml"):
        sections = yaml.safe_load((PROJECT / file).read_text(encoding="utf-8"))
        names = {f"aiops.{name}" for name in sections.pop("aiops", {})} | set(sections)
        assert len(names) >= 7
        missing = {name for name in names if f"\n### {name}\n" not in text}
        assert not missing, f"{file}: {sorted(missing)}"


def test_a_key_shows_type_default_limits_and_description() -> None:
    row = "| `min_pages` | whole number | `20` | ≥ 1 | An alert name is noisy that paged so often"
    assert row in page()


def test_every_key_has_a_description() -> None:
    rows = [line for line in page().splitlines() if line.startswith("| `")]
    assert len(rows) > 300
    bare = [row for row in rows if row.endswith("|  |")]
    assert not bare


PARAMS = yaml.safe_load((PROJECT / "params.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def made() -> Any:
    return json.loads(schema())


def test_the_schema_is_what_the_models_give() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == schema(), "run: python docs/make_params.py"


def test_the_schema_takes_params_yaml_as_it_is(made: Any) -> None:
    Draft202012Validator.check_schema(made)
    assert [error.message for error in Draft202012Validator(made).iter_errors(PARAMS)] == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("folds", 1),
        ("folds", "3"),
        ("seed", 2**32),
        ("select_by", "accuracy"),
        ("use_sensitive", "yes"),
        ("surprise", 1),
    ],
)
def test_the_schema_refuses_what_the_model_refuses(made: Any, key: str, value: Any) -> None:
    wrong = {**PARAMS["train"], key: value}
    assert [*Draft202012Validator(made).iter_errors({**PARAMS, "train": wrong})]
    with pytest.raises(SignalboxError):
        validate_section(PROJECT / "params.yaml", wrong, TrainParams, "train")


@pytest.mark.parametrize(
    ("key", "kind", "title"),
    [
        ("train.seed", "integer", "Random seed"),
        ("train.use_sensitive", "boolean", "Sensitive features are model inputs"),
        ("aiops.alert_history.until", ["null", "string"], "Last day of the alert history"),
        ("aiops.alert_history.days", "integer", "Length of the alert history (days)"),
        ("aiops.mine_rules.hold.wait_seconds", "integer", "Time that an alert is held (seconds)"),
    ],
)
def test_a_field_of_the_form_has_type_title_and_unit(
    made: Any, key: str, kind: object, title: str
) -> None:
    found = ParamSchema(made).of(key.split("."))
    assert found is not None
    assert (found["type"], title_of(found)) == (kind, title)
    assert found["description"][0].isupper()


def test_every_title_is_of_a_key_that_there_is(made: Any) -> None:
    found = {key: ParamSchema(made).of(key.split(".")) for key in TITLES}
    assert {key: (of or {}).get("title") for key, of in found.items()} == TITLES
