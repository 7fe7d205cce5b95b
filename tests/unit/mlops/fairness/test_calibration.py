"""Calibration by group."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.mlops.fairness import audit

from .frames import SPECS, one_feature, people, table


def test_bins_and_error_equal_a_direct_computation() -> None:
    frame = people()
    rows = audit(table(frame, SPECS[:1]), one_feature(features=SPECS[:1])).dimensions[0].groups
    for row in rows:
        mine = frame[frame["sex"] == row.group]
        bins = np.minimum((mine["score"] * 10).astype(int), 9)
        means = mine.groupby(bins).agg(score=("score", "mean"), y=("y", "mean"), n=("y", "size"))
        found = row.calibration
        assert found is not None
        assert [b.n for b in found.bins] == means["n"].tolist()
        assert [b.mean_score for b in found.bins] == pytest.approx(
            means["score"].tolist(), abs=1e-8
        )
        assert [b.observed_rate for b in found.bins] == pytest.approx(means["y"].tolist())
        ece = ((means["score"] - means["y"]).abs() * means["n"]).sum() / len(mine)
        assert found.ece == pytest.approx(ece, abs=1e-8)
        assert found.gap == pytest.approx(mine["score"].mean() - mine["y"].mean(), abs=1e-8)


def test_without_scores_there_is_no_calibration() -> None:
    frame = people().drop(columns="score")
    found = audit(table(frame, SPECS[:1]), one_feature(features=SPECS[:1]))
    assert all(row.calibration is None for row in found.dimensions[0].groups)
