"""Two different texts are two people, in every store and from every kind of source."""

import csv
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import chdir, closing, contextmanager
from pathlib import Path
from typing import Any

import dvc.repo  # noqa: F401 - its log takes the stream it first sees, which must outlive a test
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from pipelines.core.artifacts import INGESTED, QUARANTINE, TEST, TRAIN, VALIDATED, VALIDATION
from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import read_evidence
from pipelines.core.params import CsvSource, ParquetSource, load_params
from pipelines.core.tables import SUBJECT, write_table
from pipelines.mlops import ingest
from pipelines.mlops.data import records
from pipelines.mlops.data import table as table_module
from pipelines.mlops.privacy import erase as erasing
from pipelines.mlops.split import assign_split
from pipelines.mlops.validate import basic_rules, part
from tests.conftest import ROOT
from tests.support.small_project import ONE_CHECK, change_params
from tests.unit.mlops.privacy.conftest import Book, store

COLUMNS = ["size", "name", "label"]
Row = tuple[Any, Any, Any]

TRICKY = [
    "1", "00001", "+1", "-1", "1.0", "1e0", "1E0", "01", "0x1", "1_0", "-0", "0", "1,0",
    "1234567890123456000", "1234567890123456001", "123456789012345678901234567890", "1e400",
    "NA", "nan", "NaN", "None", "null", "?", "inf", "TRUE", "true", "#N/A",
    "ann b", "ann  b", " 1", "1 ", "\xa01", " ", "straße", "STRASSE", "\u00e9", "e\u0301", "\ufb01",
    'a"b', "a,b", "a\nb", "a\rb", "a\r\nb", "a\x85b", "a\u2028b", "a\x00b", "a\x00c", "'", "|x",
    "=1", "person-17", "person-17 b", "x person-17", "label", "name", "hmac-sha256:1",
]  # fmt: skip

texts = st.one_of(
    st.sampled_from(TRICKY),
    st.integers().map(str),
    st.integers(0, 10**6).map("{:020d}".format),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9),
)


def rows_of(keys: list[Any]) -> list[Row]:
    """One row a key, and a second of every third key; both labels are there."""
    rows = [(i, key, "good" if i % 2 else "bad") for i, key in enumerate([*keys, *keys[::3]])]
    return rows if len(rows) > 1 else [*rows, (9, keys[0], "good")]


def as_csv(rows: list[Row]) -> None:
    with Path("raw.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\r\n")
        writer.writerows([COLUMNS, *rows])


def as_parquet(rows: list[Row], kind: Any) -> None:
    names = pa.array([key for _, key, _ in rows], kind)
    columns = {"size": [s for s, _, _ in rows], "name": names, "label": [y for _, _, y in rows]}
    parquet.write_table(pa.table(columns), "raw.parquet")


def as_sql(rows: list[Row], kind: str) -> None:
    with closing(sqlite3.connect("raw.db")) as base, base:
        base.execute(f"create table people (size integer, name {kind}, label text)")
        base.executemany("insert into people values (?, ?, ?)", rows)


CSV = {"kind": "csv", "paths": ["raw.csv"], "watch": "raw.csv", "columns": []}
PARQUET = {"kind": "parquet", "paths": ["raw.parquet"], "watch": "raw.parquet"}
SQL = {"kind": "sql", "url": "sqlite:///raw.db", "query": "select * from people", "watch": "raw.db"}


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git repository with params, to be copied."""
    place = tmp_path_factory.mktemp("empty") / "project"
    place.mkdir()
    (place / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    change_params(place, {
        "data.replace": {}, "data.target": "label", "data.positive": "good",
        "data.favourable": "good",
        "data.subject_key": "name", "data.sensitive": {}, "data.intersections": [],
        "data.ignore": [], "data.missing_marks": ["?", "NA"],
        "bias_audit.mitigation.feature": None, "gate.checks": [ONE_CHECK], "evaluate.slices": [],
    })  # fmt: skip
    (place / ".gitignore").write_text("/data/\n/quarantine/\n/predictions/\n/runs/\n")
    subprocess.run(["git", "init", "--quiet"], cwd=place, check=True)
    return place


@contextmanager
def project(empty: Path, source: dict[str, Any], write: Callable[[], None]) -> Iterator[Path]:
    """A project whose source was ingested, and whose rows lie in every kind of store."""
    with tempfile.TemporaryDirectory() as top:
        place = Path(top) / "project"
        shutil.copytree(empty, place)
        change_params(place, {"data.source": source})
        with chdir(place):
            write()
            ingest.main(load_params(place / "params.yaml"))
            spread(place)
            yield place


def spread(place: Path) -> None:
    """Tables of the later stages, by their own functions; predictions, a run, a cache, a copy."""
    params = load_params(place / "params.yaml")
    frame = pd.read_parquet(INGESTED)
    rules = basic_rules(frame, params.data)
    rules[0].rows.extend(int(row) for row in frame["row_id"][::4])  # some rows are broken
    kept, quarantine = part(frame, rules)
    parts = assign_split(kept, params.split)
    sides = zip((TRAIN, VALIDATION, TEST), parts.values(), strict=True)
    for path, table in [(VALIDATED, kept), (QUARANTINE, quarantine), *sides]:
        write_table(path, table)
    scored = frame[[SUBJECT, "row_id"]].assign(score=0.5)
    write_table(Path("predictions/day.parquet"), scored)
    scored.to_csv("predictions/day.csv", index=False, quoting=csv.QUOTE_ALL)
    run = Path("runs/model_release/manual__1")
    write_table(run / TRAIN, parts["train"])
    (run / "dvc.yaml").write_text("stages: {}\n")
    cached = {"ingested": INGESTED.read_bytes()}
    if isinstance(params.data.source, CsvSource):
        cached["raw"] = Path("raw.csv").read_bytes()
        shutil.copy("raw.csv", "copy.csv")
    if isinstance(params.data.source, ParquetSource):
        shutil.copy("raw.parquet", "copy.parquet")
    store(place, cached)


def tables(place: Path) -> dict[str, list[list[Any]]]:
    """Rows of every table of the work tree, by another reader; the key's column as texts."""
    found = {}
    for path in sorted(place.rglob("*")):
        name = str(path.relative_to(place))
        if path.suffix == ".parquet":
            table = parquet.read_table(path)
            found[name] = [[key_of(table, row), *row.values()] for row in table.to_pylist()]
        if path.suffix == ".csv":
            with path.open(newline="", encoding="utf-8") as stream:
                lines = list(csv.reader(stream))
            column = lines[0].index(SUBJECT if SUBJECT in lines[0] else "name")
            found[name] = [[line[column], *line] for line in lines[1:]]
    return found


def key_of(table: Any, row: dict[str, Any]) -> str:
    return str(row[SUBJECT] if SUBJECT in table.column_names else row["name"])


def check(place: Path, keys: list[Any], gone: Any) -> None:
    """Erase one key and compare every store with what it held before."""
    evidence = read_evidence(place / "evidence/ingest.json")
    counted = {figure.id: figure.value for figure in evidence.figures}
    assert counted["ingest.subjects"] == len(keys)
    before = tables(place)
    assert {row[0] for row in before["data/ingested.parquet"]} == {str(key) for key in keys}
    done = erasing.erase(place, str(gone), Book())
    assert done.complete
    expected = {name: [row for row in rows if row[0] != str(gone)] for name, rows in before.items()}
    assert tables(place) == expected
    held = [path for path in (place / ".dvc/cache").rglob("*") if path.is_file()]
    assert [path.read_bytes() for path in held] == [b"innocent"]


RUNS = settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(autouse=True)
def keys_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALBOX_KEYS", str(tmp_path / "keys"))


@RUNS
@given(st.lists(texts, min_size=1, max_size=12, unique=True), st.data())
def test_texts_in_csv(empty: Path, keys: list[str], data: st.DataObject) -> None:
    with project(empty, CSV, lambda: as_csv(rows_of(keys))) as place:
        gone = data.draw(st.sampled_from(keys))
        text = Path("raw.csv").read_bytes()
        check(place, keys, gone)
        parts = records.split(text.decode(), CsvSource.model_validate(CSV))
        mine = {i for i, row in enumerate(rows_of(keys)) if row[1] == gone}
        assert Path("raw.csv").read_bytes() == records.without(parts, mine).encode()


@pytest.mark.slow
def test_tricky_texts_leave_one_after_the_other(empty: Path) -> None:
    with project(empty, CSV, lambda: as_csv(rows_of(TRICKY))) as place:
        check(place, TRICKY, TRICKY[0])
        for gone in TRICKY[1:]:
            before = tables(place)
            assert erasing.erase(place, gone, Book()).complete
            assert tables(place) == {
                name: [row for row in rows if row[0] != gone] for name, rows in before.items()
            }


@RUNS
@given(st.lists(texts, min_size=1, max_size=12, unique=True), st.data())
def test_texts_in_parquet(empty: Path, keys: list[str], data: st.DataObject) -> None:
    with project(empty, PARQUET, lambda: as_parquet(rows_of(keys), pa.string())) as place:
        check(place, keys, data.draw(st.sampled_from(keys)))


NEAR = st.integers(2**62, 2**62 + 400)
KINDS = {"int64": NEAR | st.integers(-9, 9), "uint64": NEAR.map(lambda n: n + 2**63)}


@pytest.mark.parametrize("kind", KINDS)
@RUNS
@given(data=st.data())
def test_whole_numbers_in_parquet(empty: Path, kind: str, data: st.DataObject) -> None:
    keys = data.draw(st.lists(KINDS[kind], min_size=2, max_size=12, unique=True))
    write = getattr(pa, kind)()
    with project(empty, PARQUET, lambda: as_parquet(rows_of(keys), write)) as place:
        check(place, keys, data.draw(st.sampled_from(keys)))


@RUNS
@given(st.lists(texts, min_size=3, max_size=12, unique=True), st.data())
@example(["1", "00001", "1.0"], None)
def test_texts_in_sql_stay_out_when_they_come_again(
    empty: Path, keys: list[str], data: st.DataObject | None
) -> None:
    gone = data.draw(st.sampled_from(keys)) if data else keys[0]
    check_sql(empty, keys, gone, "text")


@RUNS
@given(st.lists(NEAR, min_size=3, max_size=12, unique=True))
def test_whole_numbers_in_sql_stay_out_when_they_come_again(empty: Path, keys: list[int]) -> None:
    check_sql(empty, keys, keys[-1], "integer")


def check_sql(empty: Path, keys: list[Any], gone: Any, kind: str) -> None:
    with project(empty, SQL, lambda: as_sql(rows_of(keys), kind)) as place:
        check(place, keys, gone)
        left = tables(place)["data/ingested.parquet"]
        params = load_params(place / "params.yaml")
        frame, _ = ingest.read_source(params.data)
        again = ingest.drop_erased(
            table_module.name_rows(table_module.typed(frame, params.data), params.data)
        )
        assert sorted(again[SUBJECT]) == sorted(row[0] for row in left)


def test_three_thousand_long_ids_are_three_thousand_people(empty: Path) -> None:
    keys = [str(1234567890123456000 + i) for i in range(3000)]
    with project(empty, CSV, lambda: as_csv(rows_of(keys))) as place:
        check(place, keys, "1234567890123456001")


def test_a_key_that_nobody_wrote_is_nowhere_and_alike_ones_are_named(empty: Path) -> None:
    with project(empty, CSV, lambda: as_csv(rows_of(["00001", "ann", "bob"]))) as place:
        before = tables(place)
        with pytest.raises(SignalboxError, match=r"the subject is nowhere.*written alike: '00001'"):
            erasing.erase(place, "1", Book())
        with pytest.raises(SignalboxError, match="written alike: 'ann'"):
            erasing.preview(place, " Ann", Book())
        assert tables(place) == before


def typed_as_before(keys: list[str]) -> pd.DataFrame:
    """The ingested table as versions wrote it that typed keys."""
    numbers = pd.to_numeric(pd.Series(keys)).astype("float64")
    small = (numbers.abs() < 2**53).all()
    subjects = [str(int(number)) for number in numbers]
    return pd.DataFrame(
        {"name": numbers.astype("int64") if small else numbers,
         SUBJECT: pd.Series(subjects, dtype="str"), "row_id": range(len(keys))}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "gone"),
    [
        (["1", "00001", "2"], "1"),
        (["1", "00001", "2"], "00001"),
        ([str(1234567890123456000 + i) for i in range(200)], "1234567890123456001"),
    ],
)
def test_a_table_that_cannot_tell_two_keys_apart_stops_the_erasure(
    empty: Path, keys: list[str], gone: str
) -> None:
    with project(empty, CSV, lambda: as_csv(rows_of(keys))) as place:
        write_table(INGESTED, typed_as_before(keys))
        before = {p: p.read_bytes() for p in place.rglob("*") if p.is_file()}
        book = Book()
        for attempt in (erasing.erase, erasing.preview):
            with pytest.raises(SignalboxError) as caught:
                attempt(place, gone, book)
            assert "data/ingested.parquet: cannot tell the rows of" in str(caught.value)
            assert sum(repr(key) in str(caught.value) for key in keys) > 1
        now = {p: p.read_bytes() for p in place.rglob("*") if p.is_file() and "tmp" not in p.parts}
        assert {path: before.get(path) for path in now} == now
        assert book.kept == []


def test_a_table_that_typed_keys_is_cleaned_where_a_number_is_one_person(empty: Path) -> None:
    keys = ["00001", "00002", "00003", "00010"]
    with project(empty, CSV, lambda: as_csv(rows_of(keys))) as place:
        write_table(INGESTED, typed_as_before(keys))
        assert erasing.erase(place, "00001", Book()).complete
        assert list(pd.read_parquet(INGESTED)["name"]) == [2, 3, 10]


def test_a_table_whose_two_columns_of_keys_disagree_stops_the_erasure(empty: Path) -> None:
    with project(empty, CSV, lambda: as_csv(rows_of(["1", "00001", "2"]))) as place:
        frame = pd.DataFrame({"name": ["1", "00001", "2"], SUBJECT: ["1", "1", "2"]})
        write_table(VALIDATED, frame)
        with pytest.raises(SignalboxError, match="2 written keys apart: '00001', '1'"):
            erasing.erase(place, "1", Book())
        with pytest.raises(SignalboxError, match="2 written keys apart: '00001', '1'"):
            erasing.erase(place, "00001", Book())
        assert erasing.erase(place, "2", Book()).complete


def test_predictions_under_a_number_are_left_and_named(empty: Path) -> None:
    with project(empty, CSV, lambda: as_csv(rows_of(["00001", "00002"]))) as place:
        write_table(Path("predictions/old.parquet"), pd.DataFrame({SUBJECT: ["1", "2"]}))
        done = erasing.erase(place, "00001", Book())
        assert any("predictions/old.parquet: may name the subject" in n for n in done.notes)
        assert len(pd.read_parquet("predictions/old.parquet")) == 2


def test_one_person_s_keyed_hash_that_is_another_s_key_is_refused(empty: Path) -> None:
    from pipelines.core.keyed_hash import secret, token_of

    token = token_of("ann", secret(create=True))
    with project(empty, CSV, lambda: as_csv(rows_of(["ann", token, "bob"]))) as place:
        with pytest.raises(SignalboxError, match="the key of one subject and the keyed hash"):
            erasing.erase(place, token, Book())
        its_own = token_of(token, secret(create=False))
        assert erasing.erase(place, its_own, Book()).complete
        assert {row[0] for row in tables(place)["raw.csv"]} == {"ann", "bob"}


def test_a_file_that_would_not_come_back_byte_for_byte_is_left_alone(empty: Path) -> None:
    source = {**CSV, "encoding": "utf-8-sig"}  # writes a mark that this file doesn't have
    with project(empty, source, lambda: as_csv(rows_of(["ann", "bob"]))) as place:
        before = Path("raw.csv").read_bytes()
        with pytest.raises(SignalboxError, match="without changing other bytes"):
            erasing.erase(place, "ann", Book())
        assert Path("raw.csv").read_bytes() == before
