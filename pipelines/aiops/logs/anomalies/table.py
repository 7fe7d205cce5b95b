"""Counts of all days in memory: labels once a series, everything else as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.aiops.logs.anomalies.settings import DAY_US
from pipelines.aiops.logs.templates import TemplateStore

Series = tuple[str, str]
"""Service and template id."""


@dataclass(frozen=True)
class Table:
    """Counts as arrays; rows sorted by series and bin.

    Attributes
    ----------
    series
        Service and template of each code, sorted.
    code, at, count, first_us, last_us
        Shape (rows,); `code` is the position in `series`, `at` the bin's begin.
    severity
        Highest severity of a series (position in `SEVERITIES`), shape (series,).
    first_line
        First line of each series in the window, else in the history.
    service_begin
        When each series' service was first seen, shape (series,).
    """

    series: list[Series]
    code: NDArray[np.int64]
    at: NDArray[np.int64]
    count: NDArray[np.int64]
    first_us: NDArray[np.int64]
    last_us: NDArray[np.int64]
    severity: NDArray[np.int8]
    first_line: list[str]
    service_begin: NDArray[np.int64]


def table_of(counts: pa.Table, store: TemplateStore, start_us: int, end_us: int) -> Table:
    """Bring counts into memory; templates go by the id they have today.

    Parameters
    ----------
    start_us, end_us
        What lies outside is left out.
    """
    import pyarrow.compute as pc

    keep = pc.and_(pc.greater_equal(counts["at"], start_us), pc.less(counts["at"], end_us))
    counts = counts.filter(keep).combine_chunks()
    services = counts["service"].to_pylist()
    ids = {name: store.current(name) for name in pc.unique(counts["template"]).to_pylist()}
    names = [(s, ids[t]) for s, t in zip(services, counts["template"].to_pylist(), strict=True)]
    series = sorted(set(names))
    place = {name: i for i, name in enumerate(series)}
    code = np.fromiter((place[name] for name in names), np.int64, len(names))
    at, count, first, last = (
        counts[name].to_numpy() for name in ("at", "count", "first_us", "last_us")
    )
    severity = np.zeros(len(series), np.int8)
    np.maximum.at(severity, code, counts["severity"].to_numpy())
    lines = _lines(counts, code, len(series))
    order = np.lexsort((at, code))
    code, at = code[order], at[order]
    # Two templates that became one may both have a bin.
    new = np.ones(len(code), bool)
    new[1:] = (code[1:] != code[:-1]) | (at[1:] != at[:-1])
    start = np.flatnonzero(new)
    if not len(start):
        return Table(series, code, at, count, first, last, severity, lines, np.zeros(0, np.int64))
    return Table(
        series, code[start], at[start], np.add.reduceat(count[order], start),
        np.minimum.reduceat(first[order], start), np.maximum.reduceat(last[order], start),
        severity, lines, _begins(series, code[start], at[start]),
    )  # fmt: skip


def _lines(counts: pa.Table, code: NDArray[np.int64], n: int) -> list[str]:
    """Latest day's first line of each series."""
    import pyarrow.compute as pc

    has = np.flatnonzero(pc.is_valid(counts["first_line"]).to_numpy())
    texts = counts["first_line"].take(pa.array(has)).to_pylist()
    days = counts["first_us"].to_numpy()[has] // DAY_US
    found: dict[int, tuple[int, str]] = {}
    for i, day, text in zip(code[has].tolist(), days.tolist(), texts, strict=True):
        known = found.get(i)
        if known is None or (-day, text) < (-known[0], known[1]):
            found[i] = (day, text)
    return [found.get(i, (0, ""))[1] for i in range(n)]


def _begins(
    series: list[Series], code: NDArray[np.int64], at: NDArray[np.int64]
) -> NDArray[np.int64]:
    """When each series' service was first seen."""
    services = sorted({service for service, _ in series})
    place = {name: i for i, name in enumerate(services)}
    of = np.array([place[service] for service, _ in series], np.int64)
    begin = np.full(len(services), np.iinfo(np.int64).max)
    np.minimum.at(begin, of[code], at)
    return begin[of]
