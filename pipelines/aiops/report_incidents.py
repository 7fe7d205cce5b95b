"""Stage ``report_incidents``: pages about incidents, anomalies and the service map of a window.

Outs, within a place (the project's root, or the folder of a window): ``reports/incidents``,
``reports/anomalies`` and ``reports/service_map``, each as ``.html`` (self-contained, prints on A4)
and ``.json`` (`pipelines.reporting.record` has its shape). The pages lead to one another. None
holds a date of its making, a host or a path outside the place: the same analysis gives the same
bytes.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.aiops.report import anomalies
from pipelines.aiops.report.incidents import map_page, wording
from pipelines.aiops.report.incidents import page as incidents
from pipelines.aiops.report.incidents.evidence import (
    About,
    AiopsSection,
    Incident,
    Inputs,
    read_inputs,
)
from pipelines.aiops.report.incidents.links import Places, anchor, places_of
from pipelines.core.files import write_json, write_text
from pipelines.core.params import load_section
from pipelines.core.stage import run_stage, say
from pipelines.reporting.page import Page, render
from pipelines.reporting.provenance import Sources
from pipelines.reporting.record import unjudged

STAGE = "report_incidents"
REPORTS = Path("reports")
Make = Callable[[Inputs, Places, Sources], Page]


def make_pages(inputs: Inputs) -> dict[str, tuple[Page, dict[str, Any]]]:
    """Make each page, by name, with its record."""
    places = places_of(inputs)
    made: dict[str, tuple[Page, dict[str, Any]]] = {}
    for kind, tables, make, says in (
        (incidents.KIND, incidents.TABLES, incidents.make_page, incidents.says),
        (anomalies.KIND, anomalies.TABLES, anomalies.make_page, anomalies.says),
        (map_page.KIND, map_page.TABLES, map_page.make_page, map_page.says),
    ):
        sources = inputs.sources(tables)
        about = {key: getattr(inputs.about, key) for key in ("title", "owner", "notice")}
        record = {
            **unjudged(kind, about, sources),
            "synthetic": inputs.incidents.synthetic,
            "window": inputs.window.model_dump(mode="json"),
            "says": says(inputs),
        }
        made[kind] = make(inputs, places, sources), record
    made[incidents.KIND][1]["incidents"] = [_incident(one) for one in places.incidents]
    return made


def _incident(one: Incident) -> dict[str, Any]:
    """Tell of an incident what its row tells; in full it stands in ``incidents.json``."""
    return {
        "id": wording.plain(one.id),
        "title": wording.plain(one.title, 200),
        "start_us": one.start_us,
        "end_us": one.end_us,
        "affected": [wording.plain(service) for service in one.affected],
        "exposed": len(one.exposed),
        "likeliest_cause": wording.plain(one.causes[0].service) if one.causes else "",
        "findings": len(one.findings),
        "page": f"reports/incidents.html#{anchor('incident', one.id)}",
    }


def run(place: Path, about: About) -> Path:
    """Make the pages of a place.

    Parameters
    ----------
    place
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
    for kind, (page, record) in make_pages(read_inputs(place, about)).items():
        write_text(place / REPORTS / f"{kind}.html", render(page))
        write_json(place / REPORTS / f"{kind}.json", record)
        say(f"{place / REPORTS / kind}.html: {page.banner.verdict}")
    return place / REPORTS / "incidents.html"


def load() -> AiopsSection:
    """Load section ``aiops`` of ``params.yaml``."""
    return load_section("aiops", AiopsSection)


def main(params: AiopsSection) -> None:
    """Run the stage."""
    run(Path(), params.report_incidents)


if __name__ == "__main__":
    run_stage(STAGE, main, load=load)
