"""Every row has a subject; without a key, equal rows are one subject."""

from pathlib import Path

import pandas as pd

from pipelines.core.tables import ROW, SUBJECT
from pipelines.mlops.data.table import name_rows, typed
from tests.conftest import data_params

FRAME = pd.DataFrame(
    {
        "key": ["u1", "u2", "u1", None],
        "colour": ["red", "blue", "red", "blue"],
        "label": ["yes", "no", "yes", "no"],
    }
)


def named(frame: pd.DataFrame, subject_key: str | None) -> pd.DataFrame:
    data = data_params(subject_key=subject_key)
    return name_rows(typed(frame, data), data)


def test_the_key_names_the_subject_and_a_missing_key_stays_missing(here: Path) -> None:
    result = named(FRAME, "key")
    assert list(result[SUBJECT])[:3] == ["u1", "u2", "u1"]
    assert result[SUBJECT].isna()[3]
    assert list(result[ROW]) == [0, 1, 2, 3]


def test_without_a_key_equal_rows_are_one_subject(here: Path) -> None:
    result = named(FRAME, None)
    assert result[SUBJECT][0] == result[SUBJECT][2]
    assert result[SUBJECT].nunique() == 3


def test_a_subject_keeps_its_name_when_rows_are_added_or_moved(here: Path) -> None:
    before = named(FRAME, None)
    after = named(FRAME.iloc[::-1].reset_index(drop=True), None)
    assert set(before[SUBJECT]) == set(after[SUBJECT])


def test_values_that_touch_are_not_mixed_up(here: Path) -> None:
    frame = pd.DataFrame({"key": ["ab", "a"], "colour": ["c", "bc"], "label": ["yes", "yes"]})
    assert named(frame, None)[SUBJECT].nunique() == 2
