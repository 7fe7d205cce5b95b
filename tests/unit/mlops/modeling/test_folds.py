import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.core.errors import SignalboxError
from pipelines.mlops.modeling.folds import splits, subject_folds

ROWS = st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1, max_size=80)


def _fold(rows: list[tuple[int, bool]], folds: int = 3) -> np.ndarray:
    subjects = pd.Series([f"s{key}" for key, _ in rows], dtype="str")
    return subject_folds(subjects, np.array([y for _, y in rows], "int8"), folds=folds, seed=7)


@given(ROWS)
@settings(deadline=None)
def test_rows_of_one_subject_share_a_fold(rows: list[tuple[int, bool]]) -> None:
    fold = _fold(rows)
    by_subject: dict[int, set[int]] = {}
    for (key, _), number in zip(rows, fold, strict=True):
        by_subject.setdefault(key, set()).add(int(number))
    assert all(len(numbers) == 1 for numbers in by_subject.values())


@given(ROWS)
@settings(deadline=None)
def test_the_order_of_rows_does_not_matter(rows: list[tuple[int, bool]]) -> None:
    assert _fold(rows)[::-1].tolist() == _fold(rows[::-1]).tolist()


@given(ROWS)
@settings(deadline=None)
def test_folds_differ_by_one_subject_at_most(rows: list[tuple[int, bool]]) -> None:
    fold = _fold(rows)
    number_of = {key: int(f) for (key, _), f in zip(rows, fold, strict=True)}
    sizes = np.bincount(list(number_of.values()), minlength=3)
    assert sizes.max() - sizes.min() <= 1


def test_another_seed_deals_anew() -> None:
    subjects = pd.Series([f"s{i}" for i in range(60)], dtype="str")
    y = np.zeros(60, "int8")
    one, two = (subject_folds(subjects, y, folds=3, seed=seed) for seed in (1, 2))
    assert one.tolist() != two.tolist()


def test_a_fold_with_one_label_is_an_error_that_names_the_parameter() -> None:
    y = np.array([1, 0, 0, 0, 0, 0], "int8")
    with pytest.raises(SignalboxError, match=r"train\.folds: 3 folds leave fold 1"):
        splits(np.array([1, 0, 1, 2, 0, 2]), y, folds=3)
