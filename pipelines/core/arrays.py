"""Small sorted-array tools that mining and replay are made of; all work on whole columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def running_max(groups: Ints, values: Ints) -> Ints:
    """Return the cumulative maximum of `values` within equal neighbours of `groups`.

    Parameters
    ----------
    groups : ndarray of int64, shape (n,)
        Group of each row; rows of one group stand together.
    values : ndarray of int64, shape (n,)
        Values in the order of the rows.

    Returns
    -------
    ndarray of int64, shape (n,)
        The largest value so far within the row's group.
    """
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
    """Mark the first row of each run of equal values.

    Parameters
    ----------
    groups : ndarray of int64, shape (n,)
        Values of which equal neighbours make a run.

    Returns
    -------
    ndarray of bool, shape (n,)
        True where a row differs from the one before it, and for the first row.
    """
    first = np.ones(len(groups), dtype=bool)
    first[1:] = groups[1:] != groups[:-1]
    return first


def distinct(values: Ints) -> Ints:
    """Return the sorted distinct values.

    Sorting is several times faster here than the hash of `numpy.unique`.

    Parameters
    ----------
    values : ndarray of int64, shape (n,)
        Values in any order.

    Returns
    -------
    ndarray of int64, shape (d,)
        The distinct values, ascending.
    """
    ordered = np.sort(values)
    return ordered[heads(ordered)]


def order_of(first: Ints, second: Ints) -> Ints:
    """Return the order of rows by `first`, then by `second`; equal rows come in any order.

    One sort of one number, unless the two together don't fit into it.

    Parameters
    ----------
    first : ndarray of int64, shape (n,)
        First key of the order.
    second : ndarray of int64, shape (n,)
        Second key of the order.

    Returns
    -------
    ndarray of int64, shape (n,)
        Row numbers in that order.
    """
    if not len(first):
        return np.empty(0, dtype=np.int64)
    base, low = int(first.min()), int(second.min())
    span = int(second.max()) - low + 1
    if (int(first.max()) - base + 1) * span >= 2**62:
        return np.lexsort((second, first))
    return np.argsort((first - base) * span + (second - low))


def merged(groups: Ints, starts: Ints, ends: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Unite intervals that touch or overlap, within each group.

    Parameters
    ----------
    groups : ndarray of int64, shape (n,)
        Group of each interval; in any order.
    starts : ndarray of int64, shape (n,)
        Start of each interval.
    ends : ndarray of int64, shape (n,)
        End of each interval.

    Returns
    -------
    tuple of four ndarray of int64
        Group, start and end of each united interval, in order, each of shape (m,) with m ≤ n; and
        the position among them that each input row went into, of shape (n,).
    """
    order = order_of(groups, starts)
    group, start = groups[order], starts[order]
    reach = running_max(group, ends[order])
    # A row begins a new interval if it starts after everything before it in its group has ended.
    new = heads(group)
    new[1:] |= start[1:] > reach[:-1]
    of_sorted = np.cumsum(new) - 1
    last = np.ones(len(new), dtype=bool)
    last[:-1] = new[1:]
    of_row = np.empty(len(new), dtype=np.int64)
    of_row[order] = of_sorted
    return group[new], start[new], reach[last], of_row


def search(keys: Ints, times: Ints, of_key: Ints, of_time: Ints) -> Ints:
    """Find the first entry of ``(keys, times)`` with the given key and a later time.

    Parameters
    ----------
    keys : ndarray of int64, shape (n,)
        Keys that are searched, ascending.
    times : ndarray of int64, shape (n,)
        Times that are searched, ascending within a key, in any unit.
    of_key : ndarray of int64, shape (m,)
        Key to look for, one a query.
    of_time : ndarray of int64, shape (m,)
        Time of the query, in the unit of `times`; the entry found is strictly later.

    Returns
    -------
    ndarray of int64, shape (m,)
        Positions in `keys`. Where the key has no later entry, this is the position after its last
        one, which is another key's or the end.
    """
    # Key and rank of the time in one number, so that one search finds both.
    known = distinct(times)
    size = len(known) + 1
    have = keys * size + np.searchsorted(known, times)
    want = of_key * size + np.searchsorted(known, of_time, side="right")
    return np.searchsorted(have, want)


def spread(first: Ints, count: Ints) -> tuple[Ints, Ints]:
    """Expand ranges of rows to single rows, each with the number of its range.

    Parameters
    ----------
    first : ndarray of int64, shape (n,)
        First row of each range.
    count : ndarray of int64, shape (n,)
        Number of rows of each range.

    Returns
    -------
    tuple of (ndarray of int64, ndarray of int64), each of shape (sum of count,)
        The range's number i, and the rows ``first[i] … first[i] + count[i] - 1``.
    """
    return np.repeat(np.arange(len(count)), count), runs(first, count)


def runs(first: Ints, count: Ints) -> Ints:
    """Expand ranges of rows to single rows.

    Parameters
    ----------
    first : ndarray of int64, shape (n,)
        First row of each range.
    count : ndarray of int64, shape (n,)
        Number of rows of each range.

    Returns
    -------
    ndarray of int64, shape (sum of count,)
        The rows ``first[i] … first[i] + count[i] - 1`` of each range i, one range after the other.
    """
    # Shape (sum of count,): first row of the range, less its offset in the output, plus position.
    rows = np.repeat(first - np.cumsum(count) + count, count)
    rows += np.arange(len(rows))
    return rows


def codes_of(columns: list[Ints], size: int) -> Ints:
    """Assign a code to each distinct row of the columns, in lexicographic order.

    Parameters
    ----------
    columns : list of ndarray of int64, each of shape (size,)
        Columns of codes, none negative; without columns every row has code 0.
    size : int
        Number of rows.

    Returns
    -------
    ndarray of int64, shape (size,)
        Code of each row, from 0.
    """
    code = np.zeros(size, dtype=np.int64)
    for column in columns:
        # Renumbered after every column: a code stays below `size`, whatever the number of columns.
        wide = int(column.max(initial=0)) + 1
        _, code = np.unique(code * wide + column, return_inverse=True)
        code = code.astype(np.int64)
    return code


def as_array(lines: Any) -> Any:
    """Return lines as one Arrow array of large strings; missing ones are empty.

    Parameters
    ----------
    lines : object
        A sequence of strings, or an Arrow array or chunked array.

    Returns
    -------
    pyarrow.LargeStringArray, shape (n,)
        Lines without nulls.
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


def numbers_of(array: Any) -> NDArray[Any]:
    """Return an Arrow array of numbers without nulls as it lies in memory.

    Parameters
    ----------
    array : pyarrow.Array
        Of a type of fixed width; ``to_numpy()`` would import pandas.

    Returns
    -------
    ndarray, shape (n,)
        Not to be written to.
    """
    buffer = array.buffers()[1]
    kind = np.dtype(array.type.to_pandas_dtype())
    if buffer is None or not len(array):
        return np.zeros(0, kind)
    return np.frombuffer(buffer, kind)[array.offset : array.offset + len(array)]


def as_indices(rows: NDArray[np.intp]) -> Any:
    """Return row numbers as an Arrow array, without a copy and without importing pandas.

    Parameters
    ----------
    rows : ndarray of intp, shape (n,)

    Returns
    -------
    pyarrow.Int64Array, shape (n,)
    """
    import pyarrow as pa

    whole = np.ascontiguousarray(rows, np.int64)
    return pa.Array.from_buffers(pa.int64(), len(whole), [None, pa.py_buffer(whole)])


def _from_strings(lines: Sequence[str | None]) -> Any:
    # From buffers: pyarrow.array() would import pandas, which takes longer than 20,000 lines do.
    import pyarrow as pa

    texts = [line or "" for line in lines]
    whole = "".join(texts)
    sizes: Any = map(len, texts)
    if not whole.isascii():
        # Lone surrogates are left by a decoder that escapes what it can't read.
        encoded = [text.encode("utf-8", "replace") for text in texts]
        sizes, data = map(len, encoded), b"".join(encoded)
    else:
        data = whole.encode()
    # Arrow's layout: offsets of shape (lines + 1,) into one run of bytes.
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(np.fromiter(sizes, np.int64, len(texts)), out=offsets[1:])
    return pa.LargeStringArray.from_buffers(len(texts), pa.py_buffer(offsets), pa.py_buffer(data))
