"""Whether a difference in selection is more than chance, and big enough to matter.

Fisher's exact test answers the first question, corrected for how many were asked (Holm); Cohen's
h and the odds ratio answer the second. Where subjects have several rows, the tests see as many rows
as those are worth: selected and not selected are divided by the design effect (Rao and Scott 1992,
Biometrics 48:577-585), whatever groups a subject's rows are in. With millions of rows everything is
significant, with thirty nothing is: read both.

Which groups are too small to say anything about their rate.

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

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipelines.mlops.fairness.rates import RATES, Proportion, RateSample


@dataclass(frozen=True)
class SelectionTest:
    """Selection of one group against the reference group.

    Attributes
    ----------
    dimension, group, reference : str
        Name of the dimension, and labels of the two groups.
    selected, n, reference_selected, reference_n : int
        The 2 x 2 table of rows behind it.
    effective_n, reference_effective_n : float
        Independent rows that ``n`` and ``reference_n`` are worth; equal to them where every subject
        has one row. The tests count these.
    fisher_p : float
        Two-sided exact p-value; a value below about 1e-308 is shown as 0.
    holm_p : float
        The same, corrected over every Fisher test of the audit.
    significant : bool
        ``holm_p`` is at or below alpha.
    z, z_p : float or None
        Pooled two-proportion test, uncorrected; customary beside Fisher's, the same question.
    cohens_h : float
        Effect size in radians; negative when the group is selected less often.
    odds_ratio : float or None
        Sample odds ratio; None when a cell of the table is 0.
    notes : tuple of str
        Why a value is None.
    """

    dimension: str
    group: str
    reference: str
    selected: int
    n: int
    reference_selected: int
    reference_n: int
    effective_n: float
    reference_effective_n: float
    fisher_p: float
    holm_p: float
    significant: bool
    z: float | None
    z_p: float | None
    cohens_h: float
    odds_ratio: float | None
    notes: tuple[str, ...]


def selection_test(
    dimension: str, group: tuple[str, Proportion], reference: tuple[str, Proportion]
) -> SelectionTest:
    """Test one group against the reference; ``holm_p`` is filled in by :func:`correct`.

    Parameters
    ----------
    dimension : str
        Name of the dimension.
    group, reference : (str, Proportion)
        Label, and selected of all rows.

    Returns
    -------
    SelectionTest
        Uncorrected: ``holm_p`` is ``fisher_p``, and ``significant`` is False.
    """
    a, b = group[1], reference[1]
    z, z_p = two_proportion_z(a, b)
    odds = odds_ratio(a, b)
    notes = []
    if z is None:
        notes.append("z is undefined: nobody or everybody was selected")
    if odds is None:
        notes.append("the odds ratio is undefined: a cell of the table is 0")
    p = fisher_p_value(a, b)
    return SelectionTest(
        dimension=dimension,
        group=group[0],
        reference=reference[0],
        selected=a.successes,
        n=a.total,
        reference_selected=b.successes,
        reference_n=b.total,
        effective_n=a.size,
        reference_effective_n=b.size,
        fisher_p=p,
        holm_p=p,
        significant=False,
        z=z,
        z_p=z_p,
        cohens_h=cohens_h(a, b),
        odds_ratio=odds,
        notes=tuple(notes),
    )


def correct(tests: Sequence[SelectionTest], alpha: float) -> tuple[SelectionTest, ...]:
    """Fill in Holm-corrected p-values over all tests of an audit.

    Parameters
    ----------
    tests : sequence of SelectionTest
        Every Fisher test of the audit: the family that is corrected over.
    alpha : float
        Level of the family.

    Returns
    -------
    tuple of SelectionTest
        In the given order, with ``holm_p`` and ``significant`` set.
    """
    adjusted = holm([test.fisher_p for test in tests])
    return tuple(
        replace(test, holm_p=p, significant=p <= alpha)
        for test, p in zip(tests, adjusted, strict=True)
    )


def fisher_p_value(a: Proportion, b: Proportion) -> float:
    """Compute the two-sided Fisher exact p-value: all tables no likelier than the observed one.

    Effective sizes are rounded down, and the selected of them to whole rows.

    SciPy's takes about 2 ms whether the table holds a thousand rows or ten million, and agrees with
    a term-by-term sum to 1e-9.

    Parameters
    ----------
    a, b : Proportion
        The two rows of the 2 x 2 table.

    Returns
    -------
    float
        In [0, 1].

    References
    ----------
    Fisher (1935), *The Design of Experiments*; two-sided as in Agresti (2013),
    *Categorical Data Analysis*, 3.5.3. By subject: Rao and Scott (1992).
    """
    from scipy.stats import fisher_exact

    table = [_whole(a), _whole(b)]
    return min(float(fisher_exact(table).pvalue), 1.0)


def _whole(share: Proportion) -> tuple[int, int]:
    """Successes and failures as whole numbers of effective rows."""
    if share.effective is None:
        return share.successes, share.total - share.successes
    # What rounding left of a whole number is not rounded down.
    size = max(1, math.floor(round(share.size, 6)))
    successes = min(size, round(share.value * size))
    return successes, size - successes


def two_proportion_z(a: Proportion, b: Proportion) -> tuple[float | None, float | None]:
    """Compute the pooled Z of two proportions and its two-sided p-value.

    Parameters
    ----------
    a, b : Proportion
        Totals are positive.

    Returns
    -------
    z, p : float or None
        ``z`` is negative when ``a`` is the lower proportion; both are None when nothing varies.

    References
    ----------
    Fleiss, Levin and Paik (2003), *Statistical Methods for Rates and Proportions*, 3.1.
    """
    pooled = (a.hits + b.hits) / (a.size + b.size)
    variance = pooled * (1 - pooled) * (1 / a.size + 1 / b.size)
    if variance <= 0:
        return None, None
    z = (a.value - b.value) / math.sqrt(variance)
    return z, math.erfc(abs(z) / math.sqrt(2))


def cohens_h(a: Proportion, b: Proportion) -> float:
    """Compute the difference of arcsine-transformed proportions.

    Cohen calls 0.2 small, 0.5 medium, 0.8 large.

    Parameters
    ----------
    a, b : Proportion
        Totals are positive.

    Returns
    -------
    float
        Radians, in [-pi, pi]; negative when ``a`` is the lower proportion.

    References
    ----------
    Cohen (1988), *Statistical Power Analysis for the Behavioral Sciences*, ch. 6.
    """
    return 2 * math.asin(math.sqrt(a.value)) - 2 * math.asin(math.sqrt(b.value))


def odds_ratio(a: Proportion, b: Proportion) -> float | None:
    """Compute the sample odds ratio.

    Parameters
    ----------
    a, b : Proportion
        Totals are positive.

    Returns
    -------
    float or None
        Odds of ``a`` over odds of ``b``; None when a cell is 0 (the ratio would be 0, infinite or
        undefined).
    """
    if a.at_boundary or b.at_boundary:
        return None
    odds_a = a.successes / (a.total - a.successes)
    odds_b = b.successes / (b.total - b.successes)
    return odds_a / odds_b


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values so that the chance of any false alarm is bounded.

    Parameters
    ----------
    p_values : sequence of float
        Uncorrected, in any order.

    Returns
    -------
    list of float
        Adjusted p-values in the given order, at most 1.

    References
    ----------
    Holm (1979), Scandinavian Journal of Statistics 6:65-70.
    """
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


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
