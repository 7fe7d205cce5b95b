"""Which files a source is: globs and folders resolved, named the same wherever the project lies."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipelines.core.errors import SignalboxError
from pipelines.core.params import DataParams
from pipelines.mlops.data.sources import read_files, read_source
from pipelines.mlops.data.table import typed
from pipelines.mlops.privacy.source import local_files
from tests.conftest import data_params

ROWS = "key,colour,size,label\n{0}1,red,1,yes\n{0}2,red,2,no\n"


def csv(*paths: str, **options: Any) -> DataParams:
    return data_params(source={"kind": "csv", "paths": list(paths), "watch": ".", **options})


def parquet(*paths: str, **changes: Any) -> DataParams:
    source = {"kind": "parquet", "paths": list(paths), "watch": "."}
    return data_params(source=source, **changes)


def write_parquet(path: str, key: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(
        {"key": [f"{key}1", f"{key}2"], "colour": "red", "size": [1, 2], "label": ["yes", "no"]}
    ).to_parquet(path)


def test_files_of_a_glob_are_named_relative_to_the_project(here: Path) -> None:
    Path("in").mkdir()
    for name in ("b", "a"):
        Path(f"in/{name}.csv").write_text(ROWS.format(name), encoding="utf-8")
    for pattern in ("in/*.csv", "./in/?.csv"):
        _, files = read_source(csv(pattern))
        assert [file.address for file in files] == ["in/a.csv", "in/b.csv"]


def test_a_file_that_a_glob_alone_finds_is_named_too(here: Path) -> None:
    Path("a.csv").write_text(ROWS.format("a"), encoding="utf-8")
    assert read_source(csv("*.csv"))[1][0].address == "a.csv"
    assert read_source(csv("a.csv"))[1][0].address == "a.csv"
    assert read_source(csv(str(here / "*.csv")))[1][0].address == str(here / "a.csv")


def test_the_same_project_elsewhere_names_the_same_files(here: Path) -> None:
    addresses = []
    for project in ("one", "two/deep"):
        write_parquet(f"{project}/in/year=2024/part.parquet", "a")
        parts = read_files(parquet("in"), here / project)
        addresses.append([part.location.address for part in parts])
    assert addresses == [["in/year=2024/part.parquet"]] * 2


def test_a_folder_of_parquet_is_read_with_the_columns_in_its_paths(here: Path) -> None:
    write_parquet("in/year=2024/site=a%2Fb/x.parquet", "a")
    write_parquet("in/year=2023/site=__HIVE_DEFAULT_PARTITION__/x.parquet", "b")
    Path("in/_SUCCESS").write_bytes(b"")
    Path("in/.hidden.parquet").write_bytes(b"no")
    frame, files = read_source(parquet("in"))
    assert [file.rows for file in files] == [2, 2]
    assert list(frame["year"]) == [2023, 2023, 2024, 2024]
    assert list(frame["site"].isna()) == [True, True, False, False]
    assert set(frame["site"].dropna()) == {"a/b"}
    assert typed(frame, parquet("in"))["year"].dtype == "int64"


def test_a_wildcard_opens_the_columns_in_the_path_and_a_plain_path_does_not(here: Path) -> None:
    write_parquet("in/year=2024/x.parquet", "a")
    assert "year" in read_source(parquet("in/*/x.parquet"))[0].columns
    assert "year" not in read_source(parquet("in/year=2024/x.parquet"))[0].columns


def test_a_key_in_the_path_stays_as_written(here: Path) -> None:
    write_parquet("in/person=007/x.parquet", "a")
    data = parquet("in", subject_key="person")
    assert list(read_source(data)[0]["person"]) == ["007", "007"]


def test_the_files_of_a_folder_are_those_that_an_erasure_looks_into(here: Path) -> None:
    write_parquet("in/year=2024/x.parquet", "a")
    write_parquet("in/year=2023/x.parquet", "b")
    found = local_files(parquet("in"), here)
    assert found == [here / "in/year=2023/x.parquet", here / "in/year=2024/x.parquet"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (csv("in"), "in: is a folder; name its files in data.source.paths, by a glob if many"),
        (parquet("in"), "in: has no .parquet or .pq file; check data.source.paths"),
        (parquet("none"), "none: no such file; check data.source.paths"),
        (csv("in/*.csv"), "in/*.csv: no such file; check data.source.paths"),
    ],
)
def test_a_folder_that_holds_nothing_to_read(here: Path, data: DataParams, expected: str) -> None:
    Path("in").mkdir()
    with pytest.raises(SignalboxError) as caught:
        read_source(data)
    assert str(caught.value) == expected


def test_a_header_may_hold_line_ends_in_quotes_and_columns_without_a_name(here: Path) -> None:
    text = ',"key","colour\n(of the\r\nhair)",size,label\n0,k,red,3,yes\n1,l,blue,4,no\n'
    Path("toy.csv").write_text(text, encoding="utf-8", newline="")
    frame = read_source(csv("toy.csv"))[0]
    assert list(frame.columns) == ["unnamed_1", "key", "colour (of the hair)", "size", "label"]
    assert list(frame["size"]) == ["3", "4"]


def test_rows_of_a_database_come_in_one_order_whatever_it_gives(here: Path) -> None:
    rows = [("k", "red", 2, "yes"), ("a", None, 1.5, "no"), ("a", "red", None, "no")]
    frames = []
    for name, order in (("one", rows), ("two", rows[::-1])):
        with closing(sqlite3.connect(f"{name}.db")) as base, base:
            base.execute("create table toy (key text, colour text, size, label text)")
            base.executemany("insert into toy values (?, ?, ?, ?)", order)
        source = {
            "kind": "sql", "url": f"sqlite:///{name}.db", "query": "select * from toy", "watch": "."
        }  # fmt: skip
        frames.append(read_source(data_params(source=source))[0])
    pd.testing.assert_frame_equal(frames[0], frames[1])


def test_a_driver_that_is_not_installed_is_named_with_what_installs_it(here: Path) -> None:
    source = {"kind": "sql", "url": "postgresql+psycopg://h/d", "query": "select 1", "watch": "."}
    with pytest.raises(SignalboxError, match=r"\(psycopg\); pip install 'psycopg\[binary\]'"):
        read_source(data_params(source=source))
