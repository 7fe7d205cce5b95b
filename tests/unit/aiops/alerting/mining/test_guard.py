import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.aiops.alerting.mining.guards import (
    counts_by_window,
    max_count,
    most_within,
    prediction_bound,
)

STARTS = st.lists(st.integers(0, 9_999), max_size=60).map(lambda s: np.array(sorted(s), np.int64))


@settings(deadline=None)
@given(starts=STARTS, window=st.integers(1, 2_000))
def test_the_most_in_a_sliding_window_is_what_trying_all_of_them_finds(starts, window):
    tried = [int(((starts >= s) & (starts < s + window)).sum()) for s in starts]
    assert most_within(starts, window) == max(tried, default=0)


@settings(deadline=None)
@given(starts=STARTS, window=st.integers(1, 2_000))
def test_every_start_is_counted_in_one_window(starts, window):
    counts = counts_by_window(starts, window, 10_000)
    assert counts.sum() == len(starts)
    assert len(counts) == -(-10_000 // window)


@settings(deadline=None)
@given(starts=STARTS, rules=st.integers(1, 500))
def test_a_guard_never_trips_on_its_own_history(starts, rules):
    limit = max_count(starts, 10_000, window=100, alpha=0.05, rules=rules)
    assert limit >= most_within(starts, 100)


@settings(deadline=None)
@given(starts=STARTS)
def test_more_candidates_make_a_wider_bound(starts):
    limits = [max_count(starts, 10_000, window=100, alpha=0.05, rules=n) for n in (1, 10, 1000)]
    assert limits == sorted(limits)


def test_little_history_gives_a_wide_bound():
    short = prediction_bound(np.array([2, 1], np.int64), 0.999)
    long = prediction_bound(np.array([2, 1] * 200, np.int64), 0.999)
    assert short > long


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_bound_holds_for_what_comes_later_as_often_as_promised(seed):
    rng = np.random.default_rng(seed)
    tripped, histories = 0, 200
    for _ in range(histories):
        past, later = np.sort(rng.uniform(0, 72_000, (2, rng.poisson(150))), axis=1).astype(int)
        limit = max_count(past, 72_000, window=3600, alpha=0.05, rules=1)
        tripped += most_within(later, 3600) > limit
    # Of 200 histories 10 may; more than 30 has a chance below one in ten million.
    assert tripped <= 30


def test_bursts_widen_the_bound():
    even = np.arange(0, 100_000, 1000)
    bursts = np.repeat(np.arange(0, 100_000, 10_000), 10) + np.tile(np.arange(10), 10)
    limits = [max_count(s, 100_000, window=1000, alpha=0.05, rules=1) for s in (even, bursts)]
    assert limits[1] > limits[0]
