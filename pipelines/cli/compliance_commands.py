"""``signalbox compliance`` and ``signalbox kpis``.

Exit codes: 0 the report is written, whatever it says, or the KPIs are shown, whether or not
targets are met; 1 release.yaml, evidence or ledger is wrong or missing (one line says what
to do); 2 wrong usage; ``compliance --strict`` also ends with 1 if a requirement has no
evidence at all or is not met.
"""

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import typer

from pipelines.cli.console import AsJson, Project, one_line_errors, print_json, print_lines
from pipelines.core.errors import SignalboxError

if TYPE_CHECKING:
    from pipelines.mlops.compliance.facts import Facts
    from pipelines.mlops.compliance.gdpr import Privacy
    from pipelines.mlops.compliance.ledger_chapters import ReportedKpi
    from pipelines.mlops.privacy.accountability import HeldTelemetry
    from pipelines.release.kpis import KpiResult, Point


SHOWN = 30
"""Values of a trend that are drawn: so many fit a line of 80 columns."""


class ShownPoint(TypedDict):
    """A value of a trend: of which entry of the ledger, when, of which run or commit."""

    seq: int
    time: str
    run: str
    value: float | None


class ShownKpi(TypedDict):
    """A KPI and where it stands: ``kpis --json`` prints a list of these."""

    id: str
    owner: str
    measures: str
    formula: str
    target: float
    direction: str
    unit: str
    product: str
    value: float | None
    met: bool | None
    missing: str
    figures: dict[str, float | None]
    trend: list[ShownPoint]


def kpis(
    as_json: AsJson = False,
    project: Project = Path(),
    product: Annotated[str, typer.Option(help="Only this product's; default: all.")] = "",
) -> None:
    """Show every KPI: value, target, whether it is met, and its trend over the ledger.

    Example: signalbox kpis --product model_release
    """
    from pipelines.release.registry.read import load_product

    with one_line_errors():
        if product:
            load_product(project, product)
        results = read_kpis(project, product)
    if as_json:
        print_json([result.to_dict() for result in results])
        return
    own = f" of {product}" if product else ""
    print_lines(kpi_lines(results) or [f"no KPIs{own}: define them in release.yaml, section kpis"])


def read_kpis(project: Path, product: str = "") -> "list[KpiResult]":
    """Read definitions, evidence, ledger and days of monitoring of a project.

    Parameters
    ----------
    product
        Whose KPIs; empty = every product's.
    """
    from pipelines.core.artifacts import EVIDENCE
    from pipelines.release.config import load_section
    from pipelines.release.kpis import KpisParams, kpi_results
    from pipelines.release.kpis.values import LedgerEntry, latest, read_days, read_figures
    from pipelines.release.ledger import Ledger

    params = load_section(project / "release.yaml", "kpis", KpisParams)
    products = [name for name in params.products() if product in ("", name)]
    if not products:
        return []
    figures = read_figures(project / EVIDENCE)
    if not figures:
        raise SignalboxError(f"{project / EVIDENCE}: no evidence; run 'dvc repro' or 'dvc pull'")
    entries = Ledger.of(project).entries()
    results = []
    for name in products:
        days = read_days(project, name)
        records: list[LedgerEntry] = [*entries, *days]
        results += kpi_results(params, figures | latest(days), records, name)
    return results


def kpi_lines(results: "list[KpiResult]") -> list[str]:
    """Say of each KPI its value, target, whether it is met, and how it came there."""
    lines = []
    for product, own in groupby(results, lambda result: result.kpi.product):
        lines.append(f"{product}:")
        for result in own:
            lines += _kpi_lines(result)
    return lines


def _kpi_lines(result: "KpiResult") -> list[str]:
    kpi = result.kpi
    demand = f"target {'≥' if kpi.direction == 'at_least' else '≤'} {kpi.target:.4g}"
    if result.value is None:
        state = f"no value, {demand} {kpi.unit}".rstrip()
    else:
        value = f"{result.value:.4g} {kpi.unit}".rstrip()
        state = f"{value}, {demand}: {'met' if result.met else 'missed'}"
    lines = [f"  {kpi.id}: {state}", f"    {kpi.measures} ({kpi.owner})"]
    lines += [f"    {result.missing}"] * bool(result.missing)
    return [*lines, f"    {_trend(result.trend)}"]


def _trend(points: "list[Point]") -> str:
    """Say how the values ran, with the dates of the first and the last."""
    from pipelines.release.kpis import spark

    known = [point for point in points if point.value is not None]
    if not known:
        return (
            f"no value in {len(points)} entries of the ledger"
            if points
            else "no value in the ledger yet"
        )
    first, last = known[0], known[-1]
    end = f"{last.value:.4g} on {last.time[:10]}"
    if len(known) == 1:
        return f"one value in the ledger: {end}"
    drawn = spark([point.value for point in points][-SHOWN:])
    return f"{first.value:.4g} on {first.time[:10]} → {end}, {len(known)} values: {drawn}"


HTML = Path("reports/compliance.html")
JSON = Path("reports/compliance.json")
INDEX = Path("reports/index.html")


class WrittenCompliance(TypedDict):
    """What ``compliance --json`` prints: requirements by status, and paths below the project."""

    counts: dict[str, int]
    report: str
    index: str


def compliance(
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 if a requirement is missing or not met.")
    ] = False,
    as_json: AsJson = False,
    project: Project = Path(),
) -> None:
    """Write the compliance report and the index of all reports.

    Requirements of the EU AI Act, the GDPR, Local Law 144 and the four-fifths rule against what
    the artifacts show.

    Example: signalbox compliance --strict
    """
    with one_line_errors():
        counts = write(project.resolve())
        if as_json:
            print_json(WrittenCompliance(counts=counts, report=str(HTML), index=str(INDEX)))
        else:
            print_lines(f"{status:8} {number}" for status, number in counts.items())
            print_lines([f"report:  {HTML}", f"index:   {INDEX}"])
        red = counts["missing"] + counts["not met"]
        if strict and red:
            raise SignalboxError(f"{red} requirements have no evidence or are not met; see {HTML}")


def write(project: Path) -> dict[str, int]:
    """Write report and index; return the number of requirements by status."""
    from pipelines.core.files import write_json, write_text
    from pipelines.mlops.compliance import library
    from pipelines.mlops.compliance.page import make_page, make_record
    from pipelines.reporting.page import render

    found, privacy = gather(project)
    kpis = reported_kpis(project)
    record = make_record(found, privacy, kpis)
    write_text(project / HTML, render(make_page(found, privacy, kpis)))
    write_json(project / JSON, record)
    listed = library.find(project / INDEX.parent)
    write_text(project / INDEX, render(library.make_page(listed, found.params.report.title)))
    return dict(record["counts"])


def gather(project: Path) -> "tuple[Facts, Privacy]":
    """Read everything that the report is made from."""
    from pipelines.core.artifacts import PARAMS
    from pipelines.core.params import load_params
    from pipelines.mlops.compliance import facts
    from pipelines.mlops.compliance.facts import ComplianceParams
    from pipelines.mlops.monitoring.predictions import records
    from pipelines.mlops.privacy.accountability import PrivacyParams, overview
    from pipelines.mlops.scoring.record import FOLDER as PREDICTIONS
    from pipelines.release.config import load_section

    params = load_params(project / PARAMS)
    own = load_section(project, "compliance", ComplianceParams)
    entries, problem = _ledger(project)
    scored = [record.model_dump(mode="json") for record in records(project / PREDICTIONS)]
    found = facts.gather(
        project, params, own, entries, problem, records=scored, watched=_watched(project)
    )
    privacy = load_section(project, "privacy", PrivacyParams)
    kept = held_telemetry(project)
    return found, overview(project, params, privacy, found.evidence, _now(entries), telemetry=kept)


def held_telemetry(project: Path) -> "list[HeldTelemetry]":
    """List what the project keeps of telemetry of its own; the simulated world is none of it."""
    from pipelines.aiops.params import load_aiops_params
    from pipelines.aiops.privacy.stores import kept_of, stores_of
    from pipelines.mlops.privacy.accountability import HeldTelemetry

    root = project.resolve()
    held = []
    for item in kept_of(stores_of(root, load_aiops_params(root))):
        path = item.path.relative_to(root) if item.path.is_relative_to(root) else item.path
        held.append(HeldTelemetry(item.store, item.part, path.as_posix(), item.day))
    return held


def _watched(project: Path) -> list[str]:
    """Results of monitoring, the oldest first."""
    from pipelines.mlops.monitoring.result import FOLDER

    found = sorted((project / FOLDER).glob("[!.]*.json"))
    return [path.relative_to(project).as_posix() for path in found]


def reported_kpis(project: Path) -> "list[ReportedKpi]":
    """KPIs with their trend drawn."""
    from pipelines.mlops.compliance.facts import PRODUCT
    from pipelines.mlops.compliance.ledger_chapters import ReportedKpi
    from pipelines.release.kpis import plot

    return [
        ReportedKpi(
            result.to_dict(),
            plot([point.value for point in result.trend], result.kpi.target, result.kpi.id),
        )
        for result in read_kpis(project, PRODUCT)
    ]


def _ledger(project: Path) -> tuple[list[dict[str, Any]], str]:
    """Entries as plain data, and why the chain doesn't hold, if so."""
    from pipelines.release.ledger import Ledger

    ledger = Ledger.of(project)
    try:
        entries = [entry.model_dump(mode="json") for entry in ledger.entries()]
        checked = ledger.verify()
    except SignalboxError as error:
        return [], str(error)
    return entries, "" if checked.ok else str(checked.problem)


def _now(entries: list[dict[str, Any]]) -> Any:
    """Time of the ledger's last entry: ages in the report don't change with the clock."""
    from datetime import UTC, datetime

    if entries:
        return datetime.fromisoformat(str(entries[-1]["time"]).replace("Z", "+00:00"))
    return datetime.now(UTC)
