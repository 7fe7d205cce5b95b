import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.core.errors import SignalboxError
from pipelines.core.params import DataParams
from pipelines.mlops.modeling.scoring import score
from pipelines.mlops.scoring.batch import Batch, score_table
from pipelines.mlops.scoring.chunks import Input
from pipelines.mlops.scoring.production import ReleasedModel
from pipelines.mlops.scoring.record import describe, read_record
from tests.unit.mlops.scoring.conftest import make_rows

NOW = "2026-11-22T03:00:00.000000+00:00"


def score_csv(
    folder: Path, rows: pd.DataFrame, release: ReleasedModel, **options: Any
) -> tuple[Any, pd.DataFrame]:
    folder.mkdir(exist_ok=True)
    rows.to_csv(folder / "rows.csv", index=False)
    batch = Batch(str(folder / "rows.csv"), "b1", folder / "predictions", NOW)
    record = score_table(batch, release, **options)
    return record, pd.read_parquet(folder / "predictions/b1.parquet")


def test_every_row_gets_the_models_score_and_decision(
    release: ReleasedModel, tmp_path: Path
) -> None:
    rows = make_rows(120, 3)
    record, found = score_csv(tmp_path, rows.drop(columns=["y", "weight"]), release)
    expected = score(release.model, release.info, rows)
    np.testing.assert_allclose(found["score"], expected, atol=1e-12)
    assert list(found["decision"] == "yes") == list(expected >= release.info.threshold.value)
    assert list(found["subject_id"]) == list(rows["person"])
    assert list(found["row_id"]) == list(range(120))
    assert set(found["model_version"]) == {"toy@v1.0.0"}
    assert set(found["model_sha256"]) == {release.info.sha256}
    assert (record.rows, record.selected) == (120, (found["decision"] == "yes").sum())
    digest = hashlib.sha256((tmp_path / "rows.csv").read_bytes()).hexdigest()
    assert [(file.sha256, file.rows) for file in record.source] == [(digest, 120)]
    folder = tmp_path / "predictions"
    assert read_record(folder / "b1.json") == record
    for name, sha256 in record.outputs.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == sha256
    kept = pd.read_parquet(folder / "b1.inputs.parquet")
    assert set(kept) == {"subject_id", "row_id", "amount", "years", "colour", "sex"}
    assert not list(folder.glob(".*"))


def test_what_is_made_after_the_outcome_is_not_asked_for_when_scoring(
    release: ReleasedModel, tmp_path: Path
) -> None:
    data = release.params.data.model_copy(update={"ignore": [], "after_outcome": ["weight"]})
    meant = replace(release, params=release.params.model_copy(update={"data": data}))
    record, _ = score_csv(tmp_path, make_rows(20, 3).drop(columns=["y", "weight"]), meant)
    assert record.rows == 20
    assert describe(record).endswith(f"{record.selected} decided 'yes'")


def test_the_size_of_chunks_changes_nothing(release: ReleasedModel, tmp_path: Path) -> None:
    rows = make_rows(200, 4)
    rows.loc[150, "colour"] = 'quoted "line\nbreak", comma'
    rows["amount"] = rows["amount"].astype(object)
    rows.loc[170, "amount"] = "1,5 EUR"  # only the last chunk has an unreadable number
    _, whole = score_csv(tmp_path / "a", rows, release)
    record, parts = score_csv(tmp_path / "b", rows, release, chunk_rows=37)
    pd.testing.assert_frame_equal(whole, parts)
    assert record.columns["amount"].unreadable == 1
    assert record.columns["colour"].strange == 1
    assert "amount is not a number" in parts["unreadable"][170]


def test_the_same_work_gives_the_same_bytes(release: ReleasedModel, tmp_path: Path) -> None:
    rows = make_rows(50, 4)
    first, _ = score_csv(tmp_path / "a", rows, release)
    again, _ = score_csv(tmp_path / "b", rows, release)
    assert first.outputs == again.outputs


def test_parquet_and_text_are_read_alike(release: ReleasedModel, tmp_path: Path) -> None:
    rows = make_rows(80, 5)
    _, text = score_csv(tmp_path, rows, release)
    rows.to_parquet(tmp_path / "rows.parquet")
    batch = Batch(str(tmp_path / "rows.parquet"), "b2", tmp_path / "predictions", NOW)
    record = score_table(batch, release, chunk_rows=30)
    found = pd.read_parquet(tmp_path / "predictions/b2.parquet")
    pd.testing.assert_frame_equal(text, found)
    digest = hashlib.sha256((tmp_path / "rows.parquet").read_bytes()).hexdigest()
    assert record.source[0].sha256 == digest


def test_a_file_without_a_header_may_lack_the_label(release: ReleasedModel, tmp_path: Path) -> None:
    rows = make_rows(20, 6)
    names = list(rows.columns)
    source = release.params.data.source.model_copy(
        update={"columns": names, "delimiter": ";", "comment": "|", "encoding": "latin-1"}
    )
    data = release.params.data.model_copy(update={"source": source})
    rows.loc[3, "colour"] = "grün"
    for lacking in ([], ["y"]):
        path = tmp_path / "plain.csv"
        body = rows.drop(columns=lacking).to_csv(index=False, header=False, sep=";")
        path.write_text("|about this file\n" + body + "\n", encoding="latin-1")
        table = Input(str(path), data, 7)
        frame = pd.concat(table.chunks(), ignore_index=True)
        assert list(frame.columns) == [name for name in names if name not in lacking]
        assert list(frame["person"]) == list(rows["person"])
        assert frame["colour"][3] == "grün"
        assert table.files[0].rows == 20


def test_unknown_values_and_lacking_groups_are_counted_not_refused(
    release: ReleasedModel, tmp_path: Path
) -> None:
    rows = make_rows(40, 7).drop(columns=["sex"])
    rows["colour"] = ["<script>"] * 10 + ["RED"] * 10 + [None] * 20
    rows["years"] = [1000] * 5 + [3] * 35
    record, found = score_csv(tmp_path, rows, release)
    assert found["score"].between(0, 1).all()
    assert record.columns["colour"].strange == 10
    assert record.columns["colour"].missing == 20
    assert record.columns["years"].strange == 5
    assert pd.read_parquet(tmp_path / "predictions/b1.inputs.parquet")["sex"].isna().all()


def test_a_name_that_is_taken_is_refused_and_the_same_work_is_not(
    release: ReleasedModel, tmp_path: Path
) -> None:
    rows = make_rows(30, 8)
    before, _ = score_csv(tmp_path, rows, release)
    path, folder = str(tmp_path / "rows.csv"), tmp_path / "predictions"
    again = score_table(Batch(path, "b1", folder, "2027-01-01T00:00:00+00:00"), release)
    assert again == before
    with pytest.raises(SignalboxError, match="choose another name"):
        score_csv(tmp_path, rows.head(29), release)
    assert read_record(folder / "b1.json") == before
    assert len(pd.read_parquet(folder / "b1.parquet")) == 30


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        ("", "has no rows"),
        ("person,amount,years,colour\n", "has no rows"),
        ("person,amount,years\np,1,2\n", "lacks columns .*: colour"),
        ("amount,years,colour\n1,2,red\n", "no column 'person'"),
        ("person,amount,years,colour\np,1,2\n", "3 fields instead of 4"),
    ],
)
def test_a_bad_table_gets_one_clear_error_and_leaves_nothing(
    release: ReleasedModel, tmp_path: Path, content: str | None, message: str
) -> None:
    path = tmp_path / "in.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SignalboxError, match=message):
        score_table(Batch(str(path), "x", tmp_path / "p", NOW), release)
    assert not list((tmp_path / "p").glob("*")) or not (tmp_path / "p").exists()


def test_a_name_cannot_leave_the_folder(release: ReleasedModel, tmp_path: Path) -> None:
    with pytest.raises(SignalboxError, match="use letters"):
        score_table(Batch("x.csv", "../x", tmp_path, NOW), release)


def test_text_is_read_with_commas_where_the_source_was_none(tmp_path: Path) -> None:
    data = DataParams.model_validate(
        {
            "name": "t",
            "source": {"kind": "parquet", "paths": ["x"], "watch": "x"},
            "target": "y",
            "positive": 1,
        }
    )
    (tmp_path / "in.csv").write_text('a,b\r\n1,"x,y"\r\n')
    [frame] = Input(str(tmp_path / "in.csv"), data, 5).chunks()
    assert frame.to_dict("list") == {"a": ["1"], "b": ["x,y"]}


KEYS = ["1", "00001", "1.0", "1234567890123456000", "1234567890123456001", "NA", " 1", "a\rb"]


@pytest.mark.parametrize("column", ["person", "subject_id"])
def test_predictions_name_people_as_the_input_writes_them(
    release: ReleasedModel, tmp_path: Path, column: str
) -> None:
    rows = make_rows(len(KEYS), 8).rename(columns={"person": column})
    rows[column] = KEYS
    (tmp_path / "in.csv").write_text(rows.to_csv(index=False, quoting=1), newline="")
    rows.to_parquet(tmp_path / "in.parquet")
    for kind in ("csv", "parquet"):
        batch = Batch(str(tmp_path / f"in.{kind}"), kind, tmp_path / "predictions", NOW)
        score_table(batch, release, chunk_rows=3)
        found = pd.read_parquet(tmp_path / f"predictions/{kind}.parquet")
        assert list(found["subject_id"]) == KEYS
        assert found["unreadable"].isna().all()


def test_long_numbers_beside_missing_keys_stay_exact(
    release: ReleasedModel, tmp_path: Path
) -> None:
    rows = make_rows(3, 8)
    rows["person"] = pd.array([2**53 + 1, None, 2**53], dtype="Int64")
    rows.to_parquet(tmp_path / "in.parquet")
    score_table(Batch(str(tmp_path / "in.parquet"), "b", tmp_path, NOW), release)
    found = pd.read_parquet(tmp_path / "b.parquet")["subject_id"]
    assert list(found.dropna()) == [str(2**53 + 1), str(2**53)]
    assert found.isna()[1]


def test_a_number_with_a_point_is_nobodys_key(release: ReleasedModel, tmp_path: Path) -> None:
    rows = make_rows(3, 8)
    rows["person"] = [1.0, 2.0, 3.0]
    rows.to_parquet(tmp_path / "in.parquet")
    batch = Batch(str(tmp_path / "in.parquet"), "b", tmp_path / "out", NOW)
    with pytest.raises(SignalboxError, match=r"in\.parquet: column 'person'.*floating-point"):
        score_table(batch, release)
    assert not list((tmp_path / "out").glob("*"))
