"""The one thing an audit needs from the data: counts of group, truth, decision and score bin.

Every rate, interval and test in this package is a function of these counts (they are sufficient
statistics), so the size of the data matters only once, in one group-by, which any engine can do.

Sums of scores are kept in fixed point (integers, 2**-30 of a score). Integer sums don't depend on
the order of rows or on how the data were split over files, so a table is reproducible bit by bit;
a mean score is exact to 5e-10.

Where subjects have several rows, their counts are kept beside those of the rows (``subjects``):
rates need the rows, and how sure they are the subjects.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipelines.mlops.fairness.groups import (
    JOIN,
    UNKNOWN,
    Codes,
    Feature,
    GroupCodes,
    order_levels,
)
from pipelines.mlops.fairness.subjects import Patterns, SubjectCounts, subject_codes

SCORE_UNIT: Final = 2**30
"""Fixed-point units in a score of 1.0; an SQL engine sends ``SUM(ROUND(score * 1073741824))``."""

DEFAULT_BIN_EDGES: Final = tuple(i / 10 for i in range(11))

_CHUNK: Final = 1 << 20  # rows at a time: float sums of at most 2**20 * 2**30 units stay exact
_DENSE_LIMIT: Final = 1 << 22  # entries of a dense accumulator (32 MiB) before ids are compressed

Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Marginal:
    """A table summed to one dimension.

    Attributes
    ----------
    features : tuple of str
        The dimension.
    groups : tuple of tuples of str
        One level per feature, for every group that has rows; shape (G,).
    counts : ndarray of int64, shape (G, 2, 2, B)
        Rows by group, truth, decision, score bin.
    score_units : ndarray of int64, shape (G, 2, 2, B)
        Sums of scores in fixed point.
    membership : ndarray of int64, shape (C,)
        Group index of every cell of the full table.
    """

    features: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    counts: Counts
    score_units: Counts
    membership: Counts

    @property
    def name(self) -> str:
        """Name of the dimension."""
        return JOIN.join(self.features)

    @property
    def labels(self) -> tuple[str, ...]:
        """One readable label per group."""
        return tuple(JOIN.join(group) for group in self.groups)

    @property
    def confusion(self) -> Counts:
        """Rows by group, truth and decision; shape (G, 2, 2)."""
        return np.asarray(self.counts.sum(axis=3), np.int64)

    def is_unknown(self, group: int) -> bool:
        """Tell whether any part of a group's label is unknown.

        Parameters
        ----------
        group : int
            Index into ``groups``.

        Returns
        -------
        bool
        """
        return UNKNOWN in self.groups[group]


@dataclass(frozen=True, eq=False)
class ContingencyTable:
    """Counts by finest intersection, truth, decision and score bin.

    Row weights (survey or sampling weights) are not supported: the exact tests and the bootstrap
    below are for counts of rows.

    Attributes
    ----------
    features : tuple of Feature
        Sensitive features and their levels.
    cells : ndarray of int64, shape (C, F)
        Level code per feature, for each combination that has rows, in lexicographic order.
    counts : ndarray of int64, shape (C, 2, 2, B)
        Number of rows; axes are cell, truth, decision, score bin.
    score_units : ndarray of int64, shape (C, 2, 2, B)
        Sum of scores, in ``1 / SCORE_UNIT``.
    bin_edges : tuple of float
        B + 1 edges from 0 to 1, or empty when the rows had no score (then B is 1).
    subjects : SubjectCounts or None
        The same by subject; its categories number the entries of ``counts``. None where every
        subject has one row.
    """

    features: tuple[Feature, ...]
    cells: Counts
    counts: Counts
    score_units: Counts
    bin_edges: tuple[float, ...]
    subjects: SubjectCounts | None = None

    @property
    def rows(self) -> int:
        """Number of rows counted."""
        return int(self.counts.sum())

    @property
    def subject_count(self) -> int:
        """Number of subjects."""
        return self.rows if self.subjects is None else self.subjects.subjects

    @cached_property
    def decisions(self) -> Patterns:
        """Patterns of subjects; categories are ``(cell * 2 + truth) * 2 + decision``.

        Raises
        ------
        ValueError
            Every subject has one row.
        """
        if self.subjects is None:
            raise ValueError("every subject has one row: the counts of rows are those of subjects")
        return self.subjects.fold(self.counts.shape[3]).patterns

    @property
    def has_scores(self) -> bool:
        """Whether the rows came with scores."""
        return bool(self.bin_edges)

    __hash__ = None  # type: ignore[assignment]  # equal by content, as arrays are

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ContingencyTable):
            return NotImplemented
        return (
            self.features == other.features
            and self.bin_edges == other.bin_edges
            and np.array_equal(self.cells, other.cells)
            and np.array_equal(self.counts, other.counts)
            and np.array_equal(self.score_units, other.score_units)
            and _same_subjects(self.subjects, other.subjects)
        )

    def __add__(self, other: ContingencyTable) -> ContingencyTable:
        return merge_tables([self, other])

    def feature(self, name: str) -> Feature:
        """Return the feature of that name.

        Parameters
        ----------
        name : str
            Column name.

        Returns
        -------
        Feature

        Raises
        ------
        ValueError
            The table has no such feature.
        """
        for feature in self.features:
            if feature.name == name:
                return feature
        raise ValueError(f"the table has no feature {name!r}")

    def marginal(self, names: Sequence[str]) -> Marginal:
        """Sum the table to one dimension.

        Parameters
        ----------
        names : sequence of str
            Feature names, in the order wanted in labels.

        Returns
        -------
        Marginal
            Groups without any row are not part of it.

        Raises
        ------
        ValueError
            A name that is not a feature of the table.
        """
        features = [self.feature(name) for name in names]
        columns = [self.features.index(feature) for feature in features]
        # Distinct rows of codes are the groups; the inverse says which group each cell is in.
        picked, membership = np.unique(self.cells[:, columns], axis=0, return_inverse=True)
        membership = membership.reshape(-1).astype(np.int64)
        return Marginal(
            features=tuple(names),
            groups=tuple(
                tuple(feature.levels[code] for feature, code in zip(features, row, strict=True))
                for row in picked.tolist()
            ),
            counts=_sum_by(self.counts, membership, len(picked)),
            score_units=_sum_by(self.score_units, membership, len(picked)),
            membership=membership,
        )


def build_table(
    groups: GroupCodes,
    y_true: ArrayLike,
    y_pred: ArrayLike,
    scores: ArrayLike | None = None,
    *,
    bin_edges: Sequence[float] = DEFAULT_BIN_EDGES,
    subjects: ArrayLike | None = None,
) -> ContingencyTable:
    """Count rows.

    Parameters
    ----------
    groups : GroupCodes
        From :func:`encode_groups`; N rows.
    y_true, y_pred : array-like of 0 and 1, shape (N,)
        Truth and decision.
    scores : array-like of float in [0, 1], shape (N,), optional
        Predicted probabilities; without them there is no calibration.
    bin_edges : sequence of float
        Score bins, from 0 to 1; a bin holds its lower edge and the last one also 1.
    subjects : array-like of str or int, shape (N,), optional
        Key of each row's subject; None = every row is of another subject.

    Returns
    -------
    ContingencyTable

    Raises
    ------
    ValueError
        Lengths differ, a subject is missing, a label is not 0 or 1, or a score is missing or
        outside [0, 1].
    """
    truth = _binary(y_true, "y_true", len(groups))
    decision = _binary(y_pred, "y_pred", len(groups))
    values = None if scores is None else _unit_scores(scores, len(groups))
    edges = () if values is None else _checked_edges(bin_edges)
    bins = max(len(edges) - 1, 1)
    ids, n_cells, radix_ids = _cell_ids(groups, bins)
    size = n_cells * 4 * bins
    counts, units = np.zeros(size, np.int64), np.zeros(size, np.int64)
    inner = np.asarray(edges[1:-1], float)
    owners = None if subjects is None else subject_codes(subjects, len(groups))
    places = np.zeros(0 if owners is None else len(groups), np.int64)
    for start in range(0, len(groups), _CHUNK):
        part = slice(start, start + _CHUNK)
        # Flat index of (cell, truth, decision), and below of the bin: one bincount counts all.
        index = (ids(part) * 2 + truth[part]) * 2 + decision[part]
        if values is not None:
            index = index * bins + np.searchsorted(inner, values[part], side="right")
            fixed = np.rint(values[part] * SCORE_UNIT)
            units += np.bincount(index, weights=fixed, minlength=size).astype(np.int64)
        counts += np.bincount(index, minlength=size)
        if owners is not None:
            places[part] = index
    shape = (n_cells, 2, 2, bins)
    counts = counts.reshape(shape)
    table = _compact(groups.features, radix_ids, counts, units.reshape(shape), edges)
    if owners is None:
        return table
    # Cells are numbered anew without the empty ones.
    cell, rest = np.divmod(places, 4 * bins)
    numbers = np.cumsum(counts.any(axis=(1, 2, 3))) - 1
    category = numbers[cell] * (4 * bins) + rest
    return replace(table, subjects=SubjectCounts.make(owners, category))


def table_from_counts(
    groups: GroupCodes,
    y_true: ArrayLike,
    y_pred: ArrayLike,
    rows: ArrayLike,
    *,
    score_bin: ArrayLike | None = None,
    score_units: ArrayLike | None = None,
    bin_edges: Sequence[float] = DEFAULT_BIN_EDGES,
) -> ContingencyTable:
    """Take counts that an SQL engine has already grouped.

    Parameters
    ----------
    groups : GroupCodes
        Codes of the K grouped combinations (repetitions are added up).
    y_true, y_pred : array-like of 0 and 1, shape (K,)
        Truth and decision of each combination.
    rows : array-like of int, shape (K,)
        ``COUNT(*)`` of each combination.
    score_bin : array-like of int, shape (K,), optional
        Index of the score bin.
    score_units : array-like of int, shape (K,), optional
        ``SUM(ROUND(score * SCORE_UNIT))``; goes with ``score_bin``.
    bin_edges : sequence of float
        The edges that ``score_bin`` was made with.

    Returns
    -------
    ContingencyTable
        Equal to what :func:`build_table` gives for the rows themselves.

    Raises
    ------
    ValueError
        Lengths differ, negative counts, bins out of range, or only one of the two score arrays.
    """
    if (score_bin is None) != (score_units is None):
        raise ValueError("score_bin and score_units go together")
    truth = _binary(y_true, "y_true", len(groups))
    decision = _binary(y_pred, "y_pred", len(groups))
    number = _integers(rows, "rows", len(groups))
    edges = () if score_bin is None else _checked_edges(bin_edges)
    bins = max(len(edges) - 1, 1)
    zeros = np.zeros(len(groups), np.int64)
    where = zeros if score_bin is None else _integers(score_bin, "score_bin", len(groups))
    sums = zeros if score_units is None else _integers(score_units, "score_units", len(groups))
    if bool((where >= bins).any()):
        raise ValueError(f"score_bin must be below {bins}")
    ids, n_cells, radix_ids = _cell_ids(groups, bins)
    shape = (n_cells, 2, 2, bins)
    counts, units = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    target = (ids(slice(None)), truth, decision, where)
    # Unbuffered: a combination may occur more than once.
    np.add.at(counts, target, number)
    np.add.at(units, target, sums)
    return _compact(groups.features, radix_ids, counts, units, edges)


def merge_tables(tables: Sequence[ContingencyTable]) -> ContingencyTable:
    """Add tables of separate rows: files, days, partitions.

    Parameters
    ----------
    tables : sequence of ContingencyTable
        Same features in the same order, same bands, same score bins; one row a subject.

    Returns
    -------
    ContingencyTable
        Equal to the table of all rows at once, whatever the order.

    Raises
    ------
    ValueError
        No table, tables that were not made alike, or subjects with several rows.
    """
    if not tables:
        raise ValueError("nothing to merge")
    if len({table.bin_edges for table in tables}) > 1:
        raise ValueError("tables with different score bins can't be added")
    if any(table.subjects is not None for table in tables):
        raise ValueError("tables of subjects with several rows can't be added: count them at once")
    features = reduce(_merge_features, [table.features for table in tables])
    # Codes differ between tables: first into the levels of all, then equal cells are added.
    translated = [_translate(table, features) for table in tables]
    cells, inverse = np.unique(np.concatenate(translated), axis=0, return_inverse=True)
    inverse = inverse.reshape(-1)
    return ContingencyTable(
        features=features,
        cells=cells.astype(np.int64),
        counts=_sum_by(np.concatenate([t.counts for t in tables]), inverse, len(cells)),
        score_units=_sum_by(np.concatenate([t.score_units for t in tables]), inverse, len(cells)),
        bin_edges=tables[0].bin_edges,
    )


def _same_subjects(left: SubjectCounts | None, right: SubjectCounts | None) -> bool:
    if left is None or right is None:
        return left is right
    a, b = left.patterns, right.patterns
    names = ("multiplicity", "pattern", "category", "rows")
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)


def _merge_features(left: tuple[Feature, ...], right: tuple[Feature, ...]) -> tuple[Feature, ...]:
    if [f.name for f in left] != [f.name for f in right]:
        raise ValueError("tables with different features can't be added")
    return tuple(_merge_feature(a, b) for a, b in zip(left, right, strict=True))


def _merge_feature(a: Feature, b: Feature) -> Feature:
    if a.banded != b.banded or (a.banded and a.known_levels != b.known_levels):
        raise ValueError(f"feature {a.name!r} has other bands in another table")
    if not a.banded:
        return Feature(a.name, order_levels(a.levels + b.levels))
    unknown = (UNKNOWN,) if UNKNOWN in a.levels + b.levels else ()
    return Feature(a.name, a.known_levels + unknown, banded=True)


def _translate(table: ContingencyTable, features: tuple[Feature, ...]) -> Counts:
    columns = []
    for position, (old, new) in enumerate(zip(table.features, features, strict=True)):
        lookup = np.array([new.levels.index(level) for level in old.levels], np.int64)
        columns.append(lookup[table.cells[:, position]])
    return np.stack(columns, axis=1)


class _CellIds:
    """Cell number of each row, made chunk by chunk so that no full-length array is kept."""

    def __init__(self, codes: Sequence[Codes], sizes: Sequence[int]) -> None:
        self._codes, self._sizes = codes, sizes

    def __call__(self, part: slice) -> NDArray[np.int64]:
        ids = self._codes[0][part].astype(np.int64)
        for code, size in zip(self._codes[1:], self._sizes[1:], strict=True):
            ids *= size
            ids += code[part]
        return ids


def _cell_ids(groups: GroupCodes, bins: int) -> tuple[Any, int, Counts]:
    """Return a function from rows to cell numbers, the number of cells, and their radix ids."""
    sizes = [len(feature.levels) for feature in groups.features]
    product = math.prod(sizes)
    if product >= 2**62:
        raise ValueError(f"{product} possible intersections are too many to number")
    ids = _CellIds(groups.codes, sizes)
    if product * 4 * bins <= _DENSE_LIMIT:
        return ids, product, np.arange(product, dtype=np.int64)
    # Many features with many levels: number only the combinations that occur.
    present, inverse = np.unique(ids(slice(None)), return_inverse=True)
    return inverse.reshape(-1).astype(np.int64).__getitem__, len(present), present


def _compact(
    features: tuple[Feature, ...],
    radix_ids: Counts,
    counts: Counts,
    units: Counts,
    edges: tuple[float, ...],
) -> ContingencyTable:
    """Drop cells without rows and turn their numbers back into one code per feature."""
    # Most intersections of a dense accumulator are empty.
    filled = counts.sum(axis=(1, 2, 3)) > 0
    sizes = tuple(len(feature.levels) for feature in features)
    rest = radix_ids[filled]
    columns: list[Counts] = []
    for size in reversed(sizes):
        # A feature has no level at all only when there is no row at all.
        rest, code = np.divmod(rest, max(size, 1))
        columns.append(code)
    cells = np.stack(columns[::-1], axis=1)
    return ContingencyTable(features, cells, counts[filled], units[filled], edges)


def _sum_by(values: Counts, membership: Counts, groups: int) -> Counts:
    result = np.zeros((groups, *values.shape[1:]), np.int64)
    np.add.at(result, membership, values)
    return result


def _binary(values: ArrayLike, name: str, rows: int) -> NDArray[np.uint8]:
    array = np.asarray(values)
    if array.shape != (rows,):
        raise ValueError(f"{name} has shape {array.shape}, expected ({rows},)")
    if array.dtype == np.bool_:
        return array.view(np.uint8)
    good = (array == 0) | (array == 1)
    if not bool(np.all(good)):
        raise ValueError(f"{name} has {int((~good).sum())} values that are not 0 or 1")
    return array.astype(np.uint8)


def _unit_scores(values: ArrayLike, rows: int) -> NDArray[np.float64]:
    array = np.asarray(values, np.float64)
    if array.shape != (rows,):
        raise ValueError(f"scores have shape {array.shape}, expected ({rows},)")
    bad = rows - int(np.count_nonzero((array >= 0) & (array <= 1)))
    if bad:
        raise ValueError(f"{bad} scores are missing or outside [0, 1]")
    return array


def _integers(values: ArrayLike, name: str, rows: int) -> Counts:
    array = np.asarray(values)
    if array.shape != (rows,) or bool((array < 0).any()) or bool((array % 1 != 0).any()):
        raise ValueError(f"{name} must be {rows} whole numbers, none negative")
    return array.astype(np.int64)


def _checked_edges(edges: Sequence[float]) -> tuple[float, ...]:
    result = tuple(float(edge) for edge in edges)
    increasing = all(a < b for a, b in pairwise(result))
    if len(result) < 2 or not increasing or (result[0], result[-1]) != (0.0, 1.0):
        raise ValueError(f"score bin edges must increase from 0 to 1, got {result}")
    return result
