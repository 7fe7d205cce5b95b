"""What the source says of types is kept; what nobody says is asked for, never guessed."""

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.errors import SignalboxError
from pipelines.core.params import DataParams
from pipelines.mlops.data.sources import read_source
from pipelines.mlops.data.table import typed
from pipelines.mlops.data.types import notices
from tests.conftest import data_params

LABELS = ["yes", "no"]


def typed_csv(values: list[str], **changes: Any) -> "pd.Series[Any]":
    """Column ``size`` of a table with the given values, typed; fields stand between ``|``."""
    source = {"kind": "csv", "paths": ["toy.csv"], "watch": ".", "delimiter": "|"}
    source |= changes.pop("source", {})
    rows = [f"{i}|red|{value}|{LABELS[i % 2]}" for i, value in enumerate(values)]
    Path("toy.csv").write_text("\n".join(["key|colour|size|label", *rows]), encoding="utf-8")
    return typed_table(data_params(source=source, **changes))["size"]


def typed_parquet(values: Any, **changes: Any) -> "pd.Series[Any]":
    """Column ``size`` of a Parquet file with the given values, typed."""
    array = values if isinstance(values, pa.Array) else pa.array(values)
    rows = range(len(array))
    table = pa.table(
        {
            "key": [str(i) for i in rows],
            "colour": ["red"] * len(array),
            "size": array,
            "label": [LABELS[i % 2] for i in rows],
        }
    )
    pq.write_table(table, "toy.parquet")
    source = {"kind": "parquet", "paths": ["toy.parquet"], "watch": "."}
    return typed_table(data_params(source=source, **changes))["size"]


def typed_table(data: DataParams) -> pd.DataFrame:
    return typed(read_source(data)[0], data)


def refusal(call: Any, *args: Any, **changes: Any) -> str:
    with pytest.raises(SignalboxError) as caught:
        call(*args, **changes)
    message = str(caught.value)
    assert message.startswith("column 'size' holds ")
    assert "\n" not in message
    return message


GERMAN = {"decimal": ",", "thousands": "."}


@pytest.mark.parametrize(
    ("source", "values", "numbers"),
    [
        (GERMAN, ["2.243", "1.234.567,5", "12", "-3,25"], [2243, 1234567.5, 12, -3.25]),
        ({"thousands": ","}, ["2,243", "1,234,567.5", "12", "1e3"], [2243, 1234567.5, 12, 1000]),
        ({"decimal": ",", "thousands": " "}, ["2 243,5", "7"], [2243.5, 7]),
        ({"thousands": "'"}, ["2'243.5", "7"], [2243.5, 7]),
        ({"decimal": ","}, ["2,243", "7"], [2.243, 7]),
    ],
)
def test_numbers_are_read_as_their_marks_say(
    here: Path, source: dict[str, str], values: list[str], numbers: list[float]
) -> None:
    assert list(typed_csv(values, source=source)) == numbers


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ({"decimal": ","}, "2.243"),
        ({"decimal": ","}, "2 243,5"),
        ({}, "2,243"),
        ({}, "1.234,5"),
        ({}, "1.234.567"),
        ({}, "12'000"),
        ({"thousands": ","}, "1.234,5"),
        (GERMAN, "2,243.5"),
    ],
)
def test_a_number_of_another_country_is_asked_about(
    here: Path, source: dict[str, str], value: str
) -> None:
    message = refusal(typed_csv, ["1", "2", "3", value], source=source)
    assert repr(value) in message
    assert "set data.source.decimal or data.source.thousands" in message


def test_a_mark_between_thousands_in_the_wrong_place_is_no_number(here: Path) -> None:
    values = [str(i) for i in range(40)]
    column = typed_csv([*values, "12.34.5"], source=GERMAN, types={"size": "numeric"})
    assert column.isna().sum() == 1
    assert column.iloc[39] == 39


@given(
    whole=st.integers(min_value=-(10**12), max_value=10**12),
    cents=st.integers(min_value=0, max_value=99),
    marks=st.sampled_from([(".", ","), (",", "."), (",", " "), (".", "'"), (",", "\u202f")]),
)
def test_any_amount_printed_with_marks_is_read_back(
    whole: int, cents: int, marks: tuple[str, str]
) -> None:
    from pipelines.mlops.data.types import Findings, typed_column

    decimal, thousands = marks
    printed = f"{whole:,}".replace(",", thousands) + f"{decimal}{cents:02d}"
    source = {
        "kind": "csv", "paths": ["x"], "watch": ".", "decimal": decimal, "thousands": thousands
    }  # fmt: skip
    found = Findings()
    column = typed_column(
        pd.Series([printed], dtype="str"), "size", data_params(source=source), found
    )
    assert found == Findings()
    assert column.iloc[0] == float(f"{whole}.{cents:02d}")


@pytest.mark.parametrize("mark", ["NA", "NULL", "n/a", "unbekannt"])
def test_marks_of_missing_values_among_numbers_are_asked_about(here: Path, mark: str) -> None:
    values = [mark if i % 5 == 0 else str(i) for i in range(50)]
    message = refusal(typed_csv, values)
    assert f"{mark!r} in 20% of its values" in message
    assert "add it to data.missing_marks" in message
    column = typed_csv(values, missing_marks=[mark])
    assert column.dtype == "float64"
    assert column.isna().sum() == 10
    assert typed_csv(values, types={"size": "categorical"}).eq(mark).sum() == 10


def test_a_column_of_codes_stays_text_with_a_notice(here: Path) -> None:
    column = typed_csv([f"A/{i}" if i % 3 == 0 else str(i) for i in range(30)])
    assert column.dtype == "str"
    (notice,) = notices(column.to_frame(), ["size"])
    assert notice.startswith("column 'size' is read as text, although 67% of its values are")
    assert "data.types.size" in notice


@pytest.mark.parametrize("value", ["2026-01-31", "2026-01-31T10:00:00Z", "2026-01-31 10:00:00.5"])
def test_dates_in_text_are_asked_about(here: Path, value: str) -> None:
    message = refusal(typed_csv, [value] * 4)
    assert "holds dates" in message
    assert "data.ignore" in message
    assert typed_csv([value] * 4, ignore=["size"]).iloc[0] == value
    days = typed_csv([value] * 4, types={"size": "numeric"})
    assert int(days.iloc[0]) == (datetime.date(2026, 1, 31) - datetime.date(1970, 1, 1)).days


@pytest.mark.parametrize(
    "values",
    [
        pa.array([datetime.date(2026, 1, 31)] * 3),
        pa.array([datetime.datetime(2026, 1, 31)] * 3),  # noqa: DTZ001
        pa.array([datetime.datetime(2026, 1, 31, tzinfo=datetime.UTC)] * 3),
    ],
)
def test_dates_in_parquet_are_asked_about(here: Path, values: pa.Array) -> None:
    assert "holds dates" in refusal(typed_parquet, values)
    assert list(typed_parquet(values, types={"size": "numeric"})) == [20484.0] * 3
    assert typed_parquet(values, types={"size": "categorical"}).iloc[0].startswith("2026-01-31")


def test_durations_are_seconds_where_numbers_are_asked_for(here: Path) -> None:
    values = pa.array([datetime.timedelta(minutes=2), None])
    assert "holds durations" in refusal(typed_parquet, values)
    assert list(typed_parquet(values, types={"size": "numeric"}).dropna()) == [120.0]


@pytest.mark.parametrize(
    ("values", "what"),
    [
        (pa.array([[1, 2], [3]]), "lists"),
        (pa.array([{"a": 1}, {"a": 2}]), "structs"),
        (pa.array([b"x", b"y"]), "bytes"),
        (pa.array([datetime.time(1), datetime.time(2)]), "times of day"),
    ],
)
def test_what_no_model_reads_is_named(here: Path, values: pa.Array, what: str) -> None:
    message = refusal(typed_parquet, values)
    assert f"holds {what}, which no model reads" in message
    assert "data.ignore" in message
    assert typed_parquet(values, ignore=["size"]).dtype == "str"


def test_all_columns_in_question_are_named_at_once(here: Path) -> None:
    Path("toy.csv").write_text(
        "key,colour,size,since,label\n1,red,2026-01-01,2025-01-01,yes\n2,red,2026-01-02,,no\n",
        encoding="utf-8",
    )
    with pytest.raises(SignalboxError, match=r"column 'size' .*; column 'since' "):
        typed_table(data_params())


def test_text_and_categories_of_parquet_stay_text(here: Path) -> None:
    assert typed_parquet(["1", "2"]).dtype == "str"
    assert typed_parquet(pa.array(["1", "2"]).dictionary_encode()).dtype == "str"
    assert list(typed_parquet(["1", "2"], types={"size": "numeric"})) == [1, 2]


def test_marks_and_blanks_hold_for_parquet_too(here: Path) -> None:
    assert list(typed_parquet([" a ", "?", " ? ", ""]).isna()) == [False, True, True, True]
    assert typed_parquet([" a "] * 2).iloc[0] == "a"
    column = typed_parquet([1, -999, 3], missing_marks=["-999"])
    assert list(column.isna()) == [False, True, False]


def test_decimals_are_numbers(here: Path) -> None:
    assert list(typed_parquet([Decimal("1.50"), Decimal("2.25")])) == [1.5, 2.25]


def test_whole_numbers_beyond_what_a_float_holds_are_floats(here: Path) -> None:
    assert typed_parquet([2**60, 2**60 + 1]).dtype == "float64"
    assert typed_parquet(pa.array([2**64 - 1, 1], pa.uint64())).dtype == "float64"


def sql(values: list[Any], **changes: Any) -> "pd.Series[Any]":
    """Column ``size`` of a SQLite table whose column has no type, typed."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect("toy.db")) as base, base:
        base.execute("drop table if exists toy")
        base.execute("create table toy (key text, colour text, size, label text)")
        rows = [(str(i), "red", value, LABELS[i % 2]) for i, value in enumerate(values)]
        base.executemany("insert into toy values (?, ?, ?, ?)", rows)
    source = {
        "kind": "sql", "url": "sqlite:///toy.db", "query": "select * from toy", "watch": "."
    }  # fmt: skip
    return typed_table(data_params(source=source, **changes))["size"]


def test_marks_among_the_numbers_of_a_database_are_asked_about(here: Path) -> None:
    values = [i if i % 5 else "NA" for i in range(50)]
    assert "add it to data.missing_marks" in refusal(sql, values)
    assert sql(values, missing_marks=["NA"]).isna().sum() == 10


def test_marks_and_blanks_hold_for_sql_too(here: Path) -> None:
    assert list(sql(["?", " a ", "b"]).dropna()) == ["a", "b"]
