"""Subjects stay on their side, and no subject stands on two."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.errors import SignalboxError
from pipelines.core.params import Params, SplitParams
from pipelines.core.tables import SUBJECT
from pipelines.mlops.split import assign_split, describe, position

SPLIT = SplitParams(train=0.7, validation=0.15, test=0.15, salt="s", tolerance=0.02)


def frame_of(subjects: list[str]) -> pd.DataFrame:
    return pd.DataFrame({SUBJECT: pd.Series(subjects, dtype="str"), "n": range(len(subjects))})


@given(st.lists(st.text(max_size=5)), st.lists(st.text(max_size=5)))
def test_growing_data_moves_nobody(old: list[str], new: list[str]) -> None:
    def side_of(subjects: list[str]) -> dict[str, str]:
        parts = assign_split(frame_of(subjects), SPLIT)
        return {s: name for name, part in parts.items() for s in part[SUBJECT]}

    before, after = side_of(old), side_of(old + new)
    assert all(after[subject] == side for subject, side in before.items())


@given(st.lists(st.text(max_size=3)))
def test_every_row_is_dealt_once_and_no_subject_stands_on_two_sides(subjects: list[str]) -> None:
    parts = assign_split(frame_of(subjects), SPLIT)
    rows = sorted(n for part in parts.values() for n in part["n"])
    assert rows == list(range(len(subjects)))
    seen = [set(part[SUBJECT]) for part in parts.values()]
    assert sum(map(len, seen)) == len(set().union(*seen))


def test_positions_are_the_documented_hash() -> None:
    # sha256(b"s\0u1") begins with these 16 hex digits; the first 52 bits give the place.
    import hashlib

    head = hashlib.sha256(b"s\0u1").hexdigest()[:13]
    assert position("u1", "s") == int(head, 16) / 16**13


def test_another_salt_deals_anew() -> None:
    subjects = [f"u{i}" for i in range(1000)]
    one = assign_split(frame_of(subjects), SPLIT)["test"][SUBJECT]
    two = assign_split(frame_of(subjects), SPLIT.model_copy(update={"salt": "t"}))["test"][SUBJECT]
    assert 0.02 < len(set(one) & set(two)) / len(one) < 0.4


def toy(params: Params, subjects: list[str], tolerance: float) -> Params:
    split = SPLIT.model_copy(update={"tolerance": tolerance})
    return params.model_copy(update={"split": split})


def test_proportions_are_verified(params: Params) -> None:
    subjects = ["giant"] * 500 + [f"u{i}" for i in range(500)]
    frame = frame_of(subjects).assign(income=["<=50K", ">50K"] * 500)
    with pytest.raises(SignalboxError, match=r"split\.\w+: wanted .*% of rows, got"):
        describe(assign_split(frame, SPLIT), toy(params, subjects, 0.02))


def test_proportions_hold_for_many_subjects() -> None:
    parts = assign_split(frame_of([f"u{i}" for i in range(20_000)]), SPLIT)
    assert len(parts["train"]) / 20_000 == pytest.approx(0.7, abs=0.01)
    assert len(parts["test"]) / 20_000 == pytest.approx(0.15, abs=0.01)
