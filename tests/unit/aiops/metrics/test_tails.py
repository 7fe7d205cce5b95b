"""Rareness by the largest distances of the past."""

import numpy as np
import pytest

from pipelines.aiops.metrics.features import DetectorSettings
from pipelines.aiops.metrics.scoring import NOTHING, Tail

ROOMY = DetectorSettings()


def learnt(distances: np.ndarray, settings: DetectorSettings = ROOMY, block: int = 64) -> Tail:
    tail = Tail(len(distances), settings)
    for left in range(0, distances.shape[1], block):
        tail.learn(distances[:, left : left + block])
    return tail


def none(rows: int) -> np.ndarray:
    return np.full(rows, 1e-9)


@pytest.mark.parametrize("law", ["exponential", "normal", "pareto"])
def test_surprise_is_near_the_true_chance(law: str) -> None:
    rng = np.random.default_rng(1)
    draw = {
        "exponential": lambda: rng.exponential(size=(50, 5000)),
        "normal": lambda: np.abs(rng.normal(size=(50, 5000))),
        "pareto": lambda: rng.pareto(3.0, size=(50, 5000)),
    }[law]
    at = {"exponential": np.log(1e3), "normal": 3.2905, "pareto": 1e3 ** (1 / 3) - 1}[law]
    fit = learnt(draw()).fit(none(50))
    found = fit.surprise(np.full((50, 1), at))[:, 0]
    assert np.median(found) == pytest.approx(3, abs=0.3)


def test_the_reach_of_a_surprise_has_that_surprise() -> None:
    fit = learnt(np.random.default_rng(2).exponential(size=(5, 2000))).fit(none(5))
    reach = fit.reach(4.0)
    np.testing.assert_allclose(fit.surprise(reach[:, None])[:, 0], 4.0)


def test_largest_values_are_exact_over_the_window_and_older_ones_are_forgotten() -> None:
    settings = DetectorSettings(history=400, segments=4, tail_most=10, tail_least=5)
    values = np.random.default_rng(3).random((2, 1000))
    values[0, 10] = 99.0
    tail = learnt(values, settings, block=20)
    kept = np.sort(tail._largest([tail.old, tail.new]), axis=1)
    seen = int((tail.old_seen + tail.new_seen)[0])
    assert 300 <= seen <= 400
    np.testing.assert_array_equal(kept, np.sort(values[:, 1000 - seen :], axis=1)[:, -10:])
    assert kept.max() < 1


def test_nothing_is_not_counted_and_little_is_not_judged() -> None:
    tail = Tail(2, ROOMY)
    values = np.ones((2, 200))
    values[1] = NOTHING
    tail.learn(values)
    fit = tail.fit(none(2))
    assert fit.surprise(np.full((2, 1), 50.0))[:, 0].tolist()[1] == 0
    assert fit.surprise(np.full((2, 1), 50.0))[0, 0] > 3


def test_what_occurs_now_and_then_is_not_rarer_than_it_is() -> None:
    values = np.zeros((1, 8000))
    values[0, ::500] = 7.0
    found = learnt(values).fit(none(1)).surprise(np.array([[7.0]]))[0, 0]
    assert 1.5 < found < 5
