import numpy as np
import pytest

from pipelines.core.errors import SignalboxError
from pipelines.mlops.modeling import scoring
from pipelines.mlops.modeling.scoring import score


def test_a_missing_column_is_a_clear_error(fitted, table) -> None:
    with pytest.raises(SignalboxError, match="lacks column 'amount'"):
        score(fitted.model, fitted.info, table(5).drop(columns="amount"))


def test_target_and_further_columns_are_not_needed(fitted, table) -> None:
    frame = table(5)
    full = score(fitted.model, fitted.info, frame.assign(more=1))
    assert full.tolist() == score(fitted.model, fitted.info, frame[["colour", "amount"]]).tolist()


def test_no_rows_give_no_scores(fitted, table) -> None:
    assert score(fitted.model, fitted.info, table(5).iloc[:0]).shape == (0,)


def test_one_row_scores_as_among_many(fitted, table) -> None:
    frame = table(20)
    whole = score(fitted.model, fitted.info, frame)
    alone = [score(fitted.model, fitted.info, frame.iloc[[i]])[0] for i in range(20)]
    assert np.allclose(whole, alone, rtol=0, atol=1e-12)


def test_chunks_change_nothing(fitted, table, monkeypatch) -> None:
    frame = table(50)
    whole = score(fitted.model, fitted.info, frame)
    monkeypatch.setattr(scoring, "CHUNK", 7)
    assert np.allclose(score(fitted.model, fitted.info, frame), whole, rtol=0, atol=1e-12)
