"""A subject's key is never typed; what cannot be a key is refused with the reason."""

import sqlite3
import uuid
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet
from pydantic import ValidationError

from pipelines.core.errors import SignalboxError
from pipelines.core.tables import SUBJECT
from pipelines.mlops.data.keys import key_texts
from pipelines.mlops.data.sources import read_source
from pipelines.mlops.data.table import name_rows, typed
from pipelines.mlops.evaluation.bootstrap import resample
from pipelines.mlops.modeling.folds import subject_folds
from pipelines.mlops.split import position
from pipelines.mlops.validate import basic_rules
from tests.conftest import data_params

PARQUET = {"kind": "parquet", "paths": ["toy.parquet"], "watch": "toy.parquet"}
SQL = {"kind": "sql", "url": "sqlite:///toy.db", "query": "select * from toy", "watch": "."}
BIG = 2**53


def subjects(**changes: Any) -> list[str | None]:
    data = data_params(**changes)
    named = name_rows(typed(read_source(data)[0], data), data)
    keys = named[SUBJECT]
    assert keys.equals(named["key"].rename(SUBJECT))
    return [None if missing else str(key) for key, missing in zip(keys, keys.isna(), strict=True)]


def from_csv(keys: list[str], **changes: Any) -> list[str | None]:
    rows = "".join(f"{key},red,{i},yes\n" for i, key in enumerate(keys))
    Path("toy.csv").write_text(f"key,colour,size,label\n{rows}", newline="", encoding="utf-8")
    return subjects(**changes)


def from_parquet(keys: Any) -> list[str | None]:
    n = len(keys)
    table = {"key": keys, "colour": ["red"] * n, "size": range(n), "label": ["yes"] * n}
    parquet.write_table(pa.table(table), "toy.parquet")
    return subjects(source=PARQUET)


def from_sql(kind: str, keys: list[Any]) -> list[str | None]:
    with closing(sqlite3.connect("toy.db")) as base, base:
        base.execute(f"create table toy (key {kind}, colour text, size integer, label text)")
        base.executemany("insert into toy values (?, 'red', 1, 'yes')", [(key,) for key in keys])
    return subjects(source=SQL)


def test_text_is_kept_as_it_stands_and_only_an_empty_cell_is_a_missing_key(here: Path) -> None:
    keys = ["00001", "1", "1.0", "1e0", "+1", " 1", "1 ", "NA", "nan", "?", "null", " "]
    assert from_csv([*keys, ""], missing_marks=["?", "NA", "null"]) == [*keys, None]


def test_a_decimal_mark_changes_no_key(here: Path) -> None:
    source = {"kind": "csv", "paths": ["toy.csv"], "watch": "toy.csv", "decimal": ";"}
    assert from_csv(["1;5", "1.5"], source=source) == ["1;5", "1.5"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_in_quotes_belong_to_the_key(here: Path, end: str) -> None:
    keys = ["a\nb", "a\rb", "a\r\nb", "# b\n# c"]
    text = end.join(["# made by hand", '"key",colour,size,label',
                     *(f'"{key}",red,1,yes' for key in keys), ""])  # fmt: skip
    Path("toy.csv").write_text(text, newline="")
    source = {"kind": "csv", "paths": ["toy.csv"], "watch": "toy.csv", "comment": "#"}
    assert subjects(source=source) == keys


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        (pa.int64(), [BIG, BIG + 1, -1, None]),
        (pa.uint64(), [2**64 - 1, 2**64 - 2, None]),
        (pa.int8(), [1, None]),
        (pa.decimal128(38, 0), [Decimal(10**37), Decimal(10**37 + 1), None]),
        (pa.dictionary(pa.int8(), pa.string()), ["00001", "1", None]),
        (pa.large_string(), ["00001", "NA", None]),
        (pa.string_view(), ["00001", "NA", None]),
    ],
)
def test_text_and_whole_numbers_of_any_width_in_parquet_are_exact(
    here: Path, kind: Any, keys: list[Any]
) -> None:
    expected = [None if key is None else str(key) for key in keys]
    assert from_parquet(pa.array(keys, kind)) == expected


def test_an_empty_text_in_parquet_is_a_missing_key(here: Path) -> None:
    assert from_parquet(pa.array(["a", "", None])) == ["a", None, None]


def test_whole_numbers_in_sql_are_exact_beside_missing_ones(here: Path) -> None:
    assert from_sql("integer", [BIG, BIG + 1, None]) == [str(BIG), str(BIG + 1), None]


def test_texts_in_sql_are_no_numbers(here: Path) -> None:
    assert from_sql("text", ["", "00001", "1", "1.0", None]) == [None, "00001", "1", "1.0", None]


def test_a_float_column_in_parquet_is_refused_with_the_reason(here: Path) -> None:
    with pytest.raises(SignalboxError) as caught:
        from_parquet(pa.array([1.0, 2.0]))
    message = str(caught.value)
    assert message.startswith("toy.parquet: column 'key' names subjects (data.subject_key), but ")
    assert "floating-point numbers" in message
    assert "deliver it as text or as whole numbers" in message


def test_a_float_column_in_sql_is_refused_with_the_reason(here: Path) -> None:
    with pytest.raises(SignalboxError, match=r"data\.source\.query: column 'key'.*floating-point"):
        from_sql("real", [1, 2])


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([True, False], "truth values"),
        ([Decimal("1.0")], "decimal places"),
        ([b"ann"], "type bytes"),
        ([pd.Timestamp("2026-01-01")], "type Timestamp"),
        ([1, 2.5], "floating-point"),
    ],
)
def test_what_is_neither_text_nor_a_whole_number_is_refused(values: list[Any], reason: str) -> None:
    with pytest.raises(SignalboxError, match=f"x: column 'k'.*{reason}"):
        key_texts(values, "k", "x")


def test_pandas_columns_of_every_exact_kind_are_taken() -> None:
    same = uuid.UUID(int=7)
    columns = [
        (pd.Series([BIG + 1, None], dtype="Int64"), [str(BIG + 1), None]),
        (pd.Series([np.uint64(2**64 - 1)]), [str(2**64 - 1)]),
        (pd.Series([1, "1", None], dtype=object), ["1", "1", None]),
        (pd.Series(["01", None], dtype="category"), ["01", None]),
        (pd.Series([None, None], dtype="float64"), [None, None]),
        (pd.Series([same], dtype=object), [str(same)]),
        (pd.Series([Decimal("1E+2")], dtype=object), ["100"]),
    ]
    for column, expected in columns:
        found = key_texts(column, "k", "x")
        assert [None if pd.isna(key) else key for key in found] == expected
        assert found.dtype == "str"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"types": {"key": "numeric"}}, "keys are never typed"),
        ({"replace": {"key": {"001": "1"}}}, "make one person of two"),
        ({"target": "key"}, "cannot be the subject's key"),
    ],
)
def test_params_that_would_change_a_key_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        data_params(**changes)


def test_a_row_without_a_key_goes_to_quarantine_and_na_does_not(here: Path) -> None:
    from_csv(["NA", "", "nan"])
    data = data_params(missing_marks=["NA"])
    frame = name_rows(typed(read_source(data)[0], data), data)
    [rule] = [rule for rule in basic_rules(frame, data) if rule.rule == "subject is known"]
    assert rule.rows == [1]


def test_a_subject_keeps_its_side_when_other_keys_change_the_column(here: Path) -> None:
    alone = from_csv(["00001"])
    assert from_csv(["00001", "x", "", "1.5"])[0] == alone[0] == "00001"
    assert len({position(key, "s") for key in ("1", "00001", "1.0")}) == 3


def test_folds_and_intervals_group_by_the_exact_key(here: Path) -> None:
    keys = [str(1234567890123456000 + i) for i in range(40)] * 2
    named = pd.Series(from_csv(keys), dtype="str")
    y = np.array([i % 2 for i in range(80)], dtype="int8")
    fold = subject_folds(named, y, folds=8, seed=1)
    assert (fold[:40] == fold[40:]).all()
    assert set(np.bincount(fold)) == {10}
    codes = pd.factorize(named.to_numpy(dtype=object))[0]
    [weights] = resample([lambda drawn: drawn], codes, 3)
    assert (weights[:, :40] == weights[:, 40:]).all()
    assert (weights.sum(axis=1) == 80).all()
