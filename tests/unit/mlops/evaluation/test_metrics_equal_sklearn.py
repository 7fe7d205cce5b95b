import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from pipelines.mlops.evaluation.metrics import METRICS, measure, observed_rates, view

ROW = st.tuples(
    st.booleans(),
    st.one_of(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]), st.floats(0, 1)),
    st.integers(0, 4),
)
ROWS = st.lists(ROW, min_size=1, max_size=60)
CLOSE = {"rel": 1e-12, "abs": 1e-12}


def _measure(y: np.ndarray, s: np.ndarray, w: np.ndarray, threshold: float = 0.5) -> dict:
    row = measure(view(y, s, threshold=threshold, bins=10), w[None, :].astype("float64"))[0]
    return dict(zip(METRICS, row, strict=True))


@given(ROWS, st.sampled_from([0.0, 0.1, 0.5, 0.75, 1.0]))
@settings(deadline=None, max_examples=150)
def test_weighted_metrics_are_those_of_repeated_rows(rows: list, threshold: float) -> None:
    y, s, w = (np.array(column) for column in zip(*rows, strict=True))
    y = y.astype("int8")
    if w.sum() == 0:
        return
    found = _measure(y, s.astype("float64"), w, threshold)
    yy, ss = np.repeat(y, w), np.repeat(s.astype("float64"), w)
    chosen = (ss >= threshold).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert found["accuracy"] == pytest.approx(sk.accuracy_score(yy, chosen), **CLOSE)
        assert found["selection_rate"] == pytest.approx(chosen.mean(), **CLOSE)
        assert found["brier"] == pytest.approx(np.mean((yy - ss) ** 2), **CLOSE)
        assert found["log_loss"] == pytest.approx(sk.log_loss(yy, ss, labels=[0, 1]), **CLOSE)
        if len(set(yy)) == 2:
            assert found["roc_auc"] == pytest.approx(sk.roc_auc_score(yy, ss), **CLOSE)
        else:
            assert np.isnan(found["roc_auc"])
        if yy.any():
            expected = sk.average_precision_score(yy, ss)
            assert found["average_precision"] == pytest.approx(expected, **CLOSE)
            assert found["recall"] == pytest.approx(sk.recall_score(yy, chosen), **CLOSE)
        if chosen.any():
            assert found["precision"] == pytest.approx(sk.precision_score(yy, chosen), **CLOSE)
        if chosen.any() or yy.any():
            assert found["f1"] == pytest.approx(sk.f1_score(yy, chosen), **CLOSE)


def _calibration_error(y: np.ndarray, s: np.ndarray, bins: int) -> float:
    """Straight from the definition: bins by mid rank, equal scores together."""
    ranks = np.array([((s > v).sum() + (s >= v).sum()) / 2 for v in s])
    bin_of = (ranks * bins / len(s)).astype(int)
    return sum(
        abs(y[bin_of == b].mean() - s[bin_of == b].mean()) * (bin_of == b).mean()
        for b in set(bin_of)
    )


@given(ROWS)
@settings(deadline=None)
def test_calibration_error_is_its_definition(rows: list) -> None:
    y = np.array([row[0] for row in rows], "int8")
    s = np.array([row[1] for row in rows], "float64")
    found = _measure(y, s, np.ones(len(y)))["calibration_error"]
    assert found == pytest.approx(_calibration_error(y, s, 10), abs=1e-12)


@given(ROWS, st.randoms())
@settings(deadline=None)
def test_the_order_of_rows_does_not_matter(rows: list, random: object) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    both = []
    for part in (rows, shuffled):
        y, s, w = (np.array(column) for column in zip(*part, strict=True))
        both.append(list(_measure(y.astype("int8"), s.astype("float64"), w).values()))
    assert np.allclose(*both, rtol=1e-12, atol=1e-12, equal_nan=True)


def test_a_subset_is_measured_like_a_table_of_its_own() -> None:
    rng = np.random.default_rng(0)
    y, s = rng.integers(0, 2, 200).astype("int8"), rng.random(200).round(1)
    rows = np.flatnonzero(rng.random(200) < 0.3)
    part = measure(view(y, s, threshold=0.5, bins=5, rows=rows), np.ones((1, 200)))
    alone = measure(view(y[rows], s[rows], threshold=0.5, bins=5), np.ones((1, len(rows))))
    assert part.tolist() == alone.tolist()


def test_one_row_is_measured_where_it_can_be() -> None:
    found = _measure(np.array([1], "int8"), np.array([0.7]), np.ones(1))
    assert found["accuracy"] == 1
    assert found["log_loss"] == pytest.approx(-np.log(0.7))
    assert np.isnan(found["roc_auc"])


def test_observed_rates_of_bins_average_to_the_rate_of_positives() -> None:
    rng = np.random.default_rng(0)
    y, s = rng.integers(0, 2, 1000).astype("int8"), rng.random(1000)
    rates = observed_rates(view(y, s, threshold=0.5, bins=10), np.ones((1, 1000)))
    assert rates.shape == (1, 10)
    assert rates.mean() == pytest.approx(y.mean())
