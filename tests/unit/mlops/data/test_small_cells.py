"""Small cells: values and figures of too few people reach no page."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.core.expectations import HIDDEN, run_suite
from pipelines.core.params import DataParams, DriftParams
from pipelines.mlops.data import cells
from pipelines.mlops.data.drift import compare
from pipelines.mlops.data.types import notices
from pipelines.mlops.drift import page
from pipelines.mlops.validate import build_data_docs

DATA = DataParams.model_validate(
    {
        "name": "toy",
        "source": {"kind": "parquet", "paths": ["x"], "watch": "x"},
        "target": "y",
        "positive": "yes",
    }
)


def test_a_cell_counts_people_and_not_rows() -> None:
    subjects = np.array([0, 0, 0, 0, 0, 1, 2, 3, 4, 5])
    values = ["one"] * 5 + ["many"] * 5
    assert cells.people(values, subjects) == {"one": 1, "many": 5}
    assert cells.rare(values, subjects, 5) == {"one"}
    assert cells.rare(values, subjects, 0) == set()


def test_what_is_pooled_is_never_alone() -> None:
    values = ["a"] * 9 + ["b"] * 6 + ["c"] * 8 + ["rare"]
    made = cells.pooled(values, np.arange(len(values)), 5)
    assert cells.people(made, np.arange(len(values))) == {"a": 9, "c": 8, cells.OTHER: 7}
    two = cells.pooled(["a"] * 9 + ["b"] * 6 + ["rare"], np.arange(16), 5)
    assert set(two) == {"a", "b", cells.OTHER}, "of two groups none is sacrificed"


@pytest.mark.parametrize("seed", range(5))
def test_no_number_stands_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    numbers = np.concatenate([rng.normal(size=37), np.full(20, 3.0), [1e6, np.nan]])
    made = cells.coarse(numbers, 5)
    values, counts = np.unique(made[~np.isnan(made)], return_counts=True)
    assert counts.min() >= 5
    assert np.isnan(made[-1])
    assert (made[numbers == 3.0] == 3.0).all()
    assert 1e6 not in values


def test_few_rare_numbers_become_the_nearest_common_one() -> None:
    numbers = np.array([1.0] * 8 + [9.0] * 8 + [2.0, 99.0])
    assert sorted(set(cells.coarse(numbers, 5))) == [1.0, 9.0]
    assert cells.coarse(numbers, 0) is numbers


def test_rows_of_one_person_ask_for_more_rows() -> None:
    subjects = np.array([0] * 12 + [1, 2, 3])
    keyed = DATA.model_copy(update={"subject_key": "id"})
    assert cells.rows_needed(subjects, keyed) == 60
    assert cells.rows_needed(subjects, DATA) == 5
    assert cells.rows_needed(subjects, DATA.model_copy(update={"min_cell": 1})) == 0


def table(rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "city": rng.choice(["north", "south", "east"], rows),
            "income": rng.normal(50, 9, rows).round(3),
            "y": rng.choice(["yes", "no"], rows),
            "subject_id": [f"{seed}-{i}" for i in range(rows)],
            "row_id": range(rows),
        }
    )


def test_the_drift_page_has_no_value_of_one_person_and_the_distances_stay() -> None:
    old, new = table(300, 1), table(200, 2)
    old.loc[3, ["city", "income"]] = ["Zorblax-in-the-Fold", 987654.25]
    new.loc[7, "income"] = -123456.75
    drift = DriftParams(column_threshold=0.1, max_rows=1000)
    found, shot = compare((old, new), ("a", "b", "c"), DATA, drift)
    html = page({"a": shot})
    for secret in ("Zorblax", "987654", "-123456", "-24651", "-24641", "197570"):
        assert secret not in html
    assert cells.OTHER in html or "\\u003cother" in html
    off = DATA.model_copy(update={"min_cell": 0})
    plain, open_shot = compare((old, new), ("a", "b", "c"), off, drift)
    assert plain == found
    assert "Zorblax" in page({"a": open_shot})


def test_data_docs_show_no_value_of_one_person(tmp_path: Path) -> None:
    frame = table(60, 1)
    frame.loc[3, ["city", "income"]] = ["Zorblax", 987654.25]
    frame.loc[frame.index[20:26], "city"] = "Common"
    suite = tmp_path / "suite.json"
    rules = [
        ("expect_column_values_to_be_in_set", {"column": "city",
                                               "value_set": ["north", "south", "east"]}),
        ("expect_column_distinct_values_to_be_in_set", {"column": "city",
                                                        "value_set": ["north", "south", "east"]}),
        ("expect_column_max_to_be_between", {"column": "income", "max_value": 100}),
        ("expect_compound_columns_to_be_unique", {"column_list": ["city", "income"]}),
    ]  # fmt: skip
    suite.write_text(json.dumps({"name": "suite", "meta": {}, "expectations": [
        {"type": kind, "kwargs": kwargs, "meta": {"action": "note"}} for kind, kwargs in rules
    ]}))  # fmt: skip
    subjects = cells.subjects_of(frame)
    run = run_suite(frame, suite, lambda column: cells.rare(frame[column], subjects, 5))
    build_data_docs(run.context, tmp_path / "docs")
    pages = [p.read_text() for p in (tmp_path / "docs").rglob("*.html")]
    assert any("Common" in text for text in pages)
    assert not any("Zorblax" in text or "987654" in text for text in pages)
    assert run.results[0].rows and 3 in run.results[0].rows, "quarantine still knows the rows"
    said = " ".join(result.observed for result in run.results)
    assert "Zorblax" not in said
    assert HIDDEN in said


def test_a_notice_names_no_value_of_one_person() -> None:
    frame = pd.DataFrame({"x": ["1", "2", "3"] * 10 + ["Zorblax"] + ["none"] * 5})
    frame["x"] = frame["x"].astype("str")
    (said,) = notices(frame, ["x"], 5)
    assert "'none'" in said
    assert "Zorblax" not in said
