"""Templates and values that were never seen before, and how many of them chance would bring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.aiops.logs.anomalies.chance import (
    LEAST_SIZE,
    Tail,
    novelty_rates,
    share_of_false,
    tail_of,
)
from pipelines.aiops.logs.counts import SEVERITIES, WORDS, LogAnomalySettings, Table
from pipelines.aiops.logs.templates import TemplateStore
from pipelines.aiops.logs.templates.store import id_of
from pipelines.core.time import DAY_US, HOUR_US

_LEAST_DAYS = 0.25
_LEAST_LINES = 50
"""Lines of history from which it can be said that a variable has few values."""


@dataclass(frozen=True)
class New:
    """A template or value that was never seen before.

    Attributes
    ----------
    subject : int
        Code of the series, or position of the slot.
    value : str
        The value; empty for a template.
    first_us, last_us : int
        Its first and last line in the window, microseconds UTC; of a value, `last_us` is the first
        line of its last hour.
    lines : int
        Its lines in the window.
    expected : float
        Novelties that its stratum was expected to have in the window.
    chance : float
        Expected share of false ones among it and all as rare, between 0 and 1.
    """

    subject: int
    value: str
    first_us: int
    last_us: int
    lines: int
    expected: float
    chance: float


CLASSES = ("error", "words", "warn", "other")
"""Trouble by its level, by its words only, warnings, and the rest: false ones are controlled in
each, so that many new messages of no weight don't hide one that has."""


@dataclass(frozen=True)
class _Seen:
    """Hours in the history and in the window with each series, days of its service, lines.

    `clumps`: tail of the lines that templates have which the history saw in one hour only.
    """

    hours: NDArray[np.int64]
    here: NDArray[np.int64]
    days: NDArray[np.float64]
    lines: NDArray[np.float64]
    clumps: Tail | None


def _clumps(lines: NDArray[np.float64]) -> Tail | None:
    return tail_of(lines) if len(lines) >= LEAST_SIZE else None


def class_of(severity: int, text: str) -> str:
    """Return the class of a template.

    Parameters
    ----------
    severity : int
        Its highest severity, a position in `SEVERITIES`.
    text : str
        The template, or a line of it.

    Returns
    -------
    str
        One of `CLASSES`.
    """
    if severity >= SEVERITIES.index("error"):
        return "error"
    if WORDS.search(text):
        return "words"
    return "warn" if severity == SEVERITIES.index("warn") else "other"


def new_templates(
    table: Table, store: TemplateStore, start_us: int, end_us: int
) -> tuple[list[New], list[str]]:
    """Find templates that their service never had in the history.

    Parameters
    ----------
    table : Table
        Counts of the history and the window.
    store : TemplateStore
        Templates as they are known at the window's end.
    start_us, end_us : int
        The window, microseconds UTC.

    Returns
    -------
    found : list of New
        All, rare or not; `New.subject` is a position in ``table.series``.
    classes : list of str, length (series,)
        Class of each series.
    """
    n = len(table.series)
    classes = [
        class_of(int(table.severity[i]),
                 store.templates[t].text if t in store.templates else table.first_line[i])
        for i, (_, t) in enumerate(table.series)
    ]  # fmt: skip
    past = table.at < start_us
    # Shape (series,): distinct hours before and in the window, days of history, lines.
    hours = _distinct(table.code[past], table.at[past] // HOUR_US, n)
    here = _distinct(table.code[~past], table.at[~past] // HOUR_US, n)
    days = np.maximum((start_us - table.service_begin) / DAY_US, 0)
    lines = np.bincount(table.code, table.count, n).astype(np.float64)
    seen = _Seen(hours, here, days, lines, _clumps(lines[(hours == 1) & (here == 0)]))
    found: list[New] = []
    for name in CLASSES:
        own = np.array([c == name for c in classes], bool)
        found += _of_class(table, own & (days >= _LEAST_DAYS), seen, start_us, end_us)
    return found, classes


def _of_class(
    table: Table,
    own: NDArray[np.bool_],
    seen: _Seen,
    start_us: int,
    end_us: int,
) -> list[New]:
    hours, here, days = seen.hours, seen.here, seen.days
    # Services without a template of the class count too: they were seen to have nothing new.
    known = {s: float(d) for (s, _), d in zip(table.series, days, strict=True) if d >= _LEAST_DAYS}
    names = sorted(known)
    if not names or not own.any():
        return []
    position_of = {service: i for i, service in enumerate(names)}
    stratum = np.array([position_of.get(service, -1) for service, _ in table.series], np.int64)
    # Shape (strata,): a stratum is a service; how many of its templates came in one hour only.
    once = np.zeros(len(names))
    np.add.at(once, stratum[own], hours[own] == 1)
    exposure = np.array([known[service] for service in names])
    width = (end_us - start_us) / DAY_US
    rates = novelty_rates(once, exposure) * width
    new = np.flatnonzero(own & (hours == 0) & (here > 0))
    # Shape (new,): what came in several hours and never before is rarer by each further hour.
    part = width / (width + exposure[stratum[new]])
    expected = rates[stratum[new]] * part ** (here[new] - 1)
    if seen.clumps is not None:
        each = seen.lines[new] / here[new]
        expected = expected * np.array([seen.clumps.chance(n) for n in each.tolist()])
    chance = share_of_false(expected, rates)
    rows = table.at >= start_us
    return [
        New(code, "", *_extent(table, code, rows), float(rates[stratum[code]]), float(chance[i]))
        for i, code in enumerate(new.tolist())
    ]


def _extent(table: Table, code: int, rows: NDArray[np.bool_]) -> tuple[int, int, int]:
    at = np.flatnonzero((table.code == code) & rows)
    return int(table.first_us[at].min()), int(table.last_us[at].max()), int(table.count[at].sum())


def _distinct(code: NDArray[np.int64], hour: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """Count distinct hours of each series."""
    pairs = np.unique(np.stack([code, hour], axis=1), axis=0)[:, 0] if len(code) else code
    return np.bincount(pairs, minlength=n)


def new_values(
    values: pa.Table, store: TemplateStore, start_us: int, end_us: int,
    settings: LogAnomalySettings,
) -> tuple[list[New], list[tuple[str, str, int]], list[list[str]]]:  # fmt: skip
    """Find values that a variable with few values never had in the history.

    Parameters
    ----------
    values : pyarrow.Table
        By `VALUES`, of the history and the window.
    store : TemplateStore
        Templates as they are known at the window's end.
    start_us, end_us : int
        The window, microseconds UTC.
    settings : LogAnomalySettings

    Returns
    -------
    new : list of New
        All, rare or not; `New.subject` is a position in the next two.
    names : list of (str, str, int)
        Service, template and slot of each variable with few values.
    known : list of list of str
        The values each was known to have, sorted.
    """
    slots = _slots(values, store, start_us, end_us)
    names: list[tuple[str, str, int]] = []
    known: list[list[str]] = []
    once: list[int] = []
    days: list[float] = []
    found: list[tuple[int, str, list[dict[str, Any]]]] = []
    for name, rows in sorted(slots.items()):
        past = [row for row in rows if row["hour_us"] < start_us]
        seen = {row["value"] for row in past}
        lines = sum(row["count"] for row in past)
        if None in seen or not 0 < len(seen) <= settings.max_values or lines < _LEAST_LINES:
            continue
        span = (start_us - min(row["first_us"] for row in past)) / DAY_US
        if span < _LEAST_DAYS:
            continue
        hours: dict[str, set[int]] = {}
        for row in past:
            hours.setdefault(row["value"], set()).add(row["hour_us"])
        fresh: dict[str, list[dict[str, Any]]] = {}
        for row in rows:
            if row["hour_us"] >= start_us and row["value"] not in seen:
                fresh.setdefault(row["value"] or "", []).append(row)
        found += [(len(names), value, new) for value, new in sorted(fresh.items()) if value]
        names.append(name)
        known.append(sorted(seen))
        once.append(sum(len(own) == 1 for own in hours.values()))
        days.append(span)
    if not found:
        return [], names, known
    width = (end_us - start_us) / DAY_US
    exposure = np.array(days)
    rates = novelty_rates(np.array(once, float), exposure) * width
    # Shape (found,): distinct hours of each value, rarer by each further hour.
    clumps = np.array([len({row["hour_us"] for row in rows}) for _, _, rows in found])
    at = np.array([slot for slot, _, _ in found])
    expected = rates[at] * (width / (width + exposure[at])) ** (clumps - 1)
    chance = share_of_false(expected, rates)
    new = [
        New(slot, value, min(r["first_us"] for r in rows), max(r["first_us"] for r in rows),
            sum(r["count"] for r in rows), float(rates[slot]), float(chance[i]))
        for i, (slot, value, rows) in enumerate(found)
    ]  # fmt: skip
    return new, names, known


def _slots(
    values: pa.Table, store: TemplateStore, start_us: int, end_us: int
) -> dict[tuple[str, str, int], list[dict[str, Any]]]:
    """Rows of each variable; those of templates that changed their slots since are left out."""
    import pyarrow.compute as pc

    values = values.filter(pc.less(values["hour_us"], end_us))
    slots: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    forms = {name: id_of(template.key) for name, template in store.templates.items()}
    for row in values.to_pylist():
        if row["form"] != forms.get(row["template"]):
            continue
        slots.setdefault((row["service"], row["template"], row["slot"]), []).append(row)
    # Variables that only days of the window count are new as variables: nothing to compare with.
    return {k: rows for k, rows in slots.items() if any(r["hour_us"] < start_us for r in rows)}
