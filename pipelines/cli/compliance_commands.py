"""The command ``signalbox compliance``.

Exit codes: 0 the report is written, whatever it says; 1 the input is wrong or there is no evidence;
2 wrong usage; with --strict also 1 if a requirement has no evidence at all or is not met.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from pipelines.base.errors import SignalboxError
from pipelines.cli.console import AsJson, one_line_errors

if TYPE_CHECKING:
    from pipelines.reports.compliance.facts import Facts
    from pipelines.reports.compliance.gdpr import Privacy
    from pipelines.reports.compliance.told import ToldKpi

HTML = Path("reports/compliance.html")
JSON = Path("reports/compliance.json")
INDEX = Path("reports/index.html")


def compliance(
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 if a requirement is missing or not met.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write the compliance report and the index of all reports.

    Requirements of the EU AI Act, the GDPR, Local Law 144 and the four-fifths rule against what
    the artifacts show.
    """
    console = Console()
    with one_line_errors():
        counts = write(Path.cwd())
        if as_json:
            typer.echo(json.dumps({"counts": counts, "report": str(HTML), "index": str(INDEX)}))
        else:
            for status, number in counts.items():
                console.print(f"{status:8} {number}", highlight=False)
            console.print(f"report:  {HTML}\nindex:   {INDEX}", highlight=False)
        red = counts["missing"] + counts["not met"]
        if strict and red:
            raise SignalboxError(f"{red} requirements have no evidence or are not met; see {HTML}")


def write(project: Path) -> dict[str, int]:
    """Write report and index; return the number of requirements by status."""
    from pipelines.base.files import write_json, write_text
    from pipelines.reports import library
    from pipelines.reports.compliance.page import make_page, make_record
    from pipelines.reports.page import render

    found, privacy = gather(project)
    kpis = told_kpis(project)
    record = make_record(found, privacy, kpis)
    write_text(project / HTML, render(make_page(found, privacy, kpis)))
    write_json(project / JSON, record)
    listed = library.find(project / INDEX.parent)
    write_text(project / INDEX, render(library.make_page(listed, found.params.report.title)))
    return dict(record["counts"])


def gather(project: Path) -> "tuple[Facts, Privacy]":
    """Read everything that the report is made from."""
    from pipelines.base.artifacts import PARAMS
    from pipelines.base.params import load_params
    from pipelines.mlops.privacy.overview import overview
    from pipelines.mlops.privacy.params import PrivacyParams
    from pipelines.release.config import load_section
    from pipelines.reports.compliance import facts
    from pipelines.reports.compliance.params import ComplianceParams

    params = load_params(project / PARAMS)
    own = load_section(project, "compliance", ComplianceParams)
    entries, problem = _ledger(project)
    found = facts.gather(project, params, own, entries, problem)
    privacy = load_section(project, "privacy", PrivacyParams)
    return found, overview(project, params, privacy, found.evidence, _now(entries))


def told_kpis(project: Path) -> "list[ToldKpi]":
    """KPIs with their trend drawn."""
    from pipelines.cli.kpi_commands import read_kpis
    from pipelines.release.kpis import plot
    from pipelines.reports.compliance.facts import PRODUCT
    from pipelines.reports.compliance.told import ToldKpi

    return [
        ToldKpi(
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
