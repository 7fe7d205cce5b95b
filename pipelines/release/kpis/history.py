"""Earlier values of KPIs, from the ledger.

An entry tells of a KPI if its data have ``figures``: ``{id of a figure: value}``, with a figure of
a stage that the formula asks. The formula is today's: a trend shows one quantity over time,
whatever its formula was called then. Days of monitoring tell in the same form, see `days`.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from pipelines.base.numbers import tidy
from pipelines.release.kpis.formula import Formula, UndefinedError, figures_in, parse, value_of
from pipelines.release.kpis.params import Kpi

KINDS = ("run", "gate")
"""Kinds of entries with figures. Of several on one commit (or run) the last one counts."""


class Told(Protocol):
    """What is read of a ledger's entry."""

    @property
    def seq(self) -> int:
        """Its number."""

    @property
    def time(self) -> str:
        """When it was written, ISO 8601."""

    @property
    def kind(self) -> str:
        """What it tells of."""

    @property
    def subject(self) -> str:
        """The product."""

    @property
    def data(self) -> dict[str, Any]:
        """What it says."""


@dataclass(frozen=True)
class Point:
    """A KPI's value at one entry of the ledger; None where that entry lacks a figure."""

    seq: int
    time: str
    run: str
    value: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


def trend(kpi: Kpi, entries: Iterable[Told], product: str) -> list[Point]:
    """Values of a KPI over the ledger's entries, oldest first.

    Parameters
    ----------
    entries
        The ledger's, in order.
    product
        Subject of the entries that count.
    """
    formula = parse(kpi.formula)
    stages = {_stage(name) for name in figures_in(formula)}
    points: dict[str, Point] = {}
    for entry in entries:
        figures = entry.data.get("figures")
        if entry.kind not in KINDS or entry.subject != product or not isinstance(figures, dict):
            continue
        if stages.isdisjoint(map(_stage, figures)):
            continue
        commit, run = str(entry.data.get("commit") or ""), str(entry.data.get("run") or "")
        point = Point(entry.seq, entry.time, run or commit[:12], _value(formula, figures))
        key = commit or run or f"#{entry.seq}"
        points.pop(key, None)
        points[key] = point
    return list(points.values())


def _value(formula: Formula, figures: Mapping[str, Any]) -> float | None:
    numbers = {name: float(v) for name, v in figures.items() if _is_number(v)}
    try:
        return tidy(value_of(formula, numbers))
    except UndefinedError:
        return None


def _stage(figure: str) -> str:
    return str(figure).split(".", 1)[0]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
