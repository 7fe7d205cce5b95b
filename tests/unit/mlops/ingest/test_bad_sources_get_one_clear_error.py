"""Whatever is wrong with a source, the error names the file and what to do."""

import gzip
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipelines.core.errors import SignalboxError
from pipelines.core.params import DataParams
from pipelines.mlops.data.columns import check_binary, check_favourable
from pipelines.mlops.data.sources import read_source
from pipelines.mlops.data.table import typed
from tests.conftest import data_params

GOOD = "key,colour,size,label\n1,red,3,yes\n2,blue,4,no\n"


def ingest(data: DataParams) -> None:
    frame, files = read_source(data)
    check_binary(typed(frame, data), data, files[0].address)
    check_favourable(typed(frame, data), data)


def error_of(content: bytes | None, **changes: Any) -> str:
    if content is not None:
        Path("toy.csv").write_bytes(content)
    with pytest.raises(SignalboxError) as caught:
        ingest(data_params(**changes))
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_missing_file(here: Path) -> None:
    assert error_of(None) == "toy.csv: no such file; check data.source.paths"


@pytest.mark.parametrize("content", [b"", b"\n\n", b"  \n"])
def test_an_empty_file(here: Path, content: bytes) -> None:
    assert "toy.csv: is empty" in error_of(content)


def test_a_file_with_a_header_and_no_rows(here: Path) -> None:
    assert "toy.csv: has no rows of data" in error_of(
        GOOD.split("\n", maxsplit=1)[0].encode() + b"\n"
    )


def test_another_delimiter(here: Path) -> None:
    message = error_of(GOOD.replace(",", ";").encode())
    assert "no column 'label'" in message
    assert "key;colour;size;label" in message


def test_another_delimiter_when_columns_are_named(here: Path) -> None:
    source = {
        "kind": "csv",
        "paths": ["toy.csv"],
        "watch": "toy.csv",
        "columns": ["key", "colour", "size", "label"],
    }
    message = error_of(b"1;red;3;yes\n2;blue;4;no\n", source=source)
    assert "toy.csv: row 1: 1 fields instead of 4" in message
    assert "data.source.delimiter" in message


def test_a_row_with_a_field_too_many_names_the_row(here: Path) -> None:
    message = error_of((GOOD + "3,red,1,no,x\n").encode())
    assert "toy.csv: row 4: 5 fields instead of 4: '3,red,1,no,x'" in message


def test_bytes_that_are_not_utf_8_name_line_and_byte(here: Path) -> None:
    message = error_of(GOOD.encode() + "3,grün,1,no\n".encode("latin-1"))
    assert "toy.csv: line 4: byte 0xfc is not utf-8; set data.source.encoding" in message


def test_an_unknown_encoding(here: Path) -> None:
    source = {"kind": "csv", "paths": ["toy.csv"], "watch": "toy.csv", "encoding": "utf-9"}
    assert "data.source.encoding: 'utf-9'" in error_of(GOOD.encode(), source=source)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"target": "lable"}, "data.target: the table has no column 'lable'; did you mean 'label'"),
        ({"subject_key": "id"}, "data.subject_key: the table has no column 'id'"),
        ({"sensitive": {"color": {}}}, "data.sensitive: the table has no column 'color'"),
        ({"ignore": ["sizes"]}, "data.ignore: the table has no column 'sizes'"),
        ({"types": {"x": "numeric"}}, "data.types: the table has no column 'x'"),
        ({"replace": {"x": {"a": "b"}}}, "data.replace: the table has no column 'x'"),
    ],
)
def test_a_param_that_names_a_missing_column(
    here: Path, changes: dict[str, Any], expected: str
) -> None:
    assert expected in error_of(GOOD.encode(), **changes)


def test_one_class_only(here: Path) -> None:
    message = error_of(GOOD.replace("no", "yes").encode())
    assert "target 'label' must have exactly two labels, found 1: 'yes'" in message


def test_a_target_that_is_not_binary(here: Path) -> None:
    message = error_of((GOOD + "3,red,1,maybe\n").encode())
    assert "found 3: 'maybe', 'no', 'yes'" in message
    assert "data.replace" in message


def test_a_positive_label_that_does_not_occur(here: Path) -> None:
    assert "data.positive is 'si'" in error_of(GOOD.encode(), positive="si")


def test_a_file_that_differs_from_its_pin(here: Path) -> None:
    source = {"kind": "csv", "paths": ["toy.csv"], "watch": "toy.csv", "sha256": ["0" * 64]}
    assert "restore the file or change the pin" in error_of(GOOD.encode(), source=source)


def test_files_with_differing_columns(here: Path) -> None:
    Path("more.csv").write_text("key,colour,weight,label\n3,red,1,no\n", encoding="utf-8")
    source = {"kind": "csv", "paths": ["toy.csv", "more.csv"], "watch": "toy.csv"}
    message = error_of(GOOD.encode(), source=source)
    assert "more.csv: columns differ from those of toy.csv: ['size', 'weight']" in message


def test_a_column_name_that_stands_twice(here: Path) -> None:
    assert "column name stands twice: ['size']" in error_of(GOOD.replace("colour", "size").encode())


def test_a_column_with_a_reserved_name(here: Path) -> None:
    assert "['row_id'] are names Signalbox uses itself" in error_of(
        GOOD.replace("size", "row_id").encode()
    )


def test_a_damaged_gzip_file(here: Path) -> None:
    Path("toy.csv.gz").write_bytes(gzip.compress(GOOD.encode())[:-9])
    source = {"kind": "csv", "paths": ["toy.csv.gz"], "watch": "toy.csv.gz"}
    assert "toy.csv.gz: cannot be read" in error_of(None, source=source)


def test_a_file_that_is_not_parquet(here: Path) -> None:
    source = {"kind": "parquet", "paths": ["toy.csv"], "watch": "toy.csv"}
    assert "toy.csv: is not a Parquet file" in error_of(GOOD.encode(), source=source)


def test_a_database_url_that_is_not_set_names_the_variable(here: Path) -> None:
    source = {"kind": "sql", "url_env": "NO_SUCH_DB", "query": "select 1", "watch": "."}
    assert "environment variable NO_SUCH_DB is not set" in error_of(None, source=source)


def test_a_query_that_fails_says_why_without_the_url(here: Path) -> None:
    source = {"kind": "sql", "url": "sqlite:///secret.db", "query": "select * from t", "watch": "."}
    message = error_of(None, source=source)
    assert "data.source.query: no such table: t" in message
    assert "secret" not in message


def test_a_query_without_rows(here: Path) -> None:
    pd.DataFrame({"a": [1]}).to_sql("t", "sqlite:///toy.db")
    source = {
        "kind": "sql", "url": "sqlite:///toy.db", "query": "select * from t where a = 2",
        "watch": ".",
    }  # fmt: skip
    assert "returned no rows" in error_of(None, source=source)


def test_a_numeric_sensitive_feature_without_bins(here: Path) -> None:
    rows = "".join(f"{i},red,{i / 7},{'yes' if i % 2 else 'no'}\n" for i in range(40))
    message = error_of(b"key,colour,size,label\n" + rows.encode(), sensitive={"size": {}})
    assert "data.sensitive.size: is numeric with 40 values; give bins" in message


def test_nobody_said_which_outcome_is_good_for_the_person(here: Path) -> None:
    message = error_of(GOOD.encode(), favourable=None)
    assert "data.favourable is null, but data.sensitive names colour" in message
    assert "which label of 'label' is the good outcome for the person, 'no' or 'yes'" in message


def test_a_favourable_outcome_that_is_no_label(here: Path) -> None:
    message = error_of(GOOD.encode(), favourable="maybe")
    assert "data.favourable is 'maybe', but target 'label' holds 'no' and 'yes'" in message


@pytest.mark.parametrize("changes", [{"favourable": "no"}, {"favourable": None, "sensitive": {}}])
def test_either_label_may_be_the_good_one_and_without_groups_none_is_needed(
    here: Path, changes: dict[str, Any]
) -> None:
    Path("toy.csv").write_text(GOOD)
    ingest(data_params(**changes))


def test_a_column_made_after_the_outcome_that_is_not_there(here: Path) -> None:
    message = error_of(GOOD.encode(), after_outcome=["sizes"])
    assert "data.after_outcome: the table has no column 'sizes'; did you mean 'size'?" in message
