"""Durations as counts in buckets that grow by a fixed factor.

Histograms of disjoint sets of calls add up exactly, whatever the order, which quantiles do not. A
bucket is 4% wide, so a quantile is off by 2% at most (as in Masson, Rim and Lee, "DDSketch", VLDB
2019); ten hours in microseconds fit into some 620 buckets.
"""

import math
from collections.abc import Mapping

GROWTH = 1.04
"""Upper bound of a bucket over its lower bound."""

BUCKET_SQL = (
    f"CASE WHEN {{took}} >= 0 THEN floor(ln(greatest({{took}}, 1)) / ln({GROWTH})) END::SMALLINT"
)
"""Bucket of a duration in microseconds; below one microsecond is bucket 0."""


def middle(bucket: int) -> float:
    """Geometric middle of a bucket, in microseconds."""
    return float(GROWTH ** (bucket + 0.5))


def quantile(buckets: Mapping[int, int], share: float) -> int | None:
    """Quantile in whole microseconds; None without durations.

    Parameters
    ----------
    buckets
        Bucket → number of durations in it.
    share
        Between 0 and 1: 0.5 is the median.
    """
    total = sum(buckets.values())
    if not total:
        return None
    return round(middle(at_rank(buckets, max(1, math.ceil(share * total)))))


def at_rank(buckets: Mapping[int, int], rank: int) -> int:
    """Bucket that holds the `rank`-th smallest duration, counted from 1; the last beyond them."""
    seen, last = 0, 0
    for bucket in sorted(buckets):
        seen, last = seen + buckets[bucket], bucket
        if seen >= rank:
            return bucket
    return last
