"""Drawing tables is the same bootstrap as resampling rows."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.mlops.fairness.bootstrap import draw_confusions, percentile_interval
from pipelines.mlops.fairness.rates import rates

COUNTS = np.array([[60, 20, 15, 25], [30, 5, 8, 12], [9, 3, 2, 4]])
NAMES = ("selection_rate", "tpr", "precision")
REPLICATES = 4000


def by_tables(seed: int) -> np.ndarray:
    (drawn,) = draw_confusions(
        COUNTS, [(np.arange(3), 3)], replicates=REPLICATES, rng=np.random.default_rng(seed)
    )
    return rates(drawn, NAMES)


def by_rows(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = np.repeat(np.arange(COUNTS.size), COUNTS.reshape(-1))
    picks = rng.integers(0, len(rows), (REPLICATES, len(rows)))
    counted = np.stack([np.bincount(rows[pick], minlength=COUNTS.size) for pick in picks])
    return rates(counted.T.reshape(3, 4, REPLICATES), NAMES)


def test_quantiles_of_rates_agree_within_monte_carlo_error() -> None:
    tables, rows = by_tables(1), by_rows(2)
    for q in (0.025, 0.25, 0.5, 0.75, 0.975):
        a, b = np.nanquantile(tables, q, axis=2), np.nanquantile(rows, q, axis=2)
        # Standard error of a sample quantile at the 2.5 % tail is about 2.7 sd / sqrt(R).
        error = 2.7 * np.nanstd(rows, axis=2) / np.sqrt(REPLICATES) * np.sqrt(2)
        # Rates of small groups are lattices: a quantile may sit one step of it apart.
        step = np.array([1 / 18, 1 / 6, 1 / 7])[:, None] * np.array([0, 0, 1])
        assert (np.abs(a - b) <= 4 * error + step).all()


def test_a_gap_between_groups_has_the_same_spread() -> None:
    tables, rows = by_tables(3), by_rows(4)
    a, b = tables[0, 0] - tables[0, 1], rows[0, 0] - rows[0, 1]
    assert a.mean() == pytest.approx(b.mean(), abs=4 * b.std() * np.sqrt(2 / REPLICATES))
    assert a.std() == pytest.approx(b.std(), rel=0.06)


def test_every_replicate_has_as_many_rows_as_the_data() -> None:
    (drawn,) = draw_confusions(
        COUNTS, [(np.zeros(3, np.int64), 1)], replicates=50, rng=np.random.default_rng(0)
    )
    assert (drawn.sum(axis=(0, 1)) == COUNTS.sum()).all()


def test_dimensions_share_their_replicates() -> None:
    fine, whole = draw_confusions(
        COUNTS,
        [(np.arange(3), 3), (np.zeros(3, np.int64), 1)],
        replicates=50,
        rng=np.random.default_rng(0),
    )
    assert np.array_equal(fine.sum(axis=0), whole[0])


def test_the_seed_fixes_the_replicates() -> None:
    assert np.array_equal(by_tables(7), by_tables(7), equal_nan=True)
    assert not np.array_equal(by_tables(7), by_tables(8), equal_nan=True)


def test_quantiles_are_numpys_and_undefined_replicates_are_counted() -> None:
    values = np.random.default_rng(0).normal(size=(4, 200))
    values[1, :30] = np.nan
    values[2, :150] = np.nan
    found = percentile_interval(values, 0.9)
    expected = np.nanquantile(values, [0.05, 0.95], axis=1)
    for row in (0, 1, 3):
        assert found.low[row] == pytest.approx(expected[0, row], abs=1e-12)
        assert found.high[row] == pytest.approx(expected[1, row], abs=1e-12)
    assert found.undefined.tolist() == pytest.approx([0, 0.15, 0.75, 0])
    assert np.isnan(found.low[2])  # too few replicates left for an interval
    assert np.isnan(found.high[2])


def test_blocks_of_replicates_change_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = by_tables(5)
    monkeypatch.setattr("pipelines.mlops.fairness.bootstrap._BLOCK", 12 * 7)
    assert np.array_equal(whole, by_tables(5), equal_nan=True)


def test_nothing_to_resample_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        draw_confusions(
            np.zeros((1, 4), np.int64),
            [(np.zeros(1, np.int64), 1)],
            replicates=10,
            rng=np.random.default_rng(0),
        )
