"""Columns are numbers where they are numbers; params can say otherwise; nothing is lost."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipelines.core.tables import UNREADABLE
from pipelines.mlops.data.sources import read_source
from pipelines.mlops.data.table import typed
from tests.conftest import data_params


def typed_csv(text: str, **changes: Any) -> pd.DataFrame:
    Path("toy.csv").write_text(text, encoding=changes.get("source", {}).get("encoding", "utf-8"))
    data = data_params(**changes)
    return typed(read_source(data)[0], data)


def test_whole_numbers_fractions_and_texts(here: Path) -> None:
    frame = typed_csv("key,rooms,colour,size,label\nk,1,red,3.5,yes\nl,2,blue,4,no\n")
    assert frame["rooms"].dtype == "int64"
    assert frame["size"].dtype == "float64"
    assert list(frame["colour"]) == ["red", "blue"]


def test_missing_marks_and_empty_fields_are_missing(here: Path) -> None:
    frame = typed_csv("key,colour,size,label\n1, ? ,3,yes\n2,,?,no\n")
    assert frame["colour"].isna().all()
    assert list(frame["size"].isna()) == [False, True]


def test_an_all_missing_column_stays_and_is_text(here: Path) -> None:
    frame = typed_csv("key,colour,size,label\n1,red,?,yes\n2,blue,,no\n")
    assert frame["size"].isna().all()
    assert frame["size"].dtype == "str"


def test_a_few_texts_in_a_numeric_column_are_kept_as_unreadable(here: Path) -> None:
    rows = "".join(f"{i},red,{i},{'yes' if i % 2 else 'no'}\n" for i in range(50))
    frame = typed_csv(f"key,colour,size,label\n{rows}50,red,tall,no\n51,red,inf,no\n")
    assert frame["size"].dtype == "float64"
    notes = frame.loc[frame[UNREADABLE].notna(), UNREADABLE]
    assert list(notes) == ["size is not a number: 'tall'", "size is not a number: 'inf'"]


def test_types_can_be_overridden_both_ways(here: Path) -> None:
    text = "key,rooms,colour,size,label\nk,1,red,3,yes\nl,2,7,big,no\n"
    assert typed_csv(text, types={"rooms": "categorical"})["rooms"].dtype == "str"
    frame = typed_csv(text, types={"size": "numeric"})
    assert frame["size"].dtype == "float64"
    assert frame[UNREADABLE].notna().sum() == 1


def test_another_dialect(here: Path) -> None:
    source = {
        "kind": "csv", "paths": ["toy.csv"], "watch": "toy.csv", "delimiter": ";", "decimal": ",",
        "comment": "#", "encoding": "latin-1", "quote": "'",
    }  # fmt: skip
    frame = typed_csv(
        "# made by hand\nkey;colour;size;label\n1;'grün; hell';3,5;yes\n2;blue;4,25;no\n",
        source=source,
    )
    assert list(frame["size"]) == [3.5, 4.25]
    assert frame["colour"][0] == "grün; hell"


def test_labels_are_merged_by_replace_before_they_are_counted(here: Path) -> None:
    frame = typed_csv(
        "key,colour,size,label\n1,red,3,yes.\n2,red,4,no\n", replace={"label": {"yes.": "yes"}}
    )
    assert list(frame["label"]) == ["yes", "no"]


@pytest.mark.parametrize("labels", [[1, 0], [1.0, 0.0], ["1", "0"], [True, False]])
def test_a_numeric_or_boolean_target_becomes_text(here: Path, labels: list[Any]) -> None:
    frame = pd.DataFrame({"key": [1, 2], "colour": ["a", "b"], "label": labels})
    frame.to_parquet("toy.parquet")
    source = {"kind": "parquet", "paths": ["toy.parquet"], "watch": "toy.parquet"}
    data = data_params(source=source, positive=labels[0])
    result = typed(read_source(data)[0], data)
    assert list(result["label"]) == (
        ["True", "False"] if isinstance(labels[0], bool) else ["1", "0"]
    )


def test_a_sql_query_is_read_with_its_types(here: Path) -> None:
    frame = pd.DataFrame(
        {"rooms": [1, 2], "key": [1, 2], "colour": ["a", None], "label": ["yes", "no"]}
    )
    frame.to_sql("people", "sqlite:///toy.db", index=False)
    source = {
        "kind": "sql", "url": "sqlite:///toy.db", "query": "select * from people", "watch": "."
    }  # fmt: skip
    data = data_params(source=source)
    result = typed(read_source(data)[0], data)
    assert result["rooms"].dtype == "int64"
    assert list(result["colour"].isna()) == [False, True]


def test_a_glob_reads_its_files_in_order(here: Path) -> None:
    for name in ("b", "a"):
        Path(f"{name}.csv").write_text(
            f"key,colour,size,label\n{name}1,red,1,yes\n{name}2,red,2,no\n", encoding="utf-8"
        )
    source = {"kind": "csv", "paths": ["*.csv"], "watch": "."}
    frame, files = read_source(data_params(source=source))
    assert list(frame["key"]) == ["a1", "a2", "b1", "b2"]
    assert [file.rows for file in files] == [2, 2]


def test_rows_by_the_hundred_thousand(here: Path) -> None:
    rows = "".join(f"{i},red,{i},{'yes' if i % 3 else 'no'}\n" for i in range(300_000))
    assert len(typed_csv(f"key,colour,size,label\n{rows}")) == 300_000


def test_whatever_fsspec_reads_can_be_a_source(here: Path) -> None:
    import fsspec

    with fsspec.open("memory://bucket/toy.csv", "w") as stream:
        stream.write("key,colour,size,label\n1,red,3,yes\n2,blue,4,no\n")
    source = {"kind": "csv", "paths": ["memory://bucket/*.csv"], "watch": "."}
    frame, files = read_source(data_params(source=source))
    assert len(frame) == 2
    assert files[0].address == "memory://bucket/toy.csv"
