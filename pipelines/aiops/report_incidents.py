"""Stage ``report_incidents``: pages about incidents, anomalies and the service map of a window.

Outs, within a directory (the project's root, or that of a window): ``reports/incidents``,
``reports/anomalies`` and ``reports/service_map``, each as ``.html`` (self-contained, prints on A4)
and ``.json`` (`pipelines.reporting.record` has its shape). The pages lead to one another. None
holds a date of its making, a host or a path outside the directory: the same analysis gives the same
bytes.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.aiops.incidents.model import Incident
from pipelines.aiops.params import AiopsParams, load_aiops_params
from pipelines.aiops.params.analysis import ReportIncidentsParams
from pipelines.aiops.report import anomalies
from pipelines.aiops.report.incidents import map_page, wording
from pipelines.aiops.report.incidents import page as incidents
from pipelines.aiops.report.incidents.evidence import Inputs, read_inputs
from pipelines.aiops.report.incidents.links import LinkTargets, anchor, link_targets_of
from pipelines.core.files import write_json, write_text
from pipelines.core.stage import log, run_stage
from pipelines.reporting.page import Page, render
from pipelines.reporting.provenance import Sources
from pipelines.reporting.record import unjudged

STAGE = "report_incidents"
REPORTS = Path("reports")
Make = Callable[[Inputs, LinkTargets, Sources], Page]


def make_pages(inputs: Inputs) -> dict[str, tuple[Page, dict[str, Any]]]:
    """Make each page, by name, with its record."""
    targets = link_targets_of(inputs)
    made: dict[str, tuple[Page, dict[str, Any]]] = {}
    for kind, tables, make, says in (
        (incidents.KIND, incidents.TABLES, incidents.make_page, incidents.says),
        (anomalies.KIND, anomalies.TABLES, anomalies.make_page, anomalies.says),
        (map_page.KIND, map_page.TABLES, map_page.make_page, map_page.says),
    ):
        sources = inputs.sources(tables)
        record = {
            **unjudged(kind, inputs.about.model_dump(), sources),
            "synthetic": inputs.incidents.synthetic,
            "window": inputs.window.as_json(),
            "says": says(inputs),
        }
        made[kind] = make(inputs, targets, sources), record
    made[incidents.KIND][1]["incidents"] = [_incident(incident) for incident in targets.incidents]
    return made


def _incident(incident: Incident) -> dict[str, Any]:
    """Tell of an incident what its row tells; in full it stands in ``incidents.json``."""
    return {
        "id": wording.plain(incident.id),
        "title": wording.plain(incident.title, 200),
        "start_us": incident.start_us,
        "end_us": incident.end_us,
        "affected": [wording.plain(service) for service in incident.affected],
        "exposed": len(incident.exposed),
        "likeliest_cause": wording.plain(incident.causes[0].service) if incident.causes else "",
        "findings": len(incident.findings),
        "page": f"reports/incidents.html#{anchor('incident', incident.id)}",
    }


def run(directory: Path, about: ReportIncidentsParams) -> Path:
    """Make the pages of a directory.

    Parameters
    ----------
    directory
        Root folder of an analysis, with the files of the stages before this one.
    about
        Section ``aiops.report_incidents``.

    Returns
    -------
    Path
        The page about incidents.

    Raises
    ------
    SignalboxError
        If a file is missing, has another form, or is of another run than the rest.
    """
    for kind, (page, record) in make_pages(read_inputs(directory, about)).items():
        write_text(directory / REPORTS / f"{kind}.html", render(page))
        write_json(directory / REPORTS / f"{kind}.json", record)
        log(f"{directory / REPORTS / kind}.html: {page.banner.verdict}")
    return directory / REPORTS / "incidents.html"


def main(params: AiopsParams) -> None:
    """Run the stage."""
    run(Path(), params.report_incidents)


if __name__ == "__main__":
    run_stage(STAGE, main, load=load_aiops_params)
