"""Rows of one person belong together: counts by subject, for the bootstrap and the tests.

Twelve rows of one person are not twelve people. What varies from sample to sample is who is in it,
so subjects are drawn (cluster bootstrap; Field and Welsh 2007, JRSS B 69:369-390), and what a
closed form takes for the number of trials is the *effective* number: rows over the design effect,
which is the variance of the rate over subjects against that of independent rows (Kish 1965,
*Survey Sampling*; Rao and Scott 1992, Biometrics 48:577-585).

Subjects with the same counts are alike to every statistic here. So distinct *patterns* of counts
are kept with the number of subjects that show them, and a replicate is one multinomial draw over
the patterns, as it is one over the cells where every subject has one row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipelines.core.stats import effective_sizes
from pipelines.mlops.fairness.rates import Floats, rate_parts

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Counts = NDArray[np.int64]

_MULTINOMIAL: Final = 100_000  # patterns; beyond, drawing the subjects themselves is quicker


@dataclass(frozen=True, eq=False)
class Patterns:
    """Distinct ways in which the rows of a subject fall into categories.

    Attributes
    ----------
    multiplicity : ndarray of int64, shape (P,)
        Subjects that show each pattern.
    pattern, category, rows : ndarray of int64, shape (E,)
        A pattern's rows in a category, for those that have any; by pattern, then category.
    """

    multiplicity: Counts
    pattern: Counts
    category: Counts
    rows: Counts

    @property
    def subjects(self) -> int:
        """Number of subjects."""
        return int(self.multiplicity.sum())

    def draw(self, replicates: int, rng: np.random.Generator) -> Counts:
        """Draw as many subjects as there are, with replacement.

        Parameters
        ----------
        replicates : int
            Number of draws, R.
        rng : numpy.random.Generator
            Seeded by the caller.

        Returns
        -------
        ndarray of int64, shape (P, R)
            How often each pattern was drawn.
        """
        total, patterns = self.subjects, len(self.multiplicity)
        if patterns <= _MULTINOMIAL:
            return rng.multinomial(total, self.multiplicity / total, size=replicates).T
        shown = np.repeat(np.arange(patterns), self.multiplicity)
        result = np.empty((patterns, replicates), np.int64)
        for r in range(replicates):
            picked = shown[rng.integers(0, total, total)]
            result[:, r] = np.bincount(picked, minlength=patterns)
        return result

    def sums(self, group: Counts, groups: int, outcomes: int) -> csr_array:
        """Return the matrix that turns draws of patterns into counts by group and outcome.

        Parameters
        ----------
        group : ndarray of int64, shape (C,)
            Group of every cell; a category is ``cell * outcomes + outcome``.
        groups, outcomes : int
            Numbers of groups and of outcomes.

        Returns
        -------
        scipy.sparse.csr_array of int64, shape (groups * outcomes, P)
        """
        from scipy.sparse import csr_array

        cell, outcome = np.divmod(self.category, outcomes)
        target = group[cell] * outcomes + outcome
        shape = (groups * outcomes, len(self.multiplicity))
        return csr_array((self.rows, (target, self.pattern)), shape=shape)

    def by_group(self, group: Counts, groups: int) -> GroupSubjects:
        """Count each group's rows by subject.

        Parameters
        ----------
        group : ndarray of int64, shape (C,)
            Group of every cell; a category is ``cell * 4 + 2 * truth + decision``.
        groups : int
            Number of groups, G.

        Returns
        -------
        GroupSubjects
        """
        cell, outcome = np.divmod(self.category, 4)
        key = self.pattern * groups + group[cell]
        found, where = np.unique(key, return_inverse=True)
        confusion = np.zeros((len(found), 4), np.int64)
        np.add.at(confusion, (where.reshape(-1), outcome), self.rows)
        pattern, own = np.divmod(found, groups)
        return GroupSubjects(groups, own, self.multiplicity[pattern], confusion)


@dataclass(frozen=True, eq=False)
class GroupSubjects:
    """Confusion counts of the subjects of every group.

    Attributes
    ----------
    groups : int
        Number of groups, G.
    group, weight : ndarray of int64, shape (U,)
        The group, and how many subjects have these counts in it.
    confusion : ndarray of int64, shape (U, 4)
        Their TN, FP, FN, TP.
    """

    groups: int
    group: Counts
    weight: Counts
    confusion: Counts

    @property
    def subjects(self) -> Counts:
        """Subjects with rows in each group, shape (G,)."""
        return np.bincount(self.group, self.weight, minlength=self.groups).astype(np.int64)

    def effective(self, names: Sequence[str]) -> Floats:
        """Compute the effective sizes of the denominators of rates.

        Parameters
        ----------
        names : sequence of str
            Rates, M of them.

        Returns
        -------
        ndarray of float, shape (M, G)
            See :func:`pipelines.core.stats.effective_sizes`.
        """
        hits, trials = rate_parts(self.confusion, names)
        return np.stack(
            [
                effective_sizes(self.group, hits[m], trials[m], self.weight, self.groups)
                for m in range(len(names))
            ]
        )


@dataclass(frozen=True, eq=False)
class SubjectCounts:
    """Rows by subject and category.

    Attributes
    ----------
    subject, category, rows : ndarray of int64, shape (E,)
        A subject's rows in a category, for those that have any; by subject, then category.
        Subjects are numbered from 0.
    """

    subject: Counts
    category: Counts
    rows: Counts

    @classmethod
    def make(cls, subject: Counts, category: Counts, rows: Counts | None = None) -> SubjectCounts:
        """Count rows.

        Parameters
        ----------
        subject, category : ndarray of int64, shape (N,)
            Numbers from 0.
        rows : ndarray of int64, shape (N,), optional
            How many rows each stands for; None = one.

        Returns
        -------
        SubjectCounts

        Raises
        ------
        ValueError
            There are too many subjects and categories to number their pairs.
        """
        size = int(category.max(initial=0)) + 1
        if (int(subject.max(initial=0)) + 1) * size >= 2**62:
            raise ValueError("too many subjects and intersections to count")
        key = subject * size + category
        if rows is None:
            found, counts = np.unique(key, return_counts=True)
        else:
            found, where = np.unique(key, return_inverse=True)
            counts = np.bincount(where.reshape(-1), rows, minlength=len(found))
        owner, own = np.divmod(found, size)
        return cls(owner, own, counts.astype(np.int64))

    @property
    def subjects(self) -> int:
        """Number of subjects."""
        return int(self.subject.max(initial=-1)) + 1

    def fold(self, bins: int) -> SubjectCounts:
        """Add up categories that differ in the score bin only.

        Parameters
        ----------
        bins : int
            Bins of a category; they vary fastest.

        Returns
        -------
        SubjectCounts
        """
        return SubjectCounts.make(self.subject, self.category // bins, self.rows)

    @cached_property
    def patterns(self) -> Patterns:
        """The distinct patterns; their order doesn't depend on that of the subjects."""
        count = self.subjects
        starts = np.searchsorted(self.subject, np.arange(count))
        lengths = np.diff(np.append(starts, len(self.subject)))
        ids, active, known, step = np.zeros(count, np.int64), np.arange(count), 0, 0
        # A trie: subjects alike so far part where their next entries differ.
        while len(active):
            at = starts[active] + step
            part = _numbered(ids[active], self.category[at], self.rows[at])
            ids[active] = known + part
            known += int(part.max()) + 1
            step += 1
            active = active[lengths[active] > step]
        _, first, own, multiplicity = np.unique(
            ids, return_index=True, return_inverse=True, return_counts=True
        )
        # The entries of the first subject that shows a pattern are the pattern's.
        is_first = np.zeros(count, bool)
        is_first[first] = True
        kept = np.flatnonzero(is_first[self.subject])
        pattern = own.reshape(-1)[self.subject[kept]]
        kept = kept[order := np.argsort(pattern, kind="stable")]
        return Patterns(
            multiplicity.astype(np.int64), pattern[order], self.category[kept], self.rows[kept]
        )


def subject_codes(subjects: ArrayLike, rows: int) -> Counts | None:
    """Give each subject a number.

    Parameters
    ----------
    subjects : array-like of str or int, shape (N,)
        Key of each row's subject.
    rows : int
        N.

    Returns
    -------
    ndarray of int64, shape (N,), or None
        Numbers from 0; None where every subject has one row, so that rows can stand for subjects.

    Raises
    ------
    ValueError
        The keys aren't as many as the rows, or one is missing.
    """
    import pandas as pd

    codes, keys = pd.factorize(
        subjects if isinstance(subjects, pd.Series) else np.asarray(subjects)
    )
    if codes.shape != (rows,):
        raise ValueError(f"subjects have shape {codes.shape}, expected ({rows},)")
    if bool((codes < 0).any()):
        raise ValueError(f"{int((codes < 0).sum())} rows have no subject")
    return None if len(keys) == rows else codes.astype(np.int64)


def independent_rows(subjects: ArrayLike, hits: ArrayLike | None = None) -> float | None:
    """Compute how many independent rows all rows are worth to one share of them.

    Parameters
    ----------
    subjects : array-like of str or int, shape (N,)
        Key of each row's subject.
    hits : array-like of bool, shape (N,), optional
        Rows that count; None = not known which they are, so that a subject's may all be alike.

    Returns
    -------
    float or None
        At most N; None where every subject has one row.
    """
    keys = np.asarray(subjects)
    owners = subject_codes(keys, len(keys))
    if owners is None:
        return None
    trials = np.bincount(owners)
    if hits is None:
        return float(trials.sum() ** 2 / np.square(trials).sum())
    positive = np.bincount(owners, np.asarray(hits, float)).astype(np.int64)
    nobody = np.zeros(len(trials), np.int64)
    return float(effective_sizes(nobody, positive, trials, np.ones_like(trials), 1)[0])


def _numbered(*columns: Counts) -> Counts:
    """Give distinct rows of columns numbers, in lexicographic order."""
    order = np.lexsort(columns[::-1])
    new = np.zeros(len(order), bool)
    for column in columns:
        new[1:] |= column[order][1:] != column[order][:-1]
    numbers = np.empty(len(order), np.int64)
    numbers[order] = np.cumsum(new)
    return numbers
