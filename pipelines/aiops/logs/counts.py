"""Counts a service, template and bin: made from lines, and of all days in memory."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.aiops.logs.templates import Mined, Template, TemplateStore, mine
from pipelines.aiops.logs.templates.mining import first_rows
from pipelines.aiops.logs.templates.store import id_of
from pipelines.aiops.logs.templates.variables import values_in
from pipelines.core.arrays import as_array
from pipelines.core.time import DAY_US, HOUR_US, SECOND_US


@dataclass(frozen=True)
class LogAnomalySettings:
    """What is looked at, and how rare something must be.

    Attributes
    ----------
    bin_seconds : int
        Width of the bins that lines are counted in, seconds; divides an hour.
    history_days : int
        Days before the window that a template is compared with.
    fdr_limit : float
        Of bursts, silences and changed mixes of a run, the share that may be false alarms
        (Benjamini and Hochberg's false discovery rate), between 0 and 1.
    new_fdr_limit : float
        The same of new templates and new values.
    min_ratio : float
        A burst has at least so many times the lines expected; a silence lasts at least so many
        times the longest usual gap.
    min_burst : int
        Lines of a burst at least.
    max_values : int
        A variable with more distinct values has no new ones.
    max_findings : int
        Of each kind, the rarest are kept.
    sample : int
        Lines of a template from which is judged whether a variable has few values.
    """

    bin_seconds: int = 300
    history_days: int = 14
    fdr_limit: float = 0.05
    new_fdr_limit: float = 0.2
    min_ratio: float = 2.0
    min_burst: int = 5
    max_values: int = 20
    max_findings: int = 200
    sample: int = 400

    @property
    def bin_us(self) -> int:
        """Width of a bin in microseconds."""
        return self.bin_seconds * SECOND_US


DEFAULT = LogAnomalySettings()

SEVERITIES = ("", "trace", "debug", "info", "warn", "error", "fatal")
WORDS = re.compile(
    r"(?i)\b(?:error|fail(?:ed|ure|ing|s)?|exception|fatal|panic|denied|refused|timed? ?out|timeout"
    r"|unreachable|corrupt(?:ed|ion)?|abort(?:ed|ing)?|crash(?:ed)?|out of memory|segfault"
    r"|unable|cannot|could not|rejected|invalid|broken|lost)\b"
)
"""Words by which a message tells of trouble whatever its level."""

COUNTS = pa.schema(
    [("service", pa.string()), ("template", pa.string()), ("at", pa.int64()),
     ("count", pa.int64()), ("first_us", pa.int64()), ("last_us", pa.int64()),
     ("severity", pa.int8()), ("first_line", pa.string())]
)  # fmt: skip
VALUES = pa.schema(
    # Value null: more than are kept. Hours: distinct hours in which it came. Form: id of the
    # template's key when it was counted; under another key a slot is another variable.
    [("service", pa.string()), ("template", pa.string()), ("slot", pa.int32()),
     ("value", pa.string()), ("count", pa.int64()), ("hour_us", pa.int64()),
     ("first_us", pa.int64()), ("form", pa.string())]
)  # fmt: skip
_COUNTED_KINDS = {"number", "word", "id", "boolean", "null", "quoted", "text"}
_MAX_VALUE = 200
_FIRST_LINE = 300


@dataclass(frozen=True)
class _Rows:
    """Lines as arrays: time, service as a code, severity's rank, text."""

    us: NDArray[np.int64]
    services: list[str]
    own: NDArray[np.int64]
    ranks: NDArray[np.int8]
    body: Any


@dataclass(frozen=True)
class Counted:
    """Counts of some lines.

    Attributes
    ----------
    counts : pyarrow.Table
        By `COUNTS`, sorted by service, template and bin; ``at`` is the bin's begin, microseconds
        UTC. The first line (already masked) stands in a template's first bin only.
    values : pyarrow.Table
        By `VALUES`, sorted; only of variables with few values.
    store : TemplateStore
        Everything known after these lines.
    """

    counts: pa.Table
    values: pa.Table
    store: TemplateStore


def count_lines(
    logs: pa.Table, known: TemplateStore | None = None, settings: LogAnomalySettings = DEFAULT
) -> Counted:
    """Count lines a service, template and bin.

    Parameters
    ----------
    logs : pyarrow.Table
        Rows of the contract's table ``logs`` (``at``, ``service``, ``severity``, ``body``).
    known : TemplateStore, optional
        Templates of earlier lines.
    settings : LogAnomalySettings

    Returns
    -------
    Counted
        The same whatever the order of the rows.
    """
    if not len(logs):
        return Counted(COUNTS.empty_table(), VALUES.empty_table(), known or TemplateStore())
    body = as_array(logs["body"])
    mined = mine(body, known)
    us = logs["at"].cast(pa.int64()).to_numpy()
    services, own = _coded(logs["service"])
    ranks = _ranks(logs["severity"])
    rows = _Rows(us, services, own, ranks, body)
    return Counted(_counts(mined, rows, settings), _values(mined, rows, settings), mined.store)


def _coded(column: Any) -> tuple[list[str], NDArray[np.int64]]:
    """Names in order, and the code of each row."""
    import pyarrow.compute as pc

    plain = pc.fill_null(column.combine_chunks().cast(pa.string()), "")
    coded = pc.dictionary_encode(plain)
    names = coded.dictionary.to_pylist()
    order = sorted(range(len(names)), key=lambda i: names[i])
    # Codes follow the sorted names, so that they don't depend on the order of rows.
    rank = np.empty(len(names), np.int64)
    rank[order] = np.arange(len(names))
    codes = coded.indices.cast(pa.int64()).to_numpy(zero_copy_only=False)
    return [names[i] for i in order], rank[codes]


def _ranks(column: Any) -> NDArray[np.int8]:
    names, codes = _coded(column)
    ranks = [SEVERITIES.index(name) if name in SEVERITIES else 0 for name in names]
    return np.array(ranks, np.int8)[codes]


def _counts(mined: Mined, rows: _Rows, settings: LogAnomalySettings) -> pa.Table:
    us, own = rows.us, rows.own
    # One number for service, template and bin: a single sort groups the lines.
    bins = us // settings.bin_us
    series = own * len(mined.templates) + mined.codes
    first_bin = int(bins.min())
    span = int(bins.max()) - first_bin + 1
    key = series * span + (bins - first_bin)
    order = np.lexsort((us, key))
    # Shape (cells,): lines of cell i are ``order[start[i]:ends[i]]``, sorted by time.
    found, start = np.unique(key[order], return_index=True)
    sorted_us = us[order]
    ends = np.append(start[1:], len(key))
    # A series' first cell carries its first line.
    row_series = found // span
    new = np.append(True, row_series[1:] != row_series[:-1])
    lines = pa.nulls(len(found), pa.string())
    picked = _first_lines(order, start[new], ends[new], sorted_us, rows.body)
    lines = _put(lines, new, picked)
    names = np.array(rows.services, object)[row_series // len(mined.templates)]
    ids = np.array([t.id for t in mined.templates], object)[row_series % len(mined.templates)]
    table = pa.table(
        [pa.array(names, pa.string()), pa.array(ids, pa.string()),
         pa.array((found % span + first_bin) * settings.bin_us), pa.array(ends - start),
         pa.array(sorted_us[start]), pa.array(sorted_us[ends - 1]),
         pa.array(np.maximum.reduceat(rows.ranks[order], start), pa.int8()), lines],
        schema=COUNTS,
    )  # fmt: skip
    return table.sort_by([(name, "ascending") for name in ("service", "template", "at")])


def _first_lines(
    order: NDArray[np.intp],
    start: NDArray[np.intp],
    ends: NDArray[np.intp],
    sorted_us: NDArray[np.int64],
    body: Any,
) -> list[str]:
    """Earliest line of each; of those at the same time the least, whatever their order."""
    found = []
    for a, b in zip(start.tolist(), ends.tolist(), strict=True):
        last = a + int(np.searchsorted(sorted_us[a:b], sorted_us[a], "right"))
        texts = body.take(pa.array(order[a : min(last, a + 1000)])).to_pylist()
        found.append(min(texts)[:_FIRST_LINE])
    return found


def _put(column: Any, where: NDArray[np.bool_], texts: list[str]) -> Any:
    import pyarrow.compute as pc

    return pc.replace_with_mask(column, pa.array(where), pa.array(texts, pa.string()))


def _values(mined: Mined, rows: _Rows, settings: LogAnomalySettings) -> pa.Table:
    order = np.argsort(mined.codes, kind="stable")
    # Lines of template i are ``order[edges[i]:edges[i + 1]]``.
    edges = np.searchsorted(mined.codes[order], np.arange(len(mined.templates) + 1))
    parts: list[pa.Table] = []
    for i, template in enumerate(mined.templates):
        slots = [s for s, kind in enumerate(template.kinds) if kind in _COUNTED_KINDS]
        at = order[edges[i] : edges[i + 1]]
        if not slots or not len(at):
            continue
        # Spread over the day; whether a variable has few values doesn't hang on a few lines.
        step = max(len(at) // settings.sample, 1)
        ordered = at[np.argsort(rows.us[at], kind="stable")]
        sampled = _read(template, rows.body, ordered[::step])
        few = [s for s in slots if s < len(sampled)
               and len(set(sampled[s])) <= settings.max_values]  # fmt: skip
        if few:
            columns = _read(template, rows.body, at)
            for slot in few:
                parts += _slot((template, slot), columns[slot], rows, at, settings)
    if not parts:
        return VALUES.empty_table()
    keys = ("service", "template", "slot", "value", "hour_us")
    return pa.concat_tables(parts).sort_by([(name, "ascending") for name in keys])


def _read(template: Template, body: Any, rows: NDArray[np.intp]) -> list[list[str]]:
    return values_in(first_rows(body.take(pa.array(rows)), 2_000), template.key)


def _slot(
    name: tuple[Template, int],
    texts: list[str],
    lines: _Rows,
    rows_of: NDArray[np.intp],
    settings: LogAnomalySettings,
) -> list[pa.Table]:
    """Count values of a variable a service and hour; a row with null where there are too many."""
    template, slot = name
    us, own, services = lines.us[rows_of], lines.own[rows_of], lines.services
    names, codes = np.unique(np.array([text[:_MAX_VALUE] for text in texts], object).astype(str),
                             return_inverse=True)  # fmt: skip
    found = []
    for service in np.unique(own).tolist():
        at = np.flatnonzero(own == service)
        here = codes[at]
        if len(np.unique(here)) > 2 * settings.max_values:
            rows: list[tuple[str | None, int, int, int]] = [
                (None, len(at), int(us[at].min()) // HOUR_US * HOUR_US, int(us[at].min()))
            ]
        else:
            # One number for value and hour, as for the counts above.
            hours = us[at] // HOUR_US
            low = int(hours.min())
            span = int(hours.max()) - low + 1
            order = np.lexsort((us[at], here * span + hours - low))
            key = (here * span + hours - low)[order]
            cells, start = np.unique(key, return_index=True)
            sizes = np.diff(np.append(start, len(key)))
            first = us[at][order][start]
            rows = [
                (str(names[cell // span]), int(size), int(cell % span + low) * HOUR_US, int(begin))
                for cell, size, begin in zip(cells, sizes, first, strict=True)
            ]
        values, sizes_, hours_, begins = zip(*rows, strict=True)
        n = len(rows)
        found.append(pa.table(
            [pa.array([services[service]] * n, pa.string()),
             pa.array([template.id] * n, pa.string()), pa.array([slot] * n, pa.int32()),
             pa.array(values, pa.string()), pa.array(sizes_, pa.int64()),
             pa.array(hours_, pa.int64()), pa.array(begins, pa.int64()),
             pa.array([id_of(template.key)] * n, pa.string())],
            schema=VALUES,
        ))  # fmt: skip
    return found


Series = tuple[str, str]
"""Service and template id."""


@dataclass(frozen=True)
class Table:
    """Counts as arrays; rows sorted by series and bin.

    Attributes
    ----------
    series : list of (str, str), length (series,)
        Service and template of each code, sorted.
    code : ndarray of int64, shape (rows,)
        Position in `series`.
    at : ndarray of int64, shape (rows,)
        The bin's begin, microseconds UTC.
    count : ndarray of int64, shape (rows,)
        Lines in the bin.
    first_us, last_us : ndarray of int64, shape (rows,)
        First and last line in the bin, microseconds UTC.
    severity : ndarray of int8, shape (series,)
        Highest severity of a series (position in `SEVERITIES`).
    first_line : list of str, length (series,)
        First line of each series in the window, else in the history.
    service_begin : ndarray of int64, shape (series,)
        When each series' service was first seen, microseconds UTC.
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
    counts : pyarrow.Table
        By `COUNTS`.
    store : TemplateStore
        Knows today's ids.
    start_us, end_us : int
        Microseconds UTC; bins that begin outside ``[start, end)`` are dropped.

    Returns
    -------
    Table
    """
    import pyarrow.compute as pc

    keep = pc.and_(pc.greater_equal(counts["at"], start_us), pc.less(counts["at"], end_us))
    counts = counts.filter(keep).combine_chunks()
    services = counts["service"].to_pylist()
    ids = {name: store.current(name) for name in pc.unique(counts["template"]).to_pylist()}
    names = [(s, ids[t]) for s, t in zip(services, counts["template"].to_pylist(), strict=True)]
    series = sorted(set(names))
    position_of = {name: i for i, name in enumerate(series)}
    code = np.fromiter((position_of[name] for name in names), np.int64, len(names))
    at, count, first, last = (
        counts[name].to_numpy() for name in ("at", "count", "first_us", "last_us")
    )
    # Unbuffered, because a series has many rows.
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
    position_of = {name: i for i, name in enumerate(services)}
    of = np.array([position_of[service] for service, _ in series], np.int64)
    # Shape (services,); then spread over each service's series.
    begin = np.full(len(services), np.iinfo(np.int64).max)
    np.minimum.at(begin, of[code], at)
    return begin[of]
