"""A proportion knows its interval."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from pipelines.mlops.fairness.rates import Proportion


@pytest.mark.parametrize("successes", [0, 3, 7])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_a_proportions_interval_is_wilsons_at_the_level(successes: int, level: float) -> None:
    low, high = Proportion(successes, 7).wilson(level)
    theirs = binomtest(successes, 7).proportion_ci(level, "wilson")
    assert (type(low), type(high)) == (float, float)
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
