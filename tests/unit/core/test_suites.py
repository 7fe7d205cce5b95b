"""A suite is read as a whole or refused, and the error names the rule."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.core.errors import SignalboxError
from pipelines.core.profile_expectations import ROWS, run_suite
from pipelines.core.suites import read_suite

BETWEEN: dict[str, Any] = {
    "type": "expect_column_values_to_be_between",
    "kwargs": {"column": "a", "min_value": 0},
}


def suite(folder: Path, *rules: dict[str, Any]) -> Path:
    path = folder / "table.json"
    path.write_text(json.dumps({"expectations": list(rules)}), encoding="utf-8")
    return path


def test_a_suite_is_named_like_its_file_and_keeps_the_order_of_its_rules(tmp_path: Path) -> None:
    other = {"type": "expect_column_to_exist", "kwargs": {"column": "a"}}
    found = read_suite(suite(tmp_path, BETWEEN, other), default_action="note")
    assert found.name == "table"
    assert [rule.expectation_type for rule in found.expectations] == [
        "expect_column_values_to_be_between",
        "expect_column_to_exist",
    ]


@pytest.mark.parametrize(
    ("rule", "default", "message"),
    [
        (BETWEEN, None, r"expectations\[0\]\.meta\.action is None; use one of"),
        ({**BETWEEN, "meta": {"action": "delete"}}, "note", r"meta\.action is 'delete'"),
        ({"type": "expect_wonders", "kwargs": {}}, "note", r"expectations\[0\] \(expect_wonders\)"),
    ],
)
def test_a_rule_that_is_none_is_named(
    rule: dict[str, Any], default: str | None, message: str, tmp_path: Path
) -> None:
    with pytest.raises(SignalboxError, match=message):
        read_suite(suite(tmp_path, rule), default_action=default)


@pytest.mark.parametrize("text", ["[]", "{}", '{"expectations": []}'])
def test_a_file_that_is_no_suite_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SignalboxError, match=r"table\.json: is not a suite"):
        read_suite(path)


def test_a_combination_that_breaks_a_rule_stands_for_all_its_rows(tmp_path: Path) -> None:
    import pandas as pd

    rule = {**BETWEEN, "meta": {"action": "quarantine", "title": "a is positive", "reason": "why"}}
    profile = pd.DataFrame({"a": [1, -1, -2], ROWS: [100, 20, 3]})
    (found,) = run_suite(profile, suite(tmp_path, rule))
    assert (found.kept, found.broken, found.rows) == (False, (1, 2), 23)
    assert (found.title, found.action, found.reason) == ("a is positive", "quarantine", "why")
    assert found.observed == "23 rows break it"


def test_a_rule_that_cannot_be_computed_ends_the_run_with_its_title(tmp_path: Path) -> None:
    import pandas as pd

    rule = {**BETWEEN, "meta": {"action": "stop", "title": "a is positive"}}
    profile = pd.DataFrame({"b": [1], ROWS: [1]})
    with pytest.raises(SignalboxError, match=r"a is positive: cannot be computed: .*\ba\b"):
        run_suite(profile, suite(tmp_path, rule))


def test_a_suite_that_is_not_there_says_where_to_name_another(tmp_path: Path) -> None:
    with pytest.raises(SignalboxError, match=r"none\.json: no such suite; .*validate\.suite"):
        read_suite(tmp_path / "none.json")
