"""Values of KPIs against their targets, with their history in the ledger and in monitoring.

An entry tells of a KPI if its data have ``figures``: ``{id of a figure: value}``, with a figure of
a stage that the formula asks. The formula is today's: a trend shows one quantity over time,
whatever its formula or its figures were called then. Days of monitoring tell in the same form.

A KPI's trend, small: in block characters for a terminal, as SVG for a page.
"""

import difflib
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from html import escape
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from pydantic import TypeAdapter, ValidationError

from pipelines.core.artifacts import EVIDENCE
from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import Figure, new_ids, read_evidence, round_floats
from pipelines.core.files import read_json
from pipelines.release.config import load_section
from pipelines.release.kpis.formula import (
    LIVE,
    Formula,
    Kpi,
    KpisParams,
    UndefinedError,
    figures_in,
    parse,
    value_of,
)
from pipelines.release.ledger import Ledger
from pipelines.release.products import DEFAULT

KINDS = ("run", "gate")
"""Kinds of entries with figures. Of several on one commit (or run) the last one counts."""


class LedgerEntry(Protocol):
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
    """A KPI's value at one entry of the ledger.

    Attributes
    ----------
    seq : int
        Number of the entry.
    time : str
        When it was written, ISO 8601.
    run : str
        Name of the run, else the commit's first 12 hex digits.
    value : float or None
        None where the entry lacks a figure.
    """

    seq: int
    time: str
    run: str
    value: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)


def trend(kpi: Kpi, entries: Iterable[LedgerEntry], product: str) -> list[Point]:
    """Compute the values of a KPI over the ledger's entries, oldest first.

    Parameters
    ----------
    kpi : Kpi
        The KPI, with its formula of today.
    entries : iterable of LedgerEntry
        The ledger's, in order.
    product : str
        Subject of the entries that count.

    Returns
    -------
    list of Point
        One point a commit (or run): the last one counts.
    """
    formula = parse(kpi.formula)
    stages = {_stage(name) for name in figures_in(formula)}
    points: dict[str, Point] = {}
    for entry in entries:
        figures = entry.data.get("figures")
        if entry.kind not in KINDS or entry.subject != product or not isinstance(figures, dict):
            continue
        figures = new_ids(figures)
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
        return round_floats(value_of(formula, numbers))
    except UndefinedError:
        return None


def _stage(figure: str) -> str:
    return str(figure).split(".", 1)[0]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


@dataclass(frozen=True)
class KpiResult:
    """Where a KPI stands.

    Attributes
    ----------
    kpi : Kpi
        The KPI with its target.
    value : float or None
        None where it is undefined; then `missing` says why.
    missing : str
        Why there is no value; empty where there is one.
    figures : dict of str to float or None
        Figures of the formula and their values.
    trend : list of Point
        Earlier values, oldest first, from the ledger.
    met : bool or None
        Whether `value` is on the right side of the target; None without a value.
    """

    kpi: Kpi
    value: float | None
    missing: str
    figures: dict[str, float | None]
    trend: list[Point] = field(default_factory=list)

    @property
    def met(self) -> bool | None:
        """Whether the target is met."""
        return None if self.value is None else self._meets(self.value)

    def _meets(self, value: float) -> bool:
        if self.kpi.direction == "at_least":
            return value >= self.kpi.target
        return value <= self.kpi.target

    @property
    def off_target_since(self) -> str:
        """Time of the first of the latest entries that all miss the target, ISO 8601.

        Empty where the target is met, or no entry tells. The target is today's.
        """
        found = ""
        if self.met is False:
            for point in reversed(self.trend):
                if point.value is not None and self._meets(point.value):
                    break
                found = point.time if point.value is not None else found
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            **self.kpi.model_dump(mode="json"),
            "value": self.value,
            "met": self.met,
            "missing": self.missing,
            "figures": self.figures,
            "trend": [point.to_dict() for point in self.trend],
        }


def evaluate(kpis: list[Kpi], figures: Mapping[str, Figure]) -> list[KpiResult]:
    """Compute every KPI, in order, without a trend.

    Parameters
    ----------
    kpis : list of Kpi
        KPIs with their targets.
    figures : mapping of str to Figure
        Id → figure, of all the evidence there is.

    Returns
    -------
    list of KpiResult
    """
    return [_result(kpi, figures) for kpi in kpis]


def _result(kpi: Kpi, figures: Mapping[str, Figure]) -> KpiResult:
    formula = parse(kpi.formula)
    used = {name: figures.get(name) for name in figures_in(formula)}
    values = {name: f.value for name, f in used.items() if f is not None and f.value is not None}
    shown = {name: values.get(name) for name in used}
    try:
        return KpiResult(kpi, round_floats(value_of(formula, values)), "", shown)
    except UndefinedError as error:
        return KpiResult(kpi, None, _why(used, figures, str(error)), shown)


def _why(used: Mapping[str, Figure | None], known: Collection[str], error: str) -> str:
    """Why there is no value, in the words of the figure that has none.

    Figures of monitoring (``live.…``) come with the first rows scored. Any other that nobody
    measures is misspelt, or of a feature that isn't audited: one KPI less, not none at all.
    """
    for name, figure in used.items():
        if figure is None and name.split(".", 1)[0] == LIVE:
            return f"{name} has not been measured yet"
        if figure is None:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            return (
                f"no evidence has {name}; {hint}(release.yaml, kpis.definitions: write the formula "
                "anew, or take the KPI out)"
            )
        if figure.value is None:
            return f"{name}: {figure.missing or 'no value'}"
    return error


def read_figures(folder: Path = EVIDENCE) -> dict[str, Figure]:
    """Read the figures of every evidence file in a folder.

    Parameters
    ----------
    folder : Path, default `EVIDENCE`
        The folder of the evidence files.

    Returns
    -------
    dict of str to Figure
        Id → figure.

    Raises
    ------
    SignalboxError
        If a file isn't evidence.
    """
    found: dict[str, Figure] = {}
    for path in sorted(folder.glob("*.json")):
        found |= {figure.id: figure for figure in read_evidence(path).figures}
    return found


def kpi_results(
    params: KpisParams,
    figures: dict[str, Figure],
    entries: Iterable[LedgerEntry] = (),
    product: str = DEFAULT,
) -> list[KpiResult]:
    """Evaluate a product's KPIs with their trends.

    Parameters
    ----------
    params : KpisParams
        Section ``kpis`` of ``release.yaml``.
    figures : dict of str to Figure
        Id → figure, of all the evidence there is.
    entries : iterable of LedgerEntry, default ()
        The ledger's entries, in order; none = no trend.
    product : str, default `DEFAULT`
        Name of the product.

    Returns
    -------
    list of KpiResult
        A formula that asks for a figure nobody measures has no value, and says so.
    """
    ledger_entries = list(entries)
    return [
        replace(result, trend=trend(result.kpi, ledger_entries, product))
        for result in evaluate(params.of(product), figures)
    ]


def product_kpis(project: Path, product: str) -> list[KpiResult]:
    """Evaluate a product's KPIs on the project's evidence, ledger and monitoring, with trends.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product.

    Returns
    -------
    list of KpiResult

    Raises
    ------
    SignalboxError
        If ``release.yaml``, an evidence file, the ledger or a result of monitoring can't be read.
    """
    params = load_section(project, "kpis", KpisParams)
    if not params.of(product):
        return []
    days = read_days(project, product)
    figures = read_figures(project / EVIDENCE) | latest(days)
    entries: list[LedgerEntry] = [*Ledger.of(project).entries(), *days]
    return kpi_results(params, figures, entries, product)


FOLDER = Path("monitoring")
_FIGURES = TypeAdapter(list[Figure])


@dataclass(frozen=True)
class MonitoringSnapshot:
    """What one day's watch found, in the form of a ledger's entry.

    Attributes
    ----------
    seq : int
        Number of the day's file, from 1.
    time : str
        End of the day's window, ISO 8601.
    subject : str
        The product.
    found : dict of str to Figure
        Id → figure.
    kind : str
        Kind of a ledger's entry that has figures.
    """

    seq: int
    time: str
    subject: str
    found: dict[str, Figure]
    kind: str = "run"

    @property
    def data(self) -> dict[str, Any]:
        """Figures by id."""
        return {"run": self.time[:10], "figures": {k: f.value for k, f in self.found.items()}}


def read_days(project: Path, product: str) -> list[MonitoringSnapshot]:
    """Read the monitoring results of a product, oldest first.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.

    Returns
    -------
    list of MonitoringSnapshot

    Raises
    ------
    SignalboxError
        If a file isn't a day's result.
    """
    days = []
    for number, path in zip(count(1), sorted((project / FOLDER).glob("[!.]*.json"))):
        raw = read_json(path)
        try:
            if raw["product"] == product:
                figures = {f.id: f for f in _FIGURES.validate_python(raw["figures"])}
                days.append(MonitoringSnapshot(number, str(raw["until"]), product, figures))
        except (TypeError, KeyError, ValidationError) as error:
            raise SignalboxError(f"{path}: not a result of monitoring ({error})") from error
    return days


def latest(days: Iterable[MonitoringSnapshot]) -> dict[str, Figure]:
    """Return the figures of the last day; none without a day.

    Parameters
    ----------
    days : iterable of MonitoringSnapshot
        Days of monitoring, oldest first.

    Returns
    -------
    dict of str to Figure
        Id → figure.
    """
    found: dict[str, Figure] = {}
    for day in days:
        found = day.found
    return found


BARS = "▁▂▃▄▅▆▇█"
GAP = "·"
WIDTH, HEIGHT, EDGE = 160, 36, 4
BLUE, QUIET = "#0072b2", "#555"  # Okabe and Ito (2008)

Values = Sequence[float | None]


def spark(values: Values) -> str:
    """Draw one block character a value, from lowest to highest; a dot where there is none.

    Parameters
    ----------
    values : sequence of (float or None)
        Oldest first.

    Returns
    -------
    str
        As many characters as there are values.

    Examples
    --------
    >>> spark([1, 2, None, 3])
    '▁▄·█'
    """
    known = [value for value in values if value is not None]
    if not known:
        return GAP * len(values)
    low, span = min(known), max(known) - min(known)
    return "".join(GAP if v is None else BARS[_level(v, low, span)] for v in values)


def _level(value: float, low: float, span: float) -> int:
    top = len(BARS) - 1
    # A constant series is drawn in the middle: it is neither low nor high.
    return top // 2 if span == 0 else int((value - low) / span * top)


def plot(values: Values, target: float, title: str) -> str:
    """Draw a trend as inline SVG: the values as a line with a dot at the last, the target dashed.

    Parameters
    ----------
    values : Values
        Oldest first; gaps are left out, the line goes on after them.
    target : float
        In the unit of the values.
    title : str
        Name of the drawing, read aloud by screen readers; escaped here.

    Returns
    -------
    str
        An ``svg`` element.
    """
    known = [(i, value) for i, value in enumerate(values) if value is not None]
    numbers = [value for _, value in known] + [target]
    low, span = min(numbers), max(numbers) - min(numbers)
    step = (WIDTH - 2 * EDGE) / max(len(values) - 1, 1)

    def y(value: float) -> str:
        share = 0.5 if span == 0 else (value - low) / span
        return f"{HEIGHT - EDGE - share * (HEIGHT - 2 * EDGE):.1f}"

    points = [(f"{EDGE + i * step:.1f}", y(value)) for i, value in known]
    line = " ".join(f"{a},{b}" for a, b in points)
    last = (
        f'<circle cx="{points[-1][0]}" cy="{points[-1][1]}" r="3" fill="{BLUE}"/>' if points else ""
    )
    name = escape(title, quote=True)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="{name}"><title>{name}</title>'
        f'<line x1="0" x2="{WIDTH}" y1="{y(target)}" y2="{y(target)}" stroke="{QUIET}" '
        'stroke-dasharray="4 3"/>'
        f'<polyline points="{line}" fill="none" stroke="{BLUE}" stroke-width="2"/>'
        f"{last}</svg>"
    )
