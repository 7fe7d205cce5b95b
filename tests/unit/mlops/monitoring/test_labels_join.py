from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.errors import SignalboxError
from pipelines.mlops.monitoring.predictions import join, read_labels
from pipelines.mlops.scoring.production import ReleasedModel

subjects = st.sampled_from(["a", "b", "c", "d", None])
row = st.tuples(subjects, st.sampled_from(["b1", "b2"]), st.booleans())


def predictions(rows: list[tuple[str | None, str, bool]]) -> pd.DataFrame:
    seen: Counter[str] = Counter()
    numbers = []
    for _, batch, _ in rows:
        numbers.append(seen[batch])
        seen[batch] += 1
    return pd.DataFrame(
        {
            "subject_id": pd.array([subject for subject, _, _ in rows], dtype="str"),
            "batch": pd.array([batch for _, batch, _ in rows], dtype="str"),
            "row_id": numbers,
            "mature": [mature for _, _, mature in rows],
        }
    )


@given(st.lists(row, min_size=1, max_size=12), st.data())
def test_matched_waiting_and_unmatched_add_up(rows: list, data: st.DataObject) -> None:
    frame = predictions(rows)
    keys = data.draw(
        st.sampled_from(
            [["subject_id"], ["subject_id", "batch"], ["subject_id", "batch", "row_id"]]
        )
    )
    labels = frame[keys].drop_duplicates()
    labels = labels[data.draw(st.lists(st.booleans(), min_size=len(labels), max_size=len(labels)))]
    y = data.draw(st.lists(st.integers(0, 1), min_size=len(labels), max_size=len(labels)))
    labels = labels.assign(label=np.array(y, dtype="int8"))
    joined = join(frame, labels)
    assert len(joined.matched) + joined.waiting + joined.unmatched == len(frame)
    assert joined.waiting == sum(not mature for _, _, mature in rows)
    known = {tuple(r[:-1]): r[-1] for r in labels.itertuples(index=False)}
    expected = {
        position: known[tuple(frame.loc[position, keys])]
        for position in range(len(frame))
        if rows[position][2]
        and rows[position][0] is not None
        and tuple(frame.loc[position, keys]) in known
    }
    assert dict(zip(joined.matched.tolist(), joined.y.tolist(), strict=True)) == expected


def read(text: str, release: ReleasedModel, folder: Path) -> pd.DataFrame:
    (folder / "labels.csv").write_text(text)
    return read_labels(str(folder / "labels.csv"), release.params.data, release.info)


def test_labels_are_read_by_the_subjects_own_key(release: ReleasedModel, tmp_path: Path) -> None:
    found = read("person,y\np1,yes\np2,no\np2,no\np3,\n", release, tmp_path)
    assert found.to_dict("list") == {"subject_id": ["p1", "p2"], "label": [1, 0]}
    rowwise = read("subject_id,batch,row_id,y\np1,b,0,yes\np1,b,1,no\n", release, tmp_path)
    assert list(rowwise["row_id"]) == [0, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("person\np1\n", "need a column 'y'"),
        ("y\nyes\n", "need a column 'subject_id'"),
        ("person,y\np1,maybe\n", "label 'maybe' is neither 'yes' nor 'no'"),
        ("person,y\np1,yes\np1,no\n", "1 keys .subject_id. have two different labels"),
    ],
)
def test_labels_that_cannot_be_told_apart_are_refused(
    release: ReleasedModel, tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(SignalboxError, match=message):
        read(text, release, tmp_path)


KEYS = ["1", "00001", "1.0", "1234567890123456000", "1234567890123456001", "NA", "nan", " 1", "?"]


def labels_of(keys: list[str]) -> list[str]:
    return ["yes" if i % 2 else "no" for i in range(len(keys))]


def test_labels_belong_to_the_key_as_written(release: ReleasedModel, tmp_path: Path) -> None:
    params = release.params
    data = params.data.model_copy(update={"missing_marks": ["NA", "?"]})
    rows = "".join(f"{k},{y}\n" for k, y in zip(KEYS, labels_of(KEYS), strict=True))
    (tmp_path / "labels.csv").write_text(f"person,y\n{rows}")
    labels = read_labels(str(tmp_path / "labels.csv"), data, release.info)
    frame = predictions([(key, "b", True) for key in [*KEYS, "01", "1234567890123456002", None]])
    joined = join(frame, labels)
    assert joined.matched.tolist() == list(range(len(KEYS)))
    assert joined.y.tolist() == [i % 2 for i in range(len(KEYS))]
    assert joined.unmatched == 3


def test_whole_numbers_in_parquet_label_exactly(release: ReleasedModel, tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    path = tmp_path / "labels.parquet"
    numbers = pa.array([2**53, 2**53 + 1, None], pa.int64())
    parquet.write_table(pa.table({"person": numbers, "y": ["yes", "no", "no"]}), path)
    labels = read_labels(str(path), release.params.data, release.info)
    joined = join(predictions([(str(2**53 + i), "b", True) for i in range(3)]), labels)
    assert (joined.matched.tolist(), joined.y.tolist()) == ([0, 1], [1, 0])
    parquet.write_table(pa.table({"person": [1.0, 2.0], "y": ["yes", "no"]}), path)
    with pytest.raises(SignalboxError, match=r"labels.parquet: column 'person'.*floating-point"):
        read_labels(str(path), release.params.data, release.info)


def test_whole_numbers_as_names_of_batches_beside_missing_ones_still_match(
    release: ReleasedModel, tmp_path: Path
) -> None:
    path = tmp_path / "labels.parquet"
    frame = pd.DataFrame({"person": ["p1", "p2"], "batch": [20260101, None], "y": ["yes", "no"]})
    frame.to_parquet(path)
    labels = read_labels(str(path), release.params.data, release.info)
    assert join(predictions([("p1", "20260101", True)]), labels).y.tolist() == [1]
