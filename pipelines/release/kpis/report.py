"""KPIs of a project: evidence for the values, the ledger for their trends."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from pipelines.base.artifacts import EVIDENCE
from pipelines.base.evidence import Figure, read_evidence
from pipelines.release.kpis.history import Told, trend
from pipelines.release.kpis.params import KpisParams
from pipelines.release.kpis.values import KpiResult, evaluate


def read_figures(folder: Path = EVIDENCE) -> dict[str, Figure]:
    """Id → figure, of every evidence file in `folder`.

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
    entries: Iterable[Told] = (),
    product: str = "model_release",
) -> list[KpiResult]:
    """Evaluate a product's KPIs with their trends.

    Raises
    ------
    SignalboxError
        If a formula asks for a figure nobody measures.
    """
    told = list(entries)
    return [
        replace(result, trend=trend(result.kpi, told, product))
        for result in evaluate(params.of(product), figures)
    ]
