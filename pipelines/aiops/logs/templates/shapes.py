"""From millions of lines to a few thousand distinct shapes, in vectorised passes.

A shape is a line's first row, cut at a bound, with every word that holds a digit replaced by one
mark. Nothing in Python runs per line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CHUNK = 65_536
_MARK = "0"
_DATA_WORD = r"[0-9A-Za-z_]*[0-9][0-9A-Za-z_]*"


@dataclass(frozen=True)
class Shapes:
    """Distinct shapes of some lines.

    Attributes
    ----------
    codes
        For each line the position of its shape in ``shapes`` (int32).
    shapes
        Distinct shapes, sorted.
    counts
        Lines of each shape.
    """

    codes: NDArray[np.int32]
    shapes: list[str]
    counts: NDArray[np.int64]


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


def first_rows(lines: Any, max_chars: int) -> Any:
    """Cut each line at its first line break and at ``max_chars`` characters.

    What follows the first row of a message is a stack trace or a dump, whose depth varies.
    """
    import pyarrow.compute as pc

    if pc.any(pc.match_substring(lines, "\n")).as_py():
        lines = pc.replace_substring_regex(lines, r"(?s)\r?\n.*", "")
    longest = pc.max(pc.binary_length(lines)).as_py() or 0
    if longest > max_chars:
        lines = pc.utf8_slice_codeunits(lines, 0, max_chars)
    return lines


def _encode(lines: Any, max_chars: int) -> Any:
    import pyarrow.compute as pc

    rows = first_rows(lines, max_chars)
    return pc.replace_substring_regex(rows, _DATA_WORD, _MARK).dictionary_encode()


def _chunks(lines: Any) -> Iterator[Any]:
    return (lines.slice(start, _CHUNK) for start in range(0, len(lines), _CHUNK))


def shapes_of(lines: Any, *, max_chars: int, threads: int | None = None) -> Shapes:
    """Reduce lines to their distinct shapes.

    Parameters
    ----------
    lines
        Result of :func:`as_array`.
    max_chars
        Characters of a line that are looked at.
    threads
        How many run at once; by default as many as there are cores. No effect on the result.
    """
    chunks = list(_chunks(lines))
    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        encoded = list(pool.map(lambda chunk: _encode(chunk, max_chars), chunks))
    dictionaries = [chunk.dictionary.to_pylist() for chunk in encoded]
    shapes = sorted(set().union(*dictionaries))
    number = {shape: i for i, shape in enumerate(shapes)}
    codes = np.empty(len(lines), np.int32)
    start = 0
    for chunk, words in zip(encoded, dictionaries, strict=True):
        own = np.fromiter((number[word] for word in words), np.int32, len(words))
        codes[start : start + len(chunk)] = own[chunk.indices.to_numpy()]
        start += len(chunk)
    return Shapes(codes, shapes, np.bincount(codes, minlength=len(shapes)))
