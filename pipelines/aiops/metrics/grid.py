"""From rows of the metrics table to evenly spaced series, whatever order and state they are in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.aiops.lake.findings import TOO_FEW
from pipelines.core.errors import SignalboxError
from pipelines.core.time import SECOND_US

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MOST_COLUMNS = 50_000
"""Columns a series may have; a longer one gets wider steps."""
MOST_TOGETHER = 256
"""Series in one grid: bounds the memory, whatever the number of series."""
LEAST_POINTS = 20
COUNTER_RISES, COUNTER_FALLS, RESET = 0.2, 0.005, 0.1
"""A counter rises in a fifth of its steps and falls in hardly any, then to a tenth or less."""


@dataclass(frozen=True)
class Subject:
    """What a series measures.

    Attributes
    ----------
    source : str
        Source of the telemetry.
    fingerprint : str
        Id of the series in its source.
    name : str
        Name of the metric.
    labels : mapping of str to str
        Labels of the series.
    unit : str
        Unit, "" if not known.
    rate : bool
        Whether it was a counter and is a rate per second now.
    """

    source: str
    fingerprint: str
    name: str
    labels: Mapping[str, str]
    unit: str
    rate: bool


@dataclass(frozen=True)
class Grid:
    """Series of one step; counters have become rates per second.

    Counters have become rates per second.

    Attributes
    ----------
    step_us : int
        Microseconds from one column to the next.
    start_us : int
        Time of column 0, microseconds since 1970.
    values : array of float64, shape (series, time)
        NaN: no value.
    subjects : tuple of Subject, shape (series,)
        What each row measures.
    """

    step_us: int
    start_us: int
    values: Floats
    subjects: tuple[Subject, ...]


@dataclass(frozen=True)
class Grids:
    """All series of a table, evenly spaced, a few at a time.

    Attributes
    ----------
    series : int
        Number of series.
    skipped : mapping of str to int
        Reason to number of series left out.
    """

    series: int
    skipped: Mapping[str, int]
    _groups: tuple[tuple[_Raw, ...], ...]
    _described: Any
    _until_us: int | None

    def __iter__(self) -> Iterator[Grid]:
        for group in self._groups:
            rows = self._described.take(np.array([raw.row for raw in group])).to_pylist()
            yield _grid(group, rows, self._until_us)


@dataclass(frozen=True)
class _Raw:
    """One series: sorted times without duplicates, finite values, row where it is described."""

    at: Ints
    values: Floats
    row: int
    step_us: int


def grids(table: Any, max_series: int, until_us: int | None = None) -> Grids:
    """Lay the series of a table on even grids of one step each.

    Parameters
    ----------
    table : pyarrow.Table
        Columns of the contract's ``metrics``; rows in any order. Of two values at the same time the
        larger counts; null, NaN and infinite are no values.
    max_series : int
        More are left out and counted: those with the fewest points, then by fingerprint.
    until_us : int or None
        Time that every grid ends at; later rows are left out. Then a series is judged alike
        whatever others are in the table. None: a grid ends with the latest of its series.

    Returns
    -------
    Grids
        An iterable of grids.

    Raises
    ------
    SignalboxError
        If a column is missing.
    """
    needed = {"source", "fingerprint", "name", "labels", "at", "value", "kind"}
    absent = sorted(needed - set(table.column_names))
    if absent:
        raise SignalboxError(f"metrics: column {absent[0]} is missing")
    raws, skipped = _series(table, max_series, until_us)
    columns = ("source", "fingerprint", "name", "labels", "kind", "unit")
    described = table.select([c for c in columns if c in table.column_names])
    return Grids(len(raws), skipped, _groups(raws), described, until_us)


def _groups(raws: list[_Raw]) -> tuple[tuple[_Raw, ...], ...]:
    """Return series of one step that lie near one another in time, a bounded number together."""
    found: list[list[_Raw]] = []
    for raw in sorted(raws, key=lambda raw: (raw.step_us, int(raw.at[0]))):
        group = found[-1] if found else []
        together = (
            bool(group)
            and len(group) < MOST_TOGETHER
            and group[0].step_us == raw.step_us
            and int(raw.at[-1] - group[0].at[0]) <= 2 * MOST_COLUMNS * raw.step_us
        )
        if together:
            group.append(raw)
        else:
            found.append([raw])
    return tuple(tuple(group) for group in found)


def _series(table: Any, max_series: int, until_us: int | None) -> tuple[list[_Raw], dict[str, int]]:
    import pyarrow.compute as pc

    key = pc.binary_join_element_wise(table["source"], table["fingerprint"], "\x1f")
    names = key.combine_chunks().dictionary_encode() if hasattr(key, "combine_chunks") else key
    codes = np.asarray(names.indices, dtype=np.int64)
    at = np.asarray(table["at"].cast("int64"), dtype=np.int64)
    values = np.asarray(table["value"].fill_null(float("nan")), dtype=np.float64)
    alive = np.flatnonzero(np.isfinite(values) & (True if until_us is None else at < until_us))
    order = alive[np.lexsort((values[alive], at[alive], codes[alive]))]
    codes_, at_ = codes[order], at[order]
    # The last of equal times: the larger value, as they are sorted.
    last = np.append((codes_[1:] != codes_[:-1]) | (at_[1:] != at_[:-1]), True)[: len(order)]
    order, codes_, at_ = order[last], codes_[last], at_[last]
    # Sorted by series and time, each series is one stretch.
    edges = np.flatnonzero(np.diff(codes_)) + 1
    parts = [part for part in np.split(np.arange(len(order)), edges) if len(part)]
    enough = [part for part in parts if len(part) >= LEAST_POINTS]
    total = len(names.dictionary)
    skipped = {TOO_FEW: total - len(enough)}
    fingerprints = names.dictionary.to_pylist()
    enough.sort(key=lambda part: (-len(part), fingerprints[int(codes_[part[0]])]))
    skipped["more series than the limit"] = max(0, len(enough) - max_series)
    chosen = sorted(enough[:max_series], key=lambda part: fingerprints[int(codes_[part[0]])])
    return [
        _Raw(at_[part], values[order[part]], int(order[part[0]]), step_of(at_[part], until_us))
        for part in chosen
    ], {reason: count for reason, count in skipped.items() if count}


def step_of(at: Ints, until_us: int | None = None) -> int:
    """Estimate the usual distance of sorted times, in whole seconds; wider if there are too many.

    Parameters
    ----------
    at : array of int64, shape (n,), microseconds
        Times, ascending, at least two.
    until_us : int or None
        End of the grid, microseconds since 1970; None: the last of `at`.

    Returns
    -------
    int
        Microseconds.
    """
    step = max(1, round(float(np.median(np.diff(at))) / 1e6))
    end = int(at[-1]) if until_us is None else until_us
    widest = -(-(end - int(at[0])) // (MOST_COLUMNS * SECOND_US))
    return max(step, widest) * SECOND_US


def _grid(raws: tuple[_Raw, ...], rows: list[dict[str, Any]], until_us: int | None) -> Grid:
    step = raws[0].step_us
    # Columns begin at multiples of the step since 1970: every window of time has the same ones.
    start = min(int(raw.at[0]) for raw in raws) // step
    end = max(int(raw.at[-1]) for raw in raws) // step
    if until_us is not None:
        # The last whole step: what a step that has only begun lacks is not missing.
        end = until_us // step - 1
    values = np.full((len(raws), end - start + 1), np.nan)
    subjects = []
    for number, (raw, row) in enumerate(zip(raws, rows, strict=True)):
        counted = row["kind"] == "counter" or (
            row["kind"] != "gauge" and looks_like_counter(raw.values)
        )
        at, found = (raw.at, raw.values) if not counted else rates(raw.at, raw.values)
        whole = at // step <= end
        values[number, at[whole] // step - start] = found[whole]
        subjects.append(
            Subject(
                row["source"],
                row["fingerprint"],
                row["name"],
                dict(row["labels"] or ()),
                row.get("unit") or "",
                counted,
            )
        )
    return Grid(step, start * step, values, tuple(subjects))


def looks_like_counter(values: Floats) -> bool:
    """Test whether values behave like a counter: they only grow, or fall to near nothing.

    Parameters
    ----------
    values : array of float64, shape (n,)
        Finite values in order of time.

    Returns
    -------
    bool
        True for a counter; False for fewer than ``2 * LEAST_POINTS`` values.
    """
    if len(values) < 2 * LEAST_POINTS or values.min() < 0:
        return False
    step = np.diff(values)
    falls = step < 0
    if (step > 0).mean() < COUNTER_RISES or falls.mean() > COUNTER_FALLS:
        return False
    return bool((values[1:][falls] <= RESET * values[:-1][falls]).all())


def rates(at: Ints, values: Floats) -> tuple[Ints, Floats]:
    """Compute the increase per second between neighbours; after a reset, what was counted since.

    Increases over a gap are spread over it, as Prometheus does.

    Parameters
    ----------
    at : array of int64, shape (n,), microseconds
        Times, ascending.
    values : array of float64, shape (n,)
        Counter.

    Returns
    -------
    (array of int64, array of float64), shape (n - 1,)
        Times, and rates per second.
    """
    grown = np.diff(values)
    # A fall is a reset: the counter began at zero, so its value is the increase.
    grown = np.where(grown < 0, values[1:], grown)
    return at[1:], grown / (np.diff(at) / 1e6)
