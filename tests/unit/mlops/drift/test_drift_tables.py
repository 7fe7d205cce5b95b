import numpy as np
import pandas as pd
import pytest

from pipelines.core.errors import SignalboxError
from pipelines.mlops.data.drift import MISSING, OTHER, pair, roles, sample
from pipelines.mlops.drift import stable_ids


def test_ignored_columns_and_keys_are_not_compared(table, data) -> None:
    assert roles(list(table(5).columns), data) == {
        "amount": "input",
        "colour": "input",
        "sex": "sensitive",
        "y": "target",
    }


def test_a_column_made_after_the_outcome_is_not_compared(table, data) -> None:
    meant = data.model_copy(update={"after_outcome": ["amount"]})
    assert "amount" not in roles(list(table(5).columns), meant)


def test_a_sample_does_not_depend_on_the_order_of_rows(table) -> None:
    frame = table(300)
    shuffled = frame.sample(frac=1, random_state=1)
    assert set(sample(frame, 50)["row_id"]) == set(sample(shuffled, 50)["row_id"])
    assert len(sample(frame, 50)) == 50
    assert sample(frame, 300) is frame


def test_missing_text_is_a_value_and_rare_values_are_one() -> None:
    reference = pd.DataFrame({"c": pd.Series(["a"] * 3 + [f"v{i}" for i in range(90)] + [None])})
    current = pd.DataFrame({"c": pd.Series(["a", "never seen", None])})
    both = pair(reference, current, ["c"])
    assert both.current["c"].tolist() == ["a", OTHER, MISSING]
    assert both.reference["c"].nunique() == 51  # the missing mark is one of the fifty


def test_columns_that_cannot_be_compared_say_why(table) -> None:
    reference, current = table(5), table(5, 1)
    reference["empty"] = current["empty"] = np.nan
    reference["new"] = np.nan
    current["new"] = 1.0
    current["colour"] = 3.0
    reference["gone"] = 1.0
    current["added"] = 1.0
    names = ["empty", "new", "colour", "gone", "added", "amount"]
    assert pair(reference, current, names).problems == {
        "empty": "no value in either table",
        "new": "no value in the reference table",
        "colour": "numbers in one table, texts in the other",
        "gone": "gone: not in the current table",
        "added": "new: not in the reference table",
    }


def test_infinite_numbers_are_refused(table) -> None:
    frame = table(5)
    frame.loc[0, "amount"] = np.inf
    with pytest.raises(SignalboxError, match="column 'amount': infinite values"):
        pair(table(5), frame, ["amount"])


def test_random_ids_become_numbers_in_order_of_appearance() -> None:
    one, two = "01a200e3-4b53-7aed-afd3-2b1acc27f4d1", "11a200e3-4b53-7aed-afd3-2b1acc27f4d1"
    name = "metric_c12c37e917884d79a3b08877ba14aba8"
    html = stable_ids(f"{two} {one} {two} {name} additional_graphs_{name} 2b1acc27f4d1")
    first, second = "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"
    third = f"metric_{3:032x}"
    assert html == f"{first} {second} {first} {third} additional_graphs_{third} 2b1acc27f4d1"
