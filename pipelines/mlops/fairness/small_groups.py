"""Which groups are too small to say anything about their rate.

A group of three people has an interval from almost 0 to almost 1: looked at beside the others, it
makes every verdict inconclusive and tells nothing. A share of all rows is no measure of that: two
per cent of a large table are hundreds of people, whose disadvantage would be plain.

So a group takes part as soon as its rows *could* tell. Fisher's exact test of the group against all
others knows, from the numbers of rows alone, the smallest p-value that the group can reach: that of
all of its rows decided one way, and that of all decided the other way. Where either of them could
still be chance, the group is left out, by name; no result of it was looked at for that, so leaving
it out cannot hide one. (Tarone 1990 leaves such untestable hypotheses out of a family for the same
reason.)

Leaving a group out must never hide what its rows do show. So a group whose difference is more than
chance takes part however small it is.

Both are asked at the audit's level, shared among the groups of the dimension and the two sides
(Bonferroni). Where nothing varies at all, every group takes part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.mlops.fairness.rates import RATES, RateSample

REASON = (
    "too few rows: even if all of them had been decided one way, chance could explain it, and what "
    "they show is no more than chance"
)
"""Why such a group is left out."""


def can_tell(
    successes: NDArray[np.int64], totals: NDArray[np.int64], level: float
) -> NDArray[np.bool_]:
    """Return which groups have enough rows for their rate to be compared.

    Parameters
    ----------
    successes, totals : ndarray of int, shape (G,)
        A rate's counts in every known group; a total of 0 can tell nothing.
    level : float
        Two-sided confidence level in (0, 1).

    Returns
    -------
    ndarray of bool, shape (G,)
        The same when successes and failures are exchanged.

    References
    ----------
    Tarone (1990), Biometrics 46:515-522 (smallest attainable p-value of Fisher's exact test).
    """
    from scipy.stats import hypergeom

    groups = len(totals)
    n, k = int(totals.sum()), int(successes.sum())
    if groups < 2 or k in (0, n):
        return totals > 0
    alpha = (1 - level) / (2 * groups)
    # Fewest and most successes that the margins allow each group, and those it has: shape (G,).
    fewest, most = np.maximum(0, k - (n - totals)), np.minimum(totals, k)
    by_size = (hypergeom.pmf(fewest, n, k, totals) < alpha) & (
        hypergeom.pmf(most, n, k, totals) < alpha
    )
    seen = (hypergeom.cdf(successes, n, k, totals) < alpha) | (
        hypergeom.sf(successes - 1, n, k, totals) < alpha
    )
    return np.asarray((by_size | seen) & (totals > 0), np.bool_)


@dataclass(frozen=True)
class LeftOut:
    """A known group that takes no part in a comparison.

    Attributes
    ----------
    group : str
        Label.
    n : int
        Rows in the denominator of its rate.
    reason : str
        Why it takes no part.
    """

    group: str
    n: int
    reason: str


@dataclass(frozen=True)
class Groups:
    """Which groups of a dimension may be compared.

    Attributes
    ----------
    known : tuple of int
        Groups whose members are known.
    chosen : int or None
        The reference that was asked for by name; compared however small it is.
    everyone : bool
        Whether also those take part whose rows can't tell.
    """

    known: tuple[int, ...]
    chosen: int | None = None
    everyone: bool = False

    def take_part(
        self, sample: RateSample, rate: str, level: float
    ) -> tuple[list[int], tuple[LeftOut, ...]]:
        """Part the known groups into those whose rows can tell, and the others with the reason.

        Parameters
        ----------
        sample : RateSample
            Rates of all groups of the dimension.
        rate : str
            The rate that is compared.
        level : float
            Two-sided confidence level in (0, 1).

        Returns
        -------
        compared : list of int
        left_out : tuple of LeftOut
        """
        m, known = sample.names.index(rate), list(self.known)
        totals = sample.denominators[m, known]
        # Whole numbers of as many independent rows as those of the subjects are worth.
        worth = np.floor(np.round(sample.effective[m, known], 6)).astype(np.int64)
        share = np.nan_to_num(sample.values[m, known])
        tells = can_tell(np.rint(share * worth).astype(np.int64), worth, level)
        compared, left_out = [], []
        for group, n, tell in zip(known, totals, tells, strict=True):
            label, definition = sample.labels[group], RATES[rate]
            if n == 0:
                left_out.append(LeftOut(label, 0, sample.why_undefined(rate, group)))
            elif tell or self.everyone or group == self.chosen:
                compared.append(group)
            else:
                # "1 row", "1 actual positive": all that is counted ends in s.
                counted = definition.counted.removesuffix("s") if n == 1 else definition.counted
                left_out.append(LeftOut(label, int(n), f"{n:,} {counted}, too few to tell"))
        return compared, tuple(left_out)
