import numpy as np
import pandas as pd
import pytest

from pipelines.core.errors import SignalboxError
from pipelines.mlops.evaluation.slices import slice_columns, slices


def _cut(frame: pd.DataFrame, column: str, data) -> dict[str, int]:
    every = data.model_copy(update={"min_cell": 0})
    return {part.value: len(part.rows) for part in slices(frame, column, every)}


def test_values_that_too_few_people_have_are_counted_together(data) -> None:
    people = [*"aaaaaabbbbb", *"ccccc", "Zorblax", "Quux"]
    frame = pd.DataFrame({"city": people, "subject_id": [f"s{i}" for i in range(len(people))]})
    found = {part.value: len(part.rows) for part in slices(frame, "city", data)}
    assert found == {"a": 6, "(others)": 7, "c": 5}, "b joins, or a difference would tell the two"


def test_many_rows_of_one_person_are_one_person(data) -> None:
    frame = pd.DataFrame({"city": [*"a" * 10, *"b" * 10, *"c" * 10, *"d" * 10]})
    frame["subject_id"] = [f"s{i}" if i < 30 else "one" for i in range(40)]
    assert "d" not in {part.value for part in slices(frame, "city", data)}


def test_every_row_is_in_exactly_one_slice(table, data) -> None:
    frame, _ = table()
    for column in ("sex", "age", "city"):
        rows = np.concatenate([part.rows for part in slices(frame, column, data)])
        assert sorted(rows) == list(range(len(frame)))


def test_sensitive_numbers_are_cut_at_their_edges_like_in_the_bias_audit(data) -> None:
    frame = pd.DataFrame({"age": [29, 30, 49, 50, np.nan]})
    assert _cut(frame, "age", data) == {"<30": 1, "30\N{EN DASH}49": 2, "50+": 1, "unknown": 1}


def test_other_numbers_are_cut_at_quartiles(data) -> None:
    frame = pd.DataFrame({"hours": [float(i) + 0.5 for i in range(100)]})
    assert list(_cut(frame, "hours", data).values()) == [25, 25, 25, 25]


def test_missing_values_are_a_slice_of_their_own(data) -> None:
    frame = pd.DataFrame({"city": pd.Series(["a", None, "b"], dtype="str")})
    assert _cut(frame, "city", data) == {"a": 1, "b": 1, "unknown": 1}


def test_empty_and_constant_columns_are_one_slice(data) -> None:
    assert _cut(pd.DataFrame({"x": [np.nan, np.nan]}), "x", data) == {"unknown": 2}
    assert _cut(pd.DataFrame({"x": [3.0, 3.0]}), "x", data) == {"all": 2}


def test_many_small_slices_are_counted_together(data) -> None:
    frame = pd.DataFrame({"name": pd.Series([f"n{i:04}" for i in range(500)], dtype="str")})
    cut = _cut(frame, "name", data)
    assert len(cut) == 31
    assert cut["(others)"] == 470


def test_a_slice_of_a_column_that_is_not_there_is_named(table, data) -> None:
    with pytest.raises(SignalboxError, match=r"evaluate\.slices: the table has no column 'town'"):
        slice_columns(["town"], table()[0], data)


def test_the_target_is_no_slice(table, data) -> None:
    with pytest.raises(SignalboxError, match="'y' is the target"):
        slice_columns(["y"], table()[0], data)
