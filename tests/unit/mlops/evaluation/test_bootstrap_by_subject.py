import time
from functools import partial

import numpy as np
import pytest

from pipelines.mlops.evaluation import bootstrap
from pipelines.mlops.evaluation.bootstrap import interval, resample
from pipelines.mlops.evaluation.metrics import measure, view


def _mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return (weights @ values / weights.sum(axis=1))[:, None]


def test_rows_of_one_subject_come_and_go_together() -> None:
    subjects = np.array([0, 1, 0, 2, 1])
    seen: list[np.ndarray] = []
    resample([lambda w: seen.append(w) or w[:, :1]], subjects, 50)
    weights = np.concatenate(seen)
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 1] == weights[:, 4]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()


def test_the_size_of_chunks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values, subjects = np.random.default_rng(0).random(40), np.arange(40)
    whole = resample([partial(_mean, values)], subjects, 30)[0]
    monkeypatch.setattr(bootstrap, "CHUNK_CELLS", 100)
    assert np.allclose(resample([partial(_mean, values)], subjects, 30)[0], whole, atol=1e-14)


def test_the_interval_of_a_mean_is_that_of_theory() -> None:
    values = np.random.default_rng(0).normal(size=900)
    drawn = resample([partial(_mean, values)], np.arange(900), 2000)[0]
    low, high = interval(drawn, 0.95)[0]
    error = values.std() / 30
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


def test_repeated_rows_of_subjects_do_not_narrow_the_interval() -> None:
    values = np.random.default_rng(0).normal(size=200)
    single = resample([partial(_mean, values)], np.arange(200), 500)[0]
    repeated = resample([partial(_mean, np.repeat(values, 5))], np.repeat(np.arange(200), 5), 500)
    assert interval(repeated[0], 0.95)[0] == pytest.approx(interval(single, 0.95)[0])


def test_statistics_are_paired() -> None:
    values = np.random.default_rng(0).normal(size=100)
    one, two = resample([partial(_mean, values), partial(_mean, values + 1)], np.arange(100), 100)
    assert np.allclose(two - one, 1)


def test_a_metric_that_is_mostly_undefined_has_no_interval() -> None:
    assert interval(np.array([[np.nan], [1.0], [np.nan]]), 0.9) == [(None, None)]


def test_a_thousand_replicates_of_the_test_split_take_seconds() -> None:
    rng = np.random.default_rng(0)
    y, scores = rng.integers(0, 2, 7300).astype("int8"), rng.random(7300)
    rows = view(y, scores, threshold=0.5, bins=10)
    start = time.process_time()
    resample([partial(measure, rows)], np.arange(7300), 1000)
    assert time.process_time() - start < 15


def test_few_rows_of_a_kind_take_the_percentiles_further_out() -> None:
    values = np.random.default_rng(0).normal(size=(20_000, 1))
    plain, many, few = (interval(values, 0.95, *size)[0] for size in ((), (1e6,), (5.0,)))
    assert many == pytest.approx(plain, abs=1e-3)
    # Student's t of 4 degrees of freedom, times sqrt(5 / 4).
    assert few == pytest.approx((-3.104, 3.104), abs=0.15)
