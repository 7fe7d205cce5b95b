"""KPIs: what a product is for, in figures its owner set a target for.

A KPI is a formula over figures of the evidence. It decides nothing: the gate does that, with
intervals. A KPI shows where a product stands against its target and where it is heading.
"""

from pipelines.release.kpis.formula import Kpi, KpisParams
from pipelines.release.kpis.values import (
    KpiResult,
    Point,
    evaluate,
    kpi_results,
    plot,
    product_kpis,
    spark,
    trend,
)

__all__ = [
    "Kpi",
    "KpiResult",
    "KpisParams",
    "Point",
    "evaluate",
    "kpi_results",
    "plot",
    "product_kpis",
    "spark",
    "trend",
]
