"""Rows of the contract's table ``logs``; personal data is masked here, before it is stored."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.lake.contract import LOGS, TIME
from pipelines.aiops.log_parsing.masking import DEFAULT_KINDS, mask

MAX_ATTRIBUTES = 64
MAX_ATTRIBUTE = 1_000
"""Attributes of a row, and characters of each, that are kept."""


@dataclass(frozen=True)
class LogColumns:
    """Messages as columns, each as long as `us`; texts are Arrow arrays or sequences.

    Attributes
    ----------
    us : ndarray of int64, shape (n,)
        Microseconds since 1970, UTC.
    body : pyarrow array or sequence of str, shape (n,)
        Messages, not yet masked.
    severity, service, instance, trace_id, span_id : array or sequence of str, shape (n,), optional
        Empty or None for unknown; None for a whole column of it.
    attributes : sequence of mapping of str to str, shape (n,), optional
        One mapping a row, or none at all.
    """

    us: NDArray[np.int64]
    body: Any
    severity: Any = None
    service: Any = None
    instance: Any = None
    trace_id: Any = None
    span_id: Any = None
    attributes: Sequence[Mapping[str, str]] | None = field(default=None, repr=False)


def log_rows(
    columns: LogColumns,
    source: str,
    location: str,
    kinds: Sequence[str] = DEFAULT_KINDS,
    seen: Counter[bytes] | None = None,
) -> Any:
    """Mask messages and make rows of table ``logs``.

    Parameters
    ----------
    columns : LogColumns
        n messages.
    source : str
        Name of the source.
    location : str
        Name of the file without marks of rotation: ``app.log`` for ``app.log.1.gz``. A row is
        identified by source, location, time, masked message and its turn among equals, so that a
        file that was rotated or has grown gives the rows it gave before.
    kinds : sequence of str
        What to mask; none: nothing.
    seen : Counter of bytes, optional
        Turns among equals so far, updated in place; give the same counter for all parts of a file.

    Returns
    -------
    pyarrow.Table
        n rows with the contract's schema.

    Raises
    ------
    SignalboxError
        If there is no kind of personal data of that name.
    """
    import pyarrow as pa

    n = len(columns.us)
    body = mask(columns.body, kinds).lines
    counter: Counter[bytes] = Counter() if seen is None else seen
    ids = _ids(source, location, columns.us, body, counter)
    given = {
        "log_id": pa.array(ids, pa.string()),
        "source": pa.repeat(pa.scalar(source), n),
        "at": pa.array(columns.us, pa.int64()).cast(TIME),
        "body": body.cast(pa.string()),
        "attributes": _attributes(columns.attributes, n, kinds),
    }
    for name in ("severity", "service", "instance", "trace_id", "span_id"):
        given[name] = _optional(getattr(columns, name), n)
    return pa.table([given[name] for name in LOGS.schema.names], schema=LOGS.schema)


def masked_text(text: str, kinds: Sequence[str]) -> str:
    """Mask one text, for quarantine.

    Parameters
    ----------
    text : str
    kinds : sequence of str
        What to mask; none: nothing.

    Returns
    -------
    str
    """
    return str(mask([text], kinds).lines[0].as_py())


def _ids(
    source: str, location: str, us: NDArray[np.int64], body: Any, seen: Counter[bytes]
) -> list[str]:
    start = hashlib.sha256(f"{source}\0{location}\0".encode("utf-8", "backslashreplace"))
    found = []
    for time, text in zip(us.tolist(), body.to_pylist(), strict=True):
        digest = start.copy()
        digest.update(b"%d\0" % time + text.encode())
        key = digest.digest()[:16]
        turn = seen[key]
        seen[key] = turn + 1
        if turn:
            digest.update(b"\0%d" % turn)
        found.append(digest.hexdigest()[:32])
    return found


def _optional(values: Any, n: int) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if values is None:
        return pa.nulls(n, pa.string())
    if not isinstance(values, pa.Array | pa.ChunkedArray):
        values = pa.array(values, pa.string())
    values = values.cast(pa.string())
    return pc.if_else(pc.equal(values, ""), pa.scalar(None, pa.string()), values)


def _attributes(rows: Sequence[Mapping[str, str]] | None, n: int, kinds: Sequence[str]) -> Any:
    import pyarrow as pa

    if rows is None:
        rows = [{}] * n
    kept = [[pair for pair in sorted(row.items()) if pair[1]][:MAX_ATTRIBUTES] for row in rows]
    # Arrow's map layout: offsets of shape (rows + 1,) into flat keys and values.
    offsets = np.concatenate([[0], np.cumsum([len(pairs) for pairs in kept])]).astype(np.int32)
    keys = [key for pairs in kept for key, _ in pairs]
    values = [value[:MAX_ATTRIBUTE] for pairs in kept for _, value in pairs]
    # A secret is often told by the name beside it: password=….
    named = [f"{key}={value}" for key, value in zip(keys, values, strict=True)]
    masked = mask(named, kinds).lines.to_pylist() if kinds else named
    items = [text[len(key) + 1 :] for key, text in zip(keys, masked, strict=True)]
    return pa.MapArray.from_arrays(
        pa.array(offsets), pa.array(keys, pa.string()), pa.array(items, pa.string())
    )
