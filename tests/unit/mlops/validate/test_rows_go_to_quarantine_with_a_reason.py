"""Rows that break a rule go to quarantine with rule and reason; nothing is lost."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipelines.core.errors import SignalboxError
from pipelines.core.expectations import RuleResult, run_suite
from pipelines.core.tables import ROW, SUBJECT, UNREADABLE
from pipelines.mlops.validate import basic_rules, part, stop_if_broken
from tests.conftest import data_params

# Great Expectations takes seconds to import: all tests that need it share a worker.

BETWEEN = {
    "type": "expect_column_values_to_be_between",
    "kwargs": {"column": "size", "min_value": 0, "max_value": 9},
    "meta": {"reason": "sizes have one digit"},
}


def table() -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "colour": ["red", "blue", "red", "green", "red"],
            "size": [1.0, 22.0, None, -3.0, 4.0],
            "label": ["yes", "no", "yes", "no", None],
            SUBJECT: ["a", "b", "c", "d", "e"],
            ROW: [10, 11, 12, 13, 14],
        }
    )
    frame[UNREADABLE] = pd.Series([None, None, "size is not a number: 'x'", None, None])
    return frame


def suite(*rules: dict[str, Any]) -> Path:
    path = Path("toy.json")
    path.write_text(json.dumps({"name": "toy", "expectations": list(rules)}), encoding="utf-8")
    return path


def test_counts_add_up_and_every_row_says_why(here: Path) -> None:
    frame = table()
    results = basic_rules(frame, data_params()) + run_suite(frame, suite(BETWEEN)).results
    kept, quarantine = part(frame, results)
    assert len(frame) == len(kept) + len(quarantine)
    assert list(kept[ROW]) == [10]
    assert UNREADABLE not in kept.columns
    reasons = dict(zip(quarantine[ROW], quarantine["reasons"], strict=True))
    assert reasons[11] == "sizes have one digit"
    assert reasons[12] == "a numeric column holds a text"
    assert reasons[14] == "a row without a label teaches nothing"


def test_a_row_that_breaks_two_rules_is_there_once_with_both(here: Path) -> None:
    colours = {
        "type": "expect_column_values_to_be_in_set",
        "kwargs": {"column": "colour", "value_set": ["red", "blue"]},
        "meta": {"reason": "known colours"},
    }
    frame = table().drop(index=[2, 4])
    _, quarantine = part(frame, run_suite(frame, suite(BETWEEN, colours)).results)
    row = quarantine[quarantine[ROW] == 13].iloc[0]
    assert set(row["reasons"].split("; ")) == {"sizes have one digit", "known colours"}
    assert (quarantine[ROW] == 13).sum() == 1


def test_a_broken_rule_on_the_table_stops_the_run_and_leaves_data_docs(here: Path) -> None:
    rows = {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1000}}
    path = suite(rows)
    run = run_suite(table(), path)
    with pytest.raises(SignalboxError) as caught:
        stop_if_broken(run.results, run, path)
    assert "toy.json: the table breaks expect_table_row_count_to_be_between" in str(caught.value)
    assert "observed 5" in str(caught.value)
    assert Path("run_facts/data_docs/index.html").is_file()


def test_a_note_is_reported_and_changes_nothing(here: Path) -> None:
    note = {**BETWEEN, "meta": {"action": "note", "reason": "just to know"}}
    frame = table()
    results = run_suite(frame, suite(note)).results
    assert [r.action for r in results] == ["note"]
    assert len(results[0].rows) == 2
    assert len(part(frame, results)[0]) == len(frame)


def test_rows_are_named_right_under_a_row_condition(here: Path) -> None:
    red = {
        "type": "comparison", "column": {"name": "colour"}, "operator": "==", "parameter": "red"
    }  # fmt: skip
    rule = {**BETWEEN, "kwargs": {"column": "size", "min_value": 2, "row_condition": red}}
    results = run_suite(table(), suite(rule)).results
    assert results[0].rows == [10]
    assert "where colour == red" in results[0].rule


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"type": "expect_wonders", "kwargs": {}}, "expectations[0] (expect_wonders)"),
        (
            {"type": BETWEEN["type"], "kwargs": {"colum": "size", "min_value": 1}},
            "expectations[0] (expect_column_values_to_be_between)",
        ),
        ({**BETWEEN, "meta": {"action": "delete"}}, "meta.action is 'delete'; use one of"),
        ({**BETWEEN, "kwargs": {"column": "weight", "min_value": 1}}, "weight"),
    ],
)
def test_a_wrong_rule_is_named(here: Path, rule: dict[str, Any], expected: str) -> None:
    with pytest.raises(SignalboxError) as caught:
        run_suite(table(), suite(rule))
    assert "toy.json" in str(caught.value)
    assert expected in str(caught.value)


def test_a_missing_or_empty_suite(here: Path) -> None:
    with pytest.raises(SignalboxError, match=r"gone\.json: no such suite"):
        run_suite(table(), Path("gone.json"))
    with pytest.raises(SignalboxError, match="is not a suite: it needs a list 'expectations'"):
        run_suite(table(), suite())


def test_data_docs_are_the_same_bytes_twice(here: Path) -> None:
    from pipelines.core.files import sha256_path
    from pipelines.mlops.validate import build_data_docs

    hashes = set()
    for name in ("one", "two"):
        folder = here / name / "docs"
        folder.parent.mkdir()
        build_data_docs(run_suite(table(), suite(BETWEEN)).context, folder)
        hashes.add(sha256_path(folder))
    assert len(hashes) == 1


def test_the_rule_that_quarantines_most_is_named() -> None:
    from pipelines.mlops.validate import _worst

    results = [
        RuleResult("a", "quarantine", "", kept=False, rows=[1]),
        RuleResult("b", "quarantine", "", kept=False, rows=[1, 2]),
        RuleResult("c", "note", "", kept=False, rows=[1, 2, 3]),
    ]
    assert _worst(results) == "b (2 rows)"
