"""Chances mean what they say; a template that keeps being new is not told for ever."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.aiops.logs.anomalies.chance import (
    novelty_rates,
    score_of,
    share_of_false,
    tail_of,
)
from pipelines.core.time import DAY_US
from tests.unit.aiops.logs.anomalies.world import HISTORY, START_US, clean, table


def test_the_share_of_false_novelties_is_what_comes_by_chance() -> None:
    rng = np.random.default_rng(2)
    rates = rng.gamma(1, 0.002, 100)
    told = []
    for _ in range(500):
        new = np.flatnonzero(rng.poisson(rates))
        told.append(bool((share_of_false(rates[new], rates) <= 0.2).any()) if len(new) else False)
    assert np.mean(told) <= 0.25


def test_strata_borrow_from_one_another() -> None:
    rates = novelty_rates(np.array([0.0, 0.0, 40.0]), np.array([7.0, 7.0, 7.0]))
    assert rates[2] > 10 * rates[0]
    assert rates[0] == rates[1] > 0
    quiet = novelty_rates(np.zeros(3), np.full(3, 7.0))
    assert quiet[0] < rates[0]


def test_a_regular_heartbeats_gap_is_rarer_than_an_irregular_ones() -> None:
    rng = np.random.default_rng(3)
    regular = tail_of(60e6 + rng.normal(0, 1e6, 500))
    random = tail_of(rng.exponential(60e6, 500))
    assert regular.chance(180e6) < 1e-6 < 1e-3 < random.chance(180e6) < 0.2
    assert regular.chance(61e6) > 0.01


@settings(deadline=None)
@given(st.lists(st.floats(1, 1e9), min_size=12, max_size=60), st.floats(1.0, 100))
def test_larger_is_never_more_likely(values: list[float], factor: float) -> None:
    tail = tail_of(np.array(values))
    assert tail.chance(max(values) * factor) >= tail.chance(max(values) * factor * 2)


def test_scores_are_finite_and_zero_for_certainty() -> None:
    assert score_of(1.0) == 0.0
    assert score_of(0.0) == 50.0


def test_a_template_that_is_new_every_day_is_not_told() -> None:
    import pyarrow as pa

    from pipelines.aiops.logs.anomalies import count_lines, find

    words = ["".join(np.random.default_rng(i).choice(list("bcdfghjklm"), 9)) for i in range(400)]
    store, counts, values = None, [], []
    for day in range(HISTORY + 1):
        # Names without a digit, each in a sentence of its own: no miner can know that they vary.
        odd = [(START_US + day * DAY_US + i * 10**9, "cart", "error",
                f"{words[day * 20 + i]} {words[399 - day * 20 - i]} {words[200 + day * 5 + i]}")
               for i in range(20)]  # fmt: skip
        counted = count_lines(table(clean(day, per_day=300) + odd), store)
        store = counted.store
        counts.append(counted.counts)
        values.append(counted.values)
    assert store is not None
    begin = START_US + HISTORY * DAY_US
    found = find(pa.concat_tables(counts), pa.concat_tables(values), store, begin, begin + DAY_US)
    assert [f for f in found if f.kind == "new_template"] == []
