"""Sources with a key column, several files, other encodings and Parquet."""

import gzip
import hashlib
from pathlib import Path

import pandas as pd
import pytest

from pipelines.core.errors import SignalboxError
from pipelines.core.params import DataParams
from pipelines.mlops.privacy.probe import KEY, LINES, TABLE, Probe
from pipelines.mlops.privacy.source import elsewhere, find, pack, parse, unpack
from pipelines.mlops.privacy.subject import Subject
from tests.conftest import data_params

FIRST = "key,colour,size,label\n1,red,2,yes\n2,blue,3,no\n1,green,4,no\n"
SECOND = "key,colour,size,label\n3,red,2,yes\n1,blue,3,no\n"


def csv_source(here: Path) -> DataParams:
    (here / "a.csv").write_text(FIRST)
    (here / "b.csv.gz").write_bytes(gzip.compress(SECOND.encode(), mtime=0))
    source = {"kind": "csv", "paths": ["*.csv", "b.csv.gz"], "watch": "a.csv"}
    return data_params(source=source)


def probe(data: DataParams, key: str = "1") -> Probe:
    return Probe(Subject(key, "token"), data)


def test_rows_are_found_and_taken_out_in_every_file(here: Path) -> None:
    data = csv_source(here)
    first, second = find(data, here, probe(data).mask)
    assert (first.rows, second.rows) == (2, 1)
    assert first.after == b"key,colour,size,label\n2,blue,3,no\n"
    assert gzip.decompress(second.after) == b"key,colour,size,label\n3,red,2,yes\n"
    assert second.pin_before == hashlib.sha256(SECOND.encode()).hexdigest()
    assert first.lines == {"1,red,2,yes", "1,green,4,no"}


def test_parquet_sources_keep_their_types(here: Path) -> None:
    frame = pd.DataFrame(
        {"key": [1, 2], "colour": ["r", "b"], "size": [1.5, 2.5], "label": ["yes", "no"]}
    )
    frame.to_parquet(here / "a.parquet")
    source = {"kind": "parquet", "paths": ["a.parquet"], "watch": "a.parquet"}
    data = data_params(source=source)
    (file,) = find(data, here, probe(data).mask)
    (here / "a.parquet").write_bytes(file.after)
    left = pd.read_parquet(here / "a.parquet")
    assert list(left["key"]) == [2]
    assert list(left.dtypes) == list(frame.dtypes)


def test_a_file_whose_lines_and_rows_differ_is_left_alone(here: Path) -> None:
    (here / "a.csv").write_text('key,colour,size,label\n1,a"b,2,yes\n2,blue,3,no\n')
    data = data_params(source={"kind": "csv", "paths": ["a.csv"], "watch": "a.csv"})
    with pytest.raises(SignalboxError, match="by hand"):
        find(data, here, probe(data).mask)


def test_other_versions_of_the_source_are_recognised(here: Path) -> None:
    data = csv_source(here)
    older = b"key,colour,size,label\n9,red,2,yes\n1,pink,2,yes\n"
    assert getattr(probe(data).look(gzip.compress(older)), "kind", None) == LINES
    assert probe(data).look(older.replace(b"1,pink", b"8,pink")) is None


def test_tables_are_searched_by_their_subject(here: Path) -> None:
    data = csv_source(here)
    pd.DataFrame({"subject_id": ["1", "2"], "score": [0.1, 1.0]}).to_parquet(here / "t.parquet")
    hit = probe(data).look((here / "t.parquet").read_bytes())
    assert (getattr(hit, "kind", None), getattr(hit, "rows", None)) == (TABLE, 1)
    assert probe(data, "3").look((here / "t.parquet").read_bytes()) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [("x ann@example.org y", True), ("joann@example.org", False), ("ann@example.orgs", False)],
)
def test_a_distinct_key_is_found_as_a_word(here: Path, text: str, found: bool) -> None:
    hit = probe(csv_source(here), "ann@example.org").look(text.encode())
    assert (hit is not None and hit.kind == KEY) is found


def test_places_that_cannot_be_changed_from_here_are_named() -> None:
    sql = {"kind": "sql", "url_env": "DB", "query": "select 1", "watch": "x"}
    assert "DB" in elsewhere(data_params(source=sql))[0]
    remote = {"kind": "csv", "paths": ["s3://b/x.csv", "y.csv"], "watch": "x"}
    assert elsewhere(data_params(source=remote)) == ["s3://b/x.csv"]


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".csv"])
def test_packing_is_undone(suffix: str) -> None:
    packed = pack(b"rows", Path(f"x{suffix}"))
    assert unpack(packed) == b"rows"
    assert pack(b"rows", Path(f"x{suffix}")) == packed


def test_a_packing_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(SignalboxError, match="unpack it"):
        pack(b"rows", Path("x.zip"))


def test_find_wants_columns_and_values() -> None:
    assert parse("age=39, sex=Male") == {"age": "39", "sex": "Male"}
    with pytest.raises(SignalboxError, match="column=value"):
        parse("39")


def test_a_word_that_is_part_of_another_key_is_not_the_subject(here: Path) -> None:
    looking = probe(csv_source(here), "person 1")
    looking.written.add(["person 1", "person 1 b", "dear person 1"])
    assert looking.look(b"ask person 1 b, or dear person 1.") is None
    hit = looking.look(b"ask person 1 b and person 1.")
    assert (getattr(hit, "kind", None), getattr(hit, "rows", None)) == (KEY, 0)
    assert looking.look(b"undear person 1") is not None


def test_a_table_in_text_is_searched_in_its_column_of_keys_only(here: Path) -> None:
    looking = probe(csv_source(here), "1234567")
    hit = looking.look(b"subject_id,amount\n1234567,3\n-1234567,1234567\n1234567.0,1\n")
    assert (getattr(hit, "kind", None), getattr(hit, "rows", None)) == (LINES, 1)
    assert looking.look(b"subject_id,amount\n-1234567,1234567\n") is None
