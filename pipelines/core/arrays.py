"""Small sorted-array tools that mining and replay are made of; all work on whole columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def running_max(groups: Ints, values: Ints) -> Ints:
    """Cumulative maximum of `values` within equal neighbours of `groups`."""
    if not len(values):
        return values
    number, low = np.cumsum(heads(groups)) - 1, int(values.min())
    span = int(values.max()) - low + 1
    if (int(number[-1]) + 1) * span < 2**62:
        # Higher groups lie above all lower ones: one pass.
        lifted = number * span
        reached: Ints = np.maximum.accumulate(values - low + lifted) - lifted + low
        return reached
    import pandas as pd

    found: Any = pd.Series(values).groupby(groups, sort=False).cummax()
    return np.asarray(found, dtype=np.int64)


def heads(groups: Ints) -> Bools:
    """Whether each row is the first of its run of equal values."""
    first = np.ones(len(groups), dtype=bool)
    first[1:] = groups[1:] != groups[:-1]
    return first


def distinct(values: Ints) -> Ints:
    """Sorted distinct values; sorting is several times faster here than `numpy.unique`'s hash."""
    ordered = np.sort(values)
    return ordered[heads(ordered)]


def order_of(first: Ints, second: Ints) -> Ints:
    """Order by `first`, then `second`; equal rows in any order.

    One sort of one number, unless the two together don't fit into it.
    """
    if not len(first):
        return np.empty(0, dtype=np.int64)
    base, low = int(first.min()), int(second.min())
    span = int(second.max()) - low + 1
    if (int(first.max()) - base + 1) * span >= 2**62:
        return np.lexsort((second, first))
    return np.argsort((first - base) * span + (second - low))


def merged(groups: Ints, starts: Ints, ends: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Unite stretches that touch or overlap, within each group.

    Returns
    -------
    tuple
        Group, start and end of each united stretch, in order; and which of them each input row
        went into.
    """
    order = order_of(groups, starts)
    group, start = groups[order], starts[order]
    reach = running_max(group, ends[order])
    new = heads(group)
    new[1:] |= start[1:] > reach[:-1]
    of_sorted = np.cumsum(new) - 1
    last = np.ones(len(new), dtype=bool)
    last[:-1] = new[1:]
    of_row = np.empty(len(new), dtype=np.int64)
    of_row[order] = of_sorted
    return group[new], start[new], reach[last], of_row


def search(keys: Ints, times: Ints, of_key: Ints, of_time: Ints) -> Ints:
    """Position of the first entry of ``(keys, times)`` (sorted) with the key and a later time."""
    known = distinct(times)
    size = len(known) + 1
    have = keys * size + np.searchsorted(known, times)
    want = of_key * size + np.searchsorted(known, of_time, side="right")
    return np.searchsorted(have, want)


def spread(first: Ints, count: Ints) -> tuple[Ints, Ints]:
    """Rows ``first[i] … first[i] + count[i] - 1`` for each i; returns i and the row, flat."""
    return np.repeat(np.arange(len(count)), count), runs(first, count)


def runs(first: Ints, count: Ints) -> Ints:
    """Rows ``first[i] … first[i] + count[i] - 1`` for each i, flat."""
    rows = np.repeat(first - np.cumsum(count) + count, count)
    rows += np.arange(len(rows))
    return rows


def codes_of(columns: list[Ints], size: int) -> Ints:
    """One code for each distinct row of the columns, in their order; no columns: all zero."""
    code = np.zeros(size, dtype=np.int64)
    for column in columns:
        wide = int(column.max(initial=0)) + 1
        _, code = np.unique(code * wide + column, return_inverse=True)
        code = code.astype(np.int64)
    return code


def as_array(lines: Any) -> Any:
    """Return lines as one Arrow array of large strings; missing ones are empty.

    Parameters
    ----------
    lines
        A sequence of strings, or an Arrow array or chunked array.
    """
    import pyarrow as pa

    if not isinstance(lines, pa.Array | pa.ChunkedArray):
        lines = _from_strings(list(lines))
    if isinstance(lines, pa.ChunkedArray):
        lines = lines.combine_chunks()
    if pa.types.is_dictionary(lines.type):
        lines = lines.dictionary_decode()
    lines = lines.cast(pa.large_string())
    return lines.fill_null("") if lines.null_count else lines


def _from_strings(lines: Sequence[str]) -> Any:
    import pyarrow as pa

    try:
        return pa.array(lines, pa.large_string())
    except UnicodeEncodeError:  # lone surrogates, left by a decoder that escapes what it can't read
        whole = [line.encode("utf-8", "replace").decode() for line in lines]
        return pa.array(whole, pa.large_string())
