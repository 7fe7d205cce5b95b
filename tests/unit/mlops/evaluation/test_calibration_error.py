"""Calibrated models have an interval from 0, and an error is found where there is one."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.mlops.evaluation.bootstrap import interval, resample
from pipelines.mlops.evaluation.closed_forms import (
    METHOD,
    Limits,
    auc_interval,
    bin_rates,
    calibration_error,
    calibration_gaps,
    closed_forms,
)
from pipelines.mlops.evaluation.metrics import METRICS, measure, observed_rates, view

POLICY = 0.05
"""The gate's threshold: an interval wholly above it rejects a model."""


def estimated(
    y: np.ndarray, scores: np.ndarray, subjects: np.ndarray | None = None, replicates: int = 200
) -> Limits:
    owners = np.arange(len(y)) if subjects is None else subjects
    rows = view(y.astype("int8"), scores, threshold=0.5, bins=10)
    (gaps,) = resample([partial(calibration_gaps, rows)], owners, replicates)
    return calibration_error(rows, gaps, owners, 0.95)


def model(
    rng: np.random.Generator, n: int, *, off: float = 0.0, prior: tuple[float, float] = (2, 3)
) -> tuple[np.ndarray, np.ndarray]:
    chance = rng.beta(*prior, n)
    return (rng.random(n) < chance).astype("int8"), np.clip(chance + off, 0, 1)


def test_gaps_add_up_to_the_calibration_error() -> None:
    y, scores = model(np.random.default_rng(0), 300)
    rows = view(y, scores, threshold=0.5, bins=10)
    weights = np.random.default_rng(1).integers(0, 3, (5, 300)).astype(float)
    column = list(METRICS).index("calibration_error")
    sums = np.abs(calibration_gaps(rows, weights)).sum(axis=1)
    assert sums == pytest.approx(measure(rows, weights)[:, column])


@pytest.mark.parametrize(("n", "samples"), [(150, 200), (300, 200), (3000, 40)])
def test_a_calibrated_model_is_not_rejected(n: int, samples: int) -> None:
    rng = np.random.default_rng(n)
    found = [estimated(*model(rng, n)) for _ in range(samples)]
    assert sum(one.low > POLICY for one in found) <= 0.025 * samples  # type: ignore[operator]
    # The true error is 0, so an interval that holds it begins there.
    above = sum(one.low > 0 for one in found)  # type: ignore[operator]
    assert above <= 0.025 * samples + 2 * np.sqrt(0.025 * 0.975 * samples)
    plain = np.mean([np.abs(_plain(*model(rng, n))).sum() for _ in range(samples)])
    assert np.mean([one.value for one in found]) < 0.55 * plain


def _plain(y: np.ndarray, scores: np.ndarray) -> np.ndarray:
    return calibration_gaps(view(y, scores, threshold=0.5, bins=10), np.ones((1, len(y))))


def test_rare_outcomes_do_not_make_a_calibrated_model_look_off() -> None:
    rng = np.random.default_rng(4)
    found = [estimated(*model(rng, 150, prior=(1, 30))) for _ in range(200)]
    assert sum(one.low > 0 for one in found) <= 0.025 * 200 + 2 * np.sqrt(  # type: ignore[operator]
        0.025 * 0.975 * 200
    )


def test_rows_of_a_subject_do_not_make_a_calibrated_model_look_off() -> None:
    rng, above, unaware = np.random.default_rng(5), 0, 0
    owners = np.repeat(np.arange(100), 12)
    for _ in range(100):
        y, scores = (np.repeat(column, 12) for column in model(rng, 100))
        above += estimated(y, scores, owners).low > 0  # type: ignore[operator]
        unaware += estimated(y, scores).low > 0  # type: ignore[operator]
    assert above <= 0.025 * 100 + 2 * np.sqrt(0.025 * 0.975 * 100)
    assert unaware > 90


def test_a_model_that_is_off_by_a_tenth_is_found() -> None:
    rng = np.random.default_rng(6)
    found = [estimated(*model(rng, 3000, off=0.1)) for _ in range(30)]
    assert all(one.low > POLICY for one in found)  # type: ignore[operator]
    assert np.mean([one.value for one in found]) == pytest.approx(0.1, abs=0.01)
    some = [estimated(*model(rng, 1000, off=0.1)) for _ in range(40)]
    assert sum(one.low > POLICY for one in some) > 0.5 * 40  # type: ignore[operator]


def test_the_interval_holds_an_error_in_all_bins_and_in_one() -> None:
    rng = np.random.default_rng(7)
    held = {"all": 0, "one": 0}
    for _ in range(150):
        chance = np.sort(rng.beta(2, 3, 600))
        y = (rng.random(600) < chance).astype("int8")
        everywhere = np.minimum(chance + 0.05, 1)
        top = np.where(np.arange(600) >= 540, np.maximum(chance - 0.3, 0), chance)
        for name, scores in (("all", everywhere), ("one", top)):
            rows = view(y, scores, threshold=0.5, bins=10)
            starts = np.append(0, rows.bin_ends[:-1] + 1)
            truth = np.abs(np.add.reduceat(chance[rows.rows] - rows.scores, starts)).sum() / 600
            one = estimated(y, scores)
            held[name] += one.low <= truth <= one.high
    assert min(held.values()) >= (0.95 - 0.02) * 150 - 3 * np.sqrt(0.95 * 0.05 * 150)


ROW = st.tuples(st.booleans(), st.sampled_from([0.0, 0.02, 0.3, 0.5, 0.77, 1.0]), st.integers(0, 9))


@settings(max_examples=60, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=50))
def test_the_interval_holds_the_estimate(rows: list[tuple[bool, float, int]]) -> None:
    y, scores, owner = (np.array(column) for column in zip(*rows, strict=True))
    subjects = np.unique(owner, return_inverse=True)[1]
    found = estimated(y, scores, subjects, replicates=50)
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.value <= found.high <= 1
    cut = view(y.astype("int8"), scores, threshold=0.5, bins=10)
    (gaps,) = resample([partial(calibration_gaps, cut)], subjects, 50)
    for limits in closed_forms(cut, gaps, subjects, 0.95).limits.values():
        assert limits.low - 1e-12 <= limits.value <= limits.high + 1e-12  # type: ignore[operator]


def test_rows_repeated_under_their_subjects_change_nothing() -> None:
    y, scores = model(np.random.default_rng(8), 200, off=0.05)
    once = estimated(y, scores)
    more = estimated(np.repeat(y, 4), np.repeat(scores, 4), np.repeat(np.arange(200), 4))
    assert (more.low, more.value, more.high) == pytest.approx((once.low, once.value, once.high))


def test_a_share_with_few_rows_of_a_kind_gets_a_score_interval() -> None:
    y, scores = np.zeros(60, "int8"), np.full(60, 0.2)
    y[:4], scores[:20] = 1, 0.9
    rows, owners = view(y, scores, threshold=0.5, bins=10), np.arange(60)
    (gaps,) = resample([partial(calibration_gaps, rows)], owners, 100)
    found = closed_forms(rows, gaps, owners, 0.95).limits
    assert set(found) == {"calibration_error", "roc_auc", "precision", "recall", "f1"}
    # Wilson (1927) for 4 of 4, and 4 of 20.
    assert (found["recall"].low, found["recall"].high) == pytest.approx((0.5101, 1), abs=1e-4)
    assert found["precision"].low == pytest.approx(0.0807, abs=1e-4)
    assert found["f1"].value == pytest.approx(2 * 4 / (20 + 4))
    assert found["f1"].low == pytest.approx(2 * 0.0807 / 1.0807, abs=1e-4)
    assert found["precision"].how == METHOD


def test_a_score_interval_counts_subjects() -> None:
    y, scores = np.zeros(60, "int8"), np.full(60, 0.2)
    y[:4], scores[:20] = 1, 0.9
    rows, owners = view(y, scores, threshold=0.5, bins=10), np.arange(60)
    more = view(np.repeat(y, 5), np.repeat(scores, 5), threshold=0.5, bins=10)
    many = np.repeat(owners, 5)
    one = closed_forms(rows, calibration_gaps(rows, np.ones((20, 60))), owners, 0.95).limits
    five = closed_forms(more, calibration_gaps(more, np.ones((20, 300))), many, 0.95).limits
    assert set(one) == set(five)
    for name in ("precision", "recall", "f1"):
        assert (five[name].low, five[name].high) == pytest.approx((one[name].low, one[name].high))


def test_a_bin_without_positives_is_not_certain_to_have_none() -> None:
    rng = np.random.default_rng(9)
    y, scores = model(rng, 400, prior=(1, 60))
    rows, owners = view(y, scores, threshold=0.5, bins=10), np.arange(400)
    (drawn,) = resample([partial(observed_rates, rows)], owners, 100)
    found = bin_rates(rows, interval(drawn, 0.95), owners, 0.95)
    assert [one.value for one in found] == pytest.approx(
        observed_rates(rows, np.ones((1, 400)))[0].tolist()
    )
    for one in found:
        assert one.low <= one.value <= one.high  # type: ignore[operator]
        assert one.high > 0.05  # type: ignore[operator]


def test_an_area_of_1_from_a_few_positives_is_not_certain() -> None:
    scores = np.linspace(0, 1, 40)
    y = (scores > 0.9).astype("int8")
    rows, owners = view(y, scores, threshold=0.5, bins=10), np.arange(40)
    (gaps,) = resample([partial(calibration_gaps, rows)], owners, 50)
    area = closed_forms(rows, gaps, owners, 0.95).limits["roc_auc"]
    assert (area.value, area.high) == (1, 1)
    assert area.low == pytest.approx(auc_interval(1, (4, 36), 0.95)[0])
    assert 0.5 < area.low < 0.9  # type: ignore[operator]
    many = np.repeat(owners, 3)
    more = view(np.repeat(y, 3), np.repeat(scores, 3), threshold=0.5, bins=10)
    again = closed_forms(more, calibration_gaps(more, np.ones((20, 120))), many, 0.95)
    assert again.limits["roc_auc"].low == pytest.approx(area.low)


@given(st.floats(0, 1), st.floats(1, 50), st.floats(1, 50))
def test_the_limits_of_an_area_lie_where_the_score_test_rejects(
    area: float, m: float, n: float
) -> None:
    low, high = auc_interval(area, (m, n), 0.95)
    assert 0 <= low <= area <= high <= 1
    for limit, end in ((low, 0.0), (high, 1.0)):
        if abs(limit - end) > 1e-9:
            variance = limit * (1 - limit)
            variance *= 1 + ((m + n) / 2 - 1) * ((1 - limit) / (2 - limit) + limit / (1 + limit))
            assert abs(area - limit) == pytest.approx(
                1.959964 * np.sqrt(variance / (m * n)), abs=1e-5
            )
