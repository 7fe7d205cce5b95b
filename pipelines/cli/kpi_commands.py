"""``signalbox kpis``: where the KPIs stand.

Exit codes: 0 shown, whether or not targets are met; 1 release.yaml, evidence or ledger is wrong
(one line says what to do); 2 wrong usage.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from pipelines.base.errors import SignalboxError
from pipelines.cli.console import AsJson, one_line_errors, print_json

if TYPE_CHECKING:
    from pipelines.release.kpis import KpiResult

SHOWN = 30
"""Values of a trend that fit a line."""


def kpis(
    as_json: AsJson = False,
    project: Annotated[Path, typer.Option(help="Root of the project.")] = Path(),
    product: Annotated[str, typer.Option(help="Only this product's; empty = all.")] = "",
) -> None:
    """Show every KPI: value, target, whether it is met, and its trend over the ledger."""
    with one_line_errors():
        results = read_kpis(project, product)
    if as_json:
        print_json([result.to_dict() for result in results])
        return
    show(Console(), results)


def read_kpis(project: Path, product: str = "") -> "list[KpiResult]":
    """Read definitions, evidence, ledger and days of monitoring of a project.

    Parameters
    ----------
    product
        Whose KPIs; empty = every product's.
    """
    from pipelines.base.artifacts import EVIDENCE
    from pipelines.release.config import load_section
    from pipelines.release.kpis import KpisParams, kpi_results
    from pipelines.release.kpis.days import latest, read_days
    from pipelines.release.kpis.history import Told
    from pipelines.release.kpis.report import read_figures
    from pipelines.release.ledger import Ledger

    params = load_section(project / "release.yaml", "kpis", KpisParams)
    products = [one for one in params.products() if product in ("", one)]
    if not products:
        return []
    figures = read_figures(project / EVIDENCE)
    if not figures:
        raise SignalboxError(f"{project / EVIDENCE}: no evidence; run 'dvc repro' or 'dvc pull'")
    entries = Ledger.of(project).entries()
    results = []
    for one in products:
        days = read_days(project, one)
        told: list[Told] = [*entries, *days]
        results += kpi_results(params, figures | latest(days), told, one)
    return results


def show(console: Console, results: "list[KpiResult]") -> None:
    """Print one row a KPI."""
    from rich.table import Table
    from rich.text import Text

    from pipelines.release.kpis import spark

    if not results:
        console.print("No KPIs: define them in release.yaml, section kpis.")
        return
    table = Table(box=None, pad_edge=False)
    for title in ("KPI", "value", "target", "", "trend", "owner"):
        table.add_column(title, justify="right" if title in ("value", "target") else "left")
    for result in results:
        kpi = result.kpi
        word = {True: "met", False: "missed", None: "no value"}[result.met]
        cells = (
            f"{kpi.id}\n  {result.missing or kpi.measures}",
            "–" if result.value is None else f"{result.value:.4g} {kpi.unit}".rstrip(),
            f"{'≥' if kpi.direction == 'at_least' else '≤'} {kpi.target:.4g}",
            word,
            spark([point.value for point in result.trend][-SHOWN:]),
            kpi.owner,
        )
        table.add_row(*map(Text, cells))  # as text: what a file says is no markup
    console.print(table)
