"""Values of KPIs, held against their targets."""

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipelines.base.errors import SignalboxError
from pipelines.base.evidence import Figure
from pipelines.base.numbers import tidy
from pipelines.release.kpis.formula import UndefinedError, figures_in, parse, value_of
from pipelines.release.kpis.history import Point
from pipelines.release.kpis.params import LIVE, Kpi


@dataclass(frozen=True)
class KpiResult:
    """Where a KPI stands.

    Attributes
    ----------
    value
        None where it is undefined; then `missing` says why.
    met
        Whether `value` is on the right side of the target; None without a value.
    figures
        Figures of the formula and their values.
    trend
        Earlier values, oldest first, from the ledger.
    """

    kpi: Kpi
    value: float | None
    missing: str
    figures: dict[str, float | None]
    trend: list[Point] = field(default_factory=list)

    @property
    def met(self) -> bool | None:
        """Whether the target is met."""
        if self.value is None:
            return None
        if self.kpi.direction == "at_least":
            return self.value >= self.kpi.target
        return self.value <= self.kpi.target

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
    figures
        Id → figure, of all the evidence there is.

    Raises
    ------
    SignalboxError
        If a formula names a figure that a stage with evidence doesn't measure, or a stage that
        doesn't exist: a misspelt id must not look like a KPI without data.
    """
    check_figures(kpis, figures)
    return [_result(kpi, figures) for kpi in kpis]


def check_figures(kpis: list[Kpi], known: Collection[str]) -> None:
    """Stop at a formula that asks for a figure nobody measures.

    Figures of monitoring (``live.…``) may be absent: they come with the first rows scored.
    """
    for index, kpi in enumerate(kpis):
        for name in figures_in(parse(kpi.formula)):
            if name not in known and name.split(".", 1)[0] != LIVE:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise SignalboxError(
                    f"release.yaml: kpis.definitions.{index}.formula: KPI '{kpi.id}' asks for "
                    f"'{name}', which no evidence has{hint}"
                )


def _result(kpi: Kpi, figures: Mapping[str, Figure]) -> KpiResult:
    formula = parse(kpi.formula)
    used = {name: figures.get(name) for name in figures_in(formula)}
    values = {name: f.value for name, f in used.items() if f is not None and f.value is not None}
    shown = {name: values.get(name) for name in used}
    try:
        return KpiResult(kpi, tidy(value_of(formula, values)), "", shown)
    except UndefinedError as error:
        return KpiResult(kpi, None, _why(used, str(error)), shown)


def _why(used: Mapping[str, Figure | None], error: str) -> str:
    """Why there is no value, in the words of the figure that has none."""
    for name, figure in used.items():
        if figure is None:
            return f"{name} has not been measured yet"
        if figure.value is None:
            return f"{name}: {figure.missing or 'no value'}"
    return error
