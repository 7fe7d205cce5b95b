"""VUS-PR on cases with known answers."""

import numpy as np
import pytest

from benchmarks.nab_scoring import Series
from benchmarks.nab_vus import range_auc_pr, soft_labels, vus_pr


def series(rows: int, *windows: tuple[int, int]) -> Series:
    return Series("g", "a", np.arange(rows), np.zeros(rows), windows)


def test_labels_fade_on_both_sides() -> None:
    labels = soft_labels(20, [(8, 9)], 4)
    assert labels[8:10].tolist() == [1, 1]
    assert labels[10] == pytest.approx(np.sqrt(3 / 4))
    assert labels[11] == pytest.approx(np.sqrt(1 / 2))
    assert labels[7] == labels[10]
    assert labels[12] == labels[5] == 0


def test_perfect_scores_get_1_and_constant_ones_their_share() -> None:
    labels = np.zeros(1000)
    labels[600:700] = 1
    assert range_auc_pr(labels, [(600, 699)], 0) == pytest.approx(1)
    assert range_auc_pr(np.ones(1000), [(600, 699)], 0) == pytest.approx(0.1)


def test_better_scores_get_more_and_probation_is_left_out() -> None:
    one = series(1000, (600, 699))
    rng = np.random.default_rng(1)
    good = rng.random(1000)
    good[600:700] += 0.5
    assert vus_pr(one, good) > vus_pr(one, rng.random(1000)) + 0.2
    early = good.copy()
    early[: one.probation] = 9.0
    assert vus_pr(one, early) == vus_pr(one, good)
