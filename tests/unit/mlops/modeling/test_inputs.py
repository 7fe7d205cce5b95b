import numpy as np
import pandas as pd
import pytest

from pipelines.core.errors import SignalboxError
from pipelines.mlops.modeling.info import CategoricalInput, NumericInput
from pipelines.mlops.modeling.inputs import choose_inputs, prepare


def test_every_column_is_an_input_or_left_out_with_a_reason(table, data, train) -> None:
    frame = table().assign(empty=np.nan, constant=1.0)
    inputs, left_out = choose_inputs(frame, data, train())
    assert [column.name for column in inputs] == ["amount", "colour"]
    reasons = {column.name: column.reason for column in left_out}
    assert list(reasons) == ["sex", "weight", "y", "subject_id", "row_id", "empty", "constant"]
    assert reasons["sex"] == "sensitive feature, and train.use_sensitive is false"
    assert reasons["weight"] == "listed in data.ignore"
    assert reasons["empty"] == "no value in the training data"
    assert reasons["constant"] == "the same value in every row of the training data"


def test_sensitive_features_are_inputs_only_on_request(table, data, train) -> None:
    inputs, _ = choose_inputs(table(), data, train(use_sensitive=True))
    assert "sex" in [column.name for column in inputs]


def test_rare_values_are_counted_and_not_stored(table, data, train) -> None:
    frame = table()
    frame["colour"] = [f"person {i}" if i % 2 else "red" for i in range(len(frame))]
    inputs, _ = choose_inputs(frame, data, train(max_categories=5))
    colour = next(column for column in inputs if column.name == "colour")
    assert isinstance(colour, CategoricalInput)
    assert colour.categories == ["red"]
    assert colour.other_values == 200
    assert colour.other_share == pytest.approx(0.5)


def test_nothing_left_to_see_is_a_clear_error(table, data, train) -> None:
    with pytest.raises(SignalboxError, match="no column is left for the model to see"):
        choose_inputs(table()[["sex", "y", "subject_id"]], data, train())


AMOUNT = NumericInput(name="amount", low=0, high=1, missing_share=0)
COLOUR = CategoricalInput(
    name="colour", categories=["1"], other_values=0, other_share=0, missing_share=0
)


def test_a_missing_column_is_named() -> None:
    with pytest.raises(SignalboxError, match="lacks column 'amount'"):
        prepare(pd.DataFrame({"colour": ["1"]}), [AMOUNT, COLOUR])


def test_types_that_changed_are_converted() -> None:
    frame = pd.DataFrame({"colour": [1.0, np.nan], "amount": ["2", None], "more": [0, 0]})
    made = prepare(frame, [AMOUNT, COLOUR])
    assert made["amount"].tolist()[0] == 2.0
    assert made["amount"].isna().tolist() == [False, True]
    assert made["colour"].tolist()[0] == "1"
    assert made["colour"].isna().tolist() == [False, True]
    assert list(made.columns) == ["amount", "colour"]


def test_text_that_is_no_number_is_named_with_an_example() -> None:
    with pytest.raises(SignalboxError, match="column 'amount': 'many' is not a number"):
        prepare(pd.DataFrame({"amount": ["1", "many"]}), [AMOUNT])


def test_infinite_numbers_are_refused() -> None:
    with pytest.raises(SignalboxError, match="column 'amount': 1 infinite values"):
        prepare(pd.DataFrame({"amount": [1.0, np.inf]}), [AMOUNT])


def test_a_column_made_after_the_outcome_is_no_input_and_says_why(table, data, train) -> None:
    meant = data.model_copy(update={"after_outcome": ["amount"]})
    inputs, left_out = choose_inputs(table(), meant, train())
    assert "amount" not in [column.name for column in inputs]
    reasons = {column.name: column.reason for column in left_out}
    assert reasons["amount"] == "made after the outcome (data.after_outcome)"
