"""Compare calls before and after, from windows of a map: beyond chance or not.

Calls of one window hang together (one slow minute makes many slow calls), so windows are the
independent units where there are at least `FEWEST` on both sides: variances are those of clusters,
and numbers of calls are brought down by the design effect. With fewer windows calls count as
independent, which makes chance look smaller than it is; `Compared.by_windows` says which it was.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.aiops.service_map.model import GROWTH
from pipelines.core.stats import mover_difference, newcombe_interval, normal_quantile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FEWEST = 4
"""Windows on each side from which on windows, not calls, are the units."""
_Z = normal_quantile(0.95)


@dataclass(frozen=True)
class Calls:
    """Calls over an edge in the windows of one side.

    Attributes
    ----------
    n, errors : ndarray of int64, shape (windows,)
        Calls, and those that failed, per window; windows without calls may be left out.
    durations : ndarray of int64, shape (windows, buckets)
        Calls per window and bucket; column j is bucket j.
    """

    n: "NDArray[np.int64]"
    errors: "NDArray[np.int64]"
    durations: "NDArray[np.int64]"


@dataclass(frozen=True)
class Compared:
    """A measure on both sides.

    Attributes
    ----------
    before, after : float
        Its value on each side, in its own unit.
    change : float
        Ratio of durations or rates, difference of shares.
    low, high : float
        95% confidence interval of `change`.
    p : float
        p-value, two-sided: chance of a change at least this large if nothing had changed.
    by_windows : bool
        Whether windows are the independent units; otherwise calls are.
    """

    before: float
    after: float
    change: float
    low: float
    high: float
    p: float
    by_windows: bool


def durations(before: Calls, after: Calls, share: float = 0.5) -> Compared | None:
    """Compare durations: test of Mann and Whitney, and the ratio of a quantile.

    The test's variance is that of DeLong, over windows as in Obuchowski, but never below that of
    the test without change. The interval of the ratio joins those of both quantiles (MOVER).

    Parameters
    ----------
    before, after : Calls
        With the same buckets.
    share : float
        The quantile, between 0 and 1: 0.5 is the median.

    Returns
    -------
    Compared or None
        `before` and `after` are quantiles in microseconds, `change` is their ratio; None if a side
        has no durations.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson (1988); Obuchowski (1997); Zou and Donner (2008).
    """
    import numpy as np

    # Calls a bucket over all windows, shape (buckets,).
    a, b = before.durations.sum(0), after.durations.sum(0)
    n, m = int(a.sum()), int(b.sum())
    if not n or not m:
        return None
    # Placements: share of the other side that is smaller (larger), ties count half.
    below_a = (np.cumsum(a) - a / 2) / n
    above_b = (m - np.cumsum(b) + b / 2) / m
    larger = float(b @ below_a) / m
    by_windows = _many(before.durations) and _many(after.durations)
    first, effect_a = _variance(before.durations, above_b, larger, by_windows)
    second, effect_b = _variance(after.durations, below_a, larger, by_windows)
    variance = max(first + second, _null_variance(a + b, n, m))
    p = _two_sided(larger - 0.5, variance, _freedom(before, after) if by_windows else None)
    old, new = _quantile(a, share, n / effect_a), _quantile(b, share, m / effect_b)
    low, high = (float(limit) for limit in mover_difference(*new, *old))
    return Compared(_us(old[0]), _us(new[0]), GROWTH ** (new[0] - old[0]), GROWTH**low,
                    GROWTH**high, p, by_windows)  # fmt: skip


def shares(
    hits: "tuple[NDArray[np.int64], NDArray[np.int64]]",
    of: "tuple[NDArray[np.int64], NDArray[np.int64]]",
) -> Compared | None:
    """Compare shares: Fisher's exact test, and Newcombe's interval.

    Parameters
    ----------
    hits : tuple of two ndarray of int64, shapes (windows before,) and (windows after,)
        Calls that count, per window.
    of : tuple of two ndarray of int64, shapes as in `hits`
        All calls, per window.

    Returns
    -------
    Compared or None
        `before` and `after` are between 0 and 1, `change` is their difference; None if a side has
        no calls.

    References
    ----------
    Newcombe (1998), method 10.
    """
    from scipy.stats import fisher_exact

    n, m = int(of[0].sum()), int(of[1].sum())
    if not n or not m:
        return None
    p, q = int(hits[0].sum()) / n, int(hits[1].sum()) / m
    by_windows = len(of[0]) >= FEWEST and len(of[1]) >= FEWEST
    # One design effect for both: a side without hits cannot tell its own.
    effect = max(_effect(h, o) for h, o in zip(hits, of, strict=True)) if by_windows else 1.0
    n_eff, m_eff = max(1, round(n / effect)), max(1, round(m / effect))
    x, y = min(n_eff, round(p * n_eff)), min(m_eff, round(q * m_eff))
    chance = float(fisher_exact([[x, n_eff - x], [y, m_eff - y]])[1])
    low, high = newcombe_interval(q, m_eff, p, n_eff, _Z)
    return Compared(p, q, q - p, float(low), float(high), min(1.0, chance), by_windows)


def rates(before: Sequence[int], after: Sequence[int]) -> Compared | None:
    """Compare calls per window: Welch's test of their logarithms.

    Parameters
    ----------
    before, after : sequence of int
        Calls of each window; windows without calls are to be among them, as zeros.

    Returns
    -------
    Compared or None
        `before` and `after` are means, `change` is a ratio; None with fewer than `FEWEST` windows
        on a side.
    """
    import numpy as np
    from scipy.stats import t

    if min(len(before), len(after)) < FEWEST:
        return None
    a, b = (np.log1p(np.asarray(side, float)) for side in (before, after))
    # A window's count varies at least as much as chance has it.
    parts = [
        max(float(side.var(ddof=1)), math.exp(-float(side.mean()))) / len(side) for side in (a, b)
    ]
    total = sum(parts)
    freedom = total**2 / sum(
        part**2 / (len(side) - 1) for part, side in zip(parts, (a, b), strict=True)
    )
    difference = float(b.mean() - a.mean())
    reach = float(t.ppf(0.975, freedom)) * math.sqrt(total)
    p = 2 * float(t.sf(abs(difference) / math.sqrt(total), freedom))
    low, high = math.exp(difference - reach), math.exp(difference + reach)
    old, new = float(np.mean(before)), float(np.mean(after))
    return Compared(old, new, math.exp(difference), low, high, p, by_windows=True)


def only_in(hits: int, windows: int, own: int, other: int) -> float:
    """Return the chance that calls fall into one side's windows only, if both had the same rate.

    Parameters
    ----------
    hits, windows : int
        Calls, and windows that have some.
    own, other : int
        Windows of the side that has the calls, and of the other.

    Returns
    -------
    float
        A p-value.
    """
    if not own + other:
        return 1.0
    if min(own, other) < FEWEST:
        return float((own / (own + other)) ** hits)
    return math.comb(own, windows) / math.comb(own + other, windows)


def _many(durations_: "NDArray[np.int64]") -> bool:
    return bool((durations_.sum(1) > 0).sum() >= FEWEST)


def _variance(
    counts: "NDArray[np.int64]", placements: "NDArray[np.float64]", mean: float, by_windows: bool
) -> tuple[float, float]:
    """Give the variance of a mean placement, and how much larger windows make it than calls."""
    n = int(counts.sum())
    plain = float(counts.sum(0) @ (placements - mean) ** 2) / (n * max(1, n - 1))
    if not by_windows:
        return plain, 1.0
    # Shape (windows,): what each window adds to the deviation, the unit of clusters.
    sums = counts @ (placements - mean)
    k = int((counts.sum(1) > 0).sum())
    clustered = float(sums @ sums) * k / (k - 1) / n**2
    return max(clustered, plain), max(1.0, clustered / plain) if plain else 1.0


def _null_variance(both: "NDArray[np.int64]", n: int, m: int) -> float:
    """Variance of the share of larger pairs without change, with ties."""
    total = n + m
    ties = float((both.astype(float) ** 3 - both).sum()) / (total * max(1, total - 1))
    return max((total + 1 - ties) / (12 * n * m), 1 / (12.0 * n * m))


def _freedom(before: Calls, after: Calls) -> float:
    return float(min((side.durations.sum(1) > 0).sum() for side in (before, after)) - 1)


def _two_sided(difference: float, variance: float, freedom: float | None) -> float:
    from scipy.stats import norm, t

    score = abs(difference) / math.sqrt(variance)
    return 2 * float(norm.sf(score) if freedom is None else t.sf(score, freedom))


def _effect(hits: "NDArray[np.int64]", of: "NDArray[np.int64]") -> float:
    """Design effect of a share over windows."""
    n, k = int(of.sum()), len(of)
    p = float(hits.sum()) / n
    plain = p * (1 - p) * n
    if not plain or k < 2:
        return 1.0
    # Shape (windows,): hits beyond those that the common share gives a window.
    off = hits - p * of
    return max(1.0, float(off @ off) * k / (k - 1) / plain)


def _quantile(
    counts: "NDArray[np.int64]", share: float, effective: float
) -> tuple[float, tuple[float, float]]:
    """Value and bounds of a quantile, as columns of `counts`."""
    import numpy as np

    # The interval is binomial in ranks, then read off the buckets: no density is needed.
    running = np.cumsum(counts) / counts.sum()
    reach = _Z * math.sqrt(share * (1 - share) / max(effective, 1.0))
    low, mid, high = (
        float(np.searchsorted(running, min(max(s, 1e-12), 1 - 1e-12)))
        for s in (share - reach, share, share + reach)
    )
    return mid, (low, high)


def _us(column: float) -> float:
    """Duration in the middle of a column that is a bucket."""
    return float(GROWTH ** (column + 0.5))
